"""train.py as a person uses it: what is printed, what stays on disk, and how it ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.training.train import sole_training

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
SHORT = ["model=logistic", "trainer.max_epochs=1"]


def runs(project: Project) -> list[Path]:
    return sorted(path.parent for path in project.runs.rglob("run.json"))


MISTAKES = {
    "model=cnnn": "model=cnnn: there is no such option; nearest: cnn",
    "optimizer.lr=-1": "optimizer.lr is -1; allowed: a number greater than 0",
    "--frobnicate": "--frobnicate: there is no such flag",
    "model=cnn,mlp": "type: python src/train.py -m model=cnn,mlp, a run for each",
    # what the classes say of their settings, before data is opened
    "model.width=big": "model.width is big; allowed: a whole number, 1 or more; type: model.width=32",
    "+model.foo=1": "model.foo",
    "model._target_=nowhere.Net": "model._target_=nowhere.Net cannot be imported",
    "+optimizer.foo=1": "optimizer.foo",
    "optimizer._target_=torch.optim.Nothing": "optimizer._target_=torch.optim.Nothing",
    # what only the data can say
    "model.depth=9": "model.depth",
    "data.prepare.seed=9": "prepare",
    # -m: each trial is looked at before the first trains
    "-m model=logistic,cnnn": "model=cnnn: there is no such option",
    "-m model=logistic,mlp modle=x": "error: modle: there is no such key",
    "-m optimizer.lr=0.1,-1": "error: optimizer.lr=-1: optimizer.lr is -1; allowed: a number greater than 0",
    "-m model=logistic,mlp optimizer.lr=-1": "error: model=logistic: optimizer.lr is -1",
    "-m model=transformer,cnn model.heads=2": "error: model.heads: there is no such key; nearest: model.head",
    "-m optimizer.lr=interval(0,1)": "error: optimizer.lr=0.0: optimizer.lr is 0.0; allowed: a number greater than 0",
    "-m model=cnn model.kernel=4,5": "error: model.kernel=4: model.kernel is 4: must be odd",
    "-m model=cnn model.kernel=-3,hello sweep.dry_run=true": "error: model.kernel=-3: model.kernel is -3; allowed: ",
    "-m model=cnn model.kernel=hello,3 sweep.dry_run=true": "error: model.kernel=hello: model.kernel is hello; allowed",
    "-m model=cnn model.kernel=9 seed=1,2 sweep.dry_run=true": "error: model.kernel=9 is larger than the input, 8x8",
    "-m model=cnn model.kernel=int(interval(2,5)) sweep.dry_run=true": "error: model.kernel=2: model.kernel is 2: must",
    "-m model=cnn trainer.batch_size=1,50 sweep.dry_run=true": "error: trainer.batch_size=1: trainer.batch_size=1: the",
    "-m +optimizer.foo=1,2 sweep.dry_run=true": "error: optimizer.foo: torch.optim.AdamW has no such",
    "-m augmentation.shift=0.01,0.5 sweep.dry_run=true": "error: augmentation.shift=0.01: augmentation.shift=0.01 is",
    "-m model=logistic,mlp data.prepare.seed=9": "data.prepare.seed was 0, is now 9",
    "-m model=logistic data.prepare.seed=0,9": "data.prepare.seed was 0, is now 9",
    "-m model=logistic data.prepare.seed=9 sweep.dry_run=true": "data.prepare.seed was 0, is now 9",
    "-m model=glob(*)": "-m cannot count these values",
    "resume=": "resume= names no run",
    "resume=runs/nothing": "resume=runs/nothing: there is no run (no config.yaml in it); allowed: a run directory",
    "--config-name other": "there is no config 'other' in conf/",
    "--config-dir other": "not found",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_ends_in_one_line_and_leaves_nothing(untouched, train, typed, monkeypatch):
    monkeypatch.chdir(untouched.root)
    before = sorted(untouched.root.rglob("*"))
    status, out, err = train(*typed.split(" "))
    assert (status, out) == (1, "")
    assert MISTAKES[typed] in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert [path for path in sorted(untouched.root.rglob("*")) if path not in before] == []


def test_a_run_says_what_came_of_it_and_where_it_is(project, train):
    status, out, err = train(*SHORT)
    assert (status, err) == (0, "")
    (run,) = runs(project)
    record = RunRecord.read(RunDirectory(run))
    assert record.status == "completed"
    assert record.command == ["train.py", *SHORT]
    assert f"run {record.id} in {run.relative_to(project.root)}\n" in out
    assert f"validation/accuracy {record.best.value:.4f} at step" in out
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert (config["data"]["name"], config["trainer"]["max_epochs"]) == ("digits", 1)


MISSING = "digits is not prepared: it is fetched and prepared first, once"


def test_data_that_is_missing_is_prepared_first_and_the_number_is_the_same(project, train):
    train(*SHORT)
    shutil.rmtree(project.root / "data")
    status, _, err = train(*SHORT)
    assert (status, err.splitlines()[0]) == (0, MISSING)
    first, second = (RunRecord.read(RunDirectory(run)) for run in runs(project))
    assert (first.best.metrics, first.data) == (second.best.metrics, second.data)
    assert train(*SHORT)[2] == ""


def test_a_plan_says_what_it_would_prepare_and_prepares_nothing(project, train):
    shutil.rmtree(project.root / "data")
    status, out, err = train("-m", "model=logistic,mlp", "sweep.dry_run=true")
    assert (status, out.partition(" ")[0]) == (0, "study")
    assert err == "note: digits is not prepared: it would be fetched and prepared first\n"
    assert not (project.root / "data").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param([], id="here"),
        pytest.param(
            ["hydra/launcher=joblib", "sweep.n_workers=2", "sweep.n_jobs=1"], id="placed", marks=pytest.mark.nightly
        ),
    ],
)
def test_a_sweep_prepares_each_data_set_once_before_its_first_trial(project, launcher):
    shutil.rmtree(project.root / "data")
    command = [sys.executable, str(REPOSITORY / "src/train.py"), "-m", "data=digits,mnist1d", "seed=0,1", *SHORT]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    done = subprocess.run(
        [*command, *launcher, "logger=csv"],
        cwd=project.root, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if line.endswith("it is fetched and prepared first, once")]
    assert [line.partition(" ")[0] for line in said] == ["digits", "mnist1d"]
    assert "is prepared" not in "".join(path.read_text() for path in project.runs.rglob("output.log"))
    assert [RunRecord.read(RunDirectory(run)).status for run in runs(project)] == ["completed"] * 4


def test_nothing_of_the_process_is_changed(project, train, monkeypatch):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    train("--cfg", "job")
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert "RATCHET_RUNS" not in os.environ
    assert sys.argv == ["train.py", "--cfg", "job"]


def test_runs_go_where_the_environment_says(project, train, tmp_path, monkeypatch):
    monkeypatch.setenv("RATCHET_RUNS", str(tmp_path / "scratch"))
    assert train(*SHORT)[0] == 0
    assert list((tmp_path / "scratch").rglob("run.json"))
    assert not (project.root / "runs").exists()


def test_a_file_in_the_way_of_the_runs_is_named(project, train):
    project.runs.write_text("", encoding="utf-8")
    status, _, err = train(*SHORT)
    assert status == 1
    assert err.startswith("error: there is a file where a directory is needed: ")


@pytest.mark.slow
def test_resume_goes_on_with_the_runs_own_config(project, train):
    assert train("seed=5", *SHORT)[0] == 0
    (run,) = runs(project)
    name = str(run.relative_to(project.root))
    status, out, err = train(f"resume={name}", "trainer.max_epochs=2")
    assert (status, err) == (0, "")
    record = RunRecord.read(RunDirectory(run))
    assert (record.resumed, record.seed) == (1, 5)
    assert record.command == ["train.py", "trainer.max_epochs=2"]
    (leg,) = record.legs
    assert (leg.command, leg.status) == (["train.py", "seed=5", *SHORT], "completed")
    assert record.started_at == leg.started_at <= leg.finished_at <= record.resumed_at <= record.finished_at
    assert 0 < leg.timings["fit"] < record.timings["fit"]
    assert runs(project) == [run]
    for typed, said in {
        "model=mlp": "model=mlp: a resumed run keeps its model; allowed: values, such as trainer.max_epochs=100",
        "trainer.max_epoch=3": "trainer.max_epoch: there is no such key; nearest: trainer.max_epochs",
        "trainer.max_epochs=0": "trainer.max_epochs is 0; allowed: a whole number, 1 or more, or null; type: ",
    }.items():
        status, out, err = train(f"resume={name}", typed)
        assert (status, out, err.count("\n")) == (1, "", 1)
        assert said in err
    shutil.rmtree(run / "checkpoints")
    status, out, err = train(f"resume={name}")
    assert (status, err.count("\n")) == (1, 1)
    assert "has no checkpoints/last.ckpt to go on from" in err
    assert not (run / "checkpoints").exists()


@pytest.mark.parametrize(
    ("typed", "more"),
    [
        ([], "trainer.max_epochs=4"),
        (["trainer.max_epochs=1"], "trainer.max_epochs=4"),
        (["trainer.max_steps=5"], "trainer.max_epochs=4 trainer.max_steps=44"),
    ],
)
def test_a_run_that_is_over_is_left_as_it_is(project, train, typed, more):
    assert train("model=logistic", "trainer.max_epochs=2")[0] == 0
    (run,) = runs(project)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    status, out, err = train(f"resume={run}", *typed)
    where = run.relative_to(project.root)
    assert (status, err) == (
        0,
        "note: nothing is left to do after 2 epochs (22 steps); to go on, type: "
        f"python src/train.py resume={where} {more}\n",
    )
    assert f"in {where}" in out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("trainer.max_steps=15", "(15 steps); to go on, type: python src/train.py resume={} trainer.max_steps=30\n"),
        ("trainer.early_stopping={patience: 1, min_delta: 9}", "it stopped early; type: its first command, with more"),
    ],
)
def test_what_ended_a_run_is_what_may_be_more(project, train, ends, said):
    assert train("model=logistic", "trainer.max_epochs=9", ends)[0] == 0
    (run,) = runs(project)
    status, _, err = train(f"resume={run}")
    assert status == 0
    assert said.format(run.relative_to(project.root)) in err
    if "max_steps" in ends:
        _, _, err = train(*err.partition("src/train.py ")[2].split())
        assert "nothing is left" not in err


def test_a_run_that_is_being_trained_keeps_what_it_has_written(project, train):
    run = RunDirectory(project.runs / "a")
    run.create()
    run.metrics.write_text("epoch,step\n", encoding="utf-8")
    with sole_training(run):
        status, _, err = train("model=logistic", f"hydra.run.dir={run.path}")
    assert (status, "is being trained by another process" in err) == (1, True)
    assert run.metrics.exists()


TUNED = "# @package _global_\naugmentation: {shift: 0.25}\noptimizer: {lr: 0.0625}\ntrainer: {max_epochs: 1}\n"
LEFT_OUT = "note: conf/tuned/digits_logistic.yaml's {} is left out: {} was chosen\n"


@pytest.fixture
def tuned(project: Project) -> Project:
    (project.conf / "tuned").mkdir()
    (project.conf / "tuned" / "digits_logistic.yaml").write_text(TUNED, encoding="utf-8")
    return project


def test_what_is_printed_leaves_out_the_tuned_values_of_a_choice_too(tuned, train):
    show = ["model=logistic", "--cfg", "job", "--package"]
    assert train(*show, "augmentation.shift") == (0, "0.25\n", "")
    note = LEFT_OUT.format("augmentation.shift", "augmentation=none")
    assert train(*show, "augmentation.shift", "augmentation=none") == (0, "0.0\n", note)
    assert train(*show, "optimizer.lr", "augmentation=none") == (0, "0.0625\n", note)


@pytest.mark.slow
def test_a_run_and_every_job_of_a_multirun_leave_out_the_tuned_values_of_a_choice(tuned, train):
    def came_out() -> list[tuple[float, float]]:
        configs = [yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")) for run in runs(tuned)]
        return [(config["augmentation"]["shift"], config["optimizer"]["lr"]) for config in configs]

    status, _, err = train("model=logistic", "augmentation=none")
    assert (status, err) == (0, LEFT_OUT.format("augmentation.shift", "augmentation=none"))
    assert came_out() == [(0.0, 0.0625)]
    shutil.rmtree(tuned.runs)
    status, _, err = train("-m", "model=logistic", "optimizer=adamw,sgd")
    assert status == 0
    for name in ("adamw", "sgd"):
        assert err.count(LEFT_OUT.format("optimizer.lr", f"optimizer={name}")) == 1
    assert came_out() == [(0.25, 0.003), (0.25, 0.05)]


def test_the_help_fits_a_terminal_and_names_every_choice(untouched, train, monkeypatch):
    monkeypatch.chdir(untouched.root)
    status, out, err = train("--help")
    assert (status, err) == (0, "")
    lists = ("data: ", "tuned: ")  # as long as there are data sets
    assert max(len(line) for line in out.splitlines() if not line.startswith(lists)) <= 100
    for said in (
        "model: cnn, encoder, gru, logistic, mlp, resnet, tabm",
        "--cfg job",
        "-m model=",
        "resume=",
        "--debug",
    ):
        assert said in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--cfg job --package optimizer optimizer=sgd", "_target_: torch.optim.SGD"),
        ("optimizer.lr=0.5 -c job -p optimizer.lr optimizer=sgd", "0.5"),
        ("--cfg job --package data.name", "digits"),
        ("--cfg job --resolve --package seed", "0"),
        ("--info defaults model=gru", "model/gru"),
        ("--hydra-help", "== Flags =="),
        ("-cn config --cfg job --package seed seed=4", "4"),
    ],
)
def test_hydras_flags_work_through_params_yaml(untouched, train, arguments, said, monkeypatch):
    monkeypatch.chdir(untouched.root)
    status, out, err = train(*arguments.split())
    assert (status, err) == (0, "")
    assert said in out


def test_tab_completion_answers(untouched, train, monkeypatch):
    monkeypatch.chdir(untouched.root)
    monkeypatch.setenv("COMP_LINE", "train.py model=c")
    monkeypatch.setenv("COMP_POINT", "16")
    status, out, err = train("-sc", "query=bash")
    assert (status, out.strip(), err) == (0, "model=cnn", "")
