"""The stage prepare: from raw files to clean, split, normalised arrays and a data card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.config.data_sections import DataConfig
from ratchet.config.tables import as_typed
from ratchet.data.array_files import Digests, write_array
from ratchet.data.card import ValueSummary, make_card
from ratchet.data.cleaning import CleanExamples, Finding, clean
from ratchet.data.column_report import report_columns, warnings_of
from ratchet.data.constants import without_constants
from ratchet.data.examples import SPLITS, SplitName
from ratchet.data.fetch import verify_raw
from ratchet.data.normalisation import Normalisation, fit, pieces
from ratchet.data.readers import read
from ratchet.data.report import write_report
from ratchet.data.splitting import split
from ratchet.data.staging import one_process_at_a_time, replace_directory, scratch_beside, storage_errors
from ratchet.data.targets import describe_target
from ratchet.data.tokenised import little_known, tokenise
from ratchet.data.transform import TABLE
from ratchet.errors import DataError
from ratchet.names import short
from ratchet.pictures import nearly_the_same
from ratchet.project import Project
from ratchet.tables import TableTransform
from ratchet.texts import Ragged

_ROWS = 4096  # written at a time: a float32 copy of everything is never held


def prepare(config: DataConfig, *, project: Project) -> dict[str, Any]:
    """Write data/prepared/<name>/ and return the data card.

    The directory holds {train,validation,confirm,test}/{x,y,ids}.npy (x float32 (n, *shape), of a folder of pictures
    uint8, normalised when they are read, of texts int32 tokens one after the other, and offsets.npy; y int64 (n,) for
    classes, float32 (n, labels) of 0 and 1 for labels, float32 (n,) for numbers; ids (n,) of the raw rows or files:
    texts, or their positions), card.json and card.html. The same raw files
    and config give the same bytes. What was there stays until all is written, and is then replaced by a rename;
    another process that prepares or fetches the same waits. Raises DataError for raw data that is missing, damaged or
    unfit, and for a disk that is full or not writable.
    """
    target = project.prepared(config.name)
    with (
        storage_errors(target, command=f"python src/prepare.py {config.typed}"),
        one_process_at_a_time(project.data_lock(config.name)),
        scratch_beside(target) as scratch,
    ):
        new = scratch / "new"
        new.mkdir()
        raw_directory = verify_raw(config, project=project)  # not before: another process may have replaced it
        card = _prepare_into(new, config, raw_directory, scratch=scratch, project=project)
        replace_directory(new, target)
    return card


def _prepare_into(
    directory: Path, config: DataConfig, raw_directory: Path, *, scratch: Path, project: Project
) -> dict[str, Any]:
    raw = read(config, directory=raw_directory, scratch=scratch)
    n_raw, table = len(raw.y) + len(raw.unreadable), raw.table
    examples = clean(raw, config=config)
    del raw  # it may be as large as everything else together
    _refuse_equal_ids(examples, config)
    alike = nearly_the_same(examples.x) if config.folder is not None else None
    splits = split(examples, config=config, together=alike)
    if alike is not None:
        examples = replace(examples, findings=(*examples.findings, _nearly_the_same(alike, splits)))
    x: Any = examples.x
    if config.texts is not None:
        x, of_texts = tokenise(examples.x, splits, config.texts, root=project.root, directory=directory)
    elif table is not None:
        transform = TableTransform.fit(table.columns, x[splits["train"]])
        fitted = json.dumps(transform.as_json(), ensure_ascii=False).encode()
        (directory / TABLE).write_bytes(fitted)
        columns = report_columns(table.columns, x, examples.y, splits, config.target_kind)
        x = transform.apply(x)
    findings, kept = examples.findings, None
    if not isinstance(x, Ragged):
        x, constants, kept = without_constants(x, splits["train"], config=config)
        findings = (*findings, constants)
    normalisation = fit(x, splits["train"], kind=config.prepare.normalise)
    target = describe_target(examples.y[splits["train"]], config=config)
    before = ValueSummary()
    if isinstance(x, Ragged):
        before.add(x.lengths[splits["train"]])
    else:
        for rows in _pieces(splits["train"], x):
            before.add(x[rows])
    stored = "uint8" if config.folder is not None else "int32" if isinstance(x, Ragged) else "float32"
    beside = str(of_texts["digest"]).encode() if config.texts is not None else b""
    if stored == "uint8":
        beside = normalisation.mean.tobytes() + normalisation.std.tobytes()
    after, data_hash, hashes = _write_splits(
        directory, x, examples, splits, normalisation, stored=stored, beside=beside
    )
    card = make_card(
        config,
        n_raw=n_raw,
        findings=findings,
        target=target,
        targets={name: examples.y[positions] for name, positions in splits.items()},
        before=before,
        after=after,
        shape=x.shape[1:],
        normalisation=normalisation,
        data_hash=data_hash,
        hashes=hashes,
    )
    if stored != "float32":
        card["stored"] = stored
    if config.texts is not None:
        card |= {
            "text": of_texts,
            "transform_sha256": hashlib.sha256((directory / TABLE).read_bytes()).hexdigest(),
            "warnings": [*_drawn(examples, splits, config), *little_known(of_texts, config.texts)],
        }
    if kept is not None:
        card["kept_positions"] = kept.tolist()
    if table is not None:
        settings = config.table.model_dump() if config.table else {}
        card |= {
            "features": transform.features,
            "numbers": transform.numbers,
            "transform_sha256": hashlib.sha256(fitted).hexdigest(),
            "left_out": [as_typed(note, settings) for note in table.notes],
            "columns": [asdict(each) for each in columns],
            "warnings": [
                *_drawn(examples, splits, config),
                *warnings_of(columns, settings),
            ],
        }
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (directory / "card.json").write_text(f"{text}\n", encoding="utf-8")
    write_report(
        directory, card, examples, {str(name): rows for name, rows in splits.items()},
        columns=table.columns if table else (), cache=project.cache,
    )  # fmt: skip
    return card


def _nearly_the_same(alike: np.ndarray, splits: Mapping[SplitName, np.ndarray]) -> Finding:
    """What is said of pictures that are nearly the same; of those in two splits where somebody else made the splits."""
    groups = {name: set(alike[rows].tolist()) for name, rows in splits.items()}
    others = {name: set().union(*(groups[other] for other in groups if other != name)) for name in groups}
    beyond = {name: sum(group in others[name] for group in alike[splits[name]].tolist()) for name in SPLITS[1:]}
    _, group, counts = np.unique(alike, return_inverse=True, return_counts=True)
    found = np.flatnonzero(counts[group] > 1)
    across = ", ".join(f"{count:,} of {name}" for name, count in beyond.items() if count)
    so = f"there are such in another split too: {across}" if across else "kept in one split with it"
    why = f"nearly the same as another picture; {so}"
    return Finding("near_duplicate", why, len(found), 0, ())  # positions are of the raw data, which nobody knows here


def _refuse_equal_ids(examples: CleanExamples, config: DataConfig) -> None:
    """Raises DataError for two rows of one name: nobody could say whose prediction is whose."""
    ids = examples.origin.ids
    assert ids is not None, "cleaning gives every example one"
    names, counts = np.unique(ids, return_counts=True)
    if (repeated := counts > 1).any():
        rows = np.flatnonzero(ids == names[repeated][0])[:2] + 1
        raise DataError(
            f"{config.name}: ids that name more than one row: {repeated.sum():,}, such as "
            f"{short(names[repeated][0])!r} (rows {rows[0]} and {rows[1]} of {len(ids):,}), and no prediction could be "
            "told from another; allowed: an id for each row; type: data.id=<another column>, or data.id=null for the "
            "numbers of the rows"
        )


def _drawn(examples: CleanExamples, splits: Mapping[SplitName, np.ndarray], config: DataConfig) -> list[str]:
    """What is said of splits for which the column that names them has no row."""
    meant = examples.origin.splits
    lacking = [] if meant is None or config.table is None else [name for name in SPLITS if not (meant == name).any()]
    return [
        f"column {short(config.table.split)} has no row of {name}: {len(splits[name]):,} of its train rows are taken "
        "for it"
        for name in lacking if config.table is not None
    ]  # fmt: skip


def _write_splits(
    directory: Path,
    x: np.ndarray | Ragged,
    examples: CleanExamples,
    splits: Mapping[SplitName, np.ndarray],
    normalisation: Normalisation,
    *,
    stored: str,
    beside: bytes,
) -> tuple[dict[SplitName, ValueSummary], str, dict[str, str]]:
    """Write every split's arrays. Returns summaries of their values, the sha256 over all arrays, and each split's.

    beside: what is no part of the arrays and says what they mean, such as the vocabulary: it is hashed with them.
    """
    whole, hashes = hashlib.sha256(), {}
    whole.update(beside)
    y, ids = examples.y, examples.origin.ids
    assert ids is not None, "cleaning gives every example one"
    after = {name: ValueSummary() for name in SPLITS}
    for name in SPLITS:
        positions, folder, own = splits[name], directory / name, hashlib.sha256()
        digest = Digests(whole, own)
        folder.mkdir()
        if isinstance(x, Ragged):
            some = x.of(positions)
            after[name].add(some.lengths)
            for array, file in ((some.values, "x.npy"), (some.offsets, "offsets.npy")):
                write_array(folder / file, pieces=[array], shape=array.shape, dtype=array.dtype.str, digest=digest)
        else:
            parts = _normalised(x, positions, normalisation, summary=after[name], as_they_are=stored == "uint8")
            shape = (len(positions), *x.shape[1:])
            write_array(folder / "x.npy", pieces=parts, shape=shape, dtype=np.dtype(stored).str, digest=digest)
        dtype = "<i8" if y.dtype.kind == "i" else "<f4"
        write_array(folder / "y.npy", pieces=[y[positions]], shape=(len(positions), *y.shape[1:]), dtype=dtype,
                    digest=digest)  # fmt: skip
        write_array(folder / "ids.npy", pieces=[ids[positions]], shape=(len(positions),), dtype=ids.dtype.str)
        hashes[str(name)] = own.hexdigest()
    return after, whole.hexdigest(), hashes


def _normalised(
    x: np.ndarray, positions: np.ndarray, normalisation: Normalisation, *, summary: ValueSummary, as_they_are: bool
) -> Iterator[np.ndarray]:
    for rows in _pieces(positions, x):
        piece = normalisation.apply(x[rows])
        summary.add(piece)
        yield x[rows] if as_they_are else piece


def _pieces(positions: np.ndarray, x: np.ndarray) -> Iterator[np.ndarray]:
    return pieces(positions, int(np.prod(x.shape[1:])), most=_ROWS)
