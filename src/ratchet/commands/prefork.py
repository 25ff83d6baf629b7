"""What a sweep's trials import, begun before anything else is: the first trial waits for nothing but that."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ratchet.errors import Interrupted
from ratchet.search.processes.server import SERVER
from ratchet.terminal.command import to_end
from ratchet.terminal.signals import handled_by

_TRAINING = (
    "ratchet.runs.imported_code", "torch._dynamo", "pytorch_lightning", "ratchet.training.train",
    "ratchet.commands.sweep", "ratchet.search.worker.preload",
)  # fmt: skip
_WANDB = ("wandb", "requests", "wandb.apis.public", "wandb.sdk.artifacts.artifact")  # with what wandb.init imports
_MULTIRUN = {"-m", "--multirun", "hydra.mode=MULTIRUN"}
_WITHOUT_TRIALS = (
    "-h",
    "--help",
    "--hydra-help",
    "-c",
    "--cfg",
    "-i",
    "--info",
    "-sc",
    "--shell-completion",
    "--resolve",
)


def preload(overrides: Sequence[str]) -> tuple[str, ...]:
    """The modules that a training needs which these overrides ask for."""
    loggers = [text.partition("=")[2] for text in overrides if text.partition("=")[0].lstrip("+") == "logger"]
    return (*_TRAINING, *(_WANDB if not loggers or "wandb" in loggers[-1] else ()))


@contextmanager
def prefork_trial_server(arguments: Sequence[str]) -> Iterator[None]:
    """Meanwhile the server that forks trials imports, if this command line looks like a sweep of this process.

    A guess, from the text alone: a wrong one costs the imports, or has them begun again by the sweep. A signal to end
    ends a sweep at once, but for where a worker hears it: an exception out of nowhere, in the midst of some library,
    can be lost there or come out as another one, and a study survives any end.
    """
    if not _MULTIRUN & set(arguments):
        yield
        return
    with handled_by(_end, signal.SIGINT, *to_end()):
        if not _has_trials_here(arguments):
            yield
            return
        try:
            SERVER.begin(preload(arguments))
            yield
        finally:
            SERVER.leave()


def _end(number: int, _: FrameType | None) -> None:
    ended = Interrupted(number)
    SERVER.kill()
    shown = "\x1b[?25h" if os.isatty(2) else ""  # a live table hides the cursor
    try:
        os.write(2, f"{shown}{ended.said}\n".encode())
    finally:  # also where nobody reads it any more
        os._exit(ended.status)


def _has_trials_here(arguments: Sequence[str]) -> bool:
    placed = [text for text in arguments if text.startswith("hydra/launcher=") and text != "hydra/launcher=basic"]
    plans = [text for text in arguments if text.lower() in {"sweep.dry_run=true", "+sweep.dry_run=true"}]
    prints = [text for text in arguments if text.partition("=")[0] in _WITHOUT_TRIALS]
    return not (placed or plans or prints)
