"""Runs on record: where a run's files lie and what run.json says of it."""

from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, whole_config

__all__ = ["RunDirectory", "RunRecord", "whole_config"]
