"""The settings of Hydra's own Optuna sweeper, `hydra.sweeper.n_trials` and the like, as those of a sweep here.

Nothing else knows them. docs/official.md has the table.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

import optuna
from hydra.core.override_parser.types import ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig
from pydantic import Field, PositiveInt

from ratchet.config.grammar import parse_override, to_override_value
from ratchet.errors import ConfigError, first_line
from ratchet.metrics import Direction
from ratchet.search.space.settings import Read, Section, SweepSettings, validated
from ratchet.search.space.space import Dimension

_HYDRAS = {"defaults", "_target_", "_recursive_", "_convert_", "sweeps", "nested", "keep_returns"}
_NUMERIC = {"n_trials", "n_jobs", "max_failure_rate", "search_space", "sampler", "pruner"}  # they have numbers
_TPE = {  # hydra/sweeper/sampler=tpe as the official plugin stores it, where it is installed beside
    "_target_": "optuna.samplers.TPESampler", "n_startup_trials": 10, "n_ei_candidates": 24, "multivariate": False,
    "group": False, "constant_liar": False,
}  # fmt: skip
_UNSAID = {  # what version 1.3 stores with its samplers and 1.4 does not: Optuna's defaults, some of them deprecated
    "consider_prior": True, "prior_weight": 1.0, "consider_magic_clip": True, "consider_endpoints": False,
    "warn_independent_sampling": True,
}  # fmt: skip
_MADE_BY_PLUGIN = re.compile(r"hydra_plugins\.hydra_optuna_sweeper\.\w+\.create_(nsgaii+)_sampler")
_OF_MOTPE = re.compile(r".*(MOTPESampler|raise_motpe_removed)")


class Parameter(Section):
    """An entry of `search_space`, as versions up to 1.3 have it."""

    type: Literal["int", "float", "categorical"]
    choices: list[Any] | None = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None

    def text(self, key: str) -> str:
        """The same in the override grammar. Raises ConfigError for one that lacks its bounds or choices."""
        if self.type == "categorical":
            if not self.choices:
                raise _lacking(key, "choices", "{type: categorical, choices: [a, b]}")
            return ",".join(map(to_override_value, self.choices))  # choice() takes no null
        if self.low is None or self.high is None:
            raise _lacking(key, "low or high", f"{{type: {self.type}, low: 0, high: 1}}")
        kind = int if self.type == "int" else float
        low, high = kind(self.low), kind(self.high)
        if self.step is not None and (self.step <= 0 or kind(self.step) != self.step):
            allowed = "a whole number, 1 or more" if kind is int else "a number above 0"
            raise ConfigError(
                f"hydra.sweeper.search_space.{key}.step is {self.step:g}; allowed: {allowed}; mend it, or leave it out"
            )
        if self.step is not None and not self.log and low < high:
            first, end, step = (Decimal(repr(each)) for each in (low, high, kind(self.step)))
            stop = first + (end - first) // step * step + (1 if kind is int else step / 2)  # just above the last value
            return f"range({low!r}, {kind(stop)!r}, {kind(step)!r})"
        interval = f"interval({low!r}, {high!r})"
        interval = f"int({interval})" if kind is int else interval
        return f"tag(log, {interval})" if self.log else interval


def _lacking(key: str, what: str, example: str) -> ConfigError:
    return ConfigError(f"hydra.sweeper.search_space.{key} has no {what}; allowed: {example}; or use params")


class Official(Section):
    """What a file for the official plugin may say of `hydra.sweeper`; null: nothing."""

    params: dict[str, Any] | None = None
    search_space: dict[str, Parameter] | None = None
    custom_search_space: str | None = None
    direction: Direction | Annotated[list[Direction] | dict[str, Direction], Field(min_length=1)] | None = None
    n_trials: PositiveInt | None = None
    n_jobs: PositiveInt | None = None
    max_failure_rate: float | None = Field(default=None, ge=0, le=1)
    study_name: str | int | None = None
    storage: str | dict[str, Any] | None = None
    sampler: dict[str, Any] = Field(default={})
    pruner: dict[str, Any] | None = None


@dataclass(frozen=True)
class CustomSpace:
    """A function of an application that suggests further parameters of a trial, given the config of the sweep."""

    path: str
    master: DictConfig

    def __call__(self, trial: optuna.Trial, fixed: Sequence[str]) -> list[str]:
        """Return what it suggests as overrides. Raises ConfigError for what is fixed already."""
        before = set(trial.params)
        for override in map(parse_override, fixed):
            trial.set_user_attr(override.get_key_element(), override.value())  # as the official plugin has them
        self.load()(self.master, trial)
        found = {name: value for name, value in trial.params.items() if name not in before}
        if double := {text.partition("=")[0] for text in fixed} & found.keys():
            raise ConfigError(f"{self.path} suggests {sorted(double)[0]}, which is fixed; leave one of them out")
        return [f"{name}={to_override_value(value)}" for name, value in found.items()]

    def load(self) -> Callable[[DictConfig, optuna.Trial], None]:
        """Return the function. Raises ConfigError for a path at which there is none."""
        module, _, name = self.path.rpartition(".")
        try:
            found: Callable[[DictConfig, optuna.Trial], None] = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"hydra.sweeper.custom_search_space={self.path}: {first_line(error)}; "
                "allowed: <module>.<function> of (config, trial); mend it, or leave it out"
            ) from error
        return found

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class Translated:
    """A sweep in Ratchet's terms."""

    sweeps: dict[str, SweepSettings]
    arguments: list[str]
    custom: CustomSpace | None = None
    max_failure_rate: float | None = None
    is_official: bool = False  # whether the official plugin's meaning was asked for
    notes: list[str] = field(default_factory=list)  # what means something else here


