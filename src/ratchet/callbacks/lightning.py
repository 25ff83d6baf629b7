"""For Lightning, whichever of its two names the application imports it by."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ratchet.callbacks import report_metric

if TYPE_CHECKING:
    from pytorch_lightning import Callback
elif "lightning.pytorch" in sys.modules:
    from lightning.pytorch import Callback
else:
    try:
        from pytorch_lightning import Callback
    except ImportError:
        from lightning.pytorch import Callback


class ReportCallback(Callback):
    """Reports the logged metric `monitor` after each validation but the one that a trainer tries itself with."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking and trainer.state.fn == "fit":
            report_metric(trainer.callback_metrics, self.monitor, trainer.global_step)
