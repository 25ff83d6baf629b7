"""A pretrained encoder of a local folder: a tiny one with random weights, which the test builds and saves."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch

from ratchet.config.composition import compose, config_hash, load_config
from ratchet.data.fetch import fetch
from ratchet.data.prepare import prepare
from ratchet.errors import ConfigError, DataError
from ratchet.models import Encoder, build_model
from ratchet.project import Project
from ratchet.promotion.gate_runs import Configuration, seedless_hash
from ratchet.runs.directory import RunDirectory
from ratchet.runs.provenance import versions
from ratchet.texts import TextInput, TextTransform
from ratchet.texts.tokens import vocabulary_of
from ratchet.training.checkpoint import load_model
from ratchet.training.module import TaskModule
from ratchet.training.tasks import network_for, task_for
from ratchet.training.train import train

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "the", "a", "was", "plot"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tokenizers as t

    with warnings.catch_warnings(action="ignore"):
        from transformers import BertConfig, BertModel

        folder = tmp_path_factory.mktemp("weights") / "tiny"
        torch.manual_seed(0)
        BertModel(BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=40, initializer_range=0.5,
        )).save_pretrained(folder)  # fmt: skip
    tokenizer = t.Tokenizer(t.models.WordPiece({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = t.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = t.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def built(folder: Path, **settings) -> Encoder:
    known = vocabulary_of(folder)
    assert known is not None
    asked = {"input_shape": (32,), "n_outputs": 2, **known.as_json(), "path": str(folder), **settings}
    return Encoder(**asked)


def trained(model: Encoder) -> int:
    return sum(each.numel() for each in model.parameters() if each.requires_grad)


def test_layers_frozen_and_adapters(saved: Path) -> None:
    whole, short = built(saved), built(saved, layers=1)
    assert (len(whole.encoder.encoder.layer), len(short.encoder.encoder.layer)) == (3, 1)
    assert trained(built(saved, frozen=True)) == 16 * 2 + 2
    assert not built(saved, frozen=True).train().encoder.training
    adapted = trained(built(saved, lora=2))
    assert 34 < adapted < trained(whole) / 2
    with pytest.raises(ConfigError, match=r"exclude each other; type: model\.frozen=false"):
        built(saved, frozen=True, lora=2)
    with pytest.raises(ConfigError, match=r"model\.layers=4: the encoder of .* has 3; type: model\.layers=null"):
        built(saved, layers=4)


@pytest.mark.parametrize("readout", ["mean", "first"])
def test_padding_changes_no_output(saved: Path, readout: str) -> None:
    model = built(saved, readout=readout).eval()
    transform = TextTransform.of_folder("body", saved, max_length=32)
    texts, cut = transform.apply(["good film", "the plot was bad", "a", "the film was a good good good plot"])
    assert (texts.lengths.tolist(), cut) == ([4, 6, 3, 10], 0)
    assert texts[0:1].tolist() == [[2, 4, 6, 3]]
    with torch.no_grad():
        together = model(torch.from_numpy(texts[:]))
        alone = torch.cat([model(torch.from_numpy(texts[k : k + 1])) for k in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-3


def spoilt(saved: Path, folder: Path, what: str) -> Path:
    shutil.copytree(saved, folder)
    config = json.loads((folder / "config.json").read_text())
    match what:
        case "no config":
            (folder / "config.json").unlink()
        case "no weights":
            (folder / "model.safetensors").unlink()
        case "half weights":
            (folder / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:1000])
        case "other architecture":
            (folder / "config.json").write_text(json.dumps(config | {"model_type": "distilbert", "dim": 16}))
        case "other size":
            (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 32}))
        case "more layers":
            (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 5}))
        case "other tokens":
            text = (folder / "tokenizer.json").read_text()
            (folder / "tokenizer.json").write_text(text.replace('"plot"', '"story"'))
    return folder


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("no config", "has no config.json; allowed: a Hugging Face folder"),
        ("no weights", "the encoder cannot be read"),
        ("half weights", "the encoder cannot be read"),
        ("other architecture", "its weights are of another architecture than its config.json, distilbert"),
        ("other size", "the encoder cannot be read"),
        ("more layers", "its weights are of another architecture than its config.json, bert"),
        ("other tokens", "the tokens of these data are not those of the encoder"),
    ],
)
def test_folders_that_do_not_suit_are_one_line(saved: Path, tmp_path: Path, what: str, wrong: str) -> None:
    folder = spoilt(saved, tmp_path / "other", what)
    known = vocabulary_of(saved)
    assert known is not None
    with pytest.raises((ConfigError, DataError)) as caught:
        Encoder(input_shape=(32,), n_outputs=2, path=str(folder), vocabulary=known.vocabulary, digest=known.digest)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_longer_than_the_positions_is_refused(saved: Path) -> None:
    with pytest.raises(DataError, match=r"has 40 positions; type: data\.max_length=40"):
        built(saved, input_shape=(256,))


def words(project: Project, saved: Path) -> list[str]:
    shutil.copytree(saved, project.root / "tiny")
    lines = [f"{'the film was a ' * (k % 5)}{['good', 'bad'][k % 2]} plot n{k},{k % 2}" for k in range(80)]
    (project.root / "reviews.csv").write_text("\n".join(["body,label", *lines]))
    return ["params=null", "logger=csv", "trainer.max_epochs=1", "trainer.progress=none", "data=text",
            "data.path=reviews.csv", "data.text=body", "data.target=label", "data.max_length=40",
            "data.prepare.duplicates=keep", "data.tokenizer=tiny", "model=encoder", "model.path=tiny"]  # fmt: skip


def test_other_weights_are_another_config_and_are_watched(project: Project, saved: Path) -> None:
    asked = words(project, saved)
    first = compose(project, asked)
    assert "weights_checksum" in project.lock.read_text()
    links = {link.name: link.resolve().name for link in (project.conf / "data").glob("*.link")}
    assert links == {
        "table.link": "reviews.csv", "tokenizer.link": "tokenizer.json", "weights.config.json.link": "config.json",
        "weights.model.safetensors.link": "model.safetensors",
    }  # fmt: skip
    assert all(link.exists() for link in (project.conf / "data").glob("*.link"))
    weights = project.root / "tiny" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    second = load_config(project, asked)
    assert config_hash(second) != config_hash(first)
    assert seedless_hash(second) != seedless_hash(first)
    known = vocabulary_of(project.root / "tiny")
    with pytest.raises(ConfigError, match="its files are not those of the config any more"):
        build_model(first.model, input_shape=(32,), n_outputs=2, text=known)
    build_model(second.model, input_shape=(32,), n_outputs=2, text=known)
    compose(project, ["params=null"])
    assert not list((project.conf / "data").glob("*.link"))


def test_a_tokenizer_is_read_once_while_it_stays_the_same(project: Project, saved: Path, monkeypatch) -> None:
    asked = words(project, saved)
    first = load_config(project, asked)
    with monkeypatch.context() as patched:
        patched.setattr("ratchet.texts.tokens._read", None)
        assert load_config(project, asked) == first
    file = project.root / "tiny" / "tokenizer.json"
    file.write_text(file.read_text().replace('"plot"', '"story"'))
    changed = load_config(project, asked)
    assert changed.data.table is not None
    assert first.data.table is not None
    assert changed.data.table.tokenizer_checksum != first.data.table.tokenizer_checksum


@pytest.mark.parametrize("extra", ["model.layers=2", "model.lora=2"])
def test_a_checkpoint_needs_the_folder_no_more(project: Project, saved: Path, extra: str) -> None:
    weights = project.root / "tiny"
    asked = load_config(project, [*words(project, saved), extra])
    fetch(asked.data, project=project)
    prepare(asked.data, project=project)
    run = RunDirectory(project.runs / "one")
    with warnings.catch_warnings(action="ignore"):
        train(asked, project=project, run=run)
    shutil.rmtree(weights)
    model, _ = load_model(run)
    state = torch.load(run.best_checkpoint, weights_only=True)["state_dict"]
    assert all((state[f"network.{name}"] == value).all() for name, value in model.state_dict().items())


def test_an_encoder_without_a_tokenizer_is_refused(saved: Path, tmp_path: Path) -> None:
    folder, known = tmp_path / "bare", vocabulary_of(saved)
    shutil.copytree(saved, folder)
    (folder / "tokenizer.json").unlink()
    assert known is not None
    with pytest.raises(ConfigError, match=r"has no tokenizer\.json, so no tokens are the encoder's"):
        Encoder(input_shape=(32,), n_outputs=2, path=str(folder), **known.as_json())


def of_kind(saved: Path, folder: Path, kind: str, **settings) -> Path:
    with warnings.catch_warnings(action="ignore"):
        import transformers

        sizes = {"vocab_size": len(WORDS), "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
        config = getattr(transformers, f"{kind}Config")(**sizes, num_hidden_layers=3, **settings)
        getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    shutil.copy(saved / "tokenizer.json", folder)
    return folder


def test_positions_begin_behind_that_of_padding(saved: Path, tmp_path: Path) -> None:
    folder = of_kind(saved, tmp_path / "roberta", "Roberta", max_position_embeddings=34, pad_token_id=1)
    with pytest.raises(DataError, match=r"has 32 positions; type: data\.max_length=32"):
        built(folder, input_shape=(33,))
    assert built(folder)(torch.full((1, 32), 4)).shape == (1, 2)


def test_layers_of_several_kinds_are_cut_and_built_again(saved: Path, tmp_path: Path) -> None:
    folder = of_kind(saved, tmp_path / "modern", "ModernBert", max_position_embeddings=40, pad_token_id=0,
                     bos_token_id=2, eos_token_id=3, cls_token_id=2, sep_token_id=3)  # fmt: skip
    short = built(folder, layers=1)
    assert len(json.loads(short.architecture)["layer_types"]) == 1
    again = built(folder, architecture=short.architecture)
    again.load_state_dict(short.state_dict())


def test_hints_name_the_keys_of_named_data(project: Project, saved: Path) -> None:
    asked = load_config(project, words(project, saved))
    assert asked.data.table is not None
    table = asked.data.table.model_copy(update={"path": None})
    named = asked.model_copy(update={"data": asked.data.model_copy(update={"table": table})})
    known = vocabulary_of(saved)
    for config, key in ((asked, "type: data"), (named, r"type: \+\+data\.table")):
        task = task_for(config, config.data.target)
        with pytest.raises(ConfigError, match=rf"{key}\.max_length=40"):
            network_for(config, task, shape=(256,), text=known)
        with pytest.raises(ConfigError, match=rf"{key}\.tokenizer=tiny"):
            network_for(config, task, shape=(32,), text=TextInput(5, "another"))


def test_penalties_are_on_what_is_trained(project: Project, saved: Path) -> None:
    config = load_config(project, [*words(project, saved), "model.frozen=true"])
    task = task_for(config, config.data.target)
    network = network_for(config, task, shape=(32,), text=vocabulary_of(saved))
    module = TaskModule(network, config, task=task, loss=torch.nn.CrossEntropyLoss())
    assert [tuple(each.shape) for each in module._weights] == [(2, 16)]


def test_scores_of_texts_are_kept_apart_by_their_libraries(project: Project, saved: Path, monkeypatch) -> None:
    of_texts, others = load_config(project, words(project, saved)), load_config(project, ["params=null"])

    def keys() -> list[str]:
        return [Configuration.of("", each, data_hash="x", project=project).key for each in (of_texts, others)]

    before = keys()
    found = versions()
    assert {"tokenizers", "transformers"} <= found.keys()
    monkeypatch.setattr("ratchet.promotion.gate_runs.versions", lambda: found | {"transformers": "0"})
    after = keys()
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_unknown_token_of_a_unigram_tokenizer(tmp_path: Path) -> None:
    import tokenizers as t

    scores = [("<pad>", 0.0), ("<unk>", 0.0), ("good", -1.0)]
    t.Tokenizer(t.models.Unigram(scores, unk_id=1)).save(str(tmp_path / "tokenizer.json"))
    transform = TextTransform.of_folder("body", tmp_path, max_length=8)
    assert transform.unknown == 1
    texts, _ = transform.apply(["", "good"] * 1000)
    assert (texts.values.tolist(), len(texts)) == ([1, 2] * 1000, 2000)
