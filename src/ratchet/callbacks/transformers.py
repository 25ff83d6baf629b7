"""For the Trainer of transformers."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ratchet.callbacks import report_metric
from ratchet.errors import ConfigError


class ReportCallback(TrainerCallback):  # type: ignore[misc]
    """Reports the metric `monitor` of each evaluation, named with or without `eval_`, as metric_for_best_model is."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor if monitor.startswith("eval_") else f"eval_{monitor}"
        self._seen: dict[str, Any] = {}

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics = kwargs.get("metrics") or {}
        self._seen |= metrics
        if self.monitor in metrics:  # of several data sets each has an evaluation of its own
            report_metric(metrics, self.monitor, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self._seen:
            raise ConfigError(
                f"monitor={self.monitor}: nothing was evaluated; type: eval_strategy='epoch' in its arguments"
            )
        if self.monitor not in self._seen:
            report_metric(self._seen, self.monitor, state.global_step)  # it says what there is
