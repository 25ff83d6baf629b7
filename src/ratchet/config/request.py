"""What is to be composed, and what is said where it cannot be: a hint that was tried out."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ratchet.config.composed import composed, hydras_own
from ratchet.config.environment import plain_with_references
from ratchet.config.explanation import explain
from ratchet.config.following import IDLE
from ratchet.config.grammar import assignment, each_of, first, key_of, parse_override
from ratchet.config.groups import chooses, default_choices, is_group, options
from ratchet.config.hints import EVERY_KEY, LONGEST, OverrideError, to_type, unquoted
from ratchet.config.override_errors import OverrideContext, override_error
from ratchet.config.params import params_overrides, without_params
from ratchet.config.schema import Config
from ratchet.config.tree import exists
from ratchet.config.validation import validate, values_for
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.yaml_files import content, flow


@dataclass(frozen=True)
class Request:
    """What is to be composed: a config directory, params.yaml's choices, and then what was typed."""

    directory: Path
    params: tuple[str, ...] = ()
    typed: tuple[str, ...] = ()
    multirun: bool = False
    notices: list[str] = field(
        default_factory=list
    )  # what was set aside: of params.yaml; once composed, of conf/tuned/
    line: tuple[str, ...] | None = None  # what was typed after train.py; None: another script, or a resumed run
    check: Callable[[Config], object] = lambda _: None  # raises OverrideError for what only the named classes know
    root: Path | None = None  # of the project, for the names of files; None: beside the config directory

    @classmethod
    def of(cls, project: Project, typed: Sequence[str], *, multirun: bool = False, trains: bool = True) -> Request:
        """Params.yaml first, then what was typed, which wins. With `params=null` typed, params.yaml is not read.

        Raises ConfigError for a params.yaml that is none.
        """
        line = tuple(typed) if trains else None
        typed, alone = without_params(typed)
        params, notices = ([], []) if alone else params_overrides(project, typed)
        return cls(project.conf.resolve(), tuple(params), tuple(typed), multirun, notices, line)

    def notify(self) -> None:
        """Say on stderr what was set aside, once nothing else is wrong."""
        for notice in self.notices:
            print(f"note: {notice}", file=sys.stderr)

    @property
    def overrides(self) -> list[str]:
        """All overrides that Hydra is given, in order."""
        return [*self.params, *self.typed]

    @property
    def every_key(self) -> str:
        """The command that prints the config of what was chosen."""
        chosen = [text for text in self._choices if text in self.typed]
        return EVERY_KEY.replace(" --", "".join(f" {to_type(text)}" for text in chosen) + " --", 1)

    @property
    def known(self) -> dict[str, Any]:
        """The config with every valid choice of an option, and no value overridden. Empty where conf/ is broken."""
        return self._known[0]

    @cached_property
    def _known(self) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
        """Known, and the files that it is of, in order, each with its package."""
        for overrides in (self._choices, []):
            try:
                config, loader = composed(self.directory, overrides)
                plain = OmegaConf.to_container(config, resolve=False)
            except Exception:  # noqa: BLE001 - it has no names to suggest then; the first error is what counts
                continue
            assert isinstance(plain, dict)
            return {str(key): value for key, value in plain.items()}, loader.files
        return {}, ()

    @cached_property
    def _choices(self) -> list[str]:
        """The valid choices of one option."""
        valid = OverrideContext(self.directory, {}, multirun=False)
        return [text for text in self.overrides if chooses(text, self.directory) and not override_error(text, valid)]

    def compose(self) -> Config:
        """The checked config. Raises ConfigError."""
        with self.explained():
            config, loader = composed(self.directory, self.overrides)
            plain = plain_config(config)
        self.notices.extend(line for line in loader.left_out if line not in self.notices)
        return self.checked(plain)

    def checked(self, plain: dict[str, Any]) -> Config:
        """What was composed of this request, checked. Raises ConfigError, which says what to type or where to mend."""
        try:
            config = validate(plain, usual=lambda: self.known)
            refuse_idle(config, self.typed, every_key=self.every_key)
            self.check(config)
            return config
        except OverrideError as mistake:
            self._refuse_mistakes(self.typed)  # what is wrong with an override by itself says more
            raise self._settled(mistake) from mistake

    @contextmanager
    def explained(self) -> Iterator[None]:
        """What is raised while composing becomes a ConfigError that names the mistaken override or file."""
        try:
            yield
        except ConfigError:
            raise
        except Exception as error:
            self._refuse_mistakes([*self.typed, *self.params])
            explained = explain(error, directory=self.directory)
            if explained is None:
                raise
            if isinstance(explained, OverrideError):
                explained = self._settled(self._of_one(explained))
            raise explained from error

    def refuse_wrong_options(self) -> None:
        """Raises ConfigError for a choice of an option that is not there, also among several, or for no section."""
        suspects = [text for text in self.overrides if chooses(text, self.directory) or self._has_no_section(text)]
        self._refuse_mistakes(suspects)

    def _has_no_section(self, text: str) -> bool:
        key = key_of(text)
        return key is None or key.partition(".")[0] not in self.known

    def _refuse_mistakes(self, texts: Sequence[str]) -> None:
        around = self._around()
        for text in texts:
            if mistake := override_error(text, around):
                raise self._settled(mistake)

    def _around(self) -> OverrideContext:
        chosen = [text for text in self.params if chooses(text, self.directory)]
        here = {text.partition("=")[0]: text.partition("=")[2] for text in chosen}
        return OverrideContext(
            self.directory, self.known, self.multirun,
            several=None if self.line is None else to_type("python", "src/train.py", "-m", *self.line),
            choices={
                **default_choices(self.directory),
                **{group: name for group, name in here.items() if name in options(self.directory, group)},
            },
            hydra=lambda: hydras_own(self.directory, [text for text in self.overrides if text.startswith("hydra/")]),
            accepts=lambda text: self._accepts([text], OverrideError("", text=text), [text]),
            others=tuple(self.overrides),
        )  # fmt: skip

    def _of_one(self, mistake: OverrideError) -> OverrideError:
        """What Hydra says of everything, as of the one override without which it composes, where there is one."""
        if mistake.key:
            return mistake
        for text in self.typed:
            try:
                composed(self.directory, [each for each in self.overrides if each != text])
            except Exception:  # noqa: BLE001 - it is not this one alone
                continue
            key, _, value = text.partition("=")
            quoted = [[assignment(key, unquoted(value))]] if value else []
            return OverrideError(f"{text}: {mistake.said}", text=text, instead=[*quoted, *self._around().usual(key)])
        return mistake

    def _settled(self, mistake: OverrideError) -> ConfigError:
        """The error whose hint is accepted: each override that may have been meant is tried out."""
        texts = [mistake.text] if mistake.text else self._setting(mistake.key)
        file = None if set(texts) & set(self.typed) or not mistake.key else self._file_of(mistake.key)
        file = None if texts and self.root is None else file
        if file is not None and self.root is not None:  # a resumed run keeps its settings: none can be typed
            return ConfigError(f"{mistake.said}; mend it in {file}, then type the same again")
        if mistake.key:  # what stands there where nobody types it is tried last
            mistake.instead += values_for(mistake.key.split("."), {}, self.known)
        plus = [key_of(text) or "" for text in self.overrides if text.startswith("+")]
        added = {key for key in plus if not exists(self.known, key)}  # Hydra takes them with their plus alone
        mistake.instead = [[f"+{text}" if key_of(text) in added else text for text in each] for each in mistake.instead]
        mistake.otherwise = mistake.otherwise.replace(EVERY_KEY, self.every_key)
        found = mistake.accepted(lambda each: self._accepts(each, mistake, texts))
        if texts and not set(texts) & set(self.typed):
            return _of_params(mistake, found)
        if file is not None:
            mistake.otherwise = f"mend it in {file}, then type the same again"
            mistake.note += f", or mend it in {file}"
        return mistake.settled(found)

    def _setting(self, key: str) -> list[str]:
        """The overrides that set a value, or something inside it, or all that is around it."""
        keys = {text: key_of(text) or "" for text in self.overrides if not chooses(text, self.directory)}
        return [text for text, k in keys.items() if key and (_is_in(key, k) or _is_in(k, key))]

    def _accepts(self, candidate: Sequence[str], mistake: OverrideError, texts: Sequence[str]) -> bool:
        """Whether a config composes, and has no such mistake any more, with these overrides in place of `texts`."""
        keys = [key for text in candidate if (key := key_of(text)) is not None]
        chosen = tuple(text for text in candidate if chooses(text, self.directory))
        there = replace(self, typed=(*self.typed, *chosen)) if chosen else self
        around = replace(there._around(), accepts=lambda _: True)
        if len(to_type(*candidate)) > LONGEST or any(override_error(text, around) for text in candidate):
            return False
        alone = OverrideContext(self.directory, self.known, multirun=False)
        others = [
            one for text in self.overrides if text not in texts and key_of(text) not in keys for one in first(text)
        ]
        others = [text for text in others if not override_error(text, alone)]
        try:
            for each in itertools.product(*map(each_of, candidate)):
                config, _ = composed(self.directory, [*others, *each])
                self.check(validate(plain_config(config)))
        except OverrideError as other:
            inside = (k for k in keys if not is_group(self.directory, k))
            return other.said != mistake.said and not any(_is_in(other.key, k) for k in inside)
        except Exception:  # noqa: BLE001 - whatever it is, it is not accepted
            return False
        return True

    def _file_of(self, key: str) -> str | None:
        """The file that sets a value of the config, seen from the project; of a missing one the file of its group."""
        found = None
        for name, package in self._known[1]:
            place = self.directory / f"{name}.yaml"
            inside = key if not package else key.removeprefix(f"{package}.") if _is_in(key, package) else None
            if inside is None or name.startswith("hydra/"):
                continue
            if (exists(content(place), inside.partition(".")[0]) and (package or exists(content(place), inside))) or (
                package and found is None
            ):
                found = place
        root = self.root or self.directory.parent
        return None if found is None else os.path.relpath(found, root)


