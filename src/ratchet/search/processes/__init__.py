"""Processes that are forked from a preloaded server, and what they say."""
