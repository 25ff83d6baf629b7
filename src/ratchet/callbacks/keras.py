"""For Keras, and for loops that call on_epoch_end(epoch, logs) as Keras does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.callbacks import report_metric

try:
    from keras.callbacks import Callback
except ImportError:
    Callback = object


class ReportCallback(Callback):  # type: ignore[misc]
    """Reports the metric `monitor` after each epoch that has it: some are without validation."""

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor
        self._seen: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._seen |= logs or {}
        if logs and self.monitor in logs:
            report_metric(logs, self.monitor, epoch + 1)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if self._seen and self.monitor not in self._seen:
            report_metric(self._seen, self.monitor, 0)  # it says what there is
