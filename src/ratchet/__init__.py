"""Ratchet: an experiment workflow that only moves forward."""

__version__ = "0.1.0"
