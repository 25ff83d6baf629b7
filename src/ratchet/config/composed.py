"""Hydra's compose() for one config directory; the same overrides of the same files are composed once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from ratchet.compat.hydra import VERSION_BASE
from ratchet.compat.omegaconf import copied
from ratchet.config.tuned import TunedLoader, last_loader, tuned_values_give_way

_OF_ELSEWHERE = re.compile(
    rb"searchpath|^\s*- .*\$\{oc\.|defaults\s*:\s*\[[^\]]*\$\{oc\.", re.MULTILINE
)  # other files; options of the environment


@dataclass(frozen=True)
class _Directory:
    """A config directory, equal to another one of the same content: a hash, or None where files of elsewhere count."""

    contents: str | None
    path: Path = field(compare=False)

    @classmethod
    def at(cls, path: Path) -> _Directory:
        digest = hashlib.sha256()
        seen: set[str] = set()
        for folder, folders, names in os.walk(path, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:  # a link that leads in a circle, or a folder under two names
                return cls(None, path)
            seen.add(real)
            folders.sort()
            for name in sorted(name for name in names if name.endswith(".yaml")):
                content = Path(folder, name).read_bytes()
                if _OF_ELSEWHERE.search(content):
                    return cls(None, path)
                digest.update(f"\0{os.path.relpath(folder, path)}/{name}\0{len(content)}\0".encode() + content)
        return cls(digest.hexdigest(), path)


def composed(directory: Path, overrides: Sequence[str], *, name: str = "config") -> tuple[DictConfig, TunedLoader]:
    """Compose the config, without Hydra's node. Returns it, for the caller alone, and what loaded it.

    The loader knows the config's files, and what of conf/tuned/ it goes without. Raises what Hydra raises.
    """
    GlobalHydra.instance().clear()
    try:
        files = _Directory.at(directory)
    except OSError:  # Hydra says what it is
        files = _Directory(None, directory)
    known = files.contents is not None and not any("searchpath" in text or "${oc." in text for text in overrides)
    config, loader = (_composed if known else _composed.__wrapped__)(files, name, tuple(overrides))
    return copied(config), loader


@lru_cache(256)
def _composed(directory: _Directory, name: str, overrides: tuple[str, ...]) -> tuple[DictConfig, TunedLoader]:
    with tuned_values_give_way(), initialize_config_dir(str(directory.path), **VERSION_BASE):
        return hydra_compose(name, overrides=list(overrides)), last_loader()


def hydras_own(directory: Path, choices: Sequence[str]) -> dict[str, Any]:
    """Compose Hydra's own settings with what is chosen of its groups; an empty dict where conf/ is broken."""
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(directory), **VERSION_BASE):
            whole = hydra_compose("config", overrides=list(choices), return_hydra_config=True)
        plain: Any = OmegaConf.to_container(whole.hydra, resolve=False)
    except Exception:  # noqa: BLE001 - the first error is what counts
        return {}
    return dict(plain)
