"""A logger of a service that may fail: the run is worth more than its curves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers.logger import Logger


class Guarded(Logger):
    """Passes on to another logger until that fails once: a line of warning, and it is told no more."""

    def __init__(self, logger: Logger, *, service: str, session: Any = None) -> None:
        super().__init__()
        self._logger = logger
        self._service = service
        self._session = session  # W&B's own, which is finished in its own way
        self._lost = False

    @property
    def name(self) -> str:
        return self._service

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """config.yaml holds them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._unless_lost(lambda: self._logger.log_metrics(dict(metrics), step))

    def save(self) -> None:
        self._unless_lost(self._logger.save)

    def finalize(self, status: str) -> None:
        self._unless_lost(lambda: self._logger.finalize(status))

    def finish(self, *, summary: Mapping[str, Any], exit_code: int) -> None:
        """Close it for good; W&B gets the summary and the exit code (0: completed)."""
        if self._session is None:
            self.finalize("success" if exit_code == 0 else "failed")
            return
        self._unless_lost(lambda: self._session.summary.update(dict(summary)))
        # Also when it is lost: the next run of this process would take an open session for its own.
        self._attempt(lambda: self._session.finish(exit_code=exit_code))

    def _unless_lost(self, action: Callable[[], object]) -> None:
        if not self._lost:
            self._attempt(action)

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - whatever the service does
            if not self._lost:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"warning: {self._service} lost this run ({reason}); metrics.csv has it all", file=sys.stderr)
            self._lost = True
