"""The stage fetch: the raw files of a data set, brought here and verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from ratchet.config.schema import DataConfig, RawFile
from ratchet.data.checksums import complaint
from ratchet.data.sources import SourceUnavailableError, open_source
from ratchet.data.staging import scratch_beside, storage_errors
from ratchet.errors import DataError
from ratchet.project import Project

_RESUMABLE = "urls"  # the kind of source whose files are dear: those of the others are copied anew


@dataclass(frozen=True)
class FetchReport:
    """What fetch did."""

    directory: Path  # where the files lie
    kept: tuple[str, ...]  # names of files that were there, and right
    fetched: tuple[str, ...]  # names of files that were not
    source: str | None  # the kind of source that served; None when nothing was fetched

    def in_words(self) -> str:
        """One line for a person: how many files, how large, where, and whence."""
        names = (*self.kept, *self.fetched)
        size = sum((self.directory / name).stat().st_size for name in names)
        readable = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"
        there = f"{len(names)} {'file' if len(names) == 1 else 'files'}, {readable}, in {relpath(self.directory)}"
        kept = f"; {len(self.kept)} of them were there" if self.kept else ""
        origin = f"from {self.source}{kept}" if self.fetched else "already there"
        return f"{self.directory.name}: {there}; {origin}; checksums right"


def fetch(config: DataConfig, *, project: Project) -> FetchReport:
    """Bring the files of a data set into data/raw/<name>/ and verify their checksums.

    A file that is there and has the right checksum stays. Sources are tried in order. Every file lands by a
    rename once all are verified, so that data/raw/<name>/ never holds a part of a file. What was downloaded when
    it was interrupted, or failed, stays beside it in .<name>.<process>.partial/, where DVC does not look; the next
    fetch goes on from there, and removes it in the end.

    Raises DataError when no source can serve, or the folder cannot be written.
    """
    directory = project.raw(config.name)
    wanted = [file for file in config.files if complaint(directory / file.name, like=file) is not None]
    kept = tuple(file.name for file in config.files if file not in wanted)
    if not wanted:
        return FetchReport(directory, kept=kept, fetched=(), source=None)
    with (
        storage_errors(directory, command=f"python src/fetch.py data={config.name}"),
        scratch_beside(directory, keep=_RESUMABLE) as scratch,
    ):
        source = _deliver(config, wanted, into=scratch, project=project)
        for file in wanted:
            target = directory / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            (scratch / source / file.name).replace(target)
    return FetchReport(directory, kept=kept, fetched=tuple(file.name for file in wanted), source=source)


def _deliver(config: DataConfig, wanted: Sequence[RawFile], *, into: Path, project: Project) -> str:
    """Have the first source that can put the wanted files, verified, into a folder named by its kind."""
    reasons = []
    for source in config.sources:
        folder = into / source.kind
        folder.mkdir(exist_ok=True)
        lacking = [file for file in wanted if complaint(folder / file.name, like=file) is not None]
        try:
            open_source(source, project=project).deliver(lacking, into=folder)
            _verify(lacking, folder)
        except SourceUnavailableError as error:
            reasons.append(f"{source.kind}: {error}")
        else:
            return source.kind
    raise DataError(
        f"could not fetch {', '.join(file.name for file in wanted)} of {config.name}: {'; '.join(reasons)}. "
        f"Mend data.sources or data.files in conf/data/{config.name}.yaml, or put the files into "
        f"{project.raw(config.name)}, then type: python src/fetch.py data={config.name}"
    )


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
    again = f"type: python src/fetch.py data={config.name}"
    for file in config.files:
        wrong = complaint(directory / file.name, like=file)
        if wrong is not None:
            raise DataError(f"{directory / file.name} {wrong}; {again}")
    known = {directory / file.name for file in config.files}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path not in known and not path.name.startswith("."):
            raise DataError(
                f"{path} is not among the files of conf/data/{config.name}.yaml; list it there, or type: rm {path}"
            )
    return directory
