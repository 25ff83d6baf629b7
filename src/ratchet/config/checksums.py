"""Checksums of a person's own files, computed again only when a file changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ratchet.files import write_atomically
from ratchet.project import Project

_WEIGHTS = ("config.json", "*.safetensors", "*.bin")


def noted(files: Iterable[Path], about: Any, make: Callable[[], dict[str, Any]], *, project: Project) -> dict[str, Any]:
    """What `make` finds of files, and of what is said `about` them; kept beside the data until a file changes."""
    there = [(str(file), file.stat()) for file in files if file.is_file()]
    stats = [(name, status.st_size, status.st_mtime_ns, status.st_ino) for name, status in there]
    key = hashlib.sha256(json.dumps([about, stats], sort_keys=True, default=str).encode()).hexdigest()[:16]
    note = project.root / "data" / ".tables" / f"{key}.json"
    with suppress(OSError, ValueError):
        if isinstance(kept := json.loads(note.read_text(encoding="utf-8")), dict):
            return kept
    found = make()
    with suppress(OSError):  # nothing is lost but time
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, json.dumps(found).encode())
    return found


def sha256_of(*files: Path) -> str:
    """Sha256 (hex) of one file; of several, of their names and checksums."""
    digests = []
    for file in files:
        with file.open("rb") as stream:
            digests.append((file.name, hashlib.file_digest(stream, "sha256").hexdigest()))
    return digests[0][1] if len(digests) == 1 else hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def weight_files(model: Mapping[str, Any], project: Project) -> list[Path]:
    """The files of the pretrained network in the folder `model.path`, sorted; none where there is no such folder."""
    path = model.get("path")
    folder = project.root / Path(path).expanduser() if isinstance(path, str) and path != "???" else None
    return [] if folder is None else sorted({file for name in _WEIGHTS for file in folder.glob(name) if file.is_file()})


def weights_checksum(model: Mapping[str, Any], project: Project) -> str | None:
    """Sha256 (hex) of a pretrained network's files; None for a section `model` without any."""
    files = weight_files(model, project)
    if not files:
        return None
    return str(noted(files, "weights", lambda: {"checksum": sha256_of(*files)}, project=project)["checksum"])
