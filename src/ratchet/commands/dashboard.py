"""`make dashboard`: optuna-dashboard on every study of the project."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ratchet.csv_files import csv_text
from ratchet.errors import FileError, RatchetError
from ratchet.names import to_install
from ratchet.project import Project
from ratchet.search.storage.collection import Collection
from ratchet.yaml_files import read_yaml

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PORT = 8080
_OWN_NAME = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])\.?(:\d+)?")  # of Host; a tunnel may have any port


def main(arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C. Raises RatchetError where there is nothing to serve, or no way to."""
    port = _port(arguments)
    project = Project.find()
    sweeps = project.runs / "sweeps"
    application = _application(sweeps)
    with _listening(application, port) as server:
        print(f"dashboard: http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _port(arguments: Sequence[str]) -> int:
    for text in arguments:
        key, _, value = text.partition("=")
        if key != "port" or not value.isdigit() or int(value) > 65535:
            raise RatchetError(f"{text}: dashboard does not know it; allowed: port= and 0 to 65535; type: port={PORT}")
    return int(arguments[-1].partition("=")[2]) if arguments else PORT


def _application(sweeps: Path) -> WSGIApplication:
    try:
        import optuna_dashboard
    except ImportError as error:
        raise RatchetError(f"the dashboard needs {error.name}; type: {to_install('dashboard')}") from error
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        print(f"note: {line}", file=sys.stderr)

    studies = Collection(lambda: storages(sweeps), say=say)
    if not studies.get_all_studies():
        where = os.path.relpath(sweeps)
        if said:
            raise RatchetError(f"none of the studies in {where} can be read; type: what the note above says")
        raise RatchetError(f"there is no study in {where} yet; type: python src/train.py -m model=cnn,mlp")
    application: Any = optuna_dashboard.wsgi(studies)
    application.add_hook("before_request", _only_look)
    application.install(_without_formulas)
    served: WSGIApplication = application
    return served


def _only_look() -> None:
    """Answer requests from this machine by its own name: a page whose name only leads here is refused (DNS rebinding).

    Notes can be written (PUT); what makes, removes or tells belongs to the sweep.
    """
    from bottle import HTTPResponse, request

    host = request.environ.get("HTTP_HOST", "")
    if not _OWN_NAME.fullmatch(host.lower()):
        names = "allowed: localhost and 127.0.0.1, with any port"
        raise HTTPResponse({"reason": f"the host {host[:80]!r} is none of this dashboard's; {names}"}, 421)
    if request.method in {"POST", "DELETE"}:
        reason = {"reason": "studies are only looked at here: their sweep makes them, and their directory removes them"}
        raise HTTPResponse(reason, 403)


def _without_formulas(callback: Callable[..., Any]) -> Callable[..., Any]:
    """A bottle plugin: the table that a study is downloaded as has no cell that a spreadsheet would run."""
    from bottle import request

    def answer(*given: Any, **named: Any) -> Any:
        body = callback(*given, **named)
        if request.path.startswith("/csv/") and isinstance(body, str):
            header, *rows = csv.reader(io.StringIO(body, newline=""))
            return csv_text(header, rows)
        return body

    return answer


def storages(sweeps: Path) -> Iterator[str]:
    """The journals of all studies, and each other storage that a study was told to use."""
    for place in ("*/study.journal", "*/recheck/study.journal"):
        yield from (str(path) for path in sorted(sweeps.glob(place)))
    yield from dict.fromkeys(url for path in sorted(sweeps.glob("*/multirun.yaml")) for url in _urls(path))


def _urls(multirun: Path) -> Iterable[str]:
    """What a study's command line named as sweep.storage."""
    try:
        plain: Any = read_yaml(multirun)
        found = [settings.get("storage") for settings in plain["hydra"]["sweeper"]["sweeps"].values()]
    except (OSError, FileError, LookupError, TypeError, AttributeError):
        return ()  # being written just now, or somebody else's
    return [str(url) for url in found if url]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that its base gives it
        """Requests are nobody's news."""


def _listening(application: WSGIApplication, port: int) -> WSGIServer:
    try:
        return make_server("127.0.0.1", port, application, server_class=_Server, handler_class=_Handler)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        reason = "is taken" if error.errno == errno.EADDRINUSE else "is not for everybody"
        raise RatchetError(f"port {port} {reason}; type: python src/dashboard.py port=0, for a free one") from error