def translate(given: Mapping[str, Any], arguments: Sequence[str], *, launcher: str, master: DictConfig) -> Translated:
    """The sweep that `hydra.sweeper` asks for. Raises ConfigError.

    Without `sweeps` or any of the official plugin's settings it is what a comma or an interval on the command line
    mean; with one of them the command line means what it means there: all that is swept is one search.
    """
    said = {key: value for key, value in given.items() if key not in _HYDRAS}
    said |= _with_numbers({key: said[key] for key in _NUMERIC & said.keys()})
    official = _read(Official, said, "hydra.sweeper")
    sampler, notes = _sampler(official.sampler)
    told = [
        key for key in Official.model_fields if key not in {"sampler", "pruner"} and getattr(official, key) is not None
    ]
    told += ["sampler"] if any(value != _TPE.get(key) for key, value in sampler.items()) else []
    if sweeps := given["sweeps"]:
        if told:
            raise ConfigError(f"hydra.sweeper has both sweeps and {told[0]}; allowed: one of them; leave out the other")
        found = {str(name): _read(SweepSettings, said, f"hydra.sweeper.sweeps.{name}") for name, said in sweeps.items()}
        return Translated(found, [*arguments])
    common = {**_workers(official.n_jobs, launcher, notes), "pruner": official.pruner}
    if not set(told) - {"n_jobs"}:
        typed = any("interval" in text for text in arguments)
        return Translated(
            {"grid": _settings(common if typed else {**common, "pruner": None})}, [*arguments], notes=notes
        )
    if official.params is not None and official.search_space is not None:
        raise ConfigError(
            "hydra.sweeper has both params and search_space; allowed: one of them; leave out search_space"
        )
    space, fixed = _space(official, arguments, notes)
    seed = sampler.pop("seed", None)
    custom = CustomSpace(official.custom_search_space, master) if official.custom_search_space else None
    settings = _settings({
        **common, "space": space, "sampler": sampler, "seed": seed or 0, "champion_first": False,
        "objectives": _objectives(official.direction), "study": official.study_name,
        "storage": _storage(official.storage, notes),
        **({} if official.n_trials is None else {"n_trials": official.n_trials}),
    })  # fmt: skip
    notes += _differing(official, seed, varies=bool(space or custom))
    if len(settings.objectives) > 1:
        settings = settings.model_copy(update={"pruner": None})
    _check(settings, custom, official)
    return Translated({"search": settings}, fixed, custom, official.max_failure_rate, is_official=True, notes=notes)


