"""Texts as tokens of a vocabulary that the training split has, and what the data card says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.config.data_sections import TableConfig
from ratchet.config.tables import as_typed
from ratchet.data.examples import SplitName
from ratchet.data.transform import TABLE
from ratchet.errors import DataError
from ratchet.tables import Setting
from ratchet.texts import Ragged, TextTransform, tokenizer_checksum

_FREQUENT = 30  # tokens named in the card
_MANY = 0.3  # unknown tokens, as a share of those of train, from which on a person is told


def tokenise(
    texts: np.ndarray, splits: Mapping[SplitName, np.ndarray], config: TableConfig, *, root: Path, directory: Path
) -> tuple[Ragged, dict[str, Any]]:
    """The tokens of all texts, and the part of the card. The transform is written into `directory`."""
    assert config.text is not None
    train = splits["train"]
    if config.tokenizer is None:
        transform = TextTransform.fit(
            config.text, texts[train], vocabulary=config.vocabulary, max_length=config.max_length
        )
    else:
        folder = root / Path(config.tokenizer).expanduser()
        checksum = tokenizer_checksum(folder, said=f"data.tokenizer={config.tokenizer}")
        if config.tokenizer_checksum not in {None, checksum}:
            raise DataError(f"{folder} was changed just now; type the same again")
        longer = as_typed([Setting("max_length", 256)], config.model_dump())
        transform = TextTransform.of_folder(config.text, folder, max_length=config.max_length, to_type=longer)
    (directory / TABLE).write_text(json.dumps(transform.as_json(), ensure_ascii=False), encoding="utf-8")
    tokens, cut = transform.apply(texts)
    counts = np.bincount(tokens.of(train).values, minlength=transform.input.vocabulary)
    most = [int(token) for token in np.argsort(-counts, kind="stable")[:_FREQUENT] if counts[token]]
    unknown = {name: _share(tokens.of(rows), transform.unknown) for name, rows in splits.items()}
    return tokens, {
        "vocabulary": transform.input.vocabulary,
        "digest": transform.input.digest,
        "of_train": int((counts > 0).sum()),
        "unknown": unknown,
        "cut": cut,
        "frequent": [[transform.name(token), int(counts[token])] for token in most],
    }


def little_known(of_texts: Mapping[str, Any], config: TableConfig) -> list[str]:
    """What is said where many tokens of train are unknown: too few texts have a word in common."""
    share = of_texts["unknown"]["train"]
    if share < _MANY:
        return []
    key = "data" if config.path else "++data.table"
    return [
        f"{share:.0%} of the tokens of train are unknown, as words of one text alone are; allowed: more texts, "
        f"a larger {key}.vocabulary, or {key}.tokenizer=<folder>"
    ]


def _share(tokens: Ragged, unknown: int | None) -> float:
    """The share of unknown tokens, to six digits."""
    return 0.0 if unknown is None else round(float((tokens.values == unknown).mean()), 6)
