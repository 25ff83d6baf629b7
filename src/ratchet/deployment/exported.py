"""What export wrote, at work: raw rows in, answers out, by onnxruntime; it needs no torch."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import logging
import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from ratchet.data.transform import Transform
from ratchet.errors import ConfigError, DataError, FileError, RatchetError, first_line
from ratchet.files import read_json, shown
from ratchet.names import to_install
from ratchet.tables import TableError
from ratchet.tables.reading import frame_of_rows
from ratchet.tasks.base import Target

MODEL, TRANSFORM, REFERENCE, MANIFEST = "model.onnx", "transform.json", "reference.json", "manifest.json"
BATCH_VALUES = 2**18  # of a batch, so that memory does not grow with a request


@dataclass(frozen=True)
class ExportedModel:
    """A directory that export wrote, read once."""

    manifest: Mapping[str, Any]
    described: Mapping[str, Any]
    transform: Transform
    target: Target
    model: Any  # onnxruntime's session

    @classmethod
    def load(cls, directory: Path, *, count: int = 1) -> Self:
        """count: CPU threads of a request. Raises RatchetError for a directory that is no export, or was changed."""
        hint = "type: python src/export.py"
        try:
            manifest = read_json(directory / MANIFEST)
            contents = {name: (directory / name).read_bytes() for name in (MODEL, TRANSFORM)}
            changed = [name for name in contents if sha256_of(contents[name]) != manifest["files"][name]]
            if changed:
                raise RatchetError(f"{shown(directory / changed[0])} is not what export wrote: it was changed; {hint}")
            described = json.loads(contents[TRANSFORM])
            transform, target = Transform.from_json(described["transform"]), Target.of(described)
            if transform.table is not None:
                importlib.import_module("pandas")  # here, so that no first request waits for it
            return cls(manifest, described, transform, target, session(contents[MODEL], count=count))
        except (OSError, FileError, ValueError, KeyError, TypeError) as error:
            raise RatchetError(f"{shown(directory)} holds no export ({first_line(error)}); {hint}") from error

    def transformed(self, rows: Sequence[Any]) -> tuple[np.ndarray, np.ndarray | None]:
        """What the network takes of raw rows, and a table's codes. Raises DataError for what it cannot be given."""
        try:
            if self.transform.table is None:
                return self.transform.of_arrays(np.array(rows, np.float64), where="rows"), None
            frame = frame_of_rows(rows, missing=self.described["table"]["missing"])
            codes = self.transform.table.codes(frame, where="rows")
            return self.transform.normalisation.apply(self.transform.table.apply(codes)), codes
        except TableError as error:  # it ends in settings of data=table
            raise DataError(str(error.said[0]).rpartition("; ")[0]) from error
        except (ValueError, TypeError, OverflowError) as error:  # ragged lists, texts that are no Unicode
            raise DataError(f"the rows cannot be read ({first_line(error)})") from error

    def answers(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        """An answer for each raw row, with an id of its own. Raises DataError for what the model cannot be given."""
        answers = self.said(self.transformed(rows)[0])
        known = (self.described["table"] or {}).get("id")
        ids = [row.get(known) if known and isinstance(row, Mapping) else None for row in rows]
        request = secrets.token_hex(8)
        return [
            {"id": place if name is None else name, "answer": f"{request}-{place}", **answer}
            for place, (name, answer) in enumerate(zip(ids, answers, strict=True))
        ]

    def said(self, x: np.ndarray) -> list[dict[str, Any]]:
        """What is said of transformed rows. Raises DataError where it is not finite."""
        size = max(1, BATCH_VALUES // max(1, x[0].size))
        parts = [self.model.run(None, {"x": x[start : start + size]}) for start in range(0, len(x), size)]
        outputs, *shares = (np.concatenate(part) for part in zip(*parts, strict=True))
        if not np.isfinite(outputs).all():
            raise DataError("the model's answer is not finite: a value is far from any that it was trained on")
        return list(self._numbers(outputs) if self.target.kind == "number" else self._classes(outputs, shares[0]))

    def _numbers(self, outputs: np.ndarray) -> Iterator[dict[str, Any]]:
        quantiles = self.described["quantiles"]
        for row in outputs.tolist():
            if quantiles is None:
                yield {"predicted": row[0]}
            else:
                by_quantile = dict(zip(map(str, quantiles), row, strict=True))
                yield {"predicted": by_quantile["0.5"], "quantiles": by_quantile}

    def _classes(self, outputs: np.ndarray, shares: np.ndarray) -> Iterator[dict[str, Any]]:
        names, positive = self.target.names, self.described["positive"]
        sets = self.described["conformal"]
        for said, row in zip(decisions(self.described, self.target, outputs), shares.tolist(), strict=True):
            if positive is None:
                probabilities = dict(zip(names, row, strict=True))
            else:
                other = next(name for name in names if name != positive)
                probabilities = {other: 1 - row[0], positive: row[0]}
            among = {} if sets is None else {
                "set": [name for name in names if name == said or probabilities[name] >= 1 - sets["threshold"]]
            }  # fmt: skip
            yield {"predicted": said, **among, "probabilities": probabilities}


def decisions(described: Mapping[str, Any], target: Target, outputs: np.ndarray) -> list[Any]:
    """What is decided by outputs (n, n_outputs): of classes a name, of labels a list of names.

    By logits and log probabilities, as the checkpoint decides: a probability near one has fewer digits than they have.
    """
    names, positive = target.names, described["positive"]
    if target.kind == "labels":
        return [[name for name, yes in zip(names, row, strict=True) if yes] for row in (outputs >= 0).tolist()]
    if positive is None:
        return [names[k] for k in outputs.argmax(axis=1)]
    other = next(name for name in names if name != positive)
    return [positive if yes else other for yes in outputs[:, 0] >= described["cut"]]


def session(model: bytes, *, count: int) -> Any:
    """onnxruntime's session of a model, on so many CPU threads. Raises ConfigError where the package is missing."""
    try:
        with quiet():
            import onnxruntime
    except ModuleNotFoundError as error:
        raise ConfigError(f"an export runs by the package {error.name}; type: {to_install('export')}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = count, 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # those of onnxruntime have no class in common
        raise ValueError(first_line(error)) from error


def sha256_of(content: bytes) -> str:
    """Hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter and onnxruntime tell of steps and of packages that they could use; nobody asked."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)
