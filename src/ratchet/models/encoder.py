"""A pretrained encoder of texts from a local folder, by the library transformers, and a linear layer."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal, Self
from warnings import catch_warnings

import torch
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ratchet.config.base import Probability
from ratchet.errors import ConfigError, RatchetError, first_line
from ratchet.models.texts import mean_over
from ratchet.names import to_install
from ratchet.project import Project
from ratchet.tables import Setting, TableError
from ratchet.texts import TOKENIZER
from ratchet.texts.tokens import vocabulary_of

_UNUSED = ("pooler", "position_ids")  # parts of a name: weights that this network does without


class Encoder(nn.Module):
    """The encoder of a Hugging Face folder `path`, its first `layers`, and a linear layer on what is read of it.

    frozen: the encoder stays as it is. lora: the rank of adapters beside its attention, which are trained in its
    place; 0: none. architecture: the config of an encoder whose weights a checkpoint has, as JSON; then no folder is
    read. Nothing is downloaded, and no code of the folder runs. Raises ConfigError for a folder that is none, or whose
    weights, tokenizer or positions do not suit.
    """

    def __init__(
        self,
        *,
        input_shape: tuple[int, ...],
        n_outputs: int,
        vocabulary: int,
        digest: str,
        architecture: str | None = None,
        path: str,
        layers: PositiveInt | None = None,
        frozen: bool = False,
        lora: NonNegativeInt = 0,
        readout: Literal["mean", "first"] = "mean",
        dropout: Probability = 0.1,
    ) -> None:
        super().__init__()
        if frozen and lora:
            raise ConfigError(f"model.frozen=true and model.lora={lora} exclude each other; type: model.frozen=false")
        if architecture is None:
            encoder = _read(Project.find().root / Path(path).expanduser(), path, layers, vocabulary, digest)
        else:
            encoder = _empty(architecture)
        self.architecture = json.dumps(encoder.config.to_dict(), default=str)
        if architecture is None:
            _require_rebuildable(self.architecture, path)
        self.first, self.frozen = readout == "first", frozen
        most = _positions(encoder)
        if most is not None and input_shape[0] > most:
            said = f"data.max_length={input_shape[0]}: the encoder of {path} has {most} positions; type: "
            raise TableError(said, Setting("max_length", most))
        self.padding = encoder.config.pad_token_id or 0
        encoder.requires_grad_(not frozen)
        self.encoder = _with_adapters(encoder, lora) if lora else encoder
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(encoder.config.hidden_size, n_outputs)

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation. What is frozen stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (batch, tokens), -1 where there is none -> outputs (batch, n_outputs)."""
        seen = x >= 0
        tokens = x.masked_fill(~seen, self.padding)
        read = self.encoder(input_ids=tokens, attention_mask=seen.long()).last_hidden_state
        outputs: Tensor = self.classifier(self.dropout(read[:, 0] if self.first else mean_over(read, seen)))
        return outputs


def _library() -> Any:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import transformers
    except ModuleNotFoundError as error:
        said = f"model=encoder needs the package {error.name}"
        raise ConfigError(f"{said}; type: {to_install('text')}") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _read(folder: Path, path: str, layers: int | None, vocabulary: int, digest: str) -> Any:
    if not (folder / "config.json").is_file():
        wrong = f"{folder} has no config.json" if folder.is_dir() else f"{folder} is no folder"
        raise ConfigError(
            f"model.path={path}: {wrong}; allowed: a Hugging Face folder with config.json and model.safetensors; "
            "type: model.path=<folder>"
        )
    library = _library()
    try:
        config = library.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        depth = getattr(config, "num_hidden_layers", None)
        if layers is not None and (depth is None or layers > depth):
            raise ConfigError(f"model.layers={layers}: the encoder of {path} has {depth}; type: model.layers=null")
        _require_same_tokens(folder, path, config, vocabulary, digest)
        if layers is not None:
            config.num_hidden_layers = layers
            for name in ("layer_types", "mlp_layer_types"):
                if kinds := getattr(config, name, None):
                    setattr(config, name, kinds[:layers])
        encoder, found = library.AutoModel.from_pretrained(
            folder, config=config, local_files_only=True, trust_remote_code=False, dtype=torch.float32,
            output_loading_info=True,
        )  # fmt: skip
    except RatchetError:
        raise
    except Exception as error:  # of many classes: of the library's own, of safetensors', of torch's
        raise ConfigError(
            f"model.path={path}: the encoder cannot be read: {first_line(error)[:160]}; put a whole folder there"
        ) from error
    missing = [name for name in found["missing_keys"] if not any(part in name for part in _UNUSED)]
    if missing:
        raise ConfigError(
            f"model.path={path}: its weights are of another architecture than its config.json, {config.model_type}: "
            f"{len(missing)} are missing, such as {sorted(missing)[0]}; put the config.json of these weights there"
        )
    return _plain(encoder)


def _require_same_tokens(folder: Path, path: str, config: Any, vocabulary: int, digest: str) -> None:
    own = vocabulary_of(folder)
    if own is None:
        raise ConfigError(
            f"model.path={path}: {folder} has no {TOKENIZER}, so no tokens are the encoder's; put it there"
        )
    if vocabulary > config.vocab_size or own.digest != digest:
        raise TableError(
            f"model.path={path}: the tokens of these data are not those of the encoder: {vocabulary:,} here, "
            f"{config.vocab_size:,} there; type: ", Setting("tokenizer", path)
        )  # fmt: skip


def _positions(encoder: Any) -> int | None:
    """The tokens that an encoder has positions for: some begin behind that of padding."""
    tables = [each for name, each in encoder.named_modules() if name.endswith("position_embeddings")]
    first = max((each.padding_idx + 1 for each in tables if getattr(each, "padding_idx", None) is not None), default=0)
    most = getattr(encoder.config, "max_position_embeddings", None)
    return None if most is None else most - first


def _require_rebuildable(architecture: str, path: str) -> None:
    """Raises ConfigError where a checkpoint's reader could not build the encoder again."""
    try:
        with torch.device("meta"):
            _empty(architecture)
    except Exception as error:  # of many classes
        said = f"model.path={path}: its config.json builds no encoder without its folder: {first_line(error)[:160]}"
        raise ConfigError(f"{said}; put another encoder there") from error


def _empty(architecture: str) -> Any:
    library = _library()
    content = json.loads(architecture)
    return _plain(library.AutoModel.from_config(library.AutoConfig.for_model(**content)))


def _plain(encoder: Any) -> Any:
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder


def _with_adapters(encoder: Any, rank: int) -> nn.Module:
    try:
        import peft
    except ModuleNotFoundError as error:
        raise ConfigError(f"model.lora needs the package {error.name}; type: {to_install('text')}") from error
    settings = peft.LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0)
    try:
        with catch_warnings(action="ignore"):  # of names that transformers will give up
            adapted: nn.Module = peft.get_peft_model(encoder, settings)
    except ValueError as error:
        said = f"model.lora={rank}: {first_line(error)[:120]}"
        raise ConfigError(f"{said}; allowed: 0, for none; type: model.lora=0") from error
    return adapted
