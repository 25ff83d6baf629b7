"""`python src/serve.py`: its command line, and the server until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ratchet.config.hints import names_in
from ratchet.deployment.exported import ExportedModel
from ratchet.deployment.keeping import Keeper
from ratchet.errors import ConfigError, RatchetError
from ratchet.names import suggestion, to_install
from ratchet.project import Project
from ratchet.terminal.keys import typed_keys

PORT = 8000
_KEEPING = ("keep_share", "keep_rows", "redact")
GRACE = 5  # seconds that requests have to end after Ctrl-C
CONNECTIONS = 256  # at a time; more are told to come again (503)


def main(arguments: Sequence[str]) -> None:
    """Serve an exported model. Raises RatchetError where there is nothing to serve, or no way to."""
    given = typed_keys(arguments, ("model", "host", "port", "keep", *_KEEPING), script="serve")
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
    keeper = keeper_of(given, model)
    try:
        app = application(model, keeper)
    except ModuleNotFoundError as error:
        raise ConfigError(f"serve needs the package {error.name}; type: {to_install('serve')}") from error
    host = given.get("host", "127.0.0.1")
    with _listening(host, int(port)) as listener:
        if keeper is not None:
            keeper.start()
        at = f"http://{host}:{listener.getsockname()[1]}"
        print(
            f"{model.manifest['data']['name']} at {at}/predict, described at {at}/openapi.json (Ctrl-C ends it)",
            flush=True,
        )
        limits = {"timeout_graceful_shutdown": GRACE, "limit_concurrency": CONNECTIONS}
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", **limits))
        try:
            with suppress(KeyboardInterrupt):
                server.run(sockets=[listener])
        finally:
            if keeper is not None:
                keeper.close()


def keeper_of(given: Mapping[str, str], model: ExportedModel) -> Keeper | None:
    """What keeps requests, by what was typed. Raises ConfigError."""
    if "keep" not in given:
        if idle := [key for key in _KEEPING if key in given]:
            raise ConfigError(f"{idle[0]}={given[idle[0]]} has no effect without keep=; type: keep=requests")
        return None
    share, rows = given.get("keep_share", "1"), given.get("keep_rows", "100000")
    try:
        kept_share = float(share)
    except ValueError:
        kept_share = 0.0
    if not 0 < kept_share <= 1:
        raise ConfigError(f"keep_share={share}; allowed: a number above 0, at most 1; type: keep_share=0.1")
    if not rows.isdecimal() or not 0 < int(rows) < 10**9:
        raise ConfigError(f"keep_rows={rows}; allowed: a whole number above 0; type: keep_rows=100000")
    table, known = model.transform.table, (model.described["table"] or {}).get("id")
    columns = None if table is None else [rule.column.name for rule in table.rules]
    redacted = names_in(given.get("redact", ""))
    allowed = [*(columns or ()), *filter(None, [known])]
    if wrong := [name for name in redacted if name not in allowed]:
        told = suggestion(wrong[0], allowed) if allowed else "allowed: nothing, as the model has no columns"
        raise ConfigError(f"redact: there is no column {wrong[0]}; {told}; type: redact=[<column>]")
    return Keeper(
        Path(given["keep"]), model.manifest["checkpoint"]["sha256"], kept_share, int(rows), frozenset(redacted),
        known, None if columns is None else frozenset(columns),
    )  # fmt: skip


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