def _with_numbers(given: Any) -> Any:
    """The same, with numbers where the environment had their text."""
    if isinstance(given, Mapping):
        return {key: _with_numbers(value) for key, value in given.items()}
    for kind in (int, float) if isinstance(given, str) else ():
        with suppress(ValueError):
            return kind(given)
    return given


def _read(of: type[Read], given: Any, prefix: str) -> Read:
    otherwise = "leave it out: docs/official.md has every key"
    return validated(of, given, where=f"{prefix}.", prefix=prefix, otherwise=otherwise)


def _settings(given: Mapping[str, Any]) -> SweepSettings:
    return _read(SweepSettings, given, "hydra.sweeper")


def _check(settings: SweepSettings, custom: CustomSpace | None, official: Official) -> None:
    """Raises ConfigError for a grid that is not run as a whole, or a function that is not there."""
    if custom is not None:
        custom.load()
    if settings.sampler["_target_"] != "optuna.samplers.GridSampler":
        return
    if custom is not None:
        raise ConfigError("sampler=grid cannot run a custom_search_space; type: hydra/sweeper/sampler=tpe")
    cells = 1
    for key, text in settings.space.items():
        cells *= len(Dimension.parse(key, text).cells() or [None])
    if official.n_trials is not None and official.n_trials < cells:
        raise ConfigError(
            f"hydra.sweeper.n_trials={official.n_trials}: the grid has {cells} combinations, each is run once; "
            f"type: hydra.sweeper.n_trials={cells}, or hydra/sweeper/sampler=random"
        )


def _space(official: Official, arguments: Sequence[str], notes: list[str]) -> tuple[dict[str, str], list[str]]:
    """The search space and what is fixed: `params`, and over them what was typed, the last of a key."""
    for key in (key for key, value in (official.params or {}).items() if isinstance(value, dict)):
        raise ConfigError(
            f"hydra.sweeper.params.{key} is a mapping; allowed: keys with dots, '{key}.<key>: interval(0, 1)'"
        )
    params = {key: one.text(key) for key, one in (official.search_space or {}).items()}
    params |= {
        key: value if isinstance(value, str) else to_override_value(value)
        for key, value in (official.params or {}).items()
    }
    space: dict[str, str] = {}
    fixed: dict[str, str] = {}
    for text in [*(f"{key}={value}" for key, value in params.items()), *arguments]:
        try:
            override = parse_override(text)
        except HydraException as error:
            raise ConfigError(
                f"hydra.sweeper.params: {text} cannot be read ({first_line(error)}); "
                "allowed: interval(low, high), range(start, stop), choice(a, b), a value"
            ) from error
        key = override.get_key_element()
        if override.value_type == ValueType.GLOB_CHOICE_SWEEP:
            raise ConfigError(f"{text}: a search cannot count these values; type: {key}=choice(<a>,<b>)")
        space.pop(key, None)
        fixed.pop(key, None)
        if override.is_sweep_override():
            space[key] = text.partition("=")[2]
        else:
            fixed[key] = text
    ranges = [key for key, text in space.items() if "range(" in text and key not in (official.search_space or {})]
    if ranges:
        keys = ", ".join(ranges)
        notes.append(
            f"hydra.sweeper.params: range() is without its stop, as Hydra's; versions 1.2, 1.3 had it in ({keys})"
        )
    return space, list(fixed.values())


