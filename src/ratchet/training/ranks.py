"""Data parallelism: the other ranks train the one resolved config, never the command line again."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import distributed

from ratchet.compat.lightning import LaunchedDDPStrategy, SubprocessScriptLauncher
from ratchet.errors import NonFiniteLossError, OutOfMemoryError, TrainingError
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import note_the_end

STATUSES: dict[type[TrainingError], int] = {TrainingError: 1, NonFiniteLossError: 3, OutOfMemoryError: 4}  # a rank's
READY = "ready"  # what a rank says when it has assembled all that it trains
PATIENCE = 60.0  # seconds for a rank to end after rank 0 did, and for rank 0 to notice that a rank is gone
_RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "LOCAL_RANK", "WORLD_SIZE")  # what Lightning sets


def out_of_touch(error: BaseException) -> bool:
    """Whether an error only says that another rank is gone: what that one met is the reason."""
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in text for word in ("gloo", "nccl", "connection", "socket"))


class Rank:
    """A process beside rank 0. On its standard output it says READY, and then in one line what failed if it does."""

    def __init__(self, number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.number = number
        self.process = process
        self._output = process.stdout
        self._said = ""
        self._killed = False  # by this class

    def wait_until_ready(self) -> None:
        """Raises TrainingError with its own words where it ended before."""
        self._said = self._output.readline()
        if self._said.strip() != READY:
            self.end(within=PATIENCE)
            raise self.kind(self.failure or f"rank {self.number} ended before the training began")
        self._said = ""

    def end(self, *, within: float) -> None:
        """Wait for it, and kill it where it takes longer."""
        if self._output.closed:
            return
        try:
            self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self._killed = True
        self._said += self._output.read()
        self._output.close()

    @property
    def kind(self) -> type[TrainingError]:
        """The class of its failure, which its exit status says."""
        return next((kind for kind, status in STATUSES.items() if status == self.process.returncode), TrainingError)

    @property
    def failure(self) -> str | None:
        """What it failed of, once it has ended; None where it did not, or only lost touch with the others."""
        if self._said.strip():
            return f"rank {self.number}: {self._said.strip()}"
        if self.process.returncode < 0 and not self._killed:
            return (
                f"rank {self.number} was killed by signal {-self.process.returncode}, for want of memory perhaps; "
                "type: free -m, to see it, or choose a smaller trainer.batch_size"
            )
        return None


class RankLauncher(SubprocessScriptLauncher):
    """Starts each other rank as `python -m ratchet.training.rank <run directory> <project>`.

    Lightning's own launcher repeats sys.argv, which under a multirun would start the whole multirun in every rank.
    It also kills this process seconds after a rank failed, whatever it does by then, and sets torch's threads.
    """

    run: RunDirectory
    project: Project
    resume: bool = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ranks: list[Rank] = []
        self._ended = threading.Event()

    def launch(self, function: Callable[..., Any], *args: Any, trainer: Any = None, **kwargs: Any) -> Any:
        self.cluster_environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            for rank in self.ranks:
                rank.wait_until_ready()
            threading.Thread(target=self._watch, daemon=True).start()
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        self._check_can_spawn_children()
        environment = {
            **os.environ,
            "MASTER_ADDR": self.cluster_environment.main_address,
            "MASTER_PORT": str(self.cluster_environment.main_port),
            "NODE_RANK": str(self.cluster_environment.node_rank()),
            "WORLD_SIZE": str(self.num_processes * self.num_nodes),
            "PYTHONWARNINGS": "ignore",  # until the rank has a log to put them into
        }
        source = str(Path(__file__).resolve().parents[2])
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))
        command = [sys.executable, "-m", "ratchet.training.rank", str(self.run.path.resolve())]
        command += [str(self.project.root.resolve()), *(["--resume"] if self.resume else [])]
        with self.run.log.open("ab") as log:
            for number in range(1, self.num_processes):
                ours = {**environment, "LOCAL_RANK": str(number)}
                process = subprocess.Popen(command, env=ours, stdout=subprocess.PIPE, stderr=log, text=True)
                self.ranks.append(Rank(number, process))
        self.procs = [rank.process for rank in self.ranks]

    def _watch(self) -> None:
        """End this process where a rank is gone and rank 0 waits for it in a call that never comes back."""
        while not any(rank.process.poll() for rank in self.ranks):
            if self._ended.wait(1.0):
                return
        if not self._ended.wait(PATIENCE):
            said = f"a rank failed; see {os.path.relpath(self.run.log)}"
            note_the_end(self.run.path, "killed", said=said)
            print(f"error: {said}", file=sys.stderr, flush=True)
            os._exit(1)

    def end(self, *, within: float) -> None:
        """End the ranks: after it no group and no process is left."""
        self._ended.set()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        for rank in self.ranks:
            rank.end(within=within)


@contextmanager
def process_group(launcher: object) -> Iterator[None]:
    """Afterwards the process is as it was: the next job of a multirun finds no group of ranks that are gone.

    Raises TrainingError for what failed in another rank, where this one only lost touch with it.
    """
    if not isinstance(launcher, RankLauncher):
        yield
        return
    before = {name: os.environ.get(name) for name in _RENDEZVOUS}
    try:
        yield
        launcher.end(within=PATIENCE)
    except Exception as error:
        launcher.end(within=PATIENCE / 10)
        failed = next((rank for rank in launcher.ranks if rank.failure), None)
        if failed and out_of_touch(error):
            raise failed.kind(failed.failure) from error
        raise
    finally:
        launcher.end(within=0)
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})


class RankedDDPStrategy(LaunchedDDPStrategy):
    """DDP whose ranks are started by RankLauncher."""

    launched_by = RankLauncher
