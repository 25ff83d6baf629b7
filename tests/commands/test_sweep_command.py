"""`train.py -m` as a person uses it: every file of sweeps/, every mistake, and whole searches."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from ratchet.config.composition import load_config
from ratchet.project import Project
from ratchet.runs.directory import RunDirectory
from ratchet.runs.record import RunRecord
from ratchet.search.storage.ledger import RESULT
from search.applications import trials

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
SWEEPS = sorted(path.stem for path in (REPOSITORY / "sweeps").glob("*.yaml") if path.stem != "base")
OF_TEXTS = {"encoder", "text_bag", "text_transformer"}
MODELS = sorted({path.stem for path in (REPOSITORY / "conf/model").glob("*.yaml")} - OF_TEXTS)
# a sequence, an image, a table; these are of several models, not all for each
DATA_OF = {"full": ("mnist1d", "digits"), "grid": ("mnist1d", "digits"), "tables": ("credit",), "sentiment": ()}
SWEPT = [
    pytest.param(name, data, marks=[] if (name, data) == ("architecture", "credit") else pytest.mark.nightly)
    for name in SWEEPS for data in DATA_OF.get(name, ("mnist1d", "digits", "credit"))
]  # fmt: skip


# --- the files

ASKED = {  # what has to be typed for a sweep to have something to do
    "grid": "model=cnn,mlp",
    "search": "optimizer.lr=tag(log,interval(1e-4,1e-1))",
}


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_opens_with_its_question_and_its_command(name: str) -> None:
    question, command = (REPOSITORY / f"sweeps/{name}.yaml").read_text(encoding="utf-8").splitlines()[:2]
    assert re.fullmatch(r"# \S.*\?", question)
    assert re.match(r"#   python src/train\.py -m .*", command)


@pytest.mark.parametrize("name", SWEEPS)
def test_the_command_of_a_sweep_is_understood(untouched, train, monkeypatch, name: str) -> None:
    import shlex

    monkeypatch.chdir(untouched.root)
    command = (REPOSITORY / f"sweeps/{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
    status, out, _ = train(*shlex.split(command.removeprefix("#   python src/train.py")), "sweep.dry_run=true")
    assert (status, out.startswith("study ")) == (0, True)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "data"), SWEPT)
def test_a_sweep_composes_for_each_model_on_each_kind_of_data(
    untouched, train, monkeypatch, name: str, data: str
) -> None:
    monkeypatch.chdir(untouched.root)
    suited = [model for model in MODELS if (model in {"logistic", "mlp", "tabm"}) == (data == "credit")]
    for model in [None] if name in DATA_OF else suited:
        typed = [f"data={data}", f"sweep={name}", *filter(None, [ASKED.get(name)]), "sweep.dry_run=true"]
        chosen = [f"model={model}"] if model else []
        status, out, err = train("-m", *typed, *chosen)
        if (name, model) == ("architecture", "logistic"):
            assert "an empty space, there is nothing to vary for model=logistic" in err
        else:
            assert (status, out.count("study ")) == (0, 1), err


CHOSEN = [
    f"{kind}={path.stem}" for kind in ("sampler", "pruner") for path in sorted((REPOSITORY / "sweeps" / kind).glob("*"))
]


@pytest.mark.parametrize("chosen", CHOSEN)
def test_each_option_can_be_chosen(untouched, train, monkeypatch, chosen: str) -> None:
    monkeypatch.chdir(untouched.root)
    if chosen == "sampler=cmaes":
        pytest.importorskip("cmaes")
    space = "int(interval(1,3))" if chosen == "sampler=grid" else "interval(0,0.5)"
    key = "trainer.max_epochs" if chosen == "sampler=grid" else "model.dropout"
    status, out, err = train("-m", f"{key}={space}", f"sweep/{chosen}", "sweep.repeats=5", "sweep.dry_run=true")
    assert status == 0, err
    file = REPOSITORY / "sweeps" / f"{chosen.replace('=', '/')}.yaml"
    target = yaml.safe_load(file.read_text(encoding="utf-8"))["_target_"]
    assert f"{target}" in out if chosen != "sampler=grid" else out.count("  trial: ") == 3


def test_a_sampler_s_settings_can_be_added(untouched, train, monkeypatch) -> None:
    monkeypatch.chdir(untouched.root)
    typed = [INTERVAL, "+sweep.sampler.n_startup_trials=4", "sweep.sampler.group=false", "sweep.dry_run=true"]
    assert train("-m", *typed)[0] == 0


def test_a_launcher_s_settings_are_those_of_the_launcher_that_is_chosen(untouched, train, monkeypatch) -> None:
    monkeypatch.chdir(untouched.root)
    typed = ["-m", "sweep=learning_rate", "sweep.dry_run=true", "hydra/launcher=joblib"]
    status, out, err = train(*typed, "hydra.launcher.n_jobs=2")
    assert (status, out.startswith("study ")) == (0, True), err
    status, _, err = train(*typed, "hydra.launcher.n_job=2")
    assert (status, "type: hydra.launcher.n_jobs=2" in err) == (1, True)


def test_the_plan_says_what_would_be_run_and_runs_nothing(untouched, train, monkeypatch) -> None:
    monkeypatch.chdir(untouched.root)
    before = sorted(untouched.root.rglob("*"))
    typed = ["sweep=learning_rate", "model=cnn,mlp", "optimizer=adamw", "sweep.n_trials=7", "sweep.dry_run=true"]
    status, out, err = train("-m", *typed)
    assert (status, sorted(untouched.root.rglob("*"))) == (0, before), err
    assert re.findall(r"study (\S+): (\d+) trials", out) == [
        ("learning_rate_digits_cnn_" + out.partition("cnn_")[2][:6], "7"),
        ("learning_rate_digits_mlp_" + out.partition("mlp_")[2][:6], "7"),
    ]
    assert "objective: maximize validation/accuracy" in out
    assert "optimizer=adamw: optimizer.lr: tag(log, interval(0.0005, 0.05))" in out


def test_what_is_refitted_on_validation_is_searched_without_it(project, train, monkeypatch) -> None:
    monkeypatch.chdir(project.root)
    refitted = project.conf / "tuned/digits_logistic.yaml"
    refitted.parent.mkdir(exist_ok=True)
    refitted.write_text("# @package _global_\ntrainer:\n  train_on: train+validation\n", encoding="utf-8")
    status, _, err = train("-m", "model=cnn,logistic", "sweep.dry_run=true")
    assert (status, "note: trainer.train_on=train: conf/tuned/digits_logistic.yaml trains" in err) == (0, True), err
    assert "train_on" not in "".join(train("-m", "model=cnn,mlp", "sweep.dry_run=true")[1:])
    assert "train_on" not in "".join(train("-m", "sweep=full", "sweep.dry_run=true")[1:])  # it has no logistic


# --- mistakes

INTERVAL = "optimizer.lr=tag(log,interval(1e-4,1e-1))"
TWO = "sweep.objectives=[{metric:validation/accuracy},{metric:parameters}]"
MISTAKES = {
    f"{INTERVAL} objective.metric=validation/r2": "there is no metric validation/r2; allowed: ",
    f"{INTERVAL} sweep.objectives=[{{metric:recall,direction:maximize}}]": "there is no metric recall; allowed: "
    + "validation/accuracy, validation/balanced_accuracy, validation/f1, validation/loss, parameters, latency, seconds",
    f"{INTERVAL} sweep.constraints=['size<=3']": "there is no metric size; allowed: ",
    f"{INTERVAL} sweep.constraints=['parameters<3']": "'parameters<3' is no bound; allowed: <metric> <= <number>",
    "sweep=architecture model=logistic": "an empty space, there is nothing to vary for model=logistic",
    "sweep=learning_rate optimizer=adam optimizer.lr=0.1 scheduler=none": "an empty space, there is nothing to vary",
    "optimizer.lr=interval(0.1,0.01)": "low 0.1 is above high 0.01; type: 'optimizer.lr=interval(0.01, 0.1)'",
    "optimizer.lr=tag(log,interval(0,0.1))": "log of 0.0; allowed: a low bound above 0",
    "optimizer.lr=tag(log,interval(-1,0.1))": "log of -1.0; allowed: a low bound above 0",
    "model=cnn,mlp trainer.train_on=train+validation": "a search decides on validation data",
    "model.heads=choice(1,2)": "model.heads: there is no such key",
    "seed=0,1 data.shape=[0,1]": "seed=0: data.shape.0 is 0; allowed: a whole number, 1 or more; type: 'data.shape=[",
    "modle.width=interval(1,2)": "error: modle.width: there is no such key; nearest: model.width",
    "sweep=full sweep/sampler=gp": "GPSampler cannot search a conditional space, and model decides",
    "sweep=full sweep/sampler=qmc": "QMCSampler cannot search a conditional space, and model decides",
    "sweep=architecture sweep/sampler=cmaes": "CmaEsSampler knows numbers alone",
    f"{INTERVAL} {TWO} sweep/pruner=median": "a pruner judges one objective, here are 2; type: sweep/pruner=none",
    f"{INTERVAL} sweep/pruner=wilcoxon": "WilcoxonPruner compares repeats of a configuration",
    f"{INTERVAL} sweep/sampler=grid": "has no end of values, and a grid runs each",
    "sweep=nope": "sweep=nope: there is no such sweep; allowed: architecture, full, grid, learning_rate, "
    "regularization, search, sentiment, tables; type: sweep=learning_rate",
    "sweep=learning_rat": "sweep=learning_rat: there is no such sweep; nearest: learning_rate",
    "sweep=base": "sweep=base: there is no such sweep",
    "model=cnn,mlp sweep.n_trial=5": "error: sweep.n_trial: there is no such key; nearest: sweep.n_trials; ",
    "model=cnn,mlp sweep.n_trails=3": "; type: sweep.n_trials=3",
    "model=cnn,mlp +sweep.n_trails=3": "n_trails: there is no such key; nearest: n_trials",
    "model=cnn,mlp sweep.colour=3": "; type: cat sweeps/base.yaml, which has every key",
    "model=cnn,mlp sweep.n_trials": "error: 'sweep.n_trials' is no setting; allowed: key=value",
    f"{INTERVAL} sweep.n_jobs=1,2": "a sweep has one value for each of its settings, and 1,2 are several; type: "
    "sweep.n_jobs=1",
    f"{INTERVAL} sweep.n_trials=many": "n_trials is many; allowed: a whole number, 1 or more; type: sweep.n_trials=20",
    "model=cnn,mlp sweep.n_trials=7": "sweep.n_trials=7: this is a grid, each of its 2 jobs is run once; ",
    "model=cnn,mlp sweep.recheck.top=-1": "recheck.top is -1; allowed: a whole number, 0 or more; type: sweep.recheck.",
    "model=cnn,mlp sweep.study=a/b": "study is 'a/b'; allowed: a name without /, at most 120 characters; type: ",
    f"{INTERVAL} sweep/sampler=foo": "error: sweep/sampler=foo: there is no such option; allowed: auto, cmaes, gp, "
    "grid, nsga2, qmc, random, tpe; type: sweep/sampler=tpe",
    f"{INTERVAL} sweep/sampler=tpee": "there is no such option; nearest: tpe",
    f"{INTERVAL} sweep.pruner=nope": "there is no such option; nearest: none; ",
    f"{INTERVAL} sweep.pruner=null": "error: sweep.pruner=null: a group has an option, and null is none; ",
    f"{INTERVAL} sweep/pruner=null": "; type: sweep/pruner=none",
    f"{INTERVAL} sweep.sampler=null": "; type: sweep/sampler=tpe",
    f"{INTERVAL} sweep.space=null": "error: sweep.space=null: a group has an option, and null is none; ",
    f"{INTERVAL} sweep.options=null": "error: sweep.options=null: a group has an option, and null is none; ",
    f"{INTERVAL} sweep/samplr=tpe": "there is no such group; nearest: sampler; ",
    f"{INTERVAL} sweep.sampler.n_startup_trials=3": "; type: +sweep.sampler.n_startup_trials=3",
    f"{INTERVAL} sweep/space=learning_rate": "; type: +sweep/space=learning_rate, to add one",
    f"{INTERVAL} sweep.storage='foo://x'": "sweep.storage=foo://x cannot be opened: ",
    f"{INTERVAL} sweep.sampler._target_=optuna.samplers.Nothing": "cannot be imported; allowed: the dotted path",
    f"{INTERVAL} +sweep.sampler.warmth=3": "mend sweep.sampler.<argument>",
    'sweep=full sweep.space.model="choise(mlp)"': "space of model: ",
    "model=cnn,mlp hydra/launcher=nowhere": "hydra/launcher=nowhere: there is no such option",
    "sweep=learning_rate,architecture model=cnn,mlp sweep.study=mine": "two studies would be named mine",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistake_is_one_line_before_any_trial(untouched, train, monkeypatch, typed: str) -> None:
    monkeypatch.chdir(untouched.root)
    before = sorted(untouched.root.rglob("*"))
    status, out, err = train("-m", *typed.split(" "))
    assert (status, out) == (1, "")
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert MISTAKES[typed] in lines[0]
    assert sorted(untouched.root.rglob("*")) == before


def test_a_mistake_in_a_file_is_mended_in_that_file(project, train) -> None:
    """Of a data set too, whose options are several here."""
    (project.conf / "data" / "mine.yaml").write_text("defaults: [digits]\nclasses: [a]\n", encoding="utf-8")
    status, _, err = train("-m", "data=digits,mine", "sweep.dry_run=true")
    said = "data.classes is [a]; allowed: a list of names: two classes or more, "
    assert (status, err.splitlines()[-1].partition(said)[0]) == (1, "error: data=mine: "), err
    assert err.rstrip().endswith("mend it in conf/data/mine.yaml, then type the same again")


def test_a_dry_run_tells_minutes_where_such_a_training_was_measured(untouched, train, monkeypatch) -> None:
    """The median of complete runs of this model on this data, as long as these."""
    monkeypatch.chdir(untouched.root)
    typed = ["model=mlp", "optimizer.lr=0.1,0.2,0.3", "sweep.repeats=2", "sweep.n_jobs=1", "sweep.dry_run=true"]
    assert "  time: unknown until a training of this model on this data has run" in train("-m", *typed)[1]
    cases = [("mlp", 12.0), ("mlp", 30.0), ("mlp", 24.0), ("cnn", 1.0), ("mlp", None)]
    for number, (model, seconds) in enumerate(cases):
        leave_run(untouched.runs / "day" / str(number), model=model, seconds=seconds)
    said = train("-m", *typed)[1]
    shutil.rmtree(untouched.runs / "day")
    told = "about 2.4 min for 3 trials, 1 at a time (48 s a trial, the median of 3 earlier runs of mlp on digits)"
    assert f"  time: {told}" in said


def leave_run(path: Path, *, model: str, seconds: float | None) -> None:
    config = load_config(Project.find(), ["data=digits", f"model={model}"])
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump(config.plain()), encoding="utf-8")
    RunRecord(
        id=path.name, status="completed" if seconds else "failed", command=[], git={},
        data={"name": "digits", "hash": "0"}, config_hash="", versions={}, host={}, threads=1, seed=0, parameters=1,
        started_at="", timings={"fit": seconds} if seconds else {},
    ).write(RunDirectory(path))  # fmt: skip


def test_a_project_without_sweeps_says_so(project, train) -> None:
    shutil.rmtree(project.root / "sweeps")
    status, _, err = train("-m", "model=cnn,mlp")
    assert (status, err.count("\n")) == (1, 1)
    assert "error: there are no sweeps in " in err


# --- whole searches

TINY = ["trainer.max_epochs=1", "logger=csv"]


def start(project: Project, *typed: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "src/train.py"), "-m", *typed, *TINY], cwd=project.root,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def searched(project: Project, *typed: str) -> tuple[str, Path]:
    """Search to the end. Returns what was printed, and the study's directory."""
    process = start(project, *typed)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    (journal,) = project.runs.glob("sweeps/*/study.journal")
    return out, journal.parent


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "trials.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def record(directory: Path, number: int) -> dict[str, Any]:
    return dict(json.loads((directory / str(number) / "run.json").read_text(encoding="utf-8")))


