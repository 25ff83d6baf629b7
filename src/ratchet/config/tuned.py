"""conf/tuned/: values found for a model on a data set. Those of a group give way where the group was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.default_element import GroupDefault, ResultDefault
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ratchet.compat.hydra import (
    CachingConfigRepository,
    ConfigLoaderImpl,
    IConfigRepository,
    loading_configs_with,
    parse_once,
)
from ratchet.config.tables import OPTIONS, data_name
from ratchet.config.tree import children, paths

_FOLDER = "tuned/"
_OF_OWN = tuple(f"tuned/{option}_" for option in OPTIONS)
_OWNERS = {"data", "model"}  # whose choice selects a tuned file: its values are for that very choice


class TunedLoader(ConfigLoaderImpl):
    """Hydra's loader, which leaves out the tuned values of a group that was chosen.

    Chosen: by an override (a command line, params.yaml), or by an `override /group:` of an experiment or debug file.
    A tuned file was measured on top of the defaults of config.yaml, so its values say nothing of another option, and
    who names the default itself wants it plain. Hydra composes every job through this class, of a multirun too.
    """

    named: frozenset[str] = frozenset()  # groups that the overrides choose
    left_out: tuple[str, ...] = ()  # of the config composed last, a line for each group
    _overrides: tuple[str, ...] = ()
    _others: tuple[str, ...] = ()  # what the tuned files of data sets named table_..., say, begin with
    files: tuple[tuple[str, str], ...] = ()  # which that config is of, in order, and the package of each

    def _parse_overrides_and_create_caching_repo(
        self, config_name: str | None, overrides: list[str], *of_newer_versions: Any
    ) -> tuple[list[Override], CachingConfigRepository]:
        parsed, repo = super()._parse_overrides_and_create_caching_repo(config_name, overrides, *of_newer_versions)
        self.named = frozenset(each.key_or_group for each in parsed if repo.group_exists(each.key_or_group))
        self._overrides = tuple(overrides)
        options = repo.get_group_options("data") if repo.group_exists("data") else []
        self._others = tuple(f"{_FOLDER}{each}_" for each in options if f"{_FOLDER}{each}".startswith(_OF_OWN))
        parse_once(repo)
        load = repo.load_config
        repo.load_config = lambda config_path: load(self._file(config_path))  # type: ignore[method-assign]
        return parsed, repo

    def _file(self, path: str) -> str:
        """The file of a path: tuned/table_<model> is of the table that the overrides describe."""
        own = next((each for each in _OF_OWN if path.startswith(each)), None)
        if own is None or path.startswith(self._others):
            return path
        option = own.removeprefix(_FOLDER).rstrip("_")
        return f"{_FOLDER}{data_name(option, self._overrides)}_{path.removeprefix(own)}"

    def _compose_config_from_defaults_list(self, defaults: list[ResultDefault], repo: IConfigRepository) -> DictConfig:
        self.files = tuple((self._file(each.config_path), each.package or "") for each in defaults if each.config_path)
        files = [path for path, _ in self.files]
        chosen = (self.named | _chosen_in(files, repo)) - _OWNERS
        self.left_out = tuple(
            line for file in files if file.startswith(_FOLDER) for line in _give_way(file, chosen, files, repo)
        )
        return super()._compose_config_from_defaults_list(defaults, repo)


def _chosen_in(files: list[str], repo: IConfigRepository) -> set[str]:
    """The groups for which one of the files names another option, by `override /group: option`."""
    loaded = filter(None, map(repo.load_config, files))
    listed = (entry for each in loaded for entry in each.defaults_list or [])
    groups = (entry.group for entry in listed if isinstance(entry, GroupDefault) and entry.is_override())
    return {group.lstrip("/") for group in groups if group}


def _give_way(file: str, chosen: frozenset[str], files: list[str], repo: IConfigRepository) -> Iterator[str]:
    """Take the chosen groups out of a tuned file, as `repo` keeps it for this one composition; a line for each."""
    loaded = repo.load_config(file)
    plain: Any = OmegaConf.to_container(loaded.config, resolve=False) if loaded else {}
    for group in sorted(chosen & set(children(plain, ""))):
        assert loaded is not None
        del loaded.config[group]
        keys = [key for key in paths(plain[group], f"{group}.") if not children(plain, key)] or [group]
        options = [other.removeprefix(f"{group}/") for other in files if other.startswith(f"{group}/")]
        choice = f"{group}={options[-1]}" if options else f"no {group}"
        yield f"conf/{file}.yaml's {', '.join(keys)} {'are' if len(keys) > 1 else 'is'} left out: {choice} was chosen"


@contextmanager
def tuned_values_give_way() -> Iterator[None]:
    """Make Hydra load configs with TunedLoader within this context."""
    with loading_configs_with(TunedLoader):
        yield


def last_loader() -> TunedLoader:
    """The loader of the config that Hydra composed last."""
    loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, TunedLoader)
    return loader
