"""`dvc repro` as a person lives with it: it runs what an edit touches, and the number comes out again elsewhere.

The tests share one checkout and run in the order in which they stand.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from pipeline.conftest import REPOSITORY, Checkout, make_checkout
from ratchet.config.schema import Config
from ratchet.yaml_files import read_yaml

STAGES = ["compose", "fetch", "prepare", "train", "evaluate"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reproduced(checkout: Checkout) -> Checkout:
    assert checkout.repro() == STAGES
    checkout.commit()
    return checkout


def test_the_pipeline_ends_in_metrics_and_a_clean_tree(reproduced: Checkout) -> None:
    metrics = json.loads((reproduced.root / "champion/evaluate/metrics.json").read_text())
    assert 0.3 < metrics["accuracy"] <= 1
    assert "accuracy" in reproduced.type("dvc", "metrics", "show")
    assert reproduced.type("git", "status", "--porcelain") == ""


def test_nothing_to_do_runs_nothing(reproduced: Checkout) -> None:
    assert reproduced.repro() == []


def shown_without_network(page: Path, profile: Path) -> str:
    """The body of a page, as a browser that reaches no network makes it of the page's scripts."""
    command = ["chromium", "--headless", "--disable-gpu", f"--user-data-dir={profile}", "--virtual-time-budget=20000"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # which refuses root
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.partition("<body>")[2]


def marks(chart: str, kind: str) -> list[ElementTree.Element]:
    """The marks of a kind that a drawn chart shows of the data, in all its layers."""
    groups = (
        element for element in ElementTree.fromstring(chart).iter() if f"mark-{kind} role-mark" in str(element.attrib)
    )
    return [mark for group in groups for mark in group]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium here to open the page of plots in")
def test_the_page_of_plots_is_drawn_without_a_network(reproduced: Checkout, tmp_path: Path) -> None:
    address = reproduced.type("dvc", "plots", "show").split()[-1]
    page = Path(address.removeprefix("file://"))
    body = shown_without_network(page, tmp_path / "profile")
    charts = dict(
        re.findall(r'<div id="(\w+)" class="vega-embed.*?(<svg [^>]*class="marks".*?</svg>)', body, re.DOTALL)
    )
    assert list(charts) == ["Loss", "accuracy", "Confusion_matrix", "Reliability"]
    for name in ("Loss", "accuracy"):
        lines = {line.get("d") for line in marks(charts[name], "line")}
        assert len([d for d in lines if d and "L" in d]) >= 2, name  # train and validation, each from epoch to epoch
    assert len(marks(charts["Confusion_matrix"], "rect")) == 10 * 10
    assert marks(charts["Reliability"], "symbol")
    assert not any("NaN" in chart for chart in charts.values())
    (picture,) = re.findall(r'<img src="([^"]+)"', body)
    assert (page.parent / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "old", "new", "ran"),
    [
        ("conf/config.yaml", "seed: 0", "seed: 0  # a comment", ["compose"]),
        ("params.yaml", "bootstrap: 50", "bootstrap: 60", ["compose", "evaluate"]),
        ("conf/data/digits.yaml", "sources:\n", "sources:\n  - {kind: folder, path: nowhere}\n", ["compose", "fetch"]),
        *(
            pytest.param(*edit, marks=pytest.mark.nightly)
            for edit in [
                ("conf/model/transformer.yaml", "depth: 4", "depth: 5", ["compose"]),
                ("conf/data/mnist1d.yaml", "validation: 500", "validation: 501", ["compose"]),
                ("conf/optimizer/adamw.yaml", "lr: 0.003", "lr: 0.004", ["compose", "train", "evaluate"]),
                ("src/own/__init__.py", '"""Your own', '"""Her own', ["prepare", "train", "evaluate"]),
                ("conf/config.yaml", "bootstrap: 1000", "bootstrap: 999", ["compose"]),  # params.yaml has its own
                ("params.yaml", "logger: csv", "logger: tensorboard", ["compose"]),
                ("params.yaml", "max_epochs: 2", "max_epochs: 2, progress: none, profile: false", ["compose"]),
            ]
        ),
    ],
)
def test_an_edit_runs_what_it_touches(reproduced: Checkout, name: str, old: str, new: str, ran: list[str]) -> None:
    reproduced.edit(name, old, new)
    assert reproduced.repro() == ran


