"""data=table from the command line: prepared, trained, searched, evaluated, without a line of code."""

from __future__ import annotations

import csv
import gzip
import json
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

from ratchet.config.composition import load_config
from ratchet.config.validation import validate
from ratchet.data.prepared import PreparedData
from ratchet.errors import ConfigError, DataError, RatchetError
from ratchet.project import Project

pytestmark = pytest.mark.slow

QUICK = ["params=null", "model=logistic", "logger=csv", "trainer.max_epochs=2", "trainer.progress=none"]


@pytest.fixture
def orders(project: Project) -> Path:
    rng = np.random.default_rng(0)
    age, city = rng.integers(18, 80, 400), rng.choice(["Ulm", "Jena", "Bonn"], 400)
    worth = age / 10 + 2 * (city == "Ulm") + rng.normal(size=400)
    path = project.root / "orders.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["age", "city", "worth", "churned"])
        table.writerows(zip(age, city, worth.round(3), np.where(worth > 6, "yes", "no"), strict=True))
    return path


def config(project: Project, *words: str):
    return load_config(project, [*QUICK, "data=table", "data.path=orders.csv", *words])


def test_three_words_make_a_whole_config(project, orders):
    found = config(project, "data.target=churned")
    assert (found.data.name, found.data.layout, found.data.target_kind) == ("orders", "table", "class")
    assert found.data.classes == ["no", "yes"]
    assert found.task.target == "ratchet.tasks.Multiclass"
    assert config(project, "data.target=worth").task.target == "ratchet.tasks.Regression"
    assert config(project, "data.target=worth").objective.metric == "validation/rmse"
    assert config(project, "data.target=churned", "task=binary").objective.metric == "validation/auroc"
    assert config(project, "data.target=churned", "data.name=mine").data.name == "mine"


@pytest.mark.parametrize(
    "words",
    [
        ["data.target=churned"],
        ["data.target=churned", "data.name=mine", "data.types={age: category}", "data.ignore=[worth]"],
        ["data.target=worth"],
        ["data.target=age", "data.target_kind=class"],
    ],
)
def test_a_hint_types_the_same_table_again(project, orders, words):
    found = config(project, *words).data
    assert load_config(project, [*QUICK, *shlex.split(found.typed)]).data == found
    with pytest.raises(DataError) as refused:
        PreparedData.open(project.prepared(found.name), reader="train", config=found)
    assert str(refused.value).endswith(
        f"type: python src/fetch.py {found.typed} && python src/prepare.py {found.typed}"
    )
    assert found.typed.startswith(f"data=table data.path=orders.csv data.target={words[0].partition('=')[2]}")


@pytest.mark.parametrize(
    ("data", "name"),
    [({"name": None, "path": "a/my orders.csv.gz"}, "my_orders_mlp"), ({"name": "digits"}, "digits_mlp")],
)
def test_a_run_is_named_after_its_data_and_model(project, data, name):
    ends = OmegaConf.load(project.conf / "config.yaml")._get_node("hydra")
    written = OmegaConf.to_container(ends, resolve=False)["run"]["dir"]
    whole = OmegaConf.create({"data": data, "model": {"name": "mlp"}, "dir": written[written.index("${name_of") :]})
    assert whole.dir == name


def test_a_model_of_places_refuses_rows_before_anything_is_prepared(project, orders):
    from ratchet.commands.train import check_classes

    for model in ("cnn", "gru", "resnet", "transformer"):
        with pytest.raises(ConfigError, match=rf"model={model} is for sequences and images, .*; type: model=mlp$"):
            check_classes(config(project, "data.target=churned", f"model={model}"))
    check_classes(config(project, "data.target=churned", "model=mlp"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task=binary", "task.positive=maybe"], r"task\.positive=maybe is no class; .*; type: task\.positive=yes$"),
        (
            ["loss=huber"],
            r"is for numbers, the task multiclass learns classes, one out of several; type: loss=focal, or loss=usual$",
        ),
        (["loss.class_weights=[1]"], r"loss\.class_weights has 1 weights for the 2 classes no, yes; type: "),
    ],
)
def test_what_cannot_be_learnt_is_said_before_anything_is_prepared(project, orders, words, said):
    from ratchet.commands.train import check_classes

    with pytest.raises(ConfigError, match=said):
        check_classes(config(project, "data.target=churned", *words))


