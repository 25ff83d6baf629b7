"""What the jobs of one command line came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from ratchet.terminal.command import one_line


@dataclass(frozen=True)
class Success:
    """A job that trained."""

    name: str
    metric: str | None  # of the objective; None where nothing was validated
    value: float
    maximize: bool
    where: str  # its directory


@dataclass(frozen=True)
class Failure:
    """A job that did not."""

    name: str
    error: Exception


@dataclass
class Outcomes:
    """Every job so far. Hydra's own return values raise when they are read."""

    succeeded: list[Success] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)

    def show(self) -> None:
        """A table, best first by the direction of the objective, then what failed and why."""
        if not self.succeeded and not self.failed:
            return
        print()
        widest = max(len(name) for name in [job.name for job in self.succeeded] + [job.name for job in self.failed])
        for metric in sorted({job.metric or "" for job in self.succeeded}):
            jobs = [job for job in self.succeeded if (job.metric or "") == metric]
            print(f"{metric or 'without validation'}{f', best first of {len(jobs)}' if metric else ''}")
            for job in sorted(jobs, key=lambda each: -each.value if each.maximize else each.value):
                print(f"  {f'{job.value:.4f}' if metric else 'done'}  {job.name:{widest}}  {job.where}")
        for failure in self.failed:
            line = one_line(failure.error) or repr(failure.error)
            print(f"  failed  {failure.name:{widest}}  {line}")