@pytest.mark.slow
def test_a_conditional_search_of_everything(project) -> None:
    out, directory = searched(project, "sweep=full", "sweep.n_trials=6", "sweep/sampler=random", "sweep/pruner=none")
    found = trials(directory)
    assert [trial.state.name for trial in found] == ["COMPLETE"] * 6
    assert found[0].params["model"] == "cnn"  # what params.yaml has now
    assert len({trial.params["model"] for trial in found}) > 1
    for trial in found:
        model = trial.params["model"]
        owned = {name.rpartition("(")[2].rstrip(")") for name in trial.params if name.startswith("model.")}
        assert owned == {model}
        run, config = record(directory, trial.number), directory / str(trial.number) / "config.yaml"
        assert run["best"]["value"] == trial.value
        assert (run["trial"], run["study"], run["status"]) == (trial.number, directory.name, "completed")
        assert yaml.safe_load(config.read_text(encoding="utf-8"))["model"]["name"] == model
    assert [row["directory"] for row in rows(directory)] == [str(trial.number) for trial in found]
    best = max(found, key=lambda trial: trial.value)
    assert f"python src/evaluate.py run=runs/sweeps/{directory.name}/{best.number}" in out
    assert f"python src/compare.py study={directory.name}\n  python src/promote.py study={directory.name}\n" in out
    assert "python src/train.py" in out


