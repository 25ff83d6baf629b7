"""conf/, params.yaml and overrides become one plain, checked config."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from ratchet.config.environment import plain_with_references
from ratchet.config.explanation import explain
from ratchet.config.grammar import parse_override
from ratchet.config.groups import is_group
from ratchet.config.inert import without_inert
from ratchet.config.mistakes import Surroundings, mistake_in
from ratchet.config.params import params_overrides, without_params
from ratchet.config.schema import Config
from ratchet.config.tuned import left_out, tuned_values_give_way
from ratchet.config.validation import validate
from ratchet.config.yaml_files import yaml_text
from ratchet.errors import ConfigError
from ratchet.files import write_atomically
from ratchet.project import Project

LOCK_HEADER = "# conf/ + params.yaml, composed and resolved by `dvc repro`. Do not edit: edit those.\n"


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

    @classmethod
    def of(cls, project: Project, typed: Sequence[str], *, multirun: bool = False) -> Request:
        """Params.yaml first, then what was typed, which wins. With `params=null` typed, params.yaml is not read.

        Raises ConfigError for a params.yaml that is none.
        """
        typed, alone = without_params(typed)
        params, notices = ([], []) if alone else params_overrides(project, typed)
        return cls(project.conf.resolve(), tuple(params), tuple(typed), multirun, notices)

    def notify(self) -> None:
        """Say on stderr what was set aside, once nothing else is wrong."""
        for notice in self.notices:
            print(f"note: {notice}", file=sys.stderr)

    @property
    def overrides(self) -> list[str]:
        """Everything that Hydra is told, in order."""
        return [*self.params, *self.typed]

    @cached_property
    def known(self) -> dict[str, Any]:
        """The config with every valid choice of an option, and no value overridden. Empty where conf/ is broken."""
        valid = Surroundings(self.directory, {}, multirun=False)
        choices = [text for text in self.overrides if _chooses(text, self.directory) and not mistake_in(text, valid)]
        for overrides in (choices, []):
            try:
                plain = OmegaConf.to_container(_hydra(self.directory, overrides)[0], resolve=False)
            except Exception:  # noqa: BLE001 - it has no names to suggest then; the first error is what counts
                continue
            return {str(key): value for key, value in plain.items()} if isinstance(plain, dict) else {}
        return {}

    def compose(self) -> Config:
        """The checked config. Raises ConfigError."""
        with self.explained():
            composed, aside = _hydra(self.directory, self.overrides)
            plain = plain_config(composed)
        self.notices.extend(line for line in aside if line not in self.notices)
        try:
            return validate(plain, usual=lambda: self.known)
        except ConfigError as error:
            key = str(error).split()[0].rstrip(":")
            if key in {text.partition("=")[0] for text in self.params if not _chooses(text, self.directory)}:
                raise _of_params(str(error)) from error
            raise

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
            raise explained from error

    def refuse_wrong_options(self) -> None:
        """Raises ConfigError for a choice of an option that is not there, also among several, or for no section."""
        suspects = [text for text in self.overrides if _chooses(text, self.directory) or self._has_no_section(text)]
        self._refuse_mistakes(suspects)

    def _has_no_section(self, text: str) -> bool:
        try:
            return parse_override(text).key_or_group.partition(".")[0] not in self.known
        except HydraException:
            return True

    def _refuse_mistakes(self, texts: Sequence[str]) -> None:
        around = Surroundings(self.directory, self.known, self.multirun)
        for text in texts:
            if mistake := mistake_in(text, around):
                raise ConfigError(mistake) if text in self.typed else _of_params(mistake)


def _of_params(mistake: str) -> ConfigError:
    """A mistake in params.yaml is put right there: as `key: value`."""
    written = re.sub(r"type: ([^ =]+)=(.*)$", r"write: \1: \2", mistake)
    return ConfigError(f"params.yaml: {written}")


def load_config(project: Project, overrides: Sequence[str] = ()) -> Config:
    """The checked config of `params.yaml` and then `overrides`, which win; `params=null` among them: of conf/ alone.

    Raises ConfigError.
    """
    request = Request.of(project, overrides)
    config = request.compose()
    request.notify()
    return config


def plain_config(composed: DictConfig) -> dict[str, Any]:
    """A composed config resolved to dicts, lists and scalars; texts from the environment stay references.

    Raises OmegaConf's errors for interpolations.
    """
    plain = plain_with_references(composed)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _hydra(directory: Path, overrides: Sequence[str]) -> tuple[DictConfig, tuple[str, ...]]:
    """The composed config, and what of conf/tuned/ it goes without."""
    GlobalHydra.instance().clear()
    with tuned_values_give_way(), initialize_config_dir(str(directory), version_base="1.3"):
        return hydra_compose("config", overrides=list(overrides)), left_out()


def _chooses(text: str, directory: Path) -> bool:
    try:
        return is_group(directory, parse_override(text).key_or_group)
    except HydraException:
        return False


def compose(project: Project, overrides: Sequence[str] = ()) -> Config:
    """Stage compose: write config.lock.yaml, the same bytes on every machine."""
    config = load_config(project, overrides)
    text = LOCK_HEADER + yaml_text(config.plain(), width=110)
    write_atomically(project.lock, text.encode())
    return config


def config_hash(config: Config) -> str:
    """Sha256 (hex) of everything in a config that can change the trained model; loggers, reports and mirrors cannot."""
    return hashlib.sha256(json.dumps(without_inert(config.plain()), sort_keys=True).encode()).hexdigest()
