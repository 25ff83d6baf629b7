"""Raw files on the internet, under one of several mirrors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import sleep

from ratchet.config.data_sections import RawFile, UrlSource
from ratchet.data.checksums import complaint
from ratchet.data.sources.base import SourceUnavailableError
from ratchet.data.sources.download import DownloadError, download, download_progress, length_of, version_file

_ROUNDS = 3  # how often a mirror that broke off is asked to go on
_PAUSE = 1.0  # seconds before it is asked again


class Urls:
    """Downloads files: mirrors in order, each going on where the one before broke off."""

    def __init__(self, config: UrlSource) -> None:
        self._config = config

    def deliver(self, files: Sequence[RawFile], *, into: Path) -> None:
        """Write the files of the data set into the directory."""
        for file in files:
            self._deliver_one(file, target=into / file.name)

    def download_size(self, files: Sequence[RawFile]) -> int | None:
        """Return the bytes to download, as the first mirror that answers says."""
        sizes = [self._size_of(file) for file in files]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def _size_of(self, file: RawFile) -> int | None:
        said = dict[str, str]()
        for mirror in self._config.mirrors:
            try:
                return length_of(_address(mirror, file), timeout=self._config.timeout)
            except DownloadError as error:
                said[mirror] = str(error)
        raise _unserved(file, said)

    def _deliver_one(self, file: RawFile, *, target: Path) -> None:
        """Ask every mirror in turn; those that broke off are asked again, those that refused are not."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        mirrors, said = list(self._config.mirrors), dict[str, str]()
        for attempt in range(_ROUNDS):
            if attempt and mirrors:
                sleep(_PAUSE)
            for mirror in list(mirrors):
                try:
                    self._ask(mirror, file, part)
                except DownloadError as error:
                    said[mirror] = str(error)
                    if not error.worth_another_try:
                        mirrors.remove(mirror)
                else:
                    part.rename(target)
                    version_file(part).unlink(missing_ok=True)
                    return
        raise _unserved(file, said)

    def _ask(self, mirror: str, file: RawFile, part: Path) -> None:
        """Bring the whole of `file` into `part`, or raise DownloadError. A wrong file is not kept."""
        resumed = part.exists()
        wrong = self._download(mirror, file, part)
        if wrong is not None and resumed:
            # What was there may be the beginning of another file, from another mirror: a clean start.
            part.unlink()
            wrong = self._download(mirror, file, part)
        if wrong is not None:
            part.unlink()
            raise DownloadError(f"the file {wrong}", worth_another_try=False)

    def _download(self, mirror: str, file: RawFile, part: Path) -> str | None:
        """What is wrong with the file that came, if it came."""
        with download_progress(file.name) as progress:
            download(_address(mirror, file), part=part, timeout=self._config.timeout, progress=progress)
        return complaint(part, like=file)


def _address(mirror: str, file: RawFile) -> str:
    return f"{mirror.rstrip('/')}/{file.name}"


def _unserved(file: RawFile, said: Mapping[str, str]) -> SourceUnavailableError:
    answers = "; ".join(f"{mirror} said: {answer}" for mirror, answer in said.items())
    return SourceUnavailableError(f"no mirror served {file.name} ({answers})")
