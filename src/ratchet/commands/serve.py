"""`python src/serve.py`: its command line, and the server until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ratchet.deployment.exported import ExportedModel
from ratchet.errors import ConfigError, RatchetError
from ratchet.names import to_install
from ratchet.project import Project
from ratchet.terminal.keys import typed_keys

PORT = 8000
GRACE = 5  # seconds that requests have to end after Ctrl-C
CONNECTIONS = 256  # at a time; more are told to come again (503)


def main(arguments: Sequence[str]) -> None:
    """Serve an exported model. Raises RatchetError where there is nothing to serve, or no way to."""
    given = typed_keys(arguments, ("model", "host", "port"), script="serve")
    port = given.get("port", str(PORT))
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"port={port}; allowed: 0 (any free one) to 65535; type: port={PORT}")
    try:
        import uvicorn

        from ratchet.deployment.service import application
    except ModuleNotFoundError as error:
        raise ConfigError(f"serve needs the package {error.name}; type: {to_install('serve')}") from error
    directory = Path(given["model"]) if "model" in given else Project.find().champion / "export"
    model = ExportedModel.load(directory)
    try:
        app = application(model)
    except ModuleNotFoundError as error:
        raise ConfigError(f"serve needs the package {error.name}; type: {to_install('serve')}") from error
    host = given.get("host", "127.0.0.1")
    with _listening(host, int(port)) as listener:
        at = f"http://{host}:{listener.getsockname()[1]}"
        print(f"{model.manifest['data']['name']} at {at}/predict, its page at {at}/docs (Ctrl-C ends it)", flush=True)
        limits = {"timeout_graceful_shutdown": GRACE, "limit_concurrency": CONNECTIONS}
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", **limits))
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise RatchetError(
            f"host={host} port={port}: {said}; allowed: an address of this machine and a free port; "
            "type: port=0, for any free one"
        ) from error
