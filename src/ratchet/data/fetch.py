"""The stage fetch: the raw files of a data set, brought here and verified."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from ratchet.config.data_sections import DataConfig, RawFile
from ratchet.config.hints import to_type
from ratchet.data.checksums import complaint, size_of
from ratchet.data.sources import Source, SourceUnavailableError, open_source
from ratchet.data.staging import one_process_at_a_time, scratch_beside, storage_errors
from ratchet.errors import DataError
from ratchet.project import Project

_RESUMABLE = "urls"  # the kind of source whose files are dear: those of the others are copied anew


@dataclass(frozen=True)
class FetchReport:
    """Result of a fetch: which files were there and which were downloaded."""

    directory: Path  # where the files lie
    kept: tuple[str, ...]  # names of files that were there, and right
    fetched: tuple[str, ...]  # names of files that were not
    source: str | None  # the kinds of source that served; None when nothing was fetched
    size: tuple[int, int]  # how many files they are, with those in folders, and the bytes of all

    def in_words(self) -> str:
        """Return a line for a person: how many files, how large, where, and whence."""
        count, size = self.size
        what = f"{count:,} {'file' if count == 1 else 'files'}, {readable(size)}"
        there = f"{what}, in {relpath(self.directory)}"
        kept = f"; {len(self.kept)} of them were there" if self.kept else ""
        origin = f"from {self.source}{kept}" if self.fetched else "already there"
        return f"{self.directory.name}: {there}; {origin}; checksums right"


class DownloadTooLargeError(SourceUnavailableError):
    """A source would download more than was allowed without asking. The message is how much."""


def readable(size: int) -> str:
    """A number of bytes for a person."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def fetch(config: DataConfig, *, project: Project, at_most: int | None = None) -> FetchReport:
    """Bring the files of a data set into data/raw/<name>/ and verify their checksums.

    A file that is there and has the right checksum stays. Sources are tried in order. Every file lands by a
    rename once all are verified, so that data/raw/<name>/ never holds a part of a file. What was downloaded when
    it was interrupted, or failed, stays beside it in .<name>.<process>.partial/, where DVC does not look; the next
    fetch goes on from there, and removes it in the end. Of several processes one fetches, and the others wait.

    at_most: bytes; a larger download, or one of unknown size, is not begun.
    Raises DataError when no source can serve, or the folder cannot be written.
    """
    directory = project.raw(config.name)
    if all(complaint(directory / file.name, like=file) is None for file in config.files):
        return FetchReport(directory, tuple(file.name for file in config.files), (), None, _size(config, directory))
    with (
        storage_errors(directory, command=f"python src/fetch.py {config.typed}"),
        one_process_at_a_time(project.data_lock(config.name)),
        scratch_beside(directory, keep=_RESUMABLE) as scratch,
    ):
        wanted = [file for file in config.files if complaint(directory / file.name, like=file) is not None]
        kept = tuple(file.name for file in config.files if file not in wanted)
        of: dict[str | None, str] = {}  # the source that served the files of each kind
        for kind in dict.fromkeys(file.source for file in wanted):
            some = [file for file in wanted if file.source == kind]
            of[kind] = _deliver(config, some, into=scratch, project=project, at_most=at_most)
        for file in wanted:
            target = directory / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            (scratch / of[file.source] / file.name).replace(target)
    fetched = tuple(file.name for file in wanted)
    served = " and ".join(dict.fromkeys(of.values())) or None
    return FetchReport(directory, kept, fetched, served, _size(config, directory))


def _size(config: DataConfig, directory: Path) -> tuple[int, int]:
    counts, sizes = zip(*(size_of(directory / file.name, like=file) for file in config.files), strict=True)
    return sum(counts), sum(sizes)


def _deliver(
    config: DataConfig, wanted: Sequence[RawFile], *, into: Path, project: Project, at_most: int | None
) -> str:
    """Have the first source that can put the wanted files, verified, into a folder named by its kind."""
    reasons, too_large = [], None
    for source in config.sources:
        if wanted[0].source not in {None, source.kind}:
            continue
        folder = into / source.kind
        folder.mkdir(exist_ok=True)
        lacking = [file for file in wanted if complaint(folder / file.name, like=file) is not None]
        try:
            opened = open_source(source, project=project)
            if at_most is not None:
                _require_small(opened, lacking, at_most=at_most)
            opened.deliver(lacking, into=folder)
            _verify(lacking, folder)
        except DownloadTooLargeError as error:
            too_large = error
        except SourceUnavailableError as error:
            reasons.append(f"{source.kind}: {error}")
        else:
            return source.kind
    if too_large is not None and at_most is not None:
        raise DataError(
            f"{config.name} is not here, and its download has {too_large}: above {at_most / 1e6:g} MB none is begun "
            f"that nobody asked for; type: python src/fetch.py {config.typed}, then the same command again"
        )
    if not reasons:
        reasons = [f"no source is of the kind {wanted[0].source}"]
    raise DataError(
        f"could not fetch {', '.join(file.name for file in wanted)} of {config.name}: {'; '.join(reasons)}. "
        f"Mend data.sources or data.files in conf/data/{config.name}.yaml, or put the files into "
        f"{project.raw(config.name)}, then type: python src/fetch.py {config.typed}"
    )


def _require_small(source: Source, files: Sequence[RawFile], *, at_most: int) -> None:
    """Raises DownloadTooLargeError where a source would download more bytes, or cannot say how many."""
    size = source.download_size(files)
    if size is None or size > at_most:
        raise DownloadTooLargeError("a size that its server does not tell" if size is None else readable(size))


def _verify(files: Sequence[RawFile], folder: Path) -> None:
    for file in files:
        wrong = complaint(folder / file.name, like=file)
        if wrong is not None:
            raise SourceUnavailableError(f"{file.name} {wrong}")


def verify_raw(config: DataConfig, *, project: Project) -> Path:
    """The folder of the raw files, once every one is found there with the right checksum, and no other.

    Raises DataError that names the first file which is missing, damaged, or a stranger: a reader may read
    whatever it finds.
    """
    directory = project.raw(config.name)
    again = f"type: python src/fetch.py {config.typed}"
    for file in config.files:
        wrong = complaint(directory / file.name, like=file)
        if wrong is not None:
            raise DataError(f"{directory / file.name} {wrong}; {again}")
    known = {directory / file.name for file in config.files}
    for path in sorted(directory.rglob("*")):
        strange = path not in known and known.isdisjoint(path.parents)
        if path.is_file() and strange and not path.name.startswith("."):
            removed = to_type("rm", str(path))
            if config.described():
                said = f"{path} is of another {config.option} of the name {config.name}"
                raise DataError(f"{said}; type: {to_type(f'data.name={config.another_name()}')}, or {removed}")
            said = f"{path} is not among the files of conf/data/{config.name}.yaml"
            raise DataError(f"{said}; list it there, or type: {removed}")
    return directory
