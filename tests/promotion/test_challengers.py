"""Who may challenge, of runs on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.config.composition import load_config
from ratchet.errors import RatchetError
from ratchet.project import Project
from ratchet.promotion.challengers import Champion, from_run, from_trial, of_study
from ratchet.promotion.gate_runs import Configuration, seedless_hash
from ratchet.promotion.promote import Ask, promote
from ratchet.promotion.promotion_paths import PromotionPaths

pytestmark = pytest.mark.slow


@pytest.fixture
def paths(project: Project) -> PromotionPaths:
    return PromotionPaths(project)


@pytest.fixture
def champion(project: Project, paths: PromotionPaths) -> Champion:
    return Champion(load_config(project), project)


def trial(paths: PromotionPaths, number: int, *typed: str, value: float | None, **changes: Any) -> Path:
    """A run on record as a trial of the study lr, never trained."""
    config = load_config(paths.project, typed)
    directory = paths.sweeps / "lr" / str(number)
    directory.mkdir(parents=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(config.plain()), encoding="utf-8")
    card = json.loads((paths.project.prepared("digits") / "card.json").read_bytes())
    best = {"checkpoint": "c", "epoch": 1, "step": 1, "metric": "validation/accuracy", "value": value}
    record = {
        "id": f"id{number}", "status": "completed", "study": "lr", "trial": number, "command": [], "git": {},
        "data": {"name": "digits", "hash": card["data_hash"]}, "config_hash": "c", "versions": {}, "host": {},
        "threads": 1, "seed": config.seed, "parameters": 1, "started_at": "now",
        "best": None if value is None else best,
    }  # fmt: skip
    (directory / "run.json").write_text(json.dumps(record | changes), encoding="utf-8")
    return directory


def test_a_study_is_read_best_first_and_without_what_did_not_complete(
    paths: PromotionPaths, champion: Champion
) -> None:
    for number, value in enumerate([0.7, 0.9, 0.8]):
        trial(paths, number, f"optimizer.lr=0.0{number + 1}", value=value)
    trial(paths, 3, "optimizer.lr=0.05", value=0.99, status="pruned")
    assert [each.origin["trial"] for each in of_study("lr", champion, paths=paths)] == [1, 2, 0]


def test_seeds_and_loggers_make_no_challenger(paths: PromotionPaths, champion: Champion) -> None:
    trial(paths, 0, "seed=7", "logger=none", "trainer.progress=none", value=0.9)
    candidate = from_trial("lr", 0, champion, paths=paths)
    assert seedless_hash(candidate.config) == seedless_hash(champion.config)
    assert candidate.config == champion.config
    assert candidate.origin["seeds"] == [7]


F1 = "objective.metric=validation/f1"


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ([F1], [F1, "task=binary"], r"_target_=ratchet\.tasks\.Binary task\.positive=null, the champion: as usual; "),
        (
            ["task=binary", F1, "task.positive=a"],
            ["task=binary", F1],
            "task.positive=null, the champion: task.positive=a",
        ),
        ([], ["task=binary", "objective.metric=validation/accuracy"], None),
        (["task=binary", F1], ["task=binary", F1, "task.threshold=0.2"], None),
    ],
)
def test_one_name_of_two_quantities_is_refused(
    paths: PromotionPaths, project: Project, ours: list[str], theirs: list[str], told: str | None
) -> None:
    champion = Champion(load_config(project, ours), project)
    trial(paths, 0, *theirs, value=0.9)
    if told is None:
        from_trial("lr", 0, champion, paths=paths)
    else:
        with pytest.raises(RatchetError, match=told):
            from_trial("lr", 0, champion, paths=paths)


def test_a_run_is_found_by_its_id_and_its_directory(paths: PromotionPaths, champion: Champion) -> None:
    directory = trial(paths, 4, "optimizer.lr=0.02", value=0.9)
    by_id = from_run("id4", champion, paths=paths)
    assert by_id == from_run(str(directory), champion, paths=paths)
    assert by_id == from_run("runs/sweeps/lr/4", champion, paths=paths)
    with pytest.raises(RatchetError, match="nearest: id4"):
        from_run("id5", champion, paths=paths)


@pytest.mark.parametrize(("state", "message"), [("pruned", "trial 0 of study lr is pruned"), ("fail", "lr failed")])
def test_a_study_knows_of_a_trial_what_its_runs_do_not(
    paths: PromotionPaths, champion: Champion, state: str, message: str
) -> None:
    """Such as one that was pruned after its first repeat."""
    trial(paths, 0, "optimizer.lr=0.02", value=0.99)
    trial(paths, 1, "optimizer.lr=0.03", value=0.9)
    (paths.sweeps / "lr/trials.csv").write_text(f"number,state\n0,{state}\n1,complete\n", encoding="utf-8")
    with pytest.raises(RatchetError, match=message):
        from_trial("lr", 0, champion, paths=paths)
    with pytest.raises(RatchetError, match=message.rpartition(" ")[2]):
        from_run("runs/sweeps/lr/0", champion, paths=paths)
    assert [each.origin["trial"] for each in of_study("lr", champion, paths=paths)] == [1]


@pytest.mark.parametrize("row", ["", "1,running\n"])
def test_a_trial_between_two_repeats_has_not_completed(paths: PromotionPaths, champion: Champion, row: str) -> None:
    done = trial(paths, 0, "optimizer.lr=0.02", value=0.8)
    going = trial(paths, 1, "optimizer.lr=0.03", value=0.9)
    (going / "repeat0").mkdir()
    for name in ("run.json", "config.yaml"):
        (going / name).rename(going / "repeat0" / name)
    (done.parent / "trials.csv").write_text(f"number,state\n0,complete\n{row}", encoding="utf-8")
    assert [each.origin["trial"] for each in of_study("lr", champion, paths=paths)] == [0]
    with pytest.raises(RatchetError, match="trial 1 of study lr is running"):
        from_trial("lr", 1, champion, paths=paths)


@pytest.mark.parametrize("row", ["", "1,running,\n"])
def test_a_trial_whose_study_has_not_told_of_its_end_has_not_completed(
    paths: PromotionPaths, champion: Champion, row: str
) -> None:
    """After a kill nobody knows yet whether it keeps to the constraints."""
    for number, value in enumerate([0.8, 0.9]):
        trial(paths, number, f"optimizer.lr=0.0{number + 2}", value=value)
    (paths.sweeps / "lr/trials.csv").write_text(f"number,state,feasible\n0,complete,yes\n{row}", encoding="utf-8")
    assert [each.origin["trial"] for each in of_study("lr", champion, paths=paths)] == [0]
    with pytest.raises(RatchetError, match="trial 1 of study lr is running"):
        from_trial("lr", 1, champion, paths=paths)


def test_what_is_beyond_a_constraint_is_not_the_best_of_its_study(
    paths: PromotionPaths, champion: Champion, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, value in enumerate([0.7, 0.9]):
        trial(paths, number, f"optimizer.lr=0.0{number + 2}", value=value)
    table = paths.sweeps / "lr/trials.csv"
    table.write_text("number,state,feasible\n0,complete,yes\n1,complete,no\n", encoding="utf-8")
    assert [each.origin["trial"] for each in of_study("lr", champion, paths=paths)] == [0]
    assert from_trial("lr", 1, champion, paths=paths).value == 0.9  # named, it is what a person wants
    for number, named in ((0, {"study": "lr", "trial": 0}), (1, {"study": "lr", "trial": 1}), (1, {"run": "id1"})):
        promote(Ask(**named, dry_run=True), project=paths.project)
        assert ("beyond a constraint" in capsys.readouterr().out) == (number == 1)
    table.write_text("number,state,feasible\n0,complete,no\n1,complete,no\n", encoding="utf-8")
    with pytest.raises(RatchetError, match=r"none of its 2 completed trials keeps to its constraints.*trial=0"):
        list(of_study("lr", champion, paths=paths))


def test_a_study_of_several_objectives_has_no_single_best(paths: PromotionPaths, champion: Champion) -> None:
    for number in range(3):
        trial(paths, number, f"optimizer.lr=0.0{number + 2}", value=0.7)
    table = "number,state,front\n0,complete,no\n1,complete,yes\n2,complete,yes\n"
    (paths.sweeps / "lr/trials.csv").write_text(table, encoding="utf-8")
    with pytest.raises(RatchetError, match=r"several objectives.*its front, trials 1, 2; type: study=lr trial=1"):
        list(of_study("lr", champion, paths=paths))
    assert from_trial("lr", 2, champion, paths=paths).value == 0.7


def test_of_a_grid_over_data_sets_the_champions_own_count(paths: PromotionPaths, champion: Champion) -> None:
    trial(paths, 0, "optimizer.lr=0.02", value=0.7)
    trial(paths, 1, "optimizer.lr=0.03", value=0.9, data={"name": "mnist1d", "hash": "h"})
    assert [each.origin["trial"] for each in of_study("lr", champion, paths=paths)] == [0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "pruned"}, "trial 0 of study lr is pruned"),
        ({"status": "failed", "error": {"class": "E", "message": "too hot"}}, "failed: too hot"),
        ({"status": "running"}, "is running"),
        ({"data": {"name": "mnist1d", "hash": "h"}}, "is of mnist1d, the champion of digits"),
        ({"data": {"name": "digits", "hash": "h"}}, "was trained on an earlier state of the data"),
    ],
)
def test_who_may_not_is_told_why(
    paths: PromotionPaths, champion: Champion, changes: dict[str, Any], message: str
) -> None:
    trial(paths, 0, "optimizer.lr=0.02", value=0.9, **changes)
    with pytest.raises(RatchetError, match=message):
        from_trial("lr", 0, champion, paths=paths)


@pytest.mark.parametrize(("study", "message"), [("lrs", "nearest: lr"), ("", "no such study")])
def test_an_unknown_study_or_trial_is_told(paths: PromotionPaths, champion: Champion, study: str, message: str) -> None:
    trial(paths, 2, "optimizer.lr=0.02", value=0.9)
    with pytest.raises(RatchetError, match=message):
        list(of_study(study, champion, paths=paths))
    with pytest.raises(RatchetError, match="allowed: 2;"):
        from_trial("lr", 0, champion, paths=paths)


def test_another_objective_cannot_be_compared(paths: PromotionPaths, champion: Champion) -> None:
    trial(paths, 0, "objective.metric=validation/loss", "objective.direction=minimize", value=0.9)
    with pytest.raises(RatchetError, match=r"train it again with: objective\.metric=validation/accuracy"):
        from_trial("lr", 0, champion, paths=paths)


def test_runs_are_kept_apart_by_what_a_number_hangs_on(project: Project, champion: Champion) -> None:
    def key(*typed: str, data_hash: str = "h") -> str:
        return Configuration.of("x", load_config(project, typed), data_hash=data_hash, project=project).key

    usual = key()
    assert usual == key("seed=9") == key("logger=none")
    assert len({usual, key("optimizer.lr=0.5"), key(data_hash="other")}) == 3
    (project.root / "src" / "own").mkdir(parents=True)
    (project.root / "src" / "own" / "wide.py").write_text("WIDTH = 3\n")
    assert key() != usual


def test_a_dry_run_does_not_finish_what_was_cut_off(project: Project, paths: PromotionPaths) -> None:
    paths.journal.mkdir(parents=True)
    with pytest.raises(RatchetError, match="leave out dry_run=true"):
        promote(Ask(study="lr", dry_run=True), project=project)
    assert paths.journal.is_dir()


def test_the_champions_data_are_prepared_where_they_are_missing_but_not_in_a_dry_run(project: Project) -> None:
    shutil.rmtree(project.root / "data")
    with pytest.raises(RatchetError, match="there is no such run"):  # which is what its person can mend first
        promote(Ask(run="nothing", allow_dirty=True, dry_run=True), project=project)
    assert not (project.root / "data").exists()
    with pytest.raises(RatchetError, match="nothing"):
        promote(Ask(run="nothing", allow_dirty=True), project=project)
    assert (project.prepared("digits") / "card.json").is_file()
