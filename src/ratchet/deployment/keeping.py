"""Requests kept in parquet by a thread beside the service: no answer waits for a disk, and none fails with it."""

from __future__ import annotations

import json
import os
import queue
import random
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PREFIX = "kept-"  # of a file: kept-<time>-<random>-<rows>.parquet
SCHEMA = (
    ("answer", "string"), ("id", "string"), ("at", "timestamp[us, tz=UTC]"), ("model", "string"), ("row", "string"),
    ("said", "string"), ("milliseconds", "float32"), ("of_rows", "int32"), ("memory_mb", "float32"),
)  # fmt: skip
DROPPED, REFUSED = "dropped", "refused"  # in a file's metadata: rows not kept, requests refused, since the one before
_ROWS = 1000  # of a file
_FEW = 100  # of a file: the next one may wait twice as long, ten minutes at last
_SECONDS = 10.0  # after which fewer than a file's rows are written
_AGAIN = 60.0  # seconds until it is tried again after a failure
_STALE = 3600.0  # seconds after which no one writes an unfinished file any more
_WAITING = 2**26  # bytes that may wait for the disk; a quarter is written at once, what comes beyond is not kept


@dataclass
class Keeper:
    """Keeps requests in a folder until `close`; where that fails it says so once, and tries again later.

    share: of rows that are kept, chosen at random. rows: of the folder; the oldest files give way. redacted: columns
    that are left out. columns: those the model reads, no other is kept; None: rows are arrays.
    """

    folder: Path
    model: str  # sha256 of the checkpoint
    share: float = 1.0
    rows: int = 100_000
    redacted: frozenset[str] = frozenset()
    id_column: str | None = None
    columns: frozenset[str] | None = None
    _queue: queue.SimpleQueue[list[dict[str, Any]] | None] = field(default_factory=queue.SimpleQueue)
    _waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _since: Counter[str] = field(default_factory=Counter)  # the last file, by DROPPED and REFUSED
    _failing: bool = False
    _until: float = 0.0  # by time.monotonic: nothing is kept before
    _quiet: int = 0  # files in a row that few rows came for
    _told: bool = False

    def start(self) -> Keeper:
        """Begin. Raises OSError for a folder that cannot be written into."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another service takes them away too
            for left in self.folder.glob(f".{PREFIX}*"):
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink()
        probe = self.folder / f".{PREFIX}{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Write what waits, for five seconds at most."""
        self._queue.put(None)
        self._thread.join(5)

    def keep(self, rows: Sequence[Any], answers: Sequence[Mapping[str, Any]], *, milliseconds: float) -> None:
        """Take a request along. It never waits and never raises."""
        order = random.sample(range(len(rows)), len(rows))  # where some cannot be kept they are any, not the last
        chosen = [k for k in order if random.random() < self.share]
        of = {"at": datetime.now(UTC), "milliseconds": milliseconds, "of_rows": len(rows)}
        found: list[dict[str, Any]] = []
        for k in chosen if time.monotonic() >= self._until else ():
            each = self._shown(rows[k], answers[k])
            with self._lock:
                if self._waiting and self._waiting + _bytes(each) > _WAITING:
                    break
                self._waiting += _bytes(each)
            found.append({**of, **each})
        if found:
            self._queue.put(found)
        self.count(DROPPED, len(chosen) - len(found))
        if len(found) < len(chosen) and not self._told and not self._failing:
            self._told = True
            self._warn("rows come faster than they can be written: some are not kept")

    def _warn(self, said: str) -> None:
        with suppress(OSError, ValueError):
            print(f"warning: {self.folder}: {said}; answers go on", file=sys.stderr, flush=True)

    def _run(self) -> None:
        while self._collect():
            pass

    def _collect(self) -> bool:
        """Write what has come; whether more may come."""
        found: list[dict[str, Any]] = []
        size = 0
        until: Callable[[], float] | None = None
        going = True
        while len(found) < _ROWS and size < _WAITING // 4 and going:
            try:
                more = self._queue.get(timeout=None if until is None else max(0.0, until()))
            except queue.Empty:
                break
            going = more is not None
            found += more or []
            size += sum(map(_bytes, more or []))
            until = until or _clock(_SECONDS * 2**self._quiet)
        newest = found[-self.rows :]  # the folder holds no more
        for start in range(0, len(newest), _ROWS):
            self._try(newest[start : start + _ROWS])
        self._quiet = 0 if len(found) >= _FEW else min(6, self._quiet + 1)
        with self._lock:
            self._waiting -= size
        return going

    def _try(self, rows: Sequence[dict[str, Any]]) -> None:
        try:
            self._write(rows)
            self._failing = False
        except Exception as error:  # noqa: BLE001 - whatever it is, answers go on
            if not self._failing:
                self._warn(f"requests are no longer kept ({error}); free some space: it is tried again each minute")
            self._failing, self._until = True, time.monotonic() + _AGAIN
            self.count(DROPPED, len(rows))

    def count(self, what: str, number: int = 1) -> None:
        """Of what is no row: the next file tells it."""
        with self._lock:
            self._since[what] += number

    def _write(self, found: Sequence[dict[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        memory = _memory()
        rows = [{**each, "model": self.model, "memory_mb": memory} for each in found]
        since = dict(self._since)
        beside = {what: str(number) for what, number in since.items()}
        types = pa.schema([pa.field(name, _type(pa, kind)) for name, kind in SCHEMA], beside)
        name = f"{PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}-{len(rows)}.parquet"
        temporary = self.folder / f".{name}.{os.getpid()}"
        try:
            pq.write_table(pa.Table.from_pylist(rows, schema=types), temporary)
            temporary.replace(self.folder / name)
            for what, number in since.items():
                self.count(what, -number)
        finally:
            temporary.unlink(missing_ok=True)
        self._make_room()

    def _shown(self, row: Any, answer: Mapping[str, Any]) -> dict[str, Any]:
        said = dict(answer)
        del said["id"]  # of a row without one it is the row's place, which other requests have too
        name = row.get(self.id_column) if self.id_column is not None and self.id_column not in self.redacted else None
        if self.columns is not None:
            row = {key: value for key, value in row.items() if key in self.columns - self.redacted}
        return {
            "row": json.dumps(row), "answer": said.pop("answer"), "id": None if name is None else _text(name),
            "said": json.dumps(said),
        }  # fmt: skip

    def _make_room(self) -> None:
        """Drop the oldest files beyond the rows that are allowed, never the newest."""
        total = 0
        for place, path in enumerate(sorted(self.folder.glob(f"{PREFIX}*.parquet"), reverse=True)):
            total += int(count) if (count := path.stem.rpartition("-")[2]).isdecimal() else 0
            if place and total > self.rows:
                path.unlink(missing_ok=True)


def _text(value: object) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()  # a lone surrogate is no text of parquet


def _type(pa: Any, kind: str) -> Any:
    return pa.timestamp("us", tz="UTC") if kind.startswith("timestamp") else pa.type_for_alias(kind)


def _bytes(each: Mapping[str, Any]) -> int:
    """The size of a row and its answer, which are ASCII."""
    return len(each["row"]) + len(each["said"])


def _clock(seconds: float) -> Callable[[], float]:
    """What is left of so many seconds."""
    end = time.monotonic() + seconds
    return lambda: end - time.monotonic()


def _memory() -> float:
    """The most memory that this process had, in megabytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
