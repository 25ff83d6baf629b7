"""conf/, params.yaml and overrides become one plain config; the stage compose locks it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from typing import Any

import yaml
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ratchet.config.explanation import explain_composition_error
from ratchet.config.params import params_overrides
from ratchet.config.schema import Config
from ratchet.config.validation import validate
from ratchet.errors import ConfigError
from ratchet.project import Project

LOCK_HEADER = "# conf/ + params.yaml, composed and resolved by `dvc repro`. Do not edit: edit those.\n"


def load_config(project: Project, overrides: Sequence[str] = ()) -> Config:
    """The checked config of `params.yaml` and then `overrides`, which win. Raises ConfigError."""
    from_params, notices = params_overrides(project, overrides)
    for notice in notices:
        print(f"note: {notice}", file=sys.stderr)
    return validate(plain_config(_compose(project, [*from_params, *overrides])))


def plain_config(composed: DictConfig) -> dict[str, Any]:
    """A composed config resolved to dicts, lists and scalars. Raises ConfigError for `???` and bad interpolations."""
    try:
        plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except Exception as error:
        explained = explain_composition_error(error, {})
        if explained is None:
            raise
        raise explained from error
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _compose(project: Project, overrides: Sequence[str]) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(project.conf.resolve()), version_base="1.3"):
        try:
            return hydra_compose("config", overrides=list(overrides))
        except Exception as error:
            explained = explain_composition_error(error, known_config(project))
            if explained is None:
                raise
            raise explained from error


def known_config(project: Project) -> dict[str, Any]:
    """The config that nobody overrode: what the explanations of a mistake compare with."""
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(project.conf.resolve()), version_base="1.3"):
            known = OmegaConf.to_container(hydra_compose("config"), resolve=False)
    except Exception:  # noqa: BLE001 - the explanation then has no list of names; the first error is what counts
        return {}
    return {str(key): value for key, value in known.items()} if isinstance(known, dict) else {}


def compose(project: Project, overrides: Sequence[str] = ()) -> Config:
    """Stage compose: write config.lock.yaml, the same bytes on every machine."""
    config = load_config(project, overrides)
    text = LOCK_HEADER + yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True, width=110)
    project.lock.write_text(text, encoding="utf-8")
    return config


def read_lock(project: Project) -> Config:
    """The config that the pipeline runs. Raises ConfigError where config.lock.yaml is missing or stale in form."""
    if not project.lock.is_file():
        raise ConfigError("config.lock.yaml is missing; type: python src/compose.py")
    return validate(yaml.safe_load(project.lock.read_text(encoding="utf-8")))


def config_hash(config: Config) -> str:
    """Sha256 (hex) of everything in a config that can change the trained model; loggers and reports cannot."""
    plain = config.plain()
    for key in ("logger", "evaluation"):
        plain.pop(key)
    for key in ("progress", "profile"):
        plain["trainer"].pop(key)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
