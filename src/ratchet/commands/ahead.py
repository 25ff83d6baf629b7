"""What a sweep's trials import, begun before anything else is: the first trial waits for nothing but that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ratchet.search.server import SERVER

_TRAINING = ("torch._dynamo", "pytorch_lightning", "ratchet.training.train", "ratchet.commands.sweep")
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
def begun_ahead(arguments: Sequence[str]) -> Iterator[None]:
    """Meanwhile the server that forks trials imports, if this command line looks like a sweep of this process.

    A guess, from the text alone: a wrong one costs the imports, or has them begun again by the sweep.
    """
    if not _has_trials_here(arguments):
        yield
        return
    try:
        SERVER.begin(preload(arguments))
        yield
    finally:
        SERVER.leave()


def _has_trials_here(arguments: Sequence[str]) -> bool:
    placed = [text for text in arguments if text.startswith("hydra/launcher=") and text != "hydra/launcher=basic"]
    plans = [text for text in arguments if text.lower() in {"sweep.dry_run=true", "+sweep.dry_run=true"}]
    prints = [text for text in arguments if text.partition("=")[0] in _WITHOUT_TRIALS]
    return bool(_MULTIRUN & set(arguments)) and not (placed or plans or prints)
