"""What a file in sweeps/ may say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)

from ratchet.config.grammar import assignment, shown
from ratchet.config.hints import to_type
from ratchet.config.rules import keys_at, rule_at
from ratchet.config.tree import exists, value_at
from ratchet.errors import ConfigError
from ratchet.names import nearest, suggestion

_FILE_NAME = re.compile(r"(?!\.*$)(?=.*\S)[^/\\\x00-\x1f\x7f]{1,120}")  # of a directory: a study has one
Space = dict[str, str]  # key of the config: values in the override grammar

EXAMPLES = {  # of what no default shows
    "objectives": "sweep.objectives='[{metric: validation/accuracy}]'",
    "constraints": "sweep.constraints='[\"parameters <= 20000\"]'",
    "recheck": "sweep.recheck.top=3",
    "sampler": "sweep/sampler=tpe",
    "pruner": "sweep/pruner=none",
}


class Section(BaseModel):
    """Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Objective(Section):
    """A number that a trial gives, and which way is better; null: as the application says of the metric."""

    metric: str
    direction: Literal["maximize", "minimize"] | None = None


class Recheck(Section):
    """The best trials once more, on fresh seeds."""

    top: NonNegativeInt = 0  # how many; 0: none
    seeds: PositiveInt = 2


class SweepSettings(Section):
    """One sweep: what is asked, of whom, how often."""

    n_trials: PositiveInt = 20  # finished trials of a study; a grid has as many as it has cells
    objectives: list[Objective] = []  # none: the config's objective
    constraints: list[str] = []  # such as "parameters <= 20000"; only what holds to them can be best
    space: Space = {}
    options: dict[str, dict[str, Space]] = {}  # group: option: what may vary where that option is chosen
    sampler: dict[str, Any] = Field(default={"_target_": "optuna.samplers.TPESampler"})
    pruner: dict[str, Any] | None = None
    champion_first: bool = True  # the values that are now in conf/ are the first trial
    warm_start: NonNegativeInt = 4  # best settings of earlier studies, at most; of half of the trials at most
    repeats: PositiveInt = 1  # seeds of one configuration; the objective is their mean
    recheck: Recheck = Recheck()
    retries: NonNegativeInt = 2  # of a trial whose process was killed
    timeout: PositiveFloat | None = None  # seconds; then no trial is started any more
    trial_timeout: PositiveFloat | None = None  # seconds of one training
    n_jobs: PositiveInt | None = None  # trials at once in one worker; null: as many as threads or GPUs allow
    n_workers: PositiveInt = 1  # placed by hydra/launcher
    study: str | None = None  # its name; null: made from the command
    storage: str | None = None  # an Optuna URL; null: a journal file in the study's directory
    seed: NonNegativeInt = 0  # of the sampler
    dry_run: bool = False  # say what would be run, and run nothing

    @field_validator("study", mode="before")
    @classmethod
    def _name(cls, name: Any) -> Any:
        """A number names a study as well as text does."""
        text = str(name) if isinstance(name, int | float) and not isinstance(name, bool) else name
        if isinstance(text, str) and not _FILE_NAME.fullmatch(text):
            plain = re.sub(r"[^A-Za-z0-9._=-]+", "-", text).strip(".-")[:120] or "search"
            raise ValueError(
                f"study is {text[:60]!r}; allowed: a name without /, at most 120 characters; "
                f"type: {to_type(assignment('sweep.study', plain))}"
            )
        return text

    @field_validator("constraints")
    @classmethod
    def _bounds(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            Bound.parse(text)
        return constraints

    @property
    def bounds(self) -> list[Bound]:
        """Parsed constraints of the study."""
        return [Bound.parse(text) for text in self.constraints]


class Bound(Section):
    """`metric <= limit` or `metric >= limit`."""

    metric: str
    sign: Literal[-1, 1]
    limit: float

    @classmethod
    def parse(cls, text: str) -> Bound:
        """Raises ValueError for anything else."""
        found = re.fullmatch(r"\s*(\S+)\s*(<=|>=)\s*(\S+)\s*", text)
        try:
            assert found is not None
            return cls(metric=found[1], sign=1 if found[2] == "<=" else -1, limit=float(found[3]))
        except (AssertionError, ValueError):
            raise ValueError(
                f"{text!r} is no bound; allowed: <metric> <= <number>, or >=; type: {EXAMPLES['constraints']}"
            ) from None

    def excess(self, metrics: dict[str, float]) -> float:
        """How far beyond the limit; at most 0 where the bound holds. NaN counts as beyond."""
        excess = self.sign * (metrics[self.metric] - self.limit)
        return excess if excess == excess else float("inf")  # noqa: PLR0124 - NaN alone differs from itself


Read = TypeVar("Read", bound=Section)


def read_settings(name: str, given: Any) -> SweepSettings:
    """What the sweep `name` says, checked. Raises ConfigError: what was got, what is allowed, what to type."""
    said = f"mend it in sweeps/{name}.yaml, or leave it out: sweeps/base.yaml has every key"
    return validated(SweepSettings, given, where=f"sweep={name}: ", prefix="sweep", otherwise=said, examples=EXAMPLES)


def validated(
    of: type[Read], given: Any, *, where: str, prefix: str, otherwise: str, examples: Mapping[str, str] | None = None
) -> Read:
    """Settings, checked. Raises ConfigError: after `where` what was got and what is allowed, then what to type.

    That is the default below `prefix`; of a key of `examples` that; `otherwise` where there is none.
    """
    try:
        return of.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
        if problem["type"] == "value_error":
            raise ConfigError(f"{where}{problem['ctx']['error']}") from error
        path = _path(problem["loc"], given)
        told = _unknown(path, given, of) if problem["type"] == "extra_forbidden" else _wrong(path, given, of)
        hint = (examples or {}).get(str(path[0])) or _usual(path, of, prefix)
        raise ConfigError(f"{where}{told}; {f'type: {hint}' if hint else otherwise}") from error


def _path(places: Sequence[str | int], given: Any) -> list[str | int]:
    """Where a problem lies, without the parts by which pydantic names the options of a union."""
    path: list[str | int] = []
    for part in places:
        if isinstance(value_at(given, _dotted(path)), dict | list) and "[" not in str(part):
            path.append(part)
    return path


def _unknown(path: Sequence[str | int], given: Any, of: type[Section]) -> str:
    *parent, key = path
    return f"{_dotted(path)}: there is no such key; {suggestion(str(key), keys_at(parent, given, of=of))}"


def _wrong(path: Sequence[str | int], given: Any, of: type[Section]) -> str:
    key, rule = _dotted(path), rule_at(path, given, of=of)
    got = f"is {shown(value_at(given, key))}" if exists(given, key) else "is missing"
    return f"{key} {got}; allowed: {rule}"


def _usual(path: Sequence[str | int], of: type[Section], prefix: str) -> str:
    """The default of a key, or of the one that was meant, as it is typed; nothing where it is a section."""
    *parent, last = path
    keys, usual = keys_at(parent, {}, of=of), of().model_dump()
    meant = [str(last)] if last in keys else nearest(str(last), keys)
    key = _dotted([*parent, *meant[:1]])
    if not meant or isinstance(value_at(usual, key), dict):
        return ""
    return to_type(assignment(f"{prefix}.{key}", value_at(usual, key)))


def _dotted(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))