def _sampler(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Optuna's class and what is set of it; what that class does not take is a note."""
    target = str(given.get("_target_", _TPE["_target_"]))
    if _OF_MOTPE.fullmatch(target):
        raise ConfigError(
            "hydra/sweeper/sampler=motpe: Optuna has it no more; use sampler=tpe; type: hydra/sweeper/sampler=tpe"
        )
    if found := _MADE_BY_PLUGIN.fullmatch(target):
        target = f"optuna.samplers.{found[1].upper()}Sampler"
    told = {
        key: value
        for key, value in given.items()
        if key not in {"_target_", "_partial_"} and value is not None and value != _UNSAID.get(key)
    }
    kind = getattr(optuna.samplers, target.rpartition(".")[2], None)
    known = set(inspect.signature(kind).parameters) if kind is not None else set(told)
    dropped = [key for key in told if key not in known | {"seed"}]
    notes = [f"hydra.sweeper.sampler.{key} is left out: {target} has none" for key in dropped]
    return {"_target_": target, **{key: value for key, value in told.items() if key not in dropped}}, notes


def _workers(n_jobs: int | None, launcher: str, notes: list[str]) -> dict[str, Any]:
    """How many trials are run at once, and by whom."""
    if n_jobs is None:
        return {}
    if launcher == "basic":
        if n_jobs > 1:
            notes.append(
                f"hydra.sweeper.n_jobs={n_jobs}: so many trials at once, each a process; none waits for a batch"
            )
        return {"n_jobs": n_jobs}
    notes.append(
        f"hydra.sweeper.n_jobs={n_jobs}: {launcher} places so many workers, or as many as trials are left; "
        "each runs trials until there are none"
    )
    return {"n_jobs": 1, "n_workers": n_jobs}


def _objectives(direction: Direction | list[Direction] | dict[str, Direction] | None) -> list[dict[str, Any]]:
    if isinstance(direction, dict):
        return [{"metric": name, "direction": each} for name, each in direction.items()]
    several = direction if isinstance(direction, list) else [direction] if direction else []
    names = ["value"] if len(several) == 1 else [f"value_{k}" for k in range(len(several))]
    return [{"metric": name, "direction": each} for name, each in zip(names, several, strict=True)]


def _storage(given: str | Mapping[str, Any] | None, notes: list[str]) -> str | None:
    """A URL or the path of a journal, of what Hydra would build too. Raises ConfigError for other storages."""
    if given is None or isinstance(given, str):
        return given
    backend = given.get("log_storage")
    file = backend if isinstance(backend, Mapping) else {}
    for found, said, key in ((given, "storage", "url"), (file, "storage.log_storage", "file_path")):
        if isinstance(found.get(key), str):
            dropped = [each for each in found if not (each == key or each.startswith("_"))]
            notes += [
                f"hydra.sweeper.{said}.{each} is left out: a storage is opened by its {key} alone" for each in dropped
            ]
            return str(found[key])
    raise ConfigError(
        f"hydra.sweeper.storage is {given.get('_target_')}; allowed: an Optuna URL, RDBStorage with a url, "
        "JournalStorage of a file; type: hydra.sweeper.storage=sqlite:///study.db"
    )


def _differing(official: Official, seed: int | None, *, varies: bool) -> list[str]:
    """A line for each setting that was set and means something else here."""
    found = {
        "max_failure_rate": official.max_failure_rate is not None
        and "a share of all trials, looked at in the end; a trial that fails ends no sweep",
        "storage": official.storage is not None
        and "the same command goes on with its study; n_trials counts all of its finished trials",
        "sampler.seed": seed is not None
        and "the same again gives the same trials, and not those of the official plugin",
        "n_trials": official.n_trials is not None and not varies and "nothing varies, so there is one trial",
    }
    return [f"hydra.sweeper.{key}: {said}" for key, said in found.items() if said]


_OWN_WORDS = {
    ", or your own in src/own": "",
    ", options are in sweeps/sampler/": "",
    ", options are in sweeps/pruner/": "",
    "hydra.sweeper.study is": "hydra.sweeper.study_name is",
    "sweep.study": "hydra.sweeper.study_name",
    "sweep/pruner=none": "hydra.sweeper.pruner=null",
    "sweep/sampler=nsga2": "hydra/sweeper/sampler=nsgaii",
    "sweep/sampler": "hydra/sweeper/sampler",
    "sweep.": "hydra.sweeper.",
}


def in_official_words(said: str, given: Mapping[str, Any]) -> str:
    """A message that names settings of a sweep, as they are typed where they are below `hydra.sweeper`."""
    words = _OWN_WORDS
    if given["sweeps"]:
        place = f"hydra.sweeper.sweeps.{next(iter(given['sweeps']))}."
        words = {"type: sweep.": f"type: ++{place}", "sweep.": place}
    for ours, theirs in words.items():
        said = re.sub(rf"(?<![a-z./]){re.escape(ours)}", theirs, said)
    return said
