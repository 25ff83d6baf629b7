"""dvc.lock is the proof of a reproduction: what differs between two trainings of the same is no output of a stage.

The tests share one checkout and run in the order in which they stand.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipeline.conftest import Checkout, make_checkout
from ratchet.config.composition import config_hash
from ratchet.runs import RunDirectory, RunRecord
from ratchet.training.checkpoint import read_config

pytestmark = [pytest.mark.slow, pytest.mark.nightly]
STAGES = ["compose", "fetch", "prepare", "train", "evaluate"]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("reproduction") / "project")
    assert checkout.repro() == STAGES
    checkout.commit()
    return checkout


def clone_of(checkout: Checkout, place: Path) -> Checkout:
    checkout.type("git", "clone", "-q", str(checkout.root), str(place))
    return Checkout(place)


def changed(checkout: Checkout) -> str:
    return checkout.type("git", "status", "--porcelain")


def champion(checkout: Checkout) -> RunDirectory:
    return RunDirectory(checkout.root / "champion/train")


def test_a_fresh_clone_that_reproduces_is_clean_also_a_second_time(committed: Checkout, tmp_path: Path) -> None:
    clone = clone_of(committed, tmp_path / "somewhere" / "else")
    assert clone.repro() == STAGES[1:]
    assert changed(clone) == ""
    assert RunRecord.read(champion(clone)).id != RunRecord.read(champion(committed)).id
    assert clone.type("python", "scripts/reproduction.py").startswith("reproduced: ")
    clone.type("dvc", "repro", "--force", "--no-run-cache", "train", "evaluate")
    assert changed(clone) == ""


def test_what_changes_no_number_changes_no_output(committed: Checkout, tmp_path: Path) -> None:
    committed.edit("params.yaml", "evaluation: {bootstrap: 50}", "evaluation: {bootstrap: 60}")
    committed.edit("params.yaml", "logger: csv", "logger: none")
    assert committed.repro() == ["compose", "evaluate"]
    committed.commit()
    clone = clone_of(committed, tmp_path / "clone")
    assert clone.repro() == STAGES[1:]
    assert changed(clone) == ""


def test_the_numbers_are_in_git_validation_first(committed: Checkout, tmp_path: Path) -> None:
    clone = clone_of(committed, tmp_path / "clone")
    assert not (clone.root / "champion/train/checkpoints").exists()
    shown = json.loads(clone.type("dvc", "metrics", "diff", "HEAD~1", "HEAD", "--all", "--json"))
    assert {"champion/train/metrics.json", "champion/evaluate/metrics.json"} <= shown.keys()
    table = clone.type("dvc", "exp", "show", "--csv").splitlines()[0].split(",")
    assert table.index("validation/accuracy") < table.index("accuracy")


def test_numbers_that_differ_are_named(committed: Checkout, tmp_path: Path) -> None:
    """As on another type of machine."""
    clone = clone_of(committed, tmp_path / "clone")
    file = clone.root / "champion/train/metrics.json"
    numbers = json.loads(file.read_text())
    numbers["validation/accuracy"] -= 0.25
    file.write_text(json.dumps(numbers))
    lock = (clone.root / "dvc.lock").read_text()
    other = yaml.safe_load(lock)
    (weights,) = [each for each in other["stages"]["train"]["outs"] if each["path"] == "champion/train/checkpoints"]
    weights["md5"] = "0" * 32 + ".dir"
    (clone.root / "dvc.lock").write_text(yaml.safe_dump(other))
    clone.commit()
    (clone.root / "dvc.lock").write_text(lock)
    file.write_bytes((committed.root / "champion/train/metrics.json").read_bytes())
    told = clone.type("python", "scripts/reproduction.py")
    assert "differs from the committed one in champion/train/checkpoints" in told
    assert "train: validation/accuracy" in told
    assert "+0.25" in told


def test_a_clone_without_the_record_has_a_whole_champion(committed: Checkout, tmp_path: Path) -> None:
    remote = tmp_path / "remote"
    committed.type("dvc", "remote", "add", "--default", "storage", str(remote))
    committed.type("dvc", "push")
    committed.commit()
    clone = clone_of(committed, tmp_path / "clone")
    clone.type("dvc", "pull")
    assert clone.repro() == []
    run = champion(clone)
    assert not run.record.exists()
    there, here = RunRecord.read(champion(committed)), RunRecord.read(run)
    assert (here.best, here.data, here.config_hash, here.parameters) == (
        there.best, there.data, there.config_hash, there.parameters
    )  # fmt: skip
    config = read_config(run)
    assert config_hash(config) == there.config_hash
    assert (config.logger.name, config.evaluation.bootstrap) == ("none", 60)  # as the project has it now
    clone.type("python", "src/evaluate.py")
    assert changed(clone) == ""
    assert f"{here.best.value:.4f}" in clone.type("python", "src/compare.py") if here.best else False
    clone.type("python", "src/train.py", "resume=champion/train", "trainer.max_epochs=3")
    resumed = RunRecord.read(run)
    assert (resumed.status, resumed.best and resumed.best.epoch) == ("completed", 2)
    assert clone.repro() == ["train"]  # whose outputs are those that were evaluated
    assert changed(clone) == ""


def test_the_record_of_another_champion_is_not_taken_for_this_one_s(committed: Checkout) -> None:
    before = RunRecord.read(champion(committed))
    committed.edit("params.yaml", "max_epochs: 2", "max_epochs: 1")
    assert committed.repro() == ["compose", "train", "evaluate"]
    assert RunRecord.read(champion(committed)).config_hash != before.config_hash
    committed.type("git", "checkout", "-q", ".")
    committed.type("dvc", "checkout")
    assert changed(committed) == ""
    now = RunRecord.read(champion(committed))
    assert (now.config_hash, now.best) == (before.config_hash, before.best)
    committed.type("python", "src/evaluate.py")
    assert changed(committed) == ""
