"""Going on with a run: how far it is, what its rest may have otherwise, whether anything is left to do."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ratchet.config.composition import config_hash
from ratchet.config.grammar import shown
from ratchet.config.hints import named, to_type
from ratchet.config.non_numeric_settings import is_non_numeric
from ratchet.config.schema import Config
from ratchet.config.tree import leaves
from ratchet.errors import CheckpointError, ran_out
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord, read_config
from ratchet.training.checkpoint import read_checkpoint, require_same_data, require_same_model
from ratchet.training.fit import Fit

RESUMABLE = ("trainer.max_epochs", "trainer.max_steps", "trainer.threads")  # what the rest of a run may have otherwise


class Reached(NamedTuple):
    """How far a run's last checkpoint is."""

    epochs: int
    steps: int


def reached_by(fit: Fit) -> Reached:
    """What the last checkpoint has behind it, once it is known to be of this model."""
    try:
        contents = read_checkpoint(fit.run.last_checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"cannot resume: {error}") from error
    require_same_model(contents, fit.identity, fit.run.last_checkpoint)
    require_same_data(contents, fit.data.data_hash, fit.run.last_checkpoint)
    try:
        epochs = int(contents["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
    except (LookupError, TypeError, ValueError) as error:
        raise _not_resumable(fit.run, error) from error
    return Reached(epochs, int(contents["global_step"]))


def _not_resumable(run: RunDirectory, error: BaseException) -> CheckpointError:
    said = " ".join(str(error).split())[:120]
    return CheckpointError(
        f"{run.last_checkpoint} is damaged or of another version ({type(error).__name__}: {said}); "
        "type: the same without resume=, to train anew"
    )


def is_over(before: RunRecord, reached: Reached, *, config: Config) -> bool:
    """Whether resuming would train nothing. A run that was killed in its last breath is still to be completed."""
    limits = ((config.trainer.max_epochs, reached.epochs), (config.trainer.max_steps, reached.steps))
    if before.status != "completed":
        return any(limit is not None and done > limit for limit, done in limits)
    same = before.config_hash == config_hash(config)  # it may have stopped early
    return same or any(limit is not None and done >= limit for limit, done in limits)


def note_the_end(reached: Reached, config: Config, *, run: RunDirectory) -> None:
    """Tell a person what to type where there is nothing left to do."""
    limits = ((config.trainer.max_epochs, reached.epochs, "epochs"), (config.trainer.max_steps, reached.steps, "steps"))
    more = [f"trainer.max_{unit}={2 * done}" for limit, done, unit in limits if limit is not None and done >= limit]
    again = to_type("python", "src/train.py", named("resume", os.path.relpath(run.path)), *more)
    way = f"to go on, type: {again}" if more else "it stopped early; type: its first command, with more patience"
    said = f"note: nothing is left to do after {reached.epochs} epochs ({reached.steps} steps); {way}"
    print(said, file=sys.stderr)


def refuse_changes(config: Config, *, run: RunDirectory) -> None:
    """Raises CheckpointError for settings that the rest of a run cannot take up, or that would make two runs of one.

    Its optimizer, schedule and callbacks come out of the checkpoint with the values that they began with.
    """
    had, wanted = (dict(leaves(each.plain())) for each in (read_config(run), config))
    changed = [
        key for key in {**had, **wanted}
        if had.get(key) != wanted.get(key) and not is_non_numeric(key) and key not in RESUMABLE
    ]  # fmt: skip
    if changed:
        told = ", ".join(f"{key}={shown(wanted.get(key))} (it has {shown(had.get(key))})" for key in changed)
        raise CheckpointError(
            f"a resumed run keeps its settings, and here is {told}; allowed: {', '.join(RESUMABLE)} and what changes "
            f"no number; type: {to_type('python', 'src/train.py', named('resume', os.path.relpath(run.path)))}"
        )


@contextmanager
def restored(run: RunDirectory) -> Iterator[None]:
    """What Lightning raises while it restores a checkpoint, as a fault of the checkpoint."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        restores = any(Path(frame.filename).name == "checkpoint_connector.py" for frame in frames)
        if restores and ran_out(error) is None and all(frame.name != "dump_checkpoint" for frame in frames):
            raise _not_resumable(run, error) from error
        raise
