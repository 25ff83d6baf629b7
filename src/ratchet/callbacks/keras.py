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
    """Reports the metric `monitor` after each epoch."""

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        report_metric(logs or {}, self.monitor, epoch + 1)
