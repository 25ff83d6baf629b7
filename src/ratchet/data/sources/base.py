"""What a source of raw files is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from ratchet.config.data_sections import RawFile
from ratchet.data.checksums import FOLDERS, absence
from ratchet.pictures import pictures_in

_TIMEOUT = 600.0  # seconds for the whole of one command


class SourceUnavailableError(Exception):
    """A source cannot serve here. The message says why, in a few words; the next source may do."""


class Source(Protocol):
    """Base class of the sources of raw files."""

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Put every one of `files` into the folder `into`, under its name.

        Raises SourceUnavailableError when it cannot. An OSError means that `into` could not be written. What it
        put there before may be there again when it is asked the next time.
        """

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """How many bytes it would download for `files`: 0 where they are on this machine, None where nobody says.

        Raises SourceUnavailableError where it cannot serve.
        """


class OnThisMachine:
    """A source that downloads nothing."""

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """Return the bytes to download; 0: the files are on this machine."""
        return 0


def require_files(files: Sequence[RawFile], *, origin: Path, otherwise: str) -> None:
    """Raises SourceUnavailableError: `otherwise` and the names of files that are missing, or what is there instead."""
    wrong = {file.name: absence(origin / file.name, like=file) for file in files}
    others = [f"{origin / name} {why}" for name, why in wrong.items() if why not in {None, "is missing"}]
    missing = [name for name, why in wrong.items() if why == "is missing"]
    if missing:
        others.insert(0, f"{otherwise} {', '.join(missing)}")
    if others:
        raise SourceUnavailableError("; ".join(others))


def copy_files(files: Sequence[RawFile], *, origin: Path, into: Path) -> None:
    """Copy `files` from the folder `origin`; SourceUnavailableError where one is not there, or is no file."""
    require_files(files, origin=origin, otherwise=f"{origin} has no")
    for file in files:
        ends = FOLDERS.get(file.checksum_of)
        within = pictures_in(origin / file.name, ends) if ends else [""]
        for name in within:
            target = into / file.name / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin / file.name / name, target)


def run_tool(*words: str, folder: Path) -> str:
    """Run a command in `folder`; what it said. SourceUnavailableError with its last words when it fails."""
    shown = " ".join(words)
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailableError(f"{shown} took longer than {_TIMEOUT:.0f} s") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise SourceUnavailableError(f"{shown}: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout
