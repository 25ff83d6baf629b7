"""From a text to the tokens of a vocabulary, fitted on train alone or read from a pretrained tokenizer's folder."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ratchet.errors import ConfigError, DataError, first_line
from ratchet.texts.ragged import Ragged

FILE = "tokenizer.json"  # in a pretrained tokenizer's folder
UNKNOWN = "[UNK]"
_FEWEST = 2  # times that a word of the vocabulary is in train: of rarer ones nothing is learnt but that they are rare
_AT_ONCE = 1024  # texts


@dataclass(frozen=True)
class TextInput:
    """What a network of texts is told of its input. architecture: of a pretrained encoder, where a checkpoint has it.

    digest: sha256 of the vocabulary, the tokens with their numbers.
    """

    vocabulary: int
    digest: str
    architecture: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain scalars."""
        return asdict(self)


def clean(text: str) -> str:
    """A text in Unicode's normal form C, without blanks around it and without halves of surrogate pairs."""
    return unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode()).strip()


def tokenizer_checksum(folder: Path, *, said: str) -> str:
    """sha256 of a folder's tokenizer.json. Raises ConfigError that begins with `said` for a folder that has none."""
    file = folder / FILE
    if not file.is_file():
        wrong = f"{folder} has no {FILE}" if folder.is_dir() else f"{folder} is no folder"
        raise ConfigError(
            f"{said}: {wrong}; allowed: the folder of a pretrained tokenizer; type: data.tokenizer=null, for a "
            "vocabulary of the words of train"
        )
    _read(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def vocabulary_of(folder: Path) -> TextInput | None:
    """The vocabulary of a pretrained tokenizer's folder; None where it has no tokenizer.json."""
    return _described(_read(folder / FILE)) if (folder / FILE).is_file() else None


@dataclass(frozen=True)
class TextTransform:
    """column: that of the texts. max_length: tokens kept of a text. tokenizer: a tokenizer.json's text."""

    column: str
    max_length: int
    tokenizer: str

    @classmethod
    def fit(cls, column: str, texts: Iterable[str], *, vocabulary: int, max_length: int) -> Self:
        """Words in small letters, and signs: the most frequent of these texts, as many as `vocabulary` at most."""
        t = _library()
        words = t.Tokenizer(t.models.WordLevel({UNKNOWN: 0}, unk_token=UNKNOWN))
        words.normalizer = t.normalizers.Sequence(
            [t.normalizers.NFC(), t.normalizers.BertNormalizer(strip_accents=False, lowercase=True)]
        )
        words.pre_tokenizer = t.pre_tokenizers.BertPreTokenizer()
        counts: Counter[str] = Counter()
        for text in texts:
            cut = words.pre_tokenizer.pre_tokenize_str(words.normalizer.normalize_str(text))
            counts.update(word for word, _ in cut)
        known = sorted((word for word, n in counts.items() if n >= _FEWEST), key=lambda word: (-counts[word], word))
        numbered = dict(zip([UNKNOWN, *(word for word in known if word != UNKNOWN)], range(vocabulary), strict=False))
        words.model = t.models.WordLevel(numbered, unk_token=UNKNOWN)
        return cls(column, max_length, words.to_str())

    @classmethod
    def of_folder(cls, column: str, folder: Path, *, max_length: int, to_type: str = "data.max_length=256") -> Self:
        """A pretrained tokenizer, with its own marks around a text. to_type: where these leave no place for it."""
        tokenizer = _read(folder / FILE)
        if max_length <= (marks := tokenizer.num_special_tokens_to_add(is_pair=False)):
            said = f"data.max_length={max_length}: this tokenizer puts {marks} marks around a text; allowed: more; "
            raise DataError(f"{said}type: {to_type}")
        return cls(column, max_length, tokenizer.to_str())

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The transform that as_json wrote."""
        return cls(**content)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain scalars."""
        return asdict(self)

    @cached_property
    def _cutter(self) -> Any:
        cutter = _library().Tokenizer.from_str(self.tokenizer)
        cutter.enable_truncation(self.max_length)
        cutter.no_padding()
        return cutter

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_cutter"}

    @cached_property
    def input(self) -> TextInput:
        """What a network is told of such texts."""
        return _described(self._cutter)

    @cached_property
    def unknown(self) -> int | None:
        """The token that stands for what is not in the vocabulary; None where the tokenizer needs none."""
        model = json.loads(self.tokenizer)["model"]
        name, number = model.get("unk_token"), model.get("unk_id")
        found: int | None = self._cutter.token_to_id(name) if name else number
        return found

    def apply(self, texts: Sequence[str] | np.ndarray) -> tuple[Ragged, int]:
        """The tokens of texts, and how many texts were cut to max_length. One without any is one unknown token."""
        parts, cut = [Ragged.of_lists([], self.max_length)], 0
        for start in range(0, len(texts), _AT_ONCE):
            some = self._cutter.encode_batch([clean(text) for text in texts[start : start + _AT_ONCE]])
            found = [encoding.ids or [self.unknown or 0] for encoding in some]
            parts.append(Ragged.of_lists(found, self.max_length))
            cut += sum(bool(encoding.overflowing) for encoding in some)
        return Ragged.of_parts(parts), cut

    def words(self, tokens: Iterable[int]) -> str:
        """Tokens as a person reads them."""
        return str(self._cutter.decode([int(token) for token in tokens if token >= 0]))

    def name(self, token: int) -> str:
        """Return a token of the vocabulary, as it is written there."""
        return str(self._cutter.id_to_token(token) or "")


def _described(tokenizer: Any) -> TextInput:
    known = tokenizer.get_vocab()
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    return TextInput(max(known.values(), default=0) + 1, digest)


def _read(file: Path) -> Any:
    try:
        return _library().Tokenizer.from_file(str(file))
    except ConfigError:
        raise
    except Exception as error:  # the library has no class of its own for it
        raise ConfigError(
            f"{file} is no tokenizer: {first_line(error)[:120]}; put a whole one there, or type: data.tokenizer=null"
        ) from error


def _library() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns in every process that is forked later
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ConfigError(f"data=text needs the package {error.name}; type: pip install -e '.[text]'") from error
    return tokenizers
