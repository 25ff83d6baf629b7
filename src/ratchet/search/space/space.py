"""Search spaces: Hydra's override grammar as Optuna's distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ratchet.config.grammar import parse_override, to_override_value, values_of, written_values
from ratchet.config.hints import to_type
from ratchet.errors import ConfigError, first_line

_ALLOWED = "allowed: interval(low, high), int(interval(low, high)), tag(log, interval(low, high)), range, choice(a, b)"


@dataclass(frozen=True)
class Dimension:
    """One key of the config that may vary."""

    key: str
    text: str  # as it was written
    distribution: BaseDistribution
    texts: Mapping[Any, str] = field(default_factory=dict)  # of a choice: how each value is written as an override
    option: str = ""  # where the sampled option of a group decides that it varies

    @property
    def name(self) -> str:
        """Optuna's parameter. `model.width` of a gru and of a cnn are two: their values cannot be compared."""
        return f"{self.key} ({self.option})" if self.option else self.key

    @classmethod
    def parse(cls, key: str, text: str) -> Dimension:
        """Parse the search space of one key from `key=text`. Raises ConfigError for what is no space."""
        try:
            override = parse_override(f"{key}={text}")
        except HydraException as error:
            raise ConfigError(f"space of {key}: {text} cannot be read ({first_line(error)}); {_ALLOWED}") from error
        return cls.of(override, text)

    @classmethod
    def of(cls, override: Override, text: str) -> Dimension:
        """Return the search space of a parsed override. Raises ConfigError for what is no space or has no values."""
        key = override.get_key_element()
        value = override.value()
        tags: set[str] = getattr(value, "tags", None) or set()
        if isinstance(value, IntervalSweep):
            assert value.start is not None
            assert value.end is not None
            return cls(key, text, _interval(key, value.start, value.end, log="log" in tags))
        if isinstance(value, RangeSweep):
            return cls(key, text, _range(key, value, values_of(override), log="log" in tags))
        if not isinstance(value, ChoiceSweep):
            raise ConfigError(
                f"space of {key}: {text} is a single value; {_ALLOWED}; or type: {to_type(f'{key}={text}')}"
            )
        values = values_of(override)
        written = written_values(override)
        texts = dict(zip(_labels(values, written), written, strict=True))
        if not texts:
            raise ConfigError(f"space of {key}: {text} has no values; {_ALLOWED}")
        return cls(key, text, CategoricalDistribution(tuple(texts)), texts)

    def suggest(self, trial: Trial) -> Any:
        """Return the sampler's value for a trial."""
        kind = self.distribution
        if isinstance(kind, FloatDistribution):
            return trial.suggest_float(self.name, kind.low, kind.high, step=kind.step, log=kind.log)
        if isinstance(kind, IntDistribution):
            return trial.suggest_int(self.name, kind.low, kind.high, step=kind.step, log=kind.log)
        assert isinstance(kind, CategoricalDistribution)
        return trial.suggest_categorical(self.name, kind.choices)

    def override(self, value: Any) -> str:
        """One value as Hydra takes it."""
        return f"{self.key}={self.texts[value] if self.texts else to_override_value(value)}"

    def label_of(self, value: Any) -> Any:
        """The value as the distribution knows it; None where it does not lie in this space."""
        if self.texts:
            text = to_override_value(value)
            return next((label for label, written in self.texts.items() if written == text or label == value), None)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        internal = float(value)
        return value if self.distribution._contains(internal) else None

    def read(self, text: str) -> Any:
        """The value of this space that is written as `text` in trials.csv; None where there is none."""
        kind = self.distribution
        if isinstance(kind, CategoricalDistribution):
            return next((label for label in kind.choices if str(label) == text), None)
        try:
            return self.label_of(int(text) if isinstance(kind, IntDistribution) else float(text))
        except ValueError:
            return None

    def distance(self, one: Any, other: Any) -> float:
        """Return the distance of two values as a share of the dimension on its scale; two options are 1 apart."""
        kind = self.distribution
        if not isinstance(kind, IntDistribution | FloatDistribution) or kind.low == kind.high:
            return float(one != other)
        low, high, a, b = (math.log(x) if kind.log else x for x in (kind.low, kind.high, one, other))
        return float(abs(a - b) / (high - low))

    def cells(self) -> list[Any] | None:
        """Each value of a discrete space; None for a continuous one."""
        kind = self.distribution
        if isinstance(kind, CategoricalDistribution):
            return list(kind.choices)
        if isinstance(kind, IntDistribution):
            return list(range(kind.low, kind.high + 1, kind.step))
        if isinstance(kind, FloatDistribution) and kind.step is not None:
            return [kind.low + step * kind.step for step in range(round((kind.high - kind.low) / kind.step) + 1)]
        return None

    def ends(self) -> list[Any]:
        """The values that have to compose before anything runs: each choice, or both ends."""
        kind = self.distribution
        if isinstance(kind, CategoricalDistribution):
            return list(kind.choices)
        assert isinstance(kind, IntDistribution | FloatDistribution)
        return list(dict.fromkeys([kind.low, kind.high]))


