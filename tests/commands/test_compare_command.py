"""compare.py as a person types it: what is printed, what is written, mistakes, W&B."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from made_runs import make_run, make_study
from ratchet.commands.compare import main
from ratchet.terminal.command import run_command

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with ten runs of two models, a failed one, and a search."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").touch()
    for seed in range(5):
        make_run(tmp_path / f"runs/cnn{seed}", accuracy=0.95 + (seed * 2 % 5) / 1000, seed=seed)
        make_run(tmp_path / f"runs/mlp{seed}", accuracy=0.8 + (seed * 3 % 5) / 1000, seed=seed, model="mlp")
    make_run(tmp_path / "runs/bad", seed=9, status="failed", error={"class": "OutOfMemoryError", "message": "no room"})
    make_study(tmp_path / "runs", "search", 12)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATCHET_RUNS", raising=False)
    return tmp_path


@pytest.fixture
def compare(root, monkeypatch, capsys):
    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["compare.py", *arguments])
        with pytest.raises(SystemExit) as caught:
            run_command(main, usage="usage")
        printed = capsys.readouterr()
        return caught.value.code, printed.out, printed.err

    return command


def test_the_table_is_printed_and_written(root, compare):
    status, out, err = compare()
    assert (status, err) == (0, "")
    assert ["mnist1d", "validation/accuracy, larger is better", "21 completed, 2 failed, 1 pruned"][:2] == [
        part.strip() for part in out.splitlines()[0].split("·")[:2]
    ]
    assert "cnn is better than the rows that were not chosen by their values" in out
    assert "failed (OutOfMemoryError), runs/bad: no room" in out
    assert out.splitlines()[-1] == "files: comparison/table.json, comparison/table.csv, comparison/runs.csv"
    (table,) = json.loads((root / "comparison/table.json").read_text())
    first = table["rows"][0]
    assert (first["row"], first["n"], first["verdict"]) == ("cnn", 5, "best")
    assert first["values"] == {str(seed): 0.95 + (seed * 2 % 5) / 1000 for seed in range(5)}
    rows = list(csv.DictReader((root / "comparison/table.csv").open()))
    assert [row["row"] for row in rows] == [row["row"] for row in table["rows"]]
    runs = list(csv.DictReader((root / "comparison/runs.csv").open()))
    assert len(runs) == 11 + 12
    assert {row["status"] for row in runs} == {"completed", "failed", "pruned"}
    assert "optimizer.lr" in runs[0]
    assert "data.name" not in runs[0]


def test_study_group_metric_and_output_are_taken(root, compare):
    status, out, _ = compare("study=search", "group_by=model.width", "metric=validation/loss", "output=elsewhere")
    assert status == 0
    assert "validation/loss, smaller is better" in out
    assert sorted(path.name for path in (root / "elsewhere").iterdir()) == ["runs.csv", "table.csv", "table.json"]
    assert not (root / "comparison").exists()
    assert compare("runs=[runs/cnn0,runs/mlp0]", "direction=maximize")[0] == 0
    assert len(list(csv.DictReader((root / "comparison/runs.csv").open()))) == 2


def test_the_page_is_written_where_it_is_told(root, compare):
    assert "page: comparison/page.html" in compare("--html")[1]
    assert "page: my/own.html" in compare("--html=my/own.html")[1]
    for page in ("comparison/page.html", "my/own.html"):
        assert "<title>Comparison</title>" in (root / page).read_text()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("studi=search", "type: study=search"),
        ("study=serch", "nearest: search"),
        ("study=", "type: python src/compare.py --help"),
        ("group_by=modle", "type: group_by=model"),
        ("metric=validation/acuracy", "type: metric=validation/accuracy"),
        ("metric=test/accuracy", "spoils it"),
        ("data=mnist", "type: data=mnist1d"),
        ("runs=runs/nowhere", "type: "),
        ("runs", "type: runs=runs"),
        ('"runs=runs/my=run, 1"', """type: "runs='runs/my=run, 1'"\n"""),
        ("--hmtl", "type: --html"),
        ("push=perhaps", "type: push=true"),
        ("direction=minimise", "type: direction=minimize"),
    ],
)
def test_a_mistake_is_one_line_that_ends_in_what_to_type(root, compare, typed, told):
    status, out, err = compare(typed)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert told in err
    assert not (root / "comparison").exists()


def test_nothing_to_compare_says_what_to_type(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Exception, match=r"no run to compare yet; type: python src/train.py"):
        main([])


class FakeSession:
    """What wandb.init gives."""

    def __init__(self, fails: bool) -> None:
        self.id, self.fails, self.logged, self.finished = "f00", fails, [], False
        self.summary: dict[str, Any] = {}
        self.starting_step, self.tags = 0, ()

    def define_metric(self, *_: Any, **__: Any) -> None:
        pass

    def log(self, what: dict[str, Any]) -> None:
        if self.fails:
            raise OSError("the server is gone")
        self.logged.append(what)

    def finish(self, *, exit_code: int) -> None:
        self.finished = True


@pytest.fixture
def wandb(monkeypatch) -> SimpleNamespace:
    """The boundary: a module that keeps what it is told."""
    told = SimpleNamespace(inits=[], sessions=[], fails=False, answers=True)
    module = ModuleType("wandb")

    def init(**settings: Any) -> FakeSession:
        told.inits.append(settings)
        if settings["mode"] == "online" and not told.answers:
            raise OSError("nobody answers")
        told.sessions.append(FakeSession(told.fails))
        return told.sessions[-1]

    module.init = init  # type: ignore[attr-defined]
    module.setup = lambda *_: None  # type: ignore[attr-defined]
    module.teardown = lambda: None  # type: ignore[attr-defined]
    module.Settings = lambda **settings: settings  # type: ignore[attr-defined]
    module.Table = lambda columns, data: {"columns": columns, "data": data}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_nothing_goes_to_wandb_unless_the_runs_were_online(root, compare, wandb):
    make_run(root / "runs/offline", wandb_id="x", mode="offline", minute=99)
    compare()
    make_run(root / "runs/online", wandb_id="y", mode="online", entity="us", minute=100, seed=3)
    compare("push=false")
    assert wandb.inits == []
    status, out, _ = compare()
    assert status == 0
    assert out.splitlines()[-1] == "W&B: run f00, online"
    (init,), (session,) = wandb.inits, wandb.sessions
    assert (init["mode"], init["project"], init["entity"], init["job_type"]) == ("online", "ratchet", "us", "compare")
    table = session.logged[0]["comparison"]
    (written,) = json.loads((root / "comparison/table.json").read_text())
    assert [line[table["columns"].index("row")] for line in table["data"]] == [row["row"] for row in written["rows"]]
    assert session.summary == {"verdict/mnist1d": written["verdict"]}
    assert session.finished


def test_push_of_offline_runs_stays_offline(root, compare, wandb):
    assert compare("push=true")[1].splitlines()[-1] == "W&B: run f00, offline; wandb sync sends it"
    assert wandb.inits[0]["mode"] == "offline"


def test_without_a_server_the_table_is_kept_offline(root, compare, wandb):
    make_run(root / "runs/online", wandb_id="y", mode="online", minute=100)
    wandb.answers = False
    _, out, err = compare()
    assert out.splitlines()[-1] == "W&B: run f00, offline; wandb sync sends it"
    assert len(err.splitlines()) == 1
    assert "no W&B server for this run (OSError: nobody answers)" in err
    assert wandb.sessions[0].logged


def test_a_failing_service_costs_one_line(root, compare, wandb):
    wandb.fails = True
    status, out, err = compare("push=true")
    assert status == 0
    assert err.splitlines() == [
        "warning: W&B did not take the table (OSError: the server is gone); the files have it all"
    ]
    assert out.splitlines()[-1].startswith("files: ")
    assert wandb.sessions[0].finished


def test_the_script_imports_no_framework(root):
    heavy = {"torch", "pytorch_lightning", "wandb", "optuna", "sklearn", "pandas", "hydra"}
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from compare import main; main([]);"
        f"print(*sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY / "src")], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.splitlines()[-1] == ""
