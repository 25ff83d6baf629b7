"""One run of W&B. Only this module knows wandb, and it imports it when a run is opened."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning.loggers.logger import Logger

from ratchet.compat.wandb import service_process
from ratchet.config.sections import LoggerConfig
from ratchet.project import Project
from ratchet.redaction import redacted, said_of
from ratchet.tracking.identity import Identity, SweepAgent
from ratchet.tracking.lineage import Material

ANSWER_WITHIN = 15.0  # seconds for a server to take a new run; then it is kept offline
UPLOAD_WITHIN = 20.0  # seconds for the rest of a run to be uploaded when it has ended
TAKES_WITHIN = 20.0  # seconds for W&B's process on this machine to take a row, or to begin a run offline
HANGS_AFTER = 5.0  # seconds beyond UPLOAD_WITHIN, after which that process is taken to hang: it may not keep to that
logging.getLogger("wandb").addHandler(logging.NullHandler())  # what it logs while it is ended is not for stderr

Mode = Literal["online", "offline"]


class WandbRun(Logger):
    """A W&B run as a Lightning logger, fed with the rows of metrics.csv.

    W&B uploads from a process of its own. What it had not uploaded by UPLOAD_WITHIN stays in the run's directory under
    wandb/, for `wandb sync`. Where that process fails or hangs, its directory is not whole: the run is written once
    more, offline and without W&B's measures of the system, when it finishes.
    """

    def __init__(self, session: Any, *, mode: Mode = "offline", known: int = 0, again: Callable[[], Any]) -> None:
        super().__init__()
        self.mode = mode  # what it came to
        self._session = session
        self._known = known  # rows of history still to come that the server has already
        self._again = again  # begins it offline
        self._told: list[Callable[[Any], object]] = []  # everything, for a session to be told once more
        self._error: Exception | None = None
        self._between: dict[str, float] = {}

    @classmethod
    def open(
        cls,
        identity: Identity,
        *,
        settings: LoggerConfig,
        config: Mapping[str, Any],
        project: Project,
        goes_on: bool = False,
        earlier: Sequence[Mapping[str, Any]] = (),
    ) -> WandbRun:
        """Begin the run, offline where an online server cannot be reached.

        It `goes_on` where it was begun before, and `earlier` are the rows of its history then: a server is sent those
        that it has not, and an offline directory has them all once more, for it may be synchronised alone.
        """
        mode: Mode = "online" if settings.mode == "online" else "offline"

        def begin(mode: Mode, *, resumes: bool) -> Any:
            session = _init(identity, settings, config, project, mode=mode, resumes=resumes)
            session.define_metric("step")
            session.define_metric("*", step_metric="step")
            return session

        try:
            session = begin(mode, resumes=goes_on)
        except Exception as error:
            if mode == "offline":
                raise
            _warn_offline(error)
            _end_service()
            mode = "offline"
            session = begin(mode, resumes=False)
        known = session.starting_step
        run = cls(session, mode=mode, known=known, again=lambda: begin("offline", resumes=False))
        for row in earlier:
            run._log(dict(row))
        return run

    @property
    def name(self) -> str:
        return "W&B"

    @property
    def version(self) -> str:
        return str(self._session.id)

    @property
    def experiment(self) -> Any:
        """W&B's own run object."""
        return self._session

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run was opened with them."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if "epoch" not in metrics:  # a callback's own: it goes with the next row, for a resumed run counts them
            self._between |= metrics
            return
        metrics, self._between = {**self._between, **metrics}, {}
        self._log({"step": (step or 0) + 1, **metrics})  # Lightning counts from 0; this is steps taken

    def _log(self, row: dict[str, Any]) -> None:
        self._tell(lambda session: session.log(dict(row)), is_known=self._known > 0)
        self._known -= 1

    def log_table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table of plain values, None where there is none."""
        import wandb

        self._tell(lambda session: session.log({name: wandb.Table(list(columns), [list(row) for row in rows])}))

    def use(self, material: Material) -> None:
        """Declare an artifact that the run reads."""
        self._publish(material, aliases=[], is_input=True)

    def make(self, material: Material) -> None:
        """Declare an artifact that the run produced."""
        self._publish(material, aliases=["latest", self._session.id], is_input=False)

    def _publish(self, material: Material, *, aliases: list[str], is_input: bool) -> None:
        """Publish an artifact as use_artifact and log_artifact do; those wait for it, and one refuses offline."""
        import wandb

        artifact = wandb.Artifact(material.name, material.kind, metadata=dict(material.metadata))
        for path, reference in material.references.items():
            artifact.add_reference(reference, name=path, checksum=False)
        artifact.finalize()
        self._tell(
            lambda session: session._interface.publish_artifact(
                session, artifact, aliases, None, finalize=True, is_user_created=is_input, use_after_commit=is_input
            )
        )

    def _tell(self, action: Callable[[Any], object], *, is_known: bool = False) -> None:
        """Tell it to the session, unless its server has it or it has failed: `finish` raises what happened."""
        self._told.append(action)
        if self._error is None and not is_known:
            try:
                _within(TAKES_WITHIN, lambda: action(self._session))
            except Exception as error:  # noqa: BLE001 - whatever the service does
                self._error = error

    def finish(self, *, summary: Mapping[str, Any], tags: Iterable[str], exit_code: int) -> None:
        """Close it for good. Raises TimeoutError where the server did not take it all in time, and what else failed."""
        tags = tuple(dict.fromkeys(tags))

        def close() -> None:
            try:
                self._session.tags = tags
                self._session.summary.update(dict(summary))
            finally:
                self._session.finish(exit_code=exit_code)

        try:
            _within(UPLOAD_WITHIN + HANGS_AFTER, close)
        except TimeoutError as error:
            _end_service()  # it goes on trying, and would be waited for when this process ends
            self._error = self._error or error
        except Exception as error:  # noqa: BLE001 - whatever the service does
            self._error = self._error or error
        if self._error is None:
            return
        if not isinstance(self._error, TimeoutError) or isinstance(self._error, HangsError):
            _end_service()
            with suppress(Exception):  # what failed first is what is to be said
                _within(TAKES_WITHIN, self._write_again)
                _within(TAKES_WITHIN, close)
        raise self._error

    def _write_again(self) -> None:
        for broken in Path(self._session.dir).parent.glob("*.wandb"):
            broken.rename(f"{broken}.broken")  # `wandb sync` of all runs would stop at it
        self._session = self._again()
        for action in self._told:
            action(self._session)

    def where(self) -> str:
        """Return the run's directory, as one types it; empty where that is not whole."""
        directory = Path(self._session.dir).parent
        return os.path.relpath(directory) if any(directory.glob("*.wandb")) else ""


