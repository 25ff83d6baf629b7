"""data=text from the command line: prepared, trained, evaluated, asked about new texts, without a line of code."""

from __future__ import annotations

import json
import shlex
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

from ratchet.commands.sweep import latency
from ratchet.config.composition import load_config
from ratchet.config.sections import ModelConfig
from ratchet.data.fetch import fetch
from ratchet.data.prepare import prepare
from ratchet.data.prepared import PreparedData, describe
from ratchet.data.table_file import texts_of
from ratchet.data.tokenised import little_known
from ratchet.deployment.export import export
from ratchet.deployment.predict import predict
from ratchet.errors import ConfigError, DataError, RatchetError
from ratchet.evaluation.evaluate import evaluate
from ratchet.models.lightning import build_module
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.tasks import Target
from ratchet.texts import Ragged, TextInput, TextTransform
from ratchet.training.buildable import Asked, complaints
from ratchet.training.train import train

QUICK = ["params=null", "logger=csv", "trainer.max_epochs=3", "trainer.progress=none"]
ASKED = ["data=text", "data.path=reviews.csv", "data.text=body", "data.target=label", "data.id=id"]
MOODS = {"good": ["great", "lovely", "süperb"], "bad": ["awful", "dull", "boring"]}


def rows(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    found = []
    for number in range(n):
        label = ["good", "bad"][number % 2]
        words = [*rng.choice(["the", "film", "plot", "actor", "scene", "was", "and", "music"], rng.integers(1, 30)),
                 *rng.choice(MOODS[label], 3), f"#{number}"]  # fmt: skip
        found.append((f"r{number}", " ".join(rng.permutation(words)), label))
    return pd.DataFrame(found, columns=["id", "body", "label"])


@pytest.fixture
def reviews(project: Project) -> Path:
    path = project.root / "reviews.csv"
    rows().to_csv(path, index=False)
    return path


def config(project: Project, *words: str):
    return load_config(project, [*QUICK, *ASKED, *words])


def made(project: Project, *words: str) -> dict:
    found = config(project, *words).data
    fetch(found, project=project)
    return prepare(found, project=project)


def quietly_trained(asked, project: Project, run: RunDirectory) -> None:
    with warnings.catch_warnings(action="ignore"):  # what the libraries warn of in training is for its own tests
        train(asked, project=project, run=run)


def opened(project: Project, *words: str) -> PreparedData:
    made(project, *words)
    return PreparedData.open(project.prepared("reviews"), reader="evaluate", config=config(project, *words).data)


def test_three_words_make_a_whole_config(project, reviews):
    found = load_config(project, [*QUICK, *ASKED[:-1]])
    assert (found.data.name, found.data.layout, found.data.classes) == ("reviews", "text", ["bad", "good"])
    assert (found.model.name, found.data.shape) == ("text_bag", None)
    typed = shlex.split(found.data.typed)
    assert sorted(typed) == sorted(ASKED[:-1]), "what chooses the data names them again"
    longer = config(project, "data.max_length=12", "data.vocabulary=50").data
    assert {"data.max_length=12", "data.vocabulary=50", "data.id=id"} <= set(shlex.split(longer.typed))


def test_the_arrays_are_the_texts(project, reviews):
    data = opened(project)
    texts = rows().set_index("id")["body"]
    for name in ("train", "validation", "test"):
        x = data.split(name).x
        assert isinstance(x, Ragged)
        assert isinstance(x.values, np.memmap)
        assert data.transform is not None
        assert data.transform.text is not None
        again, _ = data.transform.text.apply([texts[each] for each in data.ids(name)])
        assert (again.values == x.values).all()
        assert (again.offsets == x.offsets).all()
    cut = data.transform.text.words(x[0:1][0]).split()
    known = "the film plot actor scene was and music great lovely süperb awful dull boring # [UNK]"
    assert set(cut) <= set(known.split())
    assert data.text is not None
    assert data.text.vocabulary == 16
    assert data.card["text"]["unknown"]["train"] > 0


def test_the_vocabulary_is_that_of_train_alone(project, reviews):
    frame = rows()
    frame["part"] = np.where(np.arange(len(frame)) % 10 > 6, "test", "train")
    frame.to_csv(reviews, index=False)
    first = opened(project, "data.split=part")
    frame.loc[frame["part"] == "test", "body"] += " strange strange strange"
    frame.to_csv(reviews, index=False)
    second = opened(project, "data.split=part")
    assert second.text == first.text
    assert second.card["text"]["unknown"]["test"] > first.card["text"]["unknown"]["test"]


def test_odd_texts_are_cleaned_counted_or_cut(project, reviews):
    odd = ["su\u0308perb  naïve " * 40, "   ", None, "🎬 中文 x", "12", "same", "same", "other", "other", "text"]
    labels = ["good", "good", "bad", "bad", "bad", "good", "good", "good", "bad", None]
    decomposed = pd.DataFrame({"id": [*"abcdefghij"], "body": odd, "label": labels})
    pd.concat([rows(), decomposed]).to_csv(reviews, index=False)
    card = made(project, "data.max_length=20")
    removed = {each["reason"]: each["removed"] for each in card["findings"]}
    assert removed == {"wrong_shape": 0, "missing_target": 1, "blank_text": 2, "duplicate_in_test": 0,
                       "also_in_test": 0, "conflicting_labels": 2, "duplicate": 1}  # fmt: skip
    assert card["shape"] == [20]
    assert card["text"]["cut"] >= 1
    assert max(each["max"] for each in card["values"]["after_normalisation"].values()) <= 20
    assert "texts of at most 20 tokens" in (project.prepared("reviews") / "card.html").read_text(encoding="utf-8")


def test_other_words_of_the_same_order_are_other_data(project, reviews):
    first = made(project)
    frame = rows()
    frame["body"] = frame["body"].str.replace("film", "fiim")  # the same tokens, which mean something else
    frame.to_csv(reviews, index=False)
    second = made(project)
    assert second["text"]["digest"] != first["text"]["digest"]
    assert second["data_hash"] != first["data_hash"]
    (project.prepared("reviews") / "transform.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match=r"transform\.json"):
        _ = PreparedData.open(project.prepared("reviews"), reader="train", config=config(project).data).transform


def test_texts_with_few_words_in_common_are_warned_of(project, reviews):
    assert made(project)["warnings"] == []
    frame = rows()
    frame["body"] = [f"{number} x{number}" for number in range(len(frame))]
    frame.to_csv(reviews, index=False)
    assert made(project)["warnings"][0].startswith("100% of the tokens of train are unknown")


def test_the_same_file_gives_the_same_bytes_and_an_edit_is_noticed(project, reviews):
    first = made(project)["data_hash"]
    assert made(project)["data_hash"] == first
    assert made(project, "data.vocabulary=5")["data_hash"] != first
    with pytest.raises(DataError, match=r"data\.table\.vocabulary was 5, is now 20000"):
        PreparedData.open(project.prepared("reviews"), reader="train", config=config(project).data)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_other_files_of_the_same_rows_are_the_same_data(project, reviews, ending):
    first = made(project)["data_hash"]
    other = reviews.with_suffix(f".{ending}")
    if ending == "jsonl":
        rows().to_json(other, orient="records", lines=True, force_ascii=False)
    else:
        rows().to_parquet(other)
    assert made(project, f"data.path={other.name}", f"data.name={ending}")["data_hash"] == first


@pytest.mark.parametrize("model", ["text_bag", "text_transformer"])
def test_trained_evaluated_and_asked(project, reviews, model):
    made(project)
    asked = config(project, f"model={model}", "optimizer.lr=0.02", "trainer.max_epochs=8")
    run = RunDirectory(project.runs / "one")
    quietly_trained(asked, project, run)
    found = evaluate(run, output=project.root / "evaluation", project=project, config=asked.evaluation)
    assert json.loads(found.as_json())["accuracy"] > 0.9
    assert "TF-IDF and logistic regression" in found.as_json()
    new = project.root / "new.csv"
    new.write_text('id,body,mood\nx,"a lovely, GREAT film",1\ny,dull and boring,2\nz,,3\n', encoding="utf-8")
    said = predict(run, str(new), output=project.root / "said.csv", project=project)
    table = pd.read_csv(project.root / "said.csv")
    assert table["id"].tolist() == ["x", "y", "z"]
    assert table["predicted"].tolist()[:2] == ["good", "bad"]
    assert any("blank" in str(note) for note in said.notes)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["data.text=bodi"], "has no column bodi; nearest: body"),
        (["data.target=lable"], "has no column lable; nearest: label"),
        (["data.text=label"], "allowed: the name of a column, and not of data.target"),
        (["model=cnn"], "these data are texts; allowed: model=text_bag"),
        (["augmentation.mixup=0.2"], "augmentation.mixup=0.2 is for numbers"),
        (["data.prepare.normalise=channel"], "are for numbers, and reviews has texts"),
        (["data.tokenizer=nowhere"], "nowhere is no folder; allowed: the folder of a pretrained tokenizer"),
        (["data.max_length=0"], "data.max_length is 0; allowed: "),
    ],
)
def test_mistakes_are_one_line_with_what_to_type(project, reviews, words, wrong):
    made(project)
    with pytest.raises((ConfigError, DataError)) as caught:
        train(config(project, *words), project=project, run=RunDirectory(project.runs / "wrong"))
    assert wrong in str(caught.value)
    assert "type: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["data=text"], "type: data=text data.path=<file> data.text=<column> data.target=<column>"),
        (ASKED[:2], "type: data=text data.path=reviews.csv data.text=<column> data.target=<column>"),
        ([*ASKED[:3]], "type: data=text data.path=reviews.csv data.text=body data.target=<column>"),
        ([*ASKED, "model=encoder"], "type: model.path=<folder>"),
    ],
)
def test_what_is_left_out_is_asked_for(project, reviews, words, wrong):
    with pytest.raises(ConfigError) as caught:
        load_config(project, [*QUICK, *words])
    assert wrong in str(caught.value)


