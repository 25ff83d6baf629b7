"""Rows and their verdicts: seeds as repeats, choices without significance, data never mixed, nothing dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from made_runs import make_run, make_study
from ratchet.comparison.choice import keys_named, of, runs_named
from ratchet.comparison.files import records_of
from ratchet.comparison.gather import gather
from ratchet.comparison.measures import direction_of, require_metric, value_of
from ratchet.comparison.tables import Table, tables_of
from ratchet.config.seeds import AUDIT, PAIRS, SCREEN
from ratchet.errors import RatchetError
from ratchet.evidence.groups import compare_groups
from ratchet.project import Project

SPREAD = (0.0, 0.004, -0.003, 0.002, -0.001)


def table(root: Path, **asked) -> Table:
    (found,) = tables(root, **asked)
    return found


def tables(root: Path, *, group_by=(), metric=None) -> list[Table]:
    runs = gather(Project(root), [root / "runs"]).runs
    return tables_of(runs, metric=metric, direction=None, group_by=keys_named(runs, group_by))


def seeds(root: Path, name: str, mean: float, *, n: int = 5, **settings) -> None:
    for seed in range(n):
        value = mean + SPREAD[(seed * (ord(name) - 96)) % 5]
        make_run(root / "runs" / f"{name}{seed}", accuracy=value, seed=seed, minute=seed, **settings)


def verdicts(found: Table) -> dict[str, str]:
    return {row.name: row.verdict for row in found.rows}


def test_rows_are_judged_as_the_evidence_says(tmp_path):
    seeds(tmp_path, "a", 0.95, model="cnn")
    seeds(tmp_path, "b", 0.949, model="gru")
    seeds(tmp_path, "c", 0.80, model="mlp")
    found = table(tmp_path)
    assert verdicts(found) == {"cnn": "", "gru": "tied with best", "mlp": "behind"}
    assert found.verdict == "cnn has the best mean, but gru cannot be told from it."
    values = {
        name: {seed: mean + SPREAD[seed * step % 5] for seed in range(5)}
        for name, mean, step in (("cnn", 0.95, 1), ("gru", 0.949, 2), ("mlp", 0.8, 3))
    }
    for row, group in zip(found.rows, compare_groups(values, mode="max").groups, strict=True):
        assert row.group is not None
        assert row.group.name == group.name
        assert row.group.low == pytest.approx(group.low)
        assert row.group.gap == pytest.approx(group.gap)


def test_best_is_said_of_a_row_that_stands_alone(tmp_path):
    for name, mean, sign in (("cnn", 0.95, 1), ("mlp", 0.80, -1)):
        for seed in range(3):
            make_run(tmp_path / f"runs/{name}{seed}", accuracy=mean + sign * SPREAD[seed], seed=seed, model=name)
    found = table(tmp_path)
    assert verdicts(found) == {"cnn": "best", "mlp": "behind"}
    assert found.verdict.startswith("cnn is better than every other row")


def test_one_seed_has_no_error_bar_and_no_verdict(tmp_path):
    make_run(tmp_path / "runs/a", accuracy=0.9)
    make_run(tmp_path / "runs/b", accuracy=0.8, config={"optimizer.lr": 0.1})
    found = table(tmp_path)
    assert [row.name for row in found.rows] == ["lr=0.01", "lr=0.1"]
    assert [row.group.low for row in found.rows if row.group] == [None, None]
    assert verdicts(found)["lr=0.1"] == "cannot tell"
    assert "too few seeds" in found.verdict


def test_a_smaller_loss_is_better_and_a_larger_accuracy(tmp_path):
    make_run(tmp_path / "runs/a", accuracy=0.9, model="cnn")
    make_run(tmp_path / "runs/b", accuracy=0.8, model="mlp")
    for metric in ("validation/accuracy", "validation/loss"):
        assert [row.name for row in table(tmp_path, metric=metric).rows] == ["cnn", "mlp"]
    runs = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    assert direction_of(runs, "seconds") == direction_of(runs, "validation/loss") == "minimize"
    assert direction_of(runs, "validation/f1") == "maximize"


@pytest.mark.parametrize("group_by", [(), ("model",), ("optimizer.lr",), ("model", "study")])
def test_no_run_is_dropped(tmp_path, group_by):
    seeds(tmp_path, "a", 0.95)
    make_run(tmp_path / "runs/b", status="failed", seed=7, error={"class": "OutOfMemoryError", "message": "too big"})
    make_run(tmp_path / "runs/c", status="interrupted", seed=8)
    make_run(tmp_path / "runs/d", status="running", model="gru")
    make_study(tmp_path / "runs", "search", 30)
    found = table(tmp_path, group_by=group_by)
    assert len(found.runs) == 38
    counts: dict[str, int] = {}
    for row in found.rows:
        for status, count in row.statuses.items():
            counts[status] = counts.get(status, 0) + count
    assert counts == {"completed": 5 + 25, "failed": 2, "interrupted": 1, "running": 1, "pruned": 4}


def test_failed_runs_count_in_no_mean(tmp_path):
    make_run(tmp_path / "runs/a", accuracy=0.9, seed=0)
    make_run(tmp_path / "runs/b", accuracy=0.1, seed=1, status="pruned")
    (row,) = table(tmp_path).rows
    assert row.group is not None
    assert (row.group.mean, row.group.n) == (0.9, 1)


def test_of_a_seed_that_ran_twice_the_newest_counts_and_it_is_said(tmp_path):
    make_run(tmp_path / "runs/new", accuracy=0.9, seed=0, minute=9)
    make_run(tmp_path / "runs/old", accuracy=0.5, seed=0, minute=1)
    found = table(tmp_path)
    assert found.rows[0].settings[0].values == {0: 0.9}
    assert any("newest counts" in note for note in found.notes)


def test_of_a_champion_the_audits_alone_count(tmp_path):
    for k, value in enumerate([0.93, 0.95, 0.96]):  # the screen's, the gate's, the pipeline's
        seed = (SCREEN, PAIRS, 0)[k]
        where = f"promotions/digits_cnn_0/seed{seed}/0" if seed else "champion"
        make_run(tmp_path / "runs" / where, accuracy=value, seed=seed, study="digits_cnn_0" if seed else None, trial=0)
    for k, value in enumerate([0.90, 0.91]):
        where = f"promotions/digits_cnn_0/seed{AUDIT + k}/0"
        make_run(tmp_path / "runs" / where, accuracy=value, seed=AUDIT + k, study="digits_cnn_0", trial=0)
    make_run(tmp_path / "runs/other", accuracy=0.8, seed=SCREEN, model="mlp")
    found = table(tmp_path)
    row = next(row for row in found.rows if "cnn" in row.name)
    assert row.settings[0].values == {AUDIT: 0.90, AUDIT + 1: 0.91}
    assert len(row.runs) == 5
    assert "3 finished runs made a setting the champion: its audits alone count." in found.notes


def test_a_search_is_one_row_among_others_and_claims_nothing(tmp_path):
    seeds(tmp_path, "a", 0.90)
    make_study(tmp_path / "runs", "search", 30)
    found = table(tmp_path)
    best, other = found.rows
    assert (best.name, best.verdict) == ("search search", "best of 29")  # one of 30 failed
    assert best.group is not None
    assert best.group.low is None
    assert other.verdict == ""
    assert any("expected about 2.0 sd too high" in note for note in found.notes)
    assert "is better than" not in found.verdict


@pytest.mark.parametrize(("column", "against"), [("feasible", "beyond a constraint"), ("front", "not of the front")])
def test_what_its_study_does_not_call_best_stands_for_no_search(tmp_path, column: str, against: str):
    seeds(tmp_path, "a", 0.5, n=2, model="mlp")
    make_study(tmp_path / "runs", "search", 3)
    home = tmp_path / "runs/sweeps/search"
    before = table(tmp_path).rows[0]
    best = before.settings[0].runs[0].trial
    lines = (home / "trials.csv").read_text().splitlines()
    told = [f"{line},{'no' if line.startswith(f'{best},') else 'yes'}" for line in lines[1:]]
    (home / "trials.csv").write_text("\n".join([f"{lines[0]},{column}", *told]) + "\n")
    row = table(tmp_path).rows[0]
    assert row.settings[-1].runs[0].trial == best
    assert row.group is not None
    assert before.group is not None
    assert row.group.mean < before.group.mean
    alone = tables_of(of(gather(Project(tmp_path)).runs, "study", "search"), metric=None, direction=None, group_by=())
    assert (alone[0].rows[-1].runs[0].trial, alone[0].rows[-1].verdict) == (best, against)


def test_what_is_beyond_a_constraint_stands_where_nothing_else_has_a_value(tmp_path):
    """And not what was pruned, which nothing is against."""
    seeds(tmp_path, "a", 0.5, n=2, model="mlp")
    home = tmp_path / "runs/sweeps/s"
    for number, status in enumerate(["completed", "pruned"]):
        config = {"optimizer.lr": 0.1 * (number + 1)}
        make_run(home / str(number), accuracy=0.9, status=status, study="s", trial=number, config=config)
    (home / "trials.csv").write_text("number,state,feasible\n0,complete,no\n1,pruned,\n")
    row = next(row for row in table(tmp_path).rows if row.name == "search s")
    assert row.group is not None
    assert (row.group.mean, row.verdict) == (0.9, "beyond a constraint")


def test_a_trial_that_was_tried_again_is_what_came_of_it(tmp_path):
    home = tmp_path / "runs/sweeps/s"
    for number, (value, rate) in enumerate([(0.7, 0.1), (0.9, 0.2), (0.9, 0.2)]):
        status = "failed" if number == 1 else "completed"
        error = {"class": "killed", "message": "killed"} if number == 1 else None
        make_run(
            home / str(number), accuracy=value, status=status, study="s", trial=number, minute=number, error=error,
            config={"optimizer.lr": rate},
        )  # fmt: skip
    (home / "trials.csv").write_text("number,state,feasible\n0,complete,yes\n1,fail,\n2,complete,no\n")
    seeds(tmp_path, "a", 0.5, n=2, model="mlp")
    row = next(row for row in table(tmp_path).rows if row.name == "search s")
    assert row.group is not None
    assert row.group.mean == 0.7


def test_a_row_of_several_studies_is_the_best_of_those_that_it_was_chosen_among(tmp_path):
    """Settings with one seed each lose to two with two, whatever their values."""
    make_study(tmp_path / "runs", "search", 3)
    for rate in (0.1, 0.2):
        for seed in range(2):
            place = tmp_path / f"runs/{rate}_{seed}"
            make_run(place, accuracy=0.5 + rate, seed=seed, config={"optimizer.lr": rate})
    row = table(tmp_path, group_by=["model"]).rows[0]
    assert row.group is not None
    assert (row.group.mean, row.verdict) == (0.7, "best of 2")


def test_a_study_s_own_trials_carry_no_significance_either(tmp_path):
    make_study(tmp_path / "runs", "search", 30)
    for repeat in range(2):
        make_run(
            tmp_path / f"runs/sweeps/search/30/repeat{repeat}", accuracy=0.99, seed=repeat, study="search", trial=30
        )
    found = table(tmp_path)
    assert len(found.rows) == 31
    assert set(verdicts(found).values()) == {""}
    assert all(row.group.low is None for row in found.rows if row.group)


def test_a_grid_of_seeds_is_judged(tmp_path):
    for trial, (model, seed) in enumerate((model, seed) for model in ("cnn", "mlp") for seed in range(3)):
        mean = {"cnn": 0.95, "mlp": 0.8}[model] * (1 if seed else 0.999)
        make_run(tmp_path / f"runs/sweeps/g/{trial}", accuracy=mean, model=model, seed=seed, study="g", trial=trial)
    journal = tmp_path / "runs/sweeps/g/study.journal"
    journal.write_text('{"op_code":2,"user_attr":{"ratchet:study":{"space":{"each of":"[]"}}}}\n')
    assert verdicts(table(tmp_path)) == {"cnn": "best", "mlp": "behind"}


def test_a_row_of_several_settings_is_the_best_of_them_and_not_their_mean(tmp_path):
    for rate, accuracy in ((0.1, 0.8), (0.01, 0.9), (0.001, 0.7)):
        make_run(tmp_path / f"runs/{rate}", accuracy=accuracy, config={"optimizer.lr": rate})
    make_run(tmp_path / "runs/mlp", accuracy=0.85, model="mlp")
    found = table(tmp_path, group_by=["model"])
    assert verdicts(found) == {"cnn": "best of 3", "mlp": ""}
    assert found.rows[0].group is not None
    assert found.rows[0].group.mean == 0.9


def test_how_far_a_choice_overstates_hangs_on_the_seeds_of_that_row_alone(tmp_path):
    for rate, mean in ((0.1, 0.8), (0.01, 0.9), (0.001, 0.7)):
        for seed in range(2):
            value = mean + 0.01 * seed
            make_run(tmp_path / f"runs/{rate}_{seed}", accuracy=value, seed=seed, config={"optimizer.lr": rate})
    (alone,) = table(tmp_path, group_by=["model"]).notes
    assert "best of 3 is expected about 0.9 sd too high, here 0.0043." in alone  # 0.87 * 0.01 / 2
    for rate in (0.1, 0.01):
        for seed in range(8):
            make_run(
                tmp_path / f"runs/a{rate}_{seed}", model="mlp", accuracy=0.95 - seed * 1e-4, seed=seed,
                config={"optimizer.lr": rate},
            )  # fmt: skip
    assert alone in table(tmp_path, group_by=["model"]).notes


def test_classes_of_one_name_are_rows_of_their_own(tmp_path):
    for place, path in enumerate(("torch.optim.AdamW", "own.better.AdamW")):
        for seed in range(2):
            make_run(
                tmp_path / f"runs/{place}{seed}", accuracy=0.9 - 0.2 * place, seed=seed,
                config={"optimizer._target_": path},
            )  # fmt: skip
    found = table(tmp_path, group_by=["optimizer"])
    assert [(row.name, len(row.runs)) for row in found.rows] == [("AdamW", 2), ("AdamW #2", 2)]


def test_a_lucky_seed_does_not_stand_for_a_setting_with_many(tmp_path):
    seeds(tmp_path, "a", 0.90)
    make_run(tmp_path / "runs/lucky", accuracy=0.99, config={"optimizer.lr": 0.5})
    (row,) = table(tmp_path, group_by=["model"]).rows
    assert row.group is not None
    assert (row.group.n, row.best_of) == (5, 1)


def test_different_data_are_never_in_one_table(tmp_path):
    make_run(tmp_path / "runs/a", data_hash="a" * 64)
    make_run(tmp_path / "runs/b", data_hash="b" * 64, minute=5)
    make_run(tmp_path / "runs/c", config={"data.name": "digits"}, data_hash="c" * 64)
    found = tables(tmp_path)
    assert sorted((each.dataset, each.data_hash[0], len(each.runs)) for each in found) == [
        ("digits", "c", 1), ("mnist1d", "a", 1), ("mnist1d", "b", 1),
    ]  # fmt: skip
    editions = [(each.data_hash[0], each.edition) for each in found]
    assert editions == [("b", "the newest data"), ("a", "earlier data, last trained on 2026-11-01"), ("c", "")]
    assert ["mnist1d has changed between runs" in "".join(each.notes) for each in found] == [True, True, False]


def test_what_tasks_mean_by_one_name_is_never_in_one_table(tmp_path):
    two, one = {"_target_": "ratchet.tasks.Binary", "positive": "cat"}, {"_target_": "ratchet.tasks.Multiclass"}
    for place, task in enumerate((two, one, two, {**two, "positive": "dog"})):
        make_run(tmp_path / f"runs/{place}", config={"task": task}, data_hash="a" * 64, minute=place)
    make_run(tmp_path / "runs/earlier", config={"task": one})
    asked = tables(tmp_path, metric="validation/f1")
    assert [(len(each.runs), each.edition) for each in asked] == [
        (2, "the newest data, task._target_=ratchet.tasks.Binary task.positive=cat"),
        (1, "the newest data, as usual"),
        (1, "the newest data, task._target_=ratchet.tasks.Binary task.positive=dog"),
        (1, "earlier data, last trained on 2026-11-01"),
    ]
    assert [records_of(each)[0]["edition"] for each in asked] == [each.edition for each in asked]
    assert ["something else by validation/f1" in "".join(each.notes) for each in asked] == [True, True, True, False]
    assert [len(each.runs) for each in tables(tmp_path, metric="validation/accuracy")] == [4, 1]


def test_trials_that_never_began_are_shown_with_their_class(tmp_path):
    make_study(tmp_path / "runs", "search", 20)
    failed = [run for run in gather(Project(tmp_path), [tmp_path / "runs"]).runs if run.status == "failed"]
    assert [(run.trial, run.record, run.failure) for run in failed] == [(11, None, "non-finite loss")]


def test_a_damaged_run_is_named_and_the_rest_compared(tmp_path):
    make_run(tmp_path / "runs/a")
    make_run(tmp_path / "runs/b", seed=1).record.write_text("{")
    make_run(tmp_path / "runs/c", seed=2).config.write_text("model: {name: cnn\n")
    found = gather(Project(tmp_path), [tmp_path / "runs"])
    assert len(found.runs) == 1
    assert ["runs/b" in found.unread[0] or "runs/b" in found.unread[1], len(found.unread)] == [True, 2]


def test_values_are_those_of_the_best_checkpoint_and_found_in_old_records_too(tmp_path):
    run = make_run(tmp_path / "runs/a", accuracy=0.9, epochs=4)
    (found,) = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    assert value_of(found, "validation/accuracy") == 0.9
    assert value_of(found, "train/loss") == pytest.approx(float(run.metrics.read_text().splitlines()[-1].split(",")[4]))
    assert value_of(found, "parameters") == 12_202
    assert value_of(found, "nothing") is None


def test_reading_writes_nothing(tmp_path):
    make_study(tmp_path / "runs", "search", 12)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")}
    tables(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*")} == before


def test_runs_are_named_by_folder_pattern_and_id(tmp_path, monkeypatch):
    seeds(tmp_path, "a", 0.9, n=3)
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    identifier = gather(project).runs[0].id
    for names, count in (
        (["runs/a0"], 1),
        (["runs"], 3),
        (["runs/a[12]"], 2),
        (["runs/a0", "runs"], 3),
        ([identifier], 1),
    ):
        assert len(runs_named(project, names).runs) == count
    with pytest.raises(RatchetError, match=r"runs=nowhere: there is no run.*type: "):
        runs_named(project, ["nowhere"])


def test_of_runs_that_are_named_the_newest_counts_in_whichever_order(tmp_path, monkeypatch):
    make_run(tmp_path / "runs/old", accuracy=0.8, minute=0)
    make_run(tmp_path / "runs/new", accuracy=0.9, minute=1)
    monkeypatch.chdir(tmp_path)
    for names in (["runs/old", "runs/new"], ["runs/new", "runs/old"]):
        found = runs_named(Project(tmp_path), names)
        assert [run.directory.path.name for run in found.runs] == ["old", "new"]
        (compared,) = tables_of(found.runs, metric=None, direction=None, group_by=[])
        assert compared.rows[0].group.mean == 0.9


def test_a_name_of_no_run_is_told_also_after_a_damaged_one(tmp_path, monkeypatch):
    make_run(tmp_path / "runs/a")
    make_run(tmp_path / "runs/b").record.write_text("{", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RatchetError, match="runs=nowhere"):
        runs_named(Project(tmp_path), ["runs/b", "nowhere"])
    found = runs_named(Project(tmp_path), ["runs/b", "runs/*"])
    assert (len(found.runs), len(found.unread)) == (1, 1)


def test_a_trial_that_is_named_brings_no_others_of_its_study(tmp_path, monkeypatch):
    make_study(tmp_path / "runs", "search", 12)  # 3 and 10 were pruned, 11 failed before run.json
    monkeypatch.chdir(tmp_path)
    for names, trials in (
        (["runs/sweeps/search/0"], [0]),
        (["runs/sweeps/search/0", "runs/sweeps/search/3"], [0, 3]),
        (["runs/sweeps/search"], list(range(12))),
    ):
        found = runs_named(Project(tmp_path), names).runs
        assert sorted(run.trial for run in found) == trials


def test_another_mirror_makes_no_other_setting(tmp_path):
    make_run(tmp_path / "runs/a", seed=0)
    make_run(tmp_path / "runs/b", seed=1, config={"data.sources": [{"kind": "folder", "path": "elsewhere"}]})
    assert [row.group.n for row in table(tmp_path).rows] == [2]


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda runs: require_metric("validation/acuracy", runs), "type: metric=validation/accuracy"),
        (lambda runs: require_metric("test/accuracy", runs), "to choose by the test split spoils it"),
        (lambda runs: keys_named(runs, ["seed"]), "type: group_by=model"),
        (lambda runs: keys_named(runs, ["trainer.threads"]), "group_by=trainer.threads: it makes no difference"),
        (lambda runs: keys_named(runs, ["lr"]), "type: group_by=optimizer.lr"),
        (lambda runs: keys_named(runs, ["modle"]), "type: group_by=model"),
        (lambda runs: of(runs, "study", "serch"), "type: study=search"),
    ],
)
def test_mistakes_end_in_what_to_type(tmp_path, ask, line):
    make_study(tmp_path / "runs", "search", 3)
    with pytest.raises(RatchetError) as caught:
        ask(gather(Project(tmp_path), [tmp_path / "runs"]).runs)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "command", "told"),
    [
        ({"trainer.one_batch": True}, [], "trainer.one_batch=true"),
        ({"trainer.overfit_one_batch": True}, [], "trainer.overfit_one_batch=true"),
        ({"trainer.profile": True, "trainer.max_epochs": 1}, ["debug=profile"], "debug=profile"),
    ],
)
def test_runs_that_only_tried_something_out_are_in_no_table(tmp_path, config, command, told):
    make_run(tmp_path / "runs/a", accuracy=0.8)
    make_run(tmp_path / "runs/b", accuracy=1.0, seed=1, config=config, command=command)
    make_run(tmp_path / "runs/c", accuracy=0.8, seed=2, config={"trainer.one_batch": False}, command=["debug=null"])
    found = table(tmp_path)
    assert sorted(run.directory.path.name for run in found.runs) == ["a", "c"]
    assert f"1 run of {told} left out: a try is no measurement." in found.notes


def test_another_objective_keeps_another_checkpoint_and_is_another_setting(tmp_path):
    loss = {"objective.metric": "validation/loss", "objective.direction": "minimize"}
    for seed in range(3):
        make_run(tmp_path / f"runs/a{seed}", accuracy=0.9 + SPREAD[seed], seed=seed)
        make_run(tmp_path / f"runs/b{seed}", accuracy=0.7 + SPREAD[seed], seed=seed, config=loss)
    make_run(tmp_path / "runs/threads", accuracy=0.9, seed=7, config={"trainer.threads": 2})
    found = table(tmp_path, metric="validation/accuracy")
    assert [(row.name, len(row.runs)) for row in found.rows] == [
        ("metric=validation/accuracy", 4), ("metric=validation/loss", 3),
    ]  # fmt: skip


AWAY = dict.fromkeys(("shift", "flip", "rotate", "scale", "noise", "cutout", "mixup"), 0.125)
SGD = {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": False, "dampening": 0.0}
NAMED = [
    ([{}, {"optimizer": SGD}], ["optimizer=AdamW", "optimizer=SGD"]),
    ([{}, {"optimizer": SGD}, {"optimizer": {**SGD, "lr": 0.2}}],
     ["optimizer=AdamW lr=0.01", "optimizer=SGD lr=0.1", "optimizer=SGD lr=0.2"]),
    ([{}, {"loss.l1": 0.5, "trainer.batch_size": 50, "optimizer.lr": 0.1, "scheduler": {"name": "none"}}],
     ["scheduler=one_cycle lr=0.01 batch_size=100 l1=0", "scheduler=none lr=0.1 batch_size=50 l1=0.5"]),
    ([{}, {"data.reader": "own.files.read", "model.width": 64}],
     ["width=32 reader=arrays", "width=64 reader=read"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "names"), NAMED)
def test_a_row_is_named_by_what_people_ask_for(tmp_path, changes, names):
    for number, change in enumerate(changes):
        make_run(tmp_path / f"runs/{number}", accuracy=0.9 - number / 10, config=change)
    assert [row.name for row in table(tmp_path).rows] == names


def test_a_name_is_short_whatever_differs(tmp_path):
    everything = {**{f"augmentation.{key}": value for key, value in AWAY.items()}, "data.classes": ["x" * 30] * 30}
    for number, change in enumerate(
        [{}, everything, {**everything, "model.name": "gru", "loss.l1": 0.5}, {"model.name": "gru"}]
    ):
        make_run(tmp_path / f"runs/{number}", accuracy=0.9 - number / 10, config=change)
    names = [row.name for row in table(tmp_path).rows]
    assert len(set(names)) == 4
    assert max(map(len, names)) <= 60
    assert names[1] == "cnn shift=0.125 flip=0.125 rotate=0.125 and 5 more"