@pytest.mark.slow
def test_repeats_are_compared_seed_by_seed_and_the_best_checked_again(project) -> None:
    typed = ["model=logistic", "optimizer.lr=1e-2,1e-9", "sweep=grid", "sweep.repeats=2", "sweep/pruner=wilcoxon"]
    out, directory = searched(project, *typed, "sweep.recheck.top=1", "sweep.recheck.seeds=2")
    found = trials(directory)
    assert [trial.params["optimizer.lr"] for trial in found] == ["0.01", "1e-09"]
    first = found[0].user_attrs[RESULT]
    assert [path.name for path in sorted((directory / "0").glob("repeat*"))] == ["repeat0", "repeat1"]
    seeds = [json.loads((directory / f"0/repeat{k}/run.json").read_text())["seed"] for k in range(2)]
    assert len(set(seeds)) == 2
    values = [each["validation/accuracy"] for each in first["repeats"]]
    assert found[0].value == pytest.approx(sum(values) / 2)
    again = trials(directory / "recheck")
    assert [trial.state.name for trial in again] == ["COMPLETE"] * 2
    fresh = {json.loads((directory / f"recheck/{k}/run.json").read_text())["seed"] for k in range(2)}
    assert not fresh & set(seeds)
    assert "once more on 2 fresh seeds" in out
    assert "(searched: " in out