def folder_of_texts(folder: Path, each: int, *, start: int = 0) -> Path:
    for row in rows().iloc[start : start + 2 * each].itertuples():
        (folder / row.label).mkdir(parents=True, exist_ok=True)
        (folder / row.label / f"{row.id}.txt").write_text(row.body, encoding="utf-8")
    return folder


FOLDER = [*QUICK, "data=text", "data.path=mails"]


def test_a_folder_for_each_class_needs_no_column(project):
    folder = folder_of_texts(project.root / "mails", 40)
    (folder / "readme.txt").write_text("of no class")
    (folder / "good" / "photo.png").write_bytes(b"no text")
    found = load_config(project, FOLDER).data
    assert (found.name, found.layout, found.classes) == ("mails", "text", ["bad", "good"])
    assert shlex.split(found.typed) == ["data=text", "data.path=mails"]
    fetch(found, project=project)
    card = prepare(found, project=project)
    assert sum(each["total"] for each in card["counts"].values()) == 80
    assert "good/r0.txt" in [name for split in ("train", "validation", "confirm", "test")
                             for name in np.load(project.prepared("mails") / split / "ids.npy")]  # fmt: skip
    quietly_trained(load_config(project, FOLDER), project, RunDirectory(project.runs / "one"))
    (folder / "good" / "r0.txt").write_text("another")
    assert load_config(project, FOLDER).data.files[0].checksum != found.files[0].checksum