def test_the_model_depends_on_every_key_that_can_change_it() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    listed = [key for stage in ("prepare", "train") for key in stages[stage]["params"][0]["config.lock.yaml"]]
    config = read_yaml(REPOSITORY / "config.lock.yaml")
    sections = {name: getattr(field.annotation, "model_fields", {}) for name, field in Config.model_fields.items()}
    known = {f"{section}.{field.alias or key}" for section, keys in sections.items() for key, field in keys.items()}
    assert known >= {f"{section}.{key}" for section in ("data", "trainer") for key in config[section]}
    left_out = sorted(key for key in known if key not in listed and key.split(".")[0] not in listed)
    assert set(listed) <= known | config.keys()
    assert [key for key in left_out if not key.startswith(("evaluation.", "logger."))] == [
        "data.folder",
        "data.module",
        "data.sources",
        "trainer.profile",
        "trainer.progress",
    ]  # fmt: skip; of a folder shape, classes and files are listed, a module is in no pipeline
    assert not any(key in listed for key in ("evaluation", "logger"))


def test_a_fresh_clone_with_only_the_remote_gets_everything_back(reproduced: Checkout, tmp_path: Path) -> None:
    reproduced.commit()
    remote = tmp_path / "remote"
    reproduced.type("dvc", "remote", "add", "--default", "storage", str(remote))
    reproduced.type("dvc", "push")
    reproduced.commit()
    clone = Checkout(tmp_path / "elsewhere" / "clone")
    reproduced.type("git", "clone", "-q", str(reproduced.root), str(clone.root))
    assert not (clone.root / "data").exists()
    clone.type("dvc", "pull")
    assert clone.repro() == []
    for name in ("champion/evaluate/metrics.json", "champion/train/metrics.csv", "data/raw/digits/digits.csv.gz"):
        assert (clone.root / name).read_bytes() == (reproduced.root / name).read_bytes()


def test_the_number_comes_out_again_bit_for_bit_elsewhere(reproduced: Checkout, tmp_path: Path) -> None:
    """A clone with nothing but git's files trains anew."""
    clone = Checkout(tmp_path / "another" / "place")
    reproduced.commit()
    reproduced.type("git", "clone", "-q", str(reproduced.root), str(clone.root))
    clone.type("dvc", "remote", "remove", "storage", status=None)
    assert clone.repro()[-2:] == ["train", "evaluate"]
    for name in ("champion/evaluate/metrics.json", "champion/train/metrics.csv", "champion/evaluate/predictions.csv"):
        assert (clone.root / name).read_bytes() == (reproduced.root / name).read_bytes()


@pytest.mark.nightly
def test_an_experiment_of_dvc_changes_params_natively(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "project")
    checkout.type("dvc", "exp", "run", "-S", "model=mlp", "-n", "another")
    trained = yaml.safe_load((checkout.root / "champion/train/config.yaml").read_text())
    assert trained["model"]["name"] == "mlp"
    assert "model: mlp" in (checkout.root / "params.yaml").read_text()
    assert "another" in checkout.type("dvc", "exp", "list")


@pytest.mark.nightly
@pytest.mark.parametrize("overrides", ["{}", "{trainer: {max_epochs: 2}}"])
def test_an_experiment_of_dvc_sets_any_value_as_the_readme_shows(tmp_path: Path, overrides: str) -> None:
    checkout = make_checkout(
        tmp_path / "project", f"data: digits\nmodel: logistic\nseed: 0\nlogger: csv\noverrides: {overrides}\n"
    )
    (command,) = re.findall(
        r"^    (dvc exp run -S '.+?') ", (REPOSITORY / "docs/pipeline.md").read_text(), re.MULTILINE
    )
    checkout.type(*shlex.split(command))
    trained = yaml.safe_load((checkout.root / "champion/train/config.yaml").read_text())
    assert trained["trainer"]["max_epochs"] == 3
    assert "max_epochs: 3" in (checkout.root / "params.yaml").read_text()
    assert checkout.type("dvc", "status").strip() == "Data and pipelines are up to date."
