"""Runs on record: where a run's files lie and what run.json says of it."""

from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord

__all__ = ["RunDirectory", "RunRecord"]
