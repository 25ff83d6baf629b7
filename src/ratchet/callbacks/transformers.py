"""For the Trainer of transformers."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from ratchet.callbacks import report_metric
from ratchet.errors import ConfigError
from ratchet.search.processes.channel import current_trial


class ReportCallback(TrainerCallback):  # type: ignore[misc]
    """Reports the metric `monitor` of each evaluation of a training.

    It is named with or without `eval_`, as metric_for_best_model is.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor if monitor.startswith("eval_") else f"eval_{monitor}"
        self._seen: dict[str, Any] = {}
        self._is_training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._seen, self._is_training = {}, True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if not self._is_training:
            return
        metrics = kwargs.get("metrics") or {}
        self._seen |= metrics
        if self.monitor in metrics:  # of several data sets each has an evaluation of its own
            report_metric(metrics, self.monitor, state.global_step)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._is_training = False
        if not self._seen and current_trial() is not None:
            raise ConfigError(
                f"monitor={self.monitor}: nothing was evaluated; type: eval_strategy='epoch' in its arguments"
            )
        if self.monitor not in self._seen:
            report_metric(self._seen, self.monitor, state.global_step)  # it says what there is
