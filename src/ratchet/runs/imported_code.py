"""Imported by a server that trials are forked from, for what its import does: the code that they run is of now."""

from pathlib import Path

from ratchet.runs.provenance import remember_code

remember_code(Path.cwd())
