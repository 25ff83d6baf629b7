"""Provenance of a run's numbers: code, versions, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = (
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "hydra-core",
    "omegaconf",
    "dvc",
    "wandb",
    "ratchet",
    "tokenizers",
    "transformers",
    "peft",
)


_CODE = ("src", "conf", "params.yaml")  # what a number depends on: a new file here is a change too


_imported: dict[Path, dict[str, Any]] = {}  # the state of a folder when this process, or its parent, read the code


def remember_code(root: Path) -> None:
    """Remember the state of a repository: its code is being imported, by a server that trials are forked from."""
    _imported[root.resolve()] = _state(root)


def git_state(root: Path) -> dict[str, Any]:
    """The commit that is checked out and whether code or choices differ from it; None for both outside git.

    Tracked files that were changed count, and in src/ and conf/ files that git does not know yet. Where the repository
    has changed since its code was imported here, the commit is that of the import, and the state dirty: what a trial
    imports by itself may be of either.
    """
    now = _state(root)
    then = _imported.get(root.resolve(), now)
    return now if now == then else {**then, "dirty": True}


def _state(root: Path) -> dict[str, Any]:
    revision = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    unknown = _git(root, "ls-files", "--others", "--exclude-standard", "--", *_CODE)
    dirty = None if changed is None or unknown is None else bool(changed or unknown)
    return {"revision": revision or None, "dirty": dirty}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "--no-optional-locks", "-C", str(root), *arguments]  # a person may commit at this moment
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def versions() -> dict[str, str]:
    """Python and the packages that a number depends on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine: name, processor, cores, system."""
    return {
        "name": platform.node(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
    }


def device(root: Any) -> str:
    """The name of the torch.device that computes: of a GPU its maker's, elsewhere its kind."""
    import torch

    return torch.cuda.get_device_name(root) if root.type == "cuda" else root.type


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
