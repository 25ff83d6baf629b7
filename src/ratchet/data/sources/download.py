"""One file over HTTP, resumed where an earlier attempt broke off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.errors import first_line

if TYPE_CHECKING:
    import requests

_CONNECT_TIMEOUT = 10.0  # seconds
_AS_STORED = {"Accept-Encoding": "identity"}
_CHUNK = 1 << 16
_RETRIED_STATUS = {408, 425, 429}  # of the 4xx, those that may pass

ProgressUpdate = Callable[[int, int | None], None]  # (bytes here, bytes in all if known)


class DownloadError(Exception):
    """A mirror did not serve the file. The message says why in a few words."""

    def __init__(self, message: str, *, worth_another_try: bool) -> None:
        super().__init__(message)
        self.worth_another_try = worth_another_try


def download(url: str, *, part: Path, timeout: float, progress: ProgressUpdate) -> None:
    """Bring the file at `url` into `part`, going on from the bytes that are there (RFC 9110, section 14).

    A server that named the file's version is asked for the rest of that version, else for the whole file.
    timeout: seconds to wait for the next byte. Raises DownloadError; `part` then holds what came so far.
    """
    import requests  # slow to import, and most sources need no network
    from urllib3.exceptions import HTTPError, ProtocolError

    have = part.stat().st_size if part.exists() else 0
    headers = dict(_AS_STORED)
    if have:
        headers |= {"Range": f"bytes={have}-"} | _if_unchanged(url, part)
    connect = min(_CONNECT_TIMEOUT, timeout)
    try:
        with requests.get(url, headers=headers, stream=True, timeout=(connect, timeout)) as response:
            if have and response.status_code == 416:
                return  # nothing after the bytes here: the checksum will tell
            _receive(response, url=url, part=part, have=have, progress=progress)
    except requests.RequestException as error:
        # A connection that was made and lost may hold the next time; one that cannot be made stays so.
        lost = bool(error.args) and isinstance(error.args[0], ProtocolError)
        words = "it closed the connection" if lost else _in_words(error, timeout=timeout)
        raise DownloadError(words, worth_another_try=lost) from error
    except HTTPError as error:  # from the body, read past requests
        raise DownloadError(_broken_off(error, part=part, timeout=timeout), worth_another_try=True) from error


def length_of(url: str, *, timeout: float) -> int | None:
    """How many bytes the file at `url` has, None where its server does not say. Raises DownloadError."""
    import requests

    connect = min(_CONNECT_TIMEOUT, timeout)
    try:
        with requests.get(url, headers=_AS_STORED, stream=True, timeout=(connect, timeout)) as response:
            _require_served(response)
            return _extent(response)[1]
    except requests.RequestException as error:
        raise DownloadError(_in_words(error, timeout=timeout), worth_another_try=False) from error


def _require_served(response: requests.Response) -> None:
    status = response.status_code
    if status not in (200, 206):
        passing = status >= 500 or status in _RETRIED_STATUS
        raise DownloadError(f"HTTP {status} {response.reason}", worth_another_try=passing)


def _receive(response: requests.Response, *, url: str, part: Path, have: int, progress: ProgressUpdate) -> None:
    _require_served(response)
    start, total = _extent(response)
    if start not in (0, have):
        raise DownloadError(f"it sent bytes from {start:,} when asked from {have:,}", worth_another_try=False)
    if not start:
        _note_version(response.headers.get("ETag", ""), url, part)
    with part.open("r+b" if start else "wb") as file:
        file.seek(start)
        # The body as it is stored: requests would unpack a .gz that a server calls gzip-encoded.
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            file.write(chunk)
            progress(file.tell(), total)
        end = file.tell()
    if total is not None and end < total:
        raise DownloadError(f"the file broke off after {end:,} of {total:,} bytes", worth_another_try=True)


def version_file(part: Path) -> Path:
    """Return the path of the note that says which version of which address the partial download `part` belongs to."""
    return part.with_name(f"{part.name}.version")


def _note_version(etag: str, url: str, part: Path) -> None:
    """A strong ETag names the very bytes of a file; where there is none, there is no note."""
    if etag.startswith('"'):
        version_file(part).write_text(f"{url}\n{etag}", encoding="utf-8")
    else:
        version_file(part).unlink(missing_ok=True)


def _if_unchanged(url: str, part: Path) -> dict[str, str]:
    """The header that asks for the rest of the version noted, where the note is of this address."""
    note = version_file(part)
    address, _, etag = note.read_text(encoding="utf-8").partition("\n") if note.exists() else ("", "", "")
    return {"If-Range": etag} if address == url else {}


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Return the offset at which a response begins, and the length of the whole file where the server tells it."""
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None:
            raise DownloadError("it sent a part of the file without saying which", worth_another_try=False)
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _in_words(error: requests.RequestException, *, timeout: float) -> str:
    import requests

    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.Timeout):
        return f"no answer in {timeout:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate was refused"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy refused"
    if isinstance(error, requests.ConnectionError):
        return "no connection (is there a network?)"
    return first_line(error)


def _broken_off(error: Exception, *, part: Path, timeout: float) -> str:
    from urllib3.exceptions import ReadTimeoutError

    came = part.stat().st_size if part.exists() else 0
    if isinstance(error, ReadTimeoutError):
        return f"it stalled for {timeout:g} s after {came:,} bytes"
    return f"the file broke off after {came:,} bytes"


@contextmanager
def download_progress(name: str) -> Iterator[ProgressUpdate]:
    """A progress bar on stderr while the block runs; nothing where stderr is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda completed, total: bar.update(task, completed=completed, total=total)
