"""Every file of a run is a property of one class."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import RatchetError


@dataclass(frozen=True)
class RunDirectory:
    """The directory of one training execution."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved config, as YAML."""
        return self.path / "config.yaml"

    @property
    def record(self) -> Path:
        """run.json: what the run was and what came out."""
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        """Learning curves: one row for each validation."""
        return self.path / "metrics.csv"

    @property
    def result(self) -> Path:
        """Path of the result of the pipeline's run, for DVC and git: the same bytes whenever it is trained."""
        return self.path / "metrics.json"

    @property
    def out_of_fold(self) -> Path:
        """Path of a fold's out-of-fold predictions: those of the best checkpoint on what the fold validates on."""
        return self.path / "out_of_fold.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of both checkpoints."""
        return self.path / "checkpoints"

    @property
    def best_checkpoint(self) -> Path:
        """The weights with the best objective."""
        return self.checkpoints / "best.ckpt"

    @property
    def last_checkpoint(self) -> Path:
        """The whole state at the end of an epoch: what `resume=` goes on from."""
        return self.checkpoints / "last.ckpt"

    @property
    def log(self) -> Path:
        """What the libraries warned of, and the traceback of a failure. Absent where there is neither."""
        return self.path / "train.log"

    @property
    def profile(self) -> Path:
        """Lightning's profile, with debug=profile."""
        return self.path / "profile.txt"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files, with logger=tensorboard."""
        return self.path / "tensorboard"

    @property
    def evaluation(self) -> Path:
        """Directory in which evaluate writes for a run that is not the champion's."""
        return self.path / "evaluate"

    def create(self) -> None:
        """Make the directory. Raises RatchetError where that is not allowed."""
        from ratchet.config.grammar import assignment  # it imports Hydra, and looking at runs does not
        from ratchet.config.hints import to_type

        another = to_type(assignment("hydra.run.dir", f"runs/{self.path.name}-2"))
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except (NotADirectoryError, FileExistsError) as error:
            raise RatchetError(f"{self.path} is a file; type: {another}") from error
        if not os.access(self.path, os.W_OK):
            raise RatchetError(f"cannot write to {self.path}; type: {another}")

    @property
    def is_one(self) -> bool:
        """Whether a run is on record here: by run.json, or where that stayed elsewhere by what DVC and git brought."""
        return self.record.is_file() or (self.config.is_file() and self.result.is_file())

    @property
    def holds_a_run(self) -> bool:
        """Whether a training here would replace a run: one without config.yaml has lost its outputs, as DVC does it."""
        return self.record.is_file() and self.config.is_file()

    def clear_remains(self) -> None:
        """Remove the record of a run that has lost its outputs."""
        for path in (self.record, self.metrics, self.log, self.profile):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.tensorboard, ignore_errors=True)


def run_directories(folder: Path) -> Iterator[Path]:
    """Folders with a run, at any depth; links to folders are not followed."""
    waiting = [str(folder)]
    while waiting:
        here = waiting.pop()
        inner = []
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.name == "run.json" or (entry.name == "metrics.json" and RunDirectory(Path(here)).is_one):
                        yield Path(here)
                        break
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                        inner.append(entry.path)
                else:
                    waiting += inner
        except OSError:
            continue