def refuse_idle(config: Config, typed: Sequence[str], *, every_key: str = EVERY_KEY) -> None:
    """Raises ConfigError for something typed that a person's module does itself, so that it changes nothing."""
    idle = {name: f"{config.model.target} has its own {name}" for name in IDLE if config.model.is_lightning}
    if config.data.module is not None:
        idle["trainer.batch_size"] = f"{config.data.module.target} makes its own batches"
    for text in typed:
        for name in (name for name in idle if _is_in(text.partition("=")[0].lstrip("+~"), name)):
            where = "data" if name == "trainer.batch_size" else "model"
            to_see = f"{every_key.replace(to_type(text) + ' ', '')} --package {where}"
            hint = f"leave it out, and type: {to_see}, to see what there is"
            if exists(config.model.arguments, text.partition("=")[0]):
                hint = f"type: {to_type(f'model.{text}')}"
            said = f"{text} has no effect: {idle[name]}; allowed: the settings of {where}, and those of others"
            raise ConfigError(f"{said}; {hint}")


def _of_params(mistake: OverrideError, found: Sequence[Sequence[str]]) -> ConfigError:
    """A mistake in params.yaml is put right there: as `key: value`."""
    if not found and not mistake.example:
        return ConfigError(f"params.yaml: {mistake.said}; take it out of params.yaml")
    pairs = (text.partition("=")[::2] for text in [*found, mistake.example][0])
    lines = (f"{k}: {v if '<' in v else flow(parse_override(f'{k}={v}').value())}" for k, v in pairs)
    return ConfigError(f"params.yaml: {mistake.said}; write: {', '.join(lines)}")


def plain_config(composed: DictConfig) -> dict[str, Any]:
    """A composed config resolved to dicts, lists and scalars; texts from the environment stay references.

    Raises OmegaConf's errors for interpolations.
    """
    plain = plain_with_references(composed)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _is_in(key: str, section: str) -> bool:
    return bool(section) and (key == section or key.startswith(f"{section}."))