def test_a_recorded_config_is_whole_without_the_file(project, orders):
    plain = config(project, "data.target=churned").plain()
    orders.unlink()
    assert validate(yaml.safe_load(yaml.safe_dump(plain))).plain() == plain


def test_a_changed_file_is_another_data_set(project, orders):
    before = config(project, "data.target=churned").data.files[0].checksum
    with orders.open("a", encoding="utf-8") as file:
        file.write("30,Ulm,1.0,yes\n")
    assert config(project, "data.target=churned").data.files[0].checksum != before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["data.target=churn"],
            r"orders\.csv has no column churn; nearest: churned; allowed: age, city, worth, churned; "
            r"type: data\.target=churned$",
        ),
        (["data.target=zzz"], r"has no column zzz; allowed: age, city, worth, churned; type: data\.target=<column>$"),
        (["data.target=worth", "data.ignore=[cty,age]"], r"no column cty; .*; type: 'data\.ignore=\[city,age\]'$"),
        (["data.target=worth", "data.types={agee: category}"], r"; type: 'data\.types=\{age:category\}'$"),
        (["data.target=churned", "data.path=zzz.csv"], r"zzz\.csv is missing; .*; type: data\.path=<file>$"),
        (["data.target=churned", "data.path=order.csv"], r"nearest: orders\.csv; .*; type: data\.path=orders\.csv$"),
        (["data.target=churned", "task=regression"], r"a regression task learns a target of the kind number"),
        (["data.target=worth", "task=binary"], r"a binary task learns a target of the kind class"),
        (
            [],
            r"; its columns: age, city, worth, churned; type: data=table data\.path=orders\.csv data\.target=",
        ),
        (
            ["data.target=churned", "augmentation=sequence"],
            r"augmentation\.shift=0\.1 is for sequences and images, and orders has tables; type: augmentation=none$",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_prepared(project, orders, words, said):
    with pytest.raises(RatchetError, match=said):
        config(project, *words)
    assert not (project.root / "data/prepared/orders").exists()


@pytest.mark.parametrize(
    ("words", "metric", "columns"),
    [
        (
            ["data.target=churned"],
            "accuracy",
            ["index", "id", "label", "predicted", "probability_no", "probability_yes"],
        ),
        (
            ["data.target=churned", "task=binary"],
            "average_precision",
            ["index", "id", "label", "predicted", "probability_yes"],
        ),
        (["data.target=worth", "data.ignore=[churned]"], "r2", ["index", "id", "label", "predicted"]),
        (
            ["data.target=worth", "data.ignore=[churned]", "task=quantile", "task.quantiles=[0.1,0.5]"],
            "coverage",
            ["index", "id", "label", "predicted", "quantile_0.1", "quantile_0.5"],
        ),
    ],
)
def test_a_table_is_prepared_trained_and_evaluated(project, orders, words, metric, columns):
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare
    from ratchet.evaluation.evaluate import evaluate
    from ratchet.runs.directory import RunDirectory
    from ratchet.training.train import train as fit

    found = config(project, *words)
    fetch(found.data, project=project)
    prepare(found.data, project=project)
    data = PreparedData.open(project.prepared("orders"), reader="evaluate", config=found.data)
    assert data.shape == (len(data.card["features"]),)
    run = RunDirectory(project.root / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the libraries warn of in training is for the tests of training
        record = fit(found, run=run, project=project)
    assert record.status == "completed"
    evaluation = evaluate(run, output=project.root / "out", project=project, config=found.evaluation)
    assert metric in evaluation.metrics
    with (project.root / "out/predictions.csv").open(encoding="utf-8") as file:
        assert next(csv.reader(file)) == columns
    written = json.loads((project.root / "out/metrics.json").read_text(encoding="utf-8"))
    assert written["splits"][2]["examples"] == len(data.split("test").y)


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["data=orders.csv", "data.target=churned"], "data=table data.path=orders.csv data.target=churned"),
        (["data=orders.csv"], "data=table data.path=orders.csv data.target=<column>"),
        (["data=order.csv", "data.target=age"], "data=table data.path=orders.csv data.target=age"),
        (["data=./", "data.target=age"], "data=table data.path=orders.csv data.target=age"),
        (["data.path=orders.csv", "data.target=age"], "data=table data.path=orders.csv data.target=age"),
        (["data=table", "data.target=age"], "data=table data.path=<file> data.target=age"),
        (["orders.csv", "data.target=age"], "data=table data.path=orders.csv data.target=age"),
    ],
)
def test_a_table_where_a_name_belongs_becomes_the_whole_command(project, orders, words, typed):
    with pytest.raises(ConfigError) as refused:
        load_config(project, [*QUICK, *words])
    assert str(refused.value).endswith(f"type: {typed}")
    assert ("; its columns: age, city, worth, churned;" in str(refused.value)) == (words == ["data=orders.csv"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["data.types={age: categry}"],
            r"one of number, category, date; type: 'data\.types=\{age:category\}'$",
        ),
        (["data.types=category"], r"data\.types is category; allowed: a mapping of columns, each to number"),
        (["data.ignore=[nope,city]"], r"has no column nope; .*; type: 'data\.ignore=\[city\]'$"),
        (["data.group=city", "split=kfold"], r"would not keep to it; type: split=holdout$"),
        (["data.group=city", "split=kfold", "split.fold=0"], r"would not keep to it; type: data\.group=null$"),
        (["data.group=nope"], r"has no column nope; .*; type: data\.group=null$"),
        (["objective.metric=validation/nope"], r"allowed: loss, accuracy, .*; type: .*accuracy, as without it$"),
        (
            ["objective.metric=validation/acuracy"],
            r"nearest: accuracy, .*; type: .*=validation/accuracy$",
        ),
        (
            ["model=mlp", "optimizer.momentum=0.9"],
            r"one of optimizer=rmsprop, optimizer=sgd; type: optimizer=rmsprop",
        ),
    ],
)
def test_only_what_is_alike_is_taken_for_what_was_meant(project, orders, words, said):
    with pytest.raises(ConfigError, match=said):
        config(project, "data.target=churned", *words)


