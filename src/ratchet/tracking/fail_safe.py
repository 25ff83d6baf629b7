"""A logger of a service that may fail: the run is worth more than its curves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger

from ratchet.config.hints import to_type
from ratchet.redaction import said_of
from ratchet.tracking.lineage import Material
from ratchet.tracking.wandb_run import Mode, WandbRun


class FailSafeLogger(Logger):
    """Passes on to another logger until that fails once: a line of warning, and it is told no more."""

    def __init__(self, logger: Logger, *, service: str) -> None:
        super().__init__()
        self._logger = logger
        self._service = service
        self._lost = False

    @property
    def name(self) -> str:
        return self._service

    @property
    def version(self) -> str:
        return ""

    @property
    def experiment(self) -> Any:
        """The service's own, for a person's module: what that does with it is not guarded."""
        return getattr(self._logger, "experiment", None)

    @property
    def tracks(self) -> bool:
        """Whether the logger is a W&B run."""
        return isinstance(self._logger, WandbRun)

    @property
    def mode(self) -> Mode:
        """Whether W&B has a server for it."""
        return self._logger.mode if isinstance(self._logger, WandbRun) else "offline"

    @property
    def lost(self) -> bool:
        """Whether the service has failed."""
        return self._lost

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: config.yaml holds the hyperparameters."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._unless_lost(lambda: self._logger.log_metrics(dict(metrics), step))

    def save(self) -> None:
        self._unless_lost(self._logger.save)

    def finalize(self, status: str) -> None:
        self._unless_lost(lambda: self._logger.finalize(status))

    def use(self, material: Material) -> None:
        """Tell the service that the run reads this material, for its graph of lineage."""
        run = self._logger
        if isinstance(run, WandbRun):
            self._unless_lost(lambda: run.use(material))

    def make(self, material: Material) -> None:
        """Tell the service that the run produced this material."""
        run = self._logger
        if isinstance(run, WandbRun):
            self._unless_lost(lambda: run.make(material))

    def finish(self, *, summary: Mapping[str, Any], tags: Iterable[str], exit_code: int) -> None:
        """Close it for good; W&B gets the summary, the tags and the exit code (0: completed)."""
        run = self._logger
        if not isinstance(run, WandbRun):
            self.finalize("success" if exit_code == 0 else "failed")
            return
        # Also when it is lost: an open session keeps its process.
        self._attempt(lambda: run.finish(summary=summary, tags=tags, exit_code=exit_code))

    def _unless_lost(self, action: Callable[[], object]) -> None:
        if not self._lost:
            self._attempt(action)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except TimeoutError:
            self._lose("did not take all of this run in time")
        except Exception as error:  # noqa: BLE001 - whatever the service does
            self._lose(f"lost this run ({said_of(error)})")

    def _lose(self, how: str) -> None:
        if not self._lost:
            again = f"; to upload it later, type: {to_type('wandb', 'sync', where)}" if (where := self._where()) else ""
            print(f"warning: {self._service} {how}; metrics.csv has it all{again}", file=sys.stderr)
        self._lost = True

    def _where(self) -> str | None:
        return self._logger.where() if isinstance(self._logger, WandbRun) else None
