"""Paths of promotion: its runs, its journal, the history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ratchet.project import Project


@dataclass(frozen=True)
class PromotionPaths:
    """Paths of all files that promotion writes."""

    project: Project

    @property
    def runs(self) -> Path:
        """All runs but the champion's."""
        return self.project.runs.absolute()

    @property
    def sweeps(self) -> Path:
        """A directory for each study."""
        return self.runs / "sweeps"

    @property
    def kept(self) -> Path:
        """Runs of the gate: a directory for each configuration, in it one for each seed."""
        return self.runs / "promotions"

    @property
    def uses(self) -> Path:
        """A line for each look at the confirm split."""
        return self.kept / "confirm.jsonl"

    @property
    def journal(self) -> Path:
        """What a promotion that is being written would put back."""
        return self.kept / "journal"

    @property
    def lock(self) -> Path:
        """Held by the one promotion that may run."""
        return self.kept / "lock"

    def before(self, number: int) -> Path:
        """The files as they were before promotion `number`: what --undo puts back."""
        return self.kept / "before" / str(number)

    @property
    def history(self) -> Path:
        """champions.jsonl: a line for each champion and each undo, kept by git."""
        return self.project.root / "champions.jsonl"

    @property
    def plot(self) -> Path:
        """The champion's number over time."""
        return self.project.root / "champions.svg"