def test_one_name_or_text_is_a_list_of_one(project, orders):
    found = config(project, "data.target=churned", "data.ignore=city", "data.missing=-1").data.table
    assert (found.ignore, found.missing) == (["city"], ["-1"])


def test_prepare_says_what_became_of_rows_that_cannot_be_used_as_they_are(project, orders, capsys):
    from ratchet.data.card import imbalance, warn
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare

    def prepared(*words: str) -> dict[str, object]:
        found = config(project, *words).data
        fetch(found, project=project)
        return prepare(found, project=project)

    header, *rows = orders.read_text(encoding="utf-8").splitlines()
    rows = [f"{row},{number},{'test' if number % 4 else 'train'}" for number, row in enumerate(rows)]
    rows[4] = "30,Ulm,inf,yes,4,train"
    orders.write_text("\n".join([f"{header},order,part", *rows]), encoding="utf-8")
    warn(prepared("data.target=worth", "data.split=part"))
    said = capsys.readouterr().err
    assert "note: 1 row is left out: the target is missing, infinite" in said
    assert "orders.csv, row 5, column worth holds inf)" in said
    assert "column part has no row of confirm: 15 of its train rows are taken for it" in said
    rows[4] = rows[4].replace("inf", "2")
    orders.write_text("\n".join([f"{header},order,part", *rows, "30,Ulm,2,yes,7,test"]), encoding="utf-8")
    with pytest.raises(DataError, match=r"ids that name more than one row: 1, such as '7' \(rows 8 and 401 of 401\)"):
        prepared("data.target=churned", "data.id=order")
    rare = [row.replace("yes", "no") if number % 30 else row.replace("no,", "yes,") for number, row in enumerate(rows)]
    orders.write_text("\n".join([f"{header},order,part", *rare]), encoding="utf-8")
    card = prepared("data.target=churned")
    assert "accuracy is a poor guide here" in imbalance(card, "validation/accuracy")[0]
    assert imbalance(card, "validation/auroc") == []