@dataclass(frozen=True)
class SearchSpace:
    """What may vary always, and what may vary where an option of a group is chosen."""

    common: tuple[Dimension, ...] = ()
    options: Mapping[str, Mapping[str, tuple[Dimension, ...]]] = field(default_factory=dict)  # group, option

    @property
    def is_conditional(self) -> bool:
        """Whether a sampled choice decides what else is sampled."""
        return any(dimension.key in self.options for dimension in self.common)

    def dimensions(self, chosen: Mapping[str, str]) -> Iterator[Dimension]:
        """What varies, given the chosen option of each group; a key that is said twice varies as `common` says."""
        yield from self.common
        common = {dimension.key for dimension in self.common}
        for group, options in self.options.items():
            for dimension in options.get(chosen.get(group, ""), ()):
                if dimension.key not in common:
                    yield dimension

    def everything(self) -> Iterator[Dimension]:
        """Every dimension of every option."""
        yield from self.common
        for options in self.options.values():
            for dimensions in options.values():
                yield from dimensions

    def branches(self, chosen: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Every choice of a group that the space leaves open, on top of `chosen`."""
        open_groups = [dimension for dimension in self.common if dimension.key in self.options]
        yield from _products(dict(chosen), open_groups)

    def suggest(self, trial: Trial, chosen: Mapping[str, str]) -> list[str]:
        """Let the sampler choose a value for each dimension. Returns overrides."""
        values: dict[str, Any] = {}
        overrides = []
        for dimension in self.common:
            values[dimension.key] = dimension.suggest(trial)
            overrides.append(dimension.override(values[dimension.key]))
        now = {**chosen, **{key: str(value) for key, value in values.items() if key in self.options}}
        for dimension in self.dimensions(now):
            if dimension.key not in values:
                values[dimension.key] = dimension.suggest(trial)
                overrides.append(dimension.override(values[dimension.key]))
        return overrides

    def distance(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
        """Return the distance of two trials' parameters in the unit cube, along the axis in which they differ most."""
        if one.keys() != other.keys():
            return 1.0
        by_name = {dimension.name: dimension for dimension in self.everything()}
        return max((by_name[name].distance(value, other[name]) for name, value in one.items()), default=0.0)

    def without(self, keys: set[str]) -> SearchSpace:
        """The same, but these keys are fixed."""
        return SearchSpace(
            tuple(dimension for dimension in self.common if dimension.key not in keys),
            {
                group: {
                    option: tuple(dimension for dimension in dimensions if dimension.key not in keys)
                    for option, dimensions in options.items()
                }
                for group, options in self.options.items()
            },
        )

    def reachable(self, chosen: Mapping[str, str]) -> SearchSpace:
        """Leave out the dimensions that no branch comes to."""
        branches = list(self.branches(chosen))
        options = {
            group: {
                option: space for option, space in by_option.items() if any(b.get(group) == option for b in branches)
            }
            for group, by_option in self.options.items()
        }
        return SearchSpace(self.common, options)

    def described(self) -> dict[str, str]:
        """Key or `group=option: key` to the space as it was written: what a study is known by."""
        lines = {dimension.key: dimension.text for dimension in self.common}
        for group, options in self.options.items():
            for option, dimensions in options.items():
                lines |= {f"{group}={option}: {dimension.key}": dimension.text for dimension in dimensions}
        return lines


def _products(chosen: dict[str, str], groups: list[Dimension]) -> Iterator[dict[str, str]]:
    if not groups:
        yield chosen
        return
    for value in groups[0].cells() or []:
        yield from _products({**chosen, groups[0].key: str(value)}, groups[1:])


def _labels(values: list[Any], written: list[str]) -> list[Any]:
    """Optuna's choices: plain scalars as they are, the rest (lists, mappings, NaN) as written.

    Values that Python holds to be equal, such as 1, 1.0 and true, are written ones too.
    """
    plain = [
        value
        if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))
        else text
        for value, text in zip(values, written, strict=True)
    ]
    return plain if len(set(plain)) == len(plain) else written


def _interval(key: str, low: float, high: float, *, log: bool) -> BaseDistribution:
    _require_order(key, low, high, log=log)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _range(key: str, value: RangeSweep, values: list[Any], *, log: bool) -> BaseDistribution:
    """Hydra's range leaves its stop out, Optuna's bounds are part of it."""
    if not values:
        raise ConfigError(f"space of {key}: range({value.start}, {value.stop}) has no values; {_ALLOWED}")
    if log:
        raise ConfigError(f"space of {key}: a range has no logarithm; allowed: tag(log, int(interval(low, high)))")
    low, high, step = min(values), max(values), abs(value.step)
    if all(isinstance(each, int) for each in values):
        return IntDistribution(low, high, step=int(step))
    steps = (len(values) - 1) * Decimal(str(step))  # Hydra adds them up as floats, Optuna divides by them exactly
    return FloatDistribution(low, float(Decimal(str(low)) + steps), step=float(step))


def _require_order(key: str, low: float, high: float, *, log: bool) -> None:
    if low > high:
        wanted = f"interval({high}, {low})"
        hint = to_type(f"{key}=tag(log, {wanted})" if log and high > 0 else f"{key}={wanted}")
        raise ConfigError(f"space of {key}: low {low} is above high {high}; type: {hint}")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"space of {key}: {low} to {high} has no end; allowed: finite bounds")
    if log and low <= 0:
        wanted = f"tag(log, interval({min(1e-6, high / 1000)}, {high}))" if high > 0 else f"interval({low}, {high})"
        said = f"space of {key}: log of {low}; allowed: a low bound above 0"
        raise ConfigError(f"{said}; type: {to_type(f'{key}={wanted}')}")