def test_folders_of_splits_are_the_splits(project):
    folder_of_texts(project.root / "mails/train", 40)
    folder_of_texts(project.root / "mails/test", 10, start=100)
    found = load_config(project, FOLDER).data
    fetch(found, project=project)
    assert prepare(found, project=project)["counts"]["test"]["total"] == 20


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        (["data.target=label"], "data.target says nothing; type: data.target=null"),
        (
            ["data.path=mails/good"],
            "4 texts (.txt), in folders of 0 classes; allowed: a folder for each of two classes",
        ),
        (["data.path=nowhere"], "type: data=text data.path=nowhere data.text=<column> data.target=<column>"),
    ],
)
def test_folders_that_do_not_suit_are_one_line(project, words, wrong):
    folder_of_texts(project.root / "mails", 4)
    with pytest.raises(ConfigError) as caught:
        load_config(project, [*FOLDER, *words])
    assert wrong in str(caught.value)


def test_a_text_file_of_another_encoding_is_named(project):
    folder_of_texts(project.root / "mails", 4)
    (project.root / "mails/good/r2.txt").write_bytes("süß".encode("latin-1"))
    found = load_config(project, FOLDER).data
    fetch(found, project=project)
    with pytest.raises(DataError, match=r"mails/good/r2\.txt is no UTF-8: byte 2 is 0xfc; save it as UTF-8"):
        prepare(found, project=project)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty"),
        (b"id,body,label\n", "has a header and no rows"),
        (b"id,body,label\n1,a text,good\n2,more,good\n", "there is nothing to learn"),
        ("id,body,label\n1,süß,good\n".encode() + "2,süß,bad\n".encode("latin-1"), "mixes encodings"),
        (b"id,body,label\n1,a\0b,good\n2,c,bad\n", "zero bytes"),
        (b"id,body,label\n1,,good\n2,  ,bad\n", "2 blank_text: column body holds no text"),
    ],
)
def test_files_that_are_no_data(project, content, wrong):
    (project.root / "reviews.csv").write_bytes(content)
    with pytest.raises(RatchetError, match=wrong):
        made(project)


def test_a_network_of_texts_refuses_other_data(project):
    with pytest.raises(ConfigError, match="model=text_bag is for texts"):
        train(load_config(project, [*QUICK, "data=digits", "model=text_bag"]), project=project,
              run=RunDirectory(project.runs / "wrong"))  # fmt: skip


def test_folds_are_parts_of_train_and_validation(project, reviews):
    made(project)
    asked = config(project, "split=kfold", "split.fold=1", "split.folds=3")
    quietly_trained(asked, project, run := RunDirectory(project.runs / "fold"))
    assert len(pd.read_csv(run.out_of_fold)) == 54