@pytest.mark.slow
def test_several_objectives_end_in_a_front_and_a_constraint_is_kept(project) -> None:
    typed = ["model=mlp", "model.depth=1", "model.width=4,64,32", TWO, "sweep.constraints=['parameters<=3000']"]
    out, directory = searched(project, *typed)
    found = trials(directory)
    assert [len(trial.values) for trial in found] == [2] * 3
    sizes = {trial.params["model.width"]: trial.values[1] for trial in found}
    assert sizes["4"] < sizes["32"] < 3000 < sizes["64"]
    lines = [line for line in out.splitlines() if "model.width=" in line and "train.py" not in line]
    assert "validation/accuracy, parameters, the front first" in out
    assert len(lines) == 3
    assert "(beyond a constraint)" in lines[2]
    assert "model.width=64" in lines[2]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.nightly)])
def test_a_sweep_that_is_told_to_end_has_the_status_of_a_training(project, number) -> None:
    process = start(project, "model=logistic", "seed=1,2", "trainer.max_epochs=100000", "sweep.n_jobs=1")
    while not list(project.runs.glob("sweeps/*/0/checkpoints/*.ckpt")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert err.splitlines()[-1] == f"ended by {number.name}"
    assert "Traceback" not in err
    (record,) = project.runs.glob("sweeps/*/0/run.json")
    assert json.loads(record.read_text())["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.nightly
def test_ctrl_c_lets_trials_finish_and_the_same_command_goes_on(project) -> None:
    typed = ["model=logistic", "seed=1,2,3,4,5,6", "trainer.max_epochs=1", "sweep.n_jobs=1"]
    process = start(project, *typed)
    while not list(project.runs.glob("sweeps/*/0/config.yaml")) and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "no new trials; waiting for 1 to finish (Ctrl-C again ends them)" in err
    assert "trials are left; the same command goes on with them" in out
    _, directory = searched(project, *typed)
    found = trials(directory)
    assert sorted(trial.params["seed"] for trial in found) == list("123456")
    assert {trial.state for trial in found} == {optuna.trial.TrialState.COMPLETE}


@pytest.mark.slow
def test_what_fails_stands_in_the_table_and_the_others_go_on(project, train) -> None:
    loss = ["objective.metric=validation/loss"]
    status, out, _ = train(
        "-m", "model=mlp", "optimizer.lr=0.001,1e30,0.01", "trainer.gradient_clip=null", *TINY, *loss
    )
    assert status == 1
    (journal,) = project.runs.glob("sweeps/*/study.journal")
    found = {trial.params["optimizer.lr"]: trial for trial in trials(journal.parent)}
    wild = max(found, key=float)
    values = {depth: found[depth].value for depth in ("0.001", "0.01")}
    assert all(
        record(journal.parent, found[depth].number)["best"]["value"] == values[depth] for depth in ("0.001", "0.01")
    )
    lines = [line.split() for line in out.splitlines()]
    assert ["validation/loss,", "best", "first"] in lines
    table = [line for line in lines if line and line[-1].startswith("optimizer.lr=") and "train.py" not in str(line)]
    assert [line[-1] for line in table] == [f"optimizer.lr={depth}" for depth in sorted(values, key=values.__getitem__)]
    assert "2 complete, 1 fail" in out
    assert "NonFiniteLossError" in found[wild].user_attrs[RESULT]["traceback"]
