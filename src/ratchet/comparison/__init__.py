"""Runs on record side by side: a table by the rules of ratchet.evidence, files beside it, and a page."""
