"""Data: fetched, cleaned, split, normalised, described, and read through a guard. Imports no torch."""