NOT_READ = {  # the column beside y, its name, what is typed, and the end of what is said
    "grouped digits": (["1,234", "5,678"] * 200, "a", [], """type: 'data.thousands=","'"""),
    "decimal commas": (["1,5", "2,5"] * 200, "a", [], """type: 'data.decimal=","'"""),
    "a word among numbers": (
        ["1"] * 399 + ["no idea"], "a", ["data.missing=[x]", "data.types={b: category}"],
        """type: 'data.missing=[x,"no idea"]', else 'data.types={b:category,a:category}'""",
    ),
    "no date": (["2024-01-05"] * 399 + ["2024-13-45"], "a", ["data.types={b: category}"],
                "type: 'data.types={b:category,a:category}'"),
    "no time": (["2024-01-05"] * 399 + ["2024-13-45"], "day of it", ["data.time=day of it"],
                "type: data.time=null 'data.types={day\\ of\\ it:category}'"),

    "infinite": (["1"] * 399 + ["inf"], "a, b", ["data.ignore=[c]"], """type: 'data.ignore=[c,"a, b"]'"""),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_READ)
def test_what_is_said_to_type_is_accepted_by_a_shell_and_by_hydra(project, case):
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare

    cells, name, typed, end = NOT_READ[case]
    with (project.root / "orders.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([name, "b", "c", "y"])
        table.writerows([cell, row, row, "yn"[row % 3 == 0]] for row, cell in enumerate(cells))

    def prepared(words):
        found = config(project, "data.target=y", *words)
        fetch(found.data, project=project)
        prepare(found.data, project=project)

    with pytest.raises(DataError) as refused:
        prepared(typed)
    assert str(refused.value).endswith(end)
    for hint in str(refused.value).rpartition("type: ")[2].split(", else "):
        words = shlex.split(hint)
        keys = [word.partition("=")[0] for word in words]
        prepared([*(word for word in typed if word.partition("=")[0] not in keys), *words])


def test_splits_of_a_number_have_the_same_spread(project, orders):
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare

    found = config(project, "data.target=worth")
    fetch(found.data, project=project)
    prepare(found.data, project=project)
    evaluate = PreparedData.open(project.prepared("orders"), reader="evaluate")
    means = [float(np.mean(evaluate.split(name).y)) for name in ("train", "validation", "test")]
    assert np.ptp(means) < 0.15 * evaluate.target.std
    assert evaluate.target.mean == pytest.approx(means[0], rel=1e-5)


def test_a_table_that_the_environment_names_is_kept_by_reference(project, orders, monkeypatch):
    """And so is everything else of the config, whatever the table's completion moves."""
    monkeypatch.setenv("SHOPS", str(project.root))
    monkeypatch.setenv("SOMEBODY", "somebody")
    words = [
        "logger=wandb",
        "data.path='${oc.env:SHOPS}/orders.csv'",
        "data.target=churned",
        "logger.project='${oc.env:SOMEBODY}'",
    ]
    found = config(project, *words)
    plain = found.plain()
    assert (found.data.name, found.logger.project) == ("orders", "somebody")
    assert plain["data"]["table"]["path"] == "${oc.env:SHOPS}/orders.csv"
    assert plain["data"]["sources"][0]["path"] == "${oc.env:SHOPS}"
    assert plain["logger"]["project"] == "${oc.env:SOMEBODY}"
    assert validate(plain).data == found.data


def test_a_changed_file_and_one_of_the_same_name_end_in_what_mends_it(project, orders):
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare

    found = config(project, "data.target=churned").data
    fetch(found, project=project)
    prepare(found, project=project)
    orders.write_text(orders.read_text(encoding="utf-8") + "30,Ulm,1.0,yes\n", encoding="utf-8")
    changed = config(project, "data.target=churned").data
    with pytest.raises(DataError) as refused:
        PreparedData.open(project.prepared("orders"), reader="train", config=changed)
    assert str(refused.value).endswith(
        "type: data.name=orders_2, to have both; or to replace it "
        f"python src/fetch.py {found.typed} && python src/prepare.py {found.typed}"
    )
    fetch(changed, project=project)
    prepare(changed, project=project)
    PreparedData.open(project.prepared("orders"), reader="train", config=changed)
    (project.root / "orders.csv.gz").write_bytes(gzip.compress(orders.read_bytes()))
    packed = load_config(project, [*QUICK, "data=table", "data.path=orders.csv.gz", "data.target=churned"]).data
    fetch(packed, project=project)
    with pytest.raises(
        DataError, match=r"is of another table of the name orders; type: data\.name=orders_2, or rm \S+$"
    ):
        prepare(packed, project=project)