def test_a_tokenizer_of_words_is_the_same_after_it_was_written():
    fitted = TextTransform.fit("body", ["b a", "a B", "c"], vocabulary=3, max_length=4)
    again = TextTransform.from_json(json.loads(json.dumps(fitted.as_json())))
    assert again.input == fitted.input
    tokens, cut = again.apply(["A b c a a", "\u200b", "c"])
    assert ([tokens[k : k + 1][0].tolist() for k in range(3)], cut) == ([[1, 2, 0, 1], [0], [0]], 1)


def test_a_search_builds_networks_of_texts_ahead_and_measures_them(project, reviews):
    made(project)
    for words, wrong in (([], None), (["model=text_transformer"], None),
                         (["model=text_transformer", "model.heads=5"], "model.heads=5 does not divide")):  # fmt: skip
        asked = config(project, *words)
        found = Asked(asked, *describe(project.prepared("reviews"), asked.data))
        (said,) = complaints([found])
        assert said is None if wrong is None else wrong in str(said)
    assert latency(config(project), project=project, repeats=1) > 0


def test_a_run_on_texts_cannot_be_exported(project, reviews):
    made(project)
    quietly_trained(config(project), project, run := RunDirectory(project.runs / "one"))
    with pytest.raises(ConfigError, match=r"was trained on texts.*type: python src/predict\.py run=\S+ input=<file>"):
        export(run, output=project.root / "out", project=project, evaluation=project.root / "evaluation")


def test_a_number_is_predicted_of_texts(project, reviews):
    frame = rows()
    frame["label"] = frame["body"].str.len() / 7
    frame.to_csv(reviews, index=False)
    made(project)
    quietly_trained(asked := config(project), project, run := RunDirectory(project.runs / "one"))
    found = evaluate(run, output=project.root / "evaluation", project=project, config=asked.evaluation)
    assert "TF-IDF and ridge regression" in found.as_json()


def test_a_table_of_new_texts_without_the_column_is_one_line(project, reviews):
    made(project)
    quietly_trained(config(project), project, run := RunDirectory(project.runs / "one"))
    (project.root / "new.csv").write_text("id,bodi\n1,a lovely film\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"has no column body; its columns: id, bodi"):
        predict(run, str(project.root / "new.csv"), output=project.root / "said.csv", project=project)


def test_cells_that_are_no_strings_are_written_as_elsewhere(tmp_path: Path) -> None:
    cells = [b"s\xc3\xbcperb", 12.0, 1.5, 7, None, True, "a film"]
    frame = pd.DataFrame({"body": pd.Series(cells, dtype=object)})
    assert texts_of(frame, "body", "x").tolist() == ["süperb", "12", "1.5", "7", "", "True", "a film"]
    pd.DataFrame({"body": [b"s\xc3\xbcperb"] * 2}).to_parquet(tmp_path / "x.parquet")
    assert texts_of(pd.read_parquet(tmp_path / "x.parquet"), "body", "x").tolist() == ["süperb"] * 2
    for odd in (["two", "texts"], {"a": "text"}, np.array(["two", "texts"])):
        frame = pd.DataFrame({"body": pd.Series(["film", odd], dtype=object)})
        with pytest.raises(DataError, match=r"x: column body holds a .*; allowed: texts; write one text"):
            texts_of(frame, "body", "x")


class Told(pl.LightningModule):
    def __init__(self, vocabulary: int, n_outputs: int, width: int = 4) -> None:
        super().__init__()
        self.table, self.out = torch.nn.Embedding(vocabulary, width), torch.nn.Linear(width, n_outputs)

    def forward(self, x):
        return self.out(self.table(x.clamp_min(0)).mean(dim=1))

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.training_step(batch, batch_idx))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


def test_a_module_of_ones_own_is_told_the_vocabulary(project, reviews):
    model = ModelConfig.model_validate({"name": "told", "_target_": f"{__name__}.Told"})
    text = TextInput(7, "digest")
    assert build_module(model, input_shape=(5,), n_outputs=2, text=text).table.num_embeddings == 7
    asked = config(project, "model=text_bag").model_copy(update={"model": model})
    assert complaints([Asked(asked, (5,), Target("class", ("bad", "good")), text)]) == [None]


def test_hints_of_tokens_name_the_keys_of_these_data(project, reviews):
    table = config(project).data.texts
    assert table is not None
    named = table.model_copy(update={"path": None})
    of_texts = {"unknown": {"train": 0.5}}
    assert "a larger data.vocabulary" in little_known(of_texts, table)[0]
    assert "a larger ++data.table.vocabulary" in little_known(of_texts, named)[0]
