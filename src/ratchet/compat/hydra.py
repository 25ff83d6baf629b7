"""What Ratchet needs of Hydra beyond its public interface."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from inspect import signature
from pathlib import Path
from typing import Any

from hydra._internal import hydra as _room
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.grammar.utils import escape_special_characters
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, _flush_loggers, _save_config
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig
from omegaconf.basecontainer import BaseContainer

from ratchet.compat.omegaconf import copied

_PARSED: dict[tuple[str, bytes], ConfigResult] = {}  # a file's path in its config directory, its text: what is in it

__all__ = ["CachingConfigRepository", "ConfigLoaderImpl", "IConfigRepository"]

# what Hydra's functions are told of the version whose defaults are meant; since 1.4 they are told nothing
VERSION_BASE: dict[str, Any] = {"version_base": "1.3"} if metadata.version("hydra-core").startswith("1.3") else {}


def argument_parser() -> ArgumentParser:
    """Return the parser of Hydra's command line, so that its flags are understood before Hydra starts."""
    return get_args_parser()


def escaped_key(key: str) -> str:
    """Return a key as the override grammar reads it."""
    return escape_special_characters(key)


@contextmanager
def loading_configs_with(loader: type[ConfigLoaderImpl]) -> Iterator[None]:
    """Make Hydra load configs with another loader within this context: there is no setting for it."""
    before = _room.ConfigLoaderImpl  # type: ignore[attr-defined]
    _room.ConfigLoaderImpl = loader  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _room.ConfigLoaderImpl = before  # type: ignore[attr-defined]


def parse_once(repo: CachingConfigRepository) -> None:
    """Let a repository take what an earlier one parsed of the same text: Hydra parses 30 files for each config."""
    delegate: Any = repo.delegate
    load = delegate.load_config

    def load_config(config_path: str) -> ConfigResult | None:
        source = delegate._find_object_source(config_path, ObjectType.CONFIG)
        if source is None or source.scheme() != "file":
            found: ConfigResult | None = load(config_path)
            return found
        text = Path(source.path, source._normalize_file_name(config_path)).read_bytes()
        known = _PARSED.get((config_path, text)) or _PARSED.setdefault((config_path, text), load(config_path))
        return replace(known, provider=source.provider, path=f"file://{source.path}", config=copied(known.config))

    delegate.load_config = load_config


def store_config(group: str, name: str, node: dict[str, Any]) -> None:
    """Put a config into Hydra's store, in place of one that is there: since 1.4 that has to be said."""
    store = ConfigStore.instance()
    options: dict[str, Any] = {"replace": True} if "replace" in signature(store.store).parameters else {}
    store.store(group=group, name=name, node=node, provider="ratchet", **options)


def apply_overrides(overrides: list[Override], config: DictConfig) -> None:
    """Apply overrides of values to a composed config, without composing all of it again for each trial."""
    ConfigLoaderImpl._apply_overrides_to_config(overrides, config)


def singletons() -> Any:
    """Return what Hydra and OmegaConf keep for the whole process, for another process to take over."""
    return Singleton.get_state()


def take_over(state: Any) -> None:
    """Make another process's singletons this one's, but for the plugins, which are found already and do not travel."""
    plugins: Any = Plugins.instance()
    Singleton._instances = {**state["instances"], Plugins: plugins}
    BaseContainer._resolvers = state["omegaconf_resolvers"]


def returned_error(returned: JobReturn) -> BaseException:
    """Return the exception of a job that failed; JobReturn.return_value raises it, and prints a line first."""
    error: BaseException = returned._return_value
    return error


def save_config(config: DictConfig | Sequence[str], name: str, directory: Path) -> None:
    """Write a file of a job's output_subdir as Hydra writes it."""
    _save_config(config, name, directory)  # type: ignore[arg-type]


def flush_loggers() -> None:
    """Write out what a job's log handlers hold, as Hydra does after each job."""
    _flush_loggers()
