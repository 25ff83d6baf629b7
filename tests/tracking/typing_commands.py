"""Commands typed in a project, each in a process of its own, forked from one that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
_PRELOAD = ["ratchet.commands.train", "ratchet.training.train", "ratchet.evaluation.evaluate", "torch._dynamo", "wandb"]
_PATIENCE = 100  # seconds for a command, after which it says where it stands


@dataclass(frozen=True)
class Typed:
    """What came of a command."""

    status: int
    out: str
    err: str


def type_command(script: str, *arguments: str, root: Path, environment: Mapping[str, str], **within: float) -> Typed:
    """Run src/<script>.py there. `answer_within`, `upload_within`: seconds of W&B at a run's beginning, its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    output = root / ".typed"
    given = ((script, *arguments), root, dict(environment), output, within)
    process = context.Process(target=_main, args=given)
    process.start()
    process.join(_PATIENCE + 20)
    out, err = (output.with_suffix(end).read_text(encoding="utf-8") for end in (".out", ".err"))
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"{script} {arguments} does not end; it stood here:\n{err}")
    return Typed(process.exitcode, out, err)


def _main(
    command: tuple[str, ...], root: Path, environment: dict[str, str], output: Path, within: dict[str, float]
) -> None:
    import faulthandler
    import importlib

    from ratchet.terminal.command import run_command
    from ratchet.tracking import wandb_run

    for number, end in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(output.with_suffix(end), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    faulthandler.dump_traceback_later(_PATIENCE)
    os.chdir(root)
    os.environ.update(environment)
    for name, seconds in within.items():
        assert hasattr(wandb_run, name.upper())
        setattr(wandb_run, name.upper(), seconds)
    sys.path.insert(0, str(SOURCE))
    sys.argv = [f"{command[0]}.py", *command[1:]]
    run_command(importlib.import_module(command[0]).main, usage="")
