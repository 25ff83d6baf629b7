"""`make dashboard`: what is served while studies run, and the lines for what cannot be."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import optuna
import pytest

from ratchet.commands.dashboard import main
from ratchet.errors import RatchetError
from search.applications import SOURCE, end, sweep


@pytest.fixture
def sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RATCHET_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs/sweeps"


@pytest.fixture
def study(sweeps: Path) -> optuna.Study:
    from optuna.storages.journal import JournalStorage

    from ratchet.search.storage.journal import Journal

    return optuna.create_study(storage=JournalStorage(Journal(sweeps / "a/study.journal")), study_name="a")


def complaint(*arguments: str) -> str:
    with pytest.raises(RatchetError) as caught:
        main(arguments)
    return str(caught.value)


def test_without_a_study_there_is_nothing_to_show(sweeps):
    said = complaint("port=0")
    assert "there is no study in" in said
    assert "type: python src/train.py -m" in said


def test_without_the_extra_it_is_named(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    assert complaint("port=0").endswith("type: pip install -e '.[dashboard]'")


@pytest.mark.parametrize("typed", ["port=", "port=x", "port=65536", "8080", "host=here"])
def test_a_mistaken_argument_is_named(study, typed):
    assert complaint(typed) == f"{typed}: dashboard does not know it; allowed: port= and 0 to 65535; type: port=8080"


def test_a_port_that_is_taken_is_named(study):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert complaint(f"port={port}") == (
            f"port {port} is taken; type: python src/dashboard.py port=0, for a free one"
        )


class Served:
    """A dashboard in a process of its own."""

    def __init__(self, runs: Path, *before: str) -> None:
        """`before`: a command that takes another one to run as its arguments."""
        os.environ["RATCHET_RUNS"] = str(runs)
        self.process = subprocess.Popen(
            [*before, sys.executable, str(SOURCE / "dashboard.py"), "port=0"], text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.address = self.line.split()[1]

    def get(self, path: str) -> Any:
        with urlopen(f"{self.address}api/{path}", timeout=60) as answer:
            return json.load(answer)

    def studies(self) -> dict[str, int]:
        return {study["study_name"]: study["study_id"] for study in self.get("studies")["study_summaries"]}

    def trials_at_rest(self, study: int) -> list[dict[str, Any]]:
        """The trials of a study, once none runs: the dashboard reads a study anew after some seconds only."""
        until = time.monotonic() + 60
        while True:
            shown = list(self.get(f"studies/{study}")["trials"])
            if not any(trial["state"] == "Running" for trial in shown) or time.monotonic() > until:
                return shown
            time.sleep(0.5)

    def drawn(self, page: str) -> str:
        """What a browser without network makes of a page."""
        chromium = [str(shutil.which("chromium")), "--headless", "--no-sandbox", "--disable-gpu"]
        quiet = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=20000"]
        command = [*chromium, *quiet, "--dump-dom", f"{self.address}{page}"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout

    def shows(self, page: str, *texts: str) -> bool:
        """Whether the page has these texts, within a minute: a busy machine draws it late."""
        until = time.monotonic() + 60
        while not (there := all(text in self.drawn(page) for text in texts)) and time.monotonic() < until:
            pass
        return there


@pytest.fixture
def served(sweeps: Path, study: optuna.Study) -> Iterator[Served]:
    dashboard = Served(sweeps.parent)
    yield dashboard
    dashboard.process.kill()
    dashboard.process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="it opens the page in chromium")
def test_studies_are_shown_while_they_run(sweeps, study, served):
    """Two studies that began after the dashboard; one of them in a database, which its multirun.yaml names."""
    assert "(Ctrl-C ends it)" in served.line
    assert list(served.studies()) == ["a"]
    database = f"'sqlite:///{sweeps.parent}/studies.db'"
    running = [
        sweep(sweeps / "first", "seconds=0.5", name="first", n_trials=30),
        sweep(sweeps / "second", "seconds=0.5", name="second", n_trials=30, storage=database),
    ]
    counts = []
    while any(process.poll() is None for process in running):
        known = served.studies()
        begun = [known[name] for name in ("first", "second") if name in known]
        counts.append([len(served.get(f"studies/{number}")["trials"]) for number in begun])
        time.sleep(0.5)
    for process in running:
        end(process)
    assert any(len(count) == 2 and 0 < min(count) < 30 for count in counts)
    known = served.studies()
    for name in ("first", "second"):
        shown = served.trials_at_rest(known[name])
        assert [trial["state"] for trial in shown] == ["Complete"] * 30
        assert {param["name"] for param in shown[0]["params"]} == {"x"}
    assert served.shows("dashboard", "first</", "second</")


@pytest.mark.slow
def test_a_study_cannot_be_removed_from_the_page_and_ctrl_c_is_quiet(study, served):
    removal = Request(f"{served.address}api/studies/{served.studies()['a']}", method="DELETE")
    with pytest.raises(HTTPError, match="403"):
        urlopen(removal, timeout=60)
    assert list(served.studies()) == ["a"]
    served.process.send_signal(signal.SIGINT)
    assert served.process.communicate(timeout=60) == ("", "")
    assert served.process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ignored", "number"),
    [
        pytest.param(
            ignored, number, marks=[] if (ignored, number) == ("INT", signal.SIGINT) else [pytest.mark.nightly]
        )
        for ignored in ("INT", "HUP", "INT HUP", "")
        for number in (signal.SIGINT, signal.SIGTERM)
    ],
)
def test_it_ends_where_ctrl_c_was_ignored_when_it_began(sweeps, study, ignored: str, number: signal.Signals) -> None:
    """As it is for `nohup`, and for what a script runs in its background: such a process is ended by its id."""
    command = f'trap \'\' {ignored}; exec "$0" "$@"' if ignored else 'exec "$0" "$@"'
    dashboard = Served(sweeps.parent, "bash", "-c", command)
    assert list(dashboard.studies()) == ["a"]
    dashboard.process.send_signal(number)
    try:
        assert dashboard.process.communicate(timeout=60) == ("", "")
    finally:
        dashboard.process.kill()
    assert dashboard.process.returncode == 0


@pytest.mark.slow
def test_a_damaged_study_is_named_and_the_others_are_served(sweeps, study):
    (sweeps / "b").mkdir()
    (sweeps / "b/study.journal").write_bytes((sweeps / "a/study.journal").read_bytes() + b"null\n")
    dashboard = Served(sweeps.parent)
    try:
        assert list(dashboard.studies()) == ["a"]
    finally:
        dashboard.process.send_signal(signal.SIGINT)
        _, said = dashboard.process.communicate(timeout=60)
    assert "note: left out: " in said
    assert "b/study.journal line 2 is damaged (NoneType" in said
    assert said.count("\n") == 1


def test_where_the_only_study_is_damaged_there_is_none_to_show(sweeps, study, capsys):
    (sweeps / "a/study.journal").write_bytes(b"null\n")
    assert "none of the studies in" in complaint("port=0")
    assert "a/study.journal line 1 is damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_another_host_than_this_machine_is_refused(study, served):
    """A page from elsewhere may have a name that leads to 127.0.0.1 (DNS rebinding); the browser tells its name."""
    port = served.address.rstrip("/").rpartition(":")[2]

    def status(host: str, path: str = "api/studies") -> int:
        try:
            with urlopen(Request(f"{served.address}{path}", headers={"Host": host}), timeout=60) as answer:
                return answer.status
        except HTTPError as error:
            return error.code

    own = ["localhost", "LOCALHOST:9000", "127.0.0.1", f"127.0.0.1:{port}", f"[::1]:{port}", "localhost."]
    assert [status(host) for host in own] == [200] * len(own)
    others = ["evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.0.7"]
    others += ["localhost@evil.example", "evil.example,localhost", "localhost:80:80", ""]
    assert [status(host) for host in others] == [421] * len(others)
    assert {status("evil.example", path) for path in ("", "dashboard", "static/bundle.js", "csv/0", "nothing")} == {421}


@pytest.mark.slow
def test_a_study_that_is_downloaded_as_a_table_has_no_formulas(study, served):
    trial = study.ask()
    trial.set_user_attr("note", "=1+1")
    trial.set_user_attr("gain", -0.5)
    study.tell(trial, -1.5)
    with urlopen(f"{served.address}csv/{served.studies()['a']}", timeout=60) as answer:
        (row,) = csv.DictReader(answer.read().decode().splitlines())
    assert (row["UserAttribute note"], row["UserAttribute gain"], row["Value"]) == ("'=1+1", "-0.5", "-1.5")
