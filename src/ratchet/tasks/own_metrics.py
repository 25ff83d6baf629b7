"""Metrics by dotted path: any of torchmetrics, and a person's own, beside those that a task has."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ratchet.dotted import named_by
from ratchet.errors import ConfigError, failure
from ratchet.tasks.base import Arrays, Floats, Predictions, Resampled, Rows, Target

if TYPE_CHECKING:
    from torch import Tensor

SAYS = ("_target_", "direction", "range", "unit", "scores")  # what is said of a metric; all else are its arguments


class UnsuitedError(ConfigError):
    """A metric cannot be measured of what a task predicts."""


class OwnMetric:
    """A metric that conf/task names: a class or a function of what is predicted and what is true.

    It is given tensors as torchmetrics wants them: probabilities (n, classes), of a yes or no (n,), of labels
    (n, labels), or numbers (n,); and the true classes, 0 or 1, or numbers. It returns a number, or with
    `scores: examples` one for each example, whose mean is the metric.
    """

    def __init__(self, name: str, given: Mapping[str, Any], target: Target, *, two_way: bool) -> None:
        """`two_way`: of a class target one probability is predicted. Raises ConfigError for what cannot be built."""
        self.name, self.path = name, str(given["_target_"])
        self.minimized, self.of_examples = given.get("direction") == "minimize", given.get("scores") == "examples"
        made = _imported(name, self.path)
        arguments = {key: value for key, value in given.items() if key not in SAYS}
        known = inspect.signature(made).parameters
        kind = {"class": "binary" if two_way else "multiclass", "labels": "multilabel"}.get(target.kind)
        count = {"multiclass": "num_classes", "multilabel": "num_labels"}.get(str(kind))
        follows: dict[Any, Any] = {"task": kind, count: len(target.names)} if kind else {}
        arguments = {key: value for key, value in follows.items() if key in known} | arguments
        unknown = [key for key in arguments if key not in known]
        if unknown and not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            raise ConfigError(
                f"task.metrics.{name}.{unknown[0]}: {self.path} takes no {unknown[0]}; "
                f"allowed: {', '.join(known) or 'nothing'}; type: {_without(name)}"
            )
        if not kind and "task" in known and "task" not in arguments:
            self._refuse("it is for classes or labels, and the target is a number")
        self._thresholds = "threshold" not in arguments
        self._metric = self._made(made, arguments) if isinstance(made, type) else None
        self._function: Callable[..., Any] = lambda *both: made(*both, **arguments)
        higher = getattr(self._metric, "higher_is_better", None)
        if higher is not None and higher == self.minimized:
            right = "maximize" if higher else "minimize"
            raise ConfigError(
                f"task.metrics.{name}.direction={'minimize' if self.minimized else 'maximize'}, but {self.path} is "
                f"better the {'higher' if higher else 'lower'} it is; allowed: {right}; type: "
                f"task.metrics.{name}.direction={right}"
            )

    def __call__(self, arrays: Arrays) -> float:
        """Compute the metric."""
        return float(self.each(arrays).mean()) if self.of_examples else self._value(arrays)

    def or_nan(self, arrays: Arrays) -> float:
        """The metric; NaN where it cannot be measured of these examples."""
        try:
            return self(arrays)
        except UnsuitedError:
            return math.nan

    def each(self, arrays: Arrays) -> Floats:
        """The metric of each example (n,), where it is a mean of them."""
        found = np.asarray(self._measured(arrays).detach().double())
        if found.shape != (len(arrays.target),):
            self._refuse(f"it gives {found.shape} for {len(arrays.target)} examples, one number for each is needed")
        return found

    def _value(self, arrays: Arrays) -> float:
        found = self._measured(arrays)
        if found.numel() != 1:
            self._refuse(f"it gives {found.numel()} numbers, one is needed, or scores: examples")
        return float(found)

    def _measured(self, arrays: Arrays) -> Tensor:
        import torch

        both = torch.from_numpy(np.array(arrays.said)), torch.from_numpy(np.array(arrays.target))
        try:
            with warnings.catch_warnings(action="ignore"):
                if not hasattr(self._metric, "update"):
                    return torch.as_tensor((self._metric or self._function)(*both))
                metric: Any = self._metric
                if arrays.threshold is not None and self._thresholds and hasattr(metric, "threshold"):
                    metric.threshold = math.nextafter(arrays.threshold, 0)  # which says yes above it, not from it on
                metric.update(*both)
                try:
                    return torch.as_tensor(metric.compute())
                finally:
                    metric.reset()
        except Exception as error:  # noqa: BLE001 - the code may be anybody's
            self._refuse(failure(error))

    def _made(self, made: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        try:
            return made(**arguments)
        except Exception as error:  # noqa: BLE001 - the code may be anybody's
            self._refuse(failure(error))

    def _refuse(self, reason: str) -> NoReturn:
        raise UnsuitedError(
            f"task.metrics.{self.name}: {self.path} cannot be measured of this task: {reason}; "
            f"type: {_without(self.name)}"
        )


def suited(
    metrics: Mapping[str, Mapping[str, Any]], target: Target, *, two_way: bool, needed: str | None
) -> tuple[tuple[OwnMetric, ...], tuple[str, ...]]:
    """The metrics that can be measured of such a target, and what is said of the others. Raises where one is needed."""
    found, left_out = [], []
    for name, given in metrics.items():
        try:
            found.append(OwnMetric(name, given, target, two_way=two_way))
            found[-1](_some(target, two_way=two_way))
        except UnsuitedError as error:
            said = str(error).partition("; type:")[0]
            if name == needed:
                raise ConfigError(f"objective.metric=validation/{name}: {said}; type: objective.metric=null") from error
            found = [metric for metric in found if metric.name != name]
            left_out.append(f"{said}; it is left out")
    return tuple(found), tuple(left_out)


def _some(target: Target, *, two_way: bool) -> Arrays:
    """A few examples, each class or label among them, and what a model may say of them."""
    count = len(target.names)
    n = 4 * max(count, 2)
    shares = np.linspace(0.1, 0.9, n)
    if target.kind == "number":
        return Arrays(shares, shares[::-1].copy())
    if target.kind == "labels":
        return Arrays(np.resize(shares, (n, count)), (np.arange(n)[:, None] // (np.arange(count) + 1) % 2))
    said = np.full((n, count), 0.2 / count) + 0.8 * np.eye(count)[np.arange(n) // 2 % count]
    return Arrays(shares, np.arange(n) % 2, 0.5) if two_way else Arrays(said, np.arange(n) % count)


class WithOwnMetrics(Predictions):
    """Predictions that are measured by a person's metrics too."""

    def __init__(self, of: Predictions, own: Collection[OwnMetric]) -> None:
        self.of, self.own = of, {each.name: each for each in own}
        self.headline, self.shown = (*of.headline, *self.own), of.shown

    def __len__(self) -> int:
        return len(self.of)

    def arrays(self) -> Arrays:
        return self.of.arrays()

    def metrics(self, names: Collection[str] | None = None) -> dict[str, float | None]:
        asked = self.headline if names is None else names
        found: dict[str, float | None] = dict(self.of.metrics([name for name in asked if name not in self.own]))
        for name in (name for name in self.own if name in asked):
            value = self.own[name](self.arrays())
            found[name] = value if math.isfinite(value) else None
        return found

    def resampled(self, names: Collection[str]) -> Resampled:
        theirs = self.of.resampled([name for name in names if name not in self.own])
        asked = [name for name in self.own if name in names]

        def measure(weights: Floats) -> dict[str, Floats]:
            return {**theirs(weights), **{name: self._resampled(self.own[name], weights) for name in asked}}

        return measure

    def _resampled(self, metric: OwnMetric, weights: Floats) -> Floats:
        from scipy import sparse

        if metric.of_examples:  # sparse, because numpy's own product gives other last digits with more BLAS threads
            sums = sparse.csr_array(metric.each(self.arrays())[None]) @ weights
            return np.asarray(np.asarray(sums)[0] / weights.sum(axis=0))
        metric(self.arrays())  # raises where it cannot be measured at all
        drawn = (np.repeat(np.arange(len(self)), column.astype(np.int64)) for column in weights.T)
        return np.array([metric.or_nan(self.arrays().at(places)) for places in drawn])

    def effective_examples(self, name: str) -> float:
        return float(len(self)) if name in self.own else self.of.effective_examples(name)

    def scores(self, name: str) -> Floats:
        from ratchet.evidence.jackknife import jackknife

        if name not in self.own:
            return self.of.scores(name)
        metric, arrays = self.own[name], self.arrays()
        sign = -1.0 if metric.minimized else 1.0
        if metric.of_examples:
            return sign * metric.each(arrays)
        return sign * jackknife(lambda places: metric(arrays.at(places)), len(self))

    def mistakes(self, count: int) -> NDArray[np.intp]:
        return self.of.mistakes(count)

    def caption(self, index: int) -> str:
        return self.of.caption(index)

    def table(self) -> Rows:
        return self.of.table()

    def parts(self) -> list[dict[str, Any]]:
        return self.of.parts()

    def plots(self) -> dict[str, Rows]:
        return self.of.plots()


def _imported(name: str, path: str) -> Any:
    def refused(said: str, instead: Sequence[Sequence[str]] = ()) -> ConfigError:
        return ConfigError(f"{said}; type: {instead[0][0] if instead else _without(name)}")

    setting, allowed = f"task.metrics.{name}._target_", "a metric of torchmetrics, one of your own in src/own"
    found = named_by(path, setting=setting, allowed=allowed, refuse=refused, homes=("torchmetrics", "own"))
    if not callable(found):
        raise refused(f"{setting}={path} is no class or function; allowed: {allowed}")
    return found


def _without(name: str) -> str:
    return f"the same and ~task.metrics.{name}, to do without it"