def _init(
    identity: Identity,
    settings: LoggerConfig,
    config: Mapping[str, Any],
    project: Project,
    *,
    mode: Mode,
    resumes: bool,
) -> Any:
    import wandb

    SweepAgent.take()  # its run's id has been taken up by now, or is not for this run
    (project.root / "wandb").mkdir(exist_ok=True)
    quiet: dict[str, Any] = {
        "silent": True,
        "console": "off",
        "reinit": "create_new",  # never another run of this process
        "disable_code": True,
        "x_save_requirements": False,  # run.json and constraints.txt have them; it is slower than all the rest
        "x_stats_pid": os.getpid(),  # a trial's, not that of the server which it was forked from
        "init_timeout": ANSWER_WITHIN,
        "finish_timeout": UPLOAD_WITHIN,
        "finish_timeout_raises": True,
    }
    wandb.setup(wandb.Settings(**quiet))
    with _arguments_without_secrets():
        return wandb.init(
            project=settings.project,
            entity=settings.entity,
            id=identity.id,
            name=identity.name,
            group=identity.group,
            job_type=identity.job_type,
            tags=identity.tags,
            config=dict(config),
            dir=str(project.root),
            mode=mode,
            resume="allow" if resumes and mode == "online" else None,
            settings=wandb.Settings(**quiet, sweep_id=identity.sweep),
        )


@contextmanager
def _arguments_without_secrets() -> Iterator[None]:
    """W&B keeps the command line that it finds."""
    before = sys.argv
    sys.argv = [redacted(argument) for argument in before]
    try:
        yield
    finally:
        sys.argv = before


def _end_service() -> None:
    """End W&B's process: one whose run did not begin keeps its id, and one that hangs stays. Runs start another."""
    import wandb

    with suppress(Exception):
        _within(HANGS_AFTER, wandb.teardown)


class HangsError(TimeoutError):
    """W&B's process hung, and was killed."""


def _within(seconds: float, action: Callable[[], object]) -> None:
    """Let a thread do it. Raises what that raises; where it takes longer, kills W&B's process and raises HangsError."""
    service = service_process()
    raised: list[Exception] = []

    def act() -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - raised below, where it is waited for
            raised.append(error)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        if service is not None:
            service.kill()
            thread.join(1.0)
        raise HangsError
    if raised:
        raise raised[0]


def _warn_offline(error: Exception) -> None:
    said = f"warning: no W&B server for this run ({said_of(error)[:200]}); it is kept offline"
    print(f"{said}; to upload it later, type: wandb sync", file=sys.stderr)
