"""Files that are none of what their name says: one line that names them, or a note and the others; never a wait."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from made_runs import make_run, make_study
from ratchet.commands.compare import main as compare
from ratchet.errors import RatchetError

pytestmark = pytest.mark.slow

Damage = Callable[[Path], None]


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _socket(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # a whole path may be too long for a socket


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _link_to_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path.with_suffix(".pipe"))
    path.symlink_to(path.with_suffix(".pipe"))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**36)  # takes no room: it is one hole


NO_FILES: dict[str, Damage] = {
    "fifo": _fifo, "socket": _socket, "device": _device, "link to a fifo": _link_to_fifo, "folder": _folder,
    "huge": _huge,
}  # fmt: skip

NO_JSON = {
    "empty": b"", "list": b"[1, 2]", "null": b"null", "number": b"3", "text": b'"a"', "torn": b'{"id": "a',
    "binary": b"\xff\xfe\x00\x81", "nested": b"[" * 200_000, "nested mappings": b'{"id":' * 100_000,
    "long number": b'{"id": ' + b"9" * 10_000 + b"}", "nul": b"\0" * 100,
}  # fmt: skip

NO_YAML = {
    "list": b"- a\n- b\n", "text": b"abc\n", "torn": b"seed: [1, 2", "binary": b"\xff\xfe\x00\x81",
    "nested": b"a: " + b"[" * 20_000, "tag": b"a: !!python/object/apply:os.system ['true']\n", "tab": b"\tseed: 1\n",
    "key": b"? [a]\n: b\n", "nul": b"\0" * 100, "number": b"a: !!int x\n", "date": b"a: !!timestamp 2026-99-99\n",
}  # fmt: skip

NO_CSV = {
    "binary": b"\xff\xfe\x00\x81", "long": b"number,step\n" + b"x" * 200_000 + b"\n", "ragged": b"number,a\n1\n2,3\n",
    "more": b"number,step\n1,2,3\n", "nul": b"\0" * 100, "quote": b'number,step\n"1,2\n3,4\n', "empty": b"",
    "text": b"hello\nworld\n", "words": b"number,step,epoch\na,b,c\n",
}  # fmt: skip


def written(content: bytes) -> Damage:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def of_kind(contents: dict[str, bytes]) -> dict[str, Damage]:
    return NO_FILES | {name: written(content) for name, content in contents.items()}


CASES = [
    (file, kind, damage)
    for file, contents in {
        "run.json": NO_JSON, "config.yaml": NO_YAML, "metrics.csv": NO_CSV, "trials.csv": NO_CSV
    }.items()
    for kind, damage in of_kind(contents).items()
]  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with three runs and a study of six trials."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/config.yaml").write_text("seed: 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATCHET_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    for seed in range(3):
        make_run(tmp_path / f"runs/day/{seed}", seed=seed, accuracy=0.9 + seed / 100)
    make_study(tmp_path / "runs", "lr", 6)
    return tmp_path / "runs"


@pytest.mark.parametrize(("file", "kind", "damage"), CASES, ids=[f"{file} {kind}" for file, kind, _ in CASES])
def test_compare_shows_the_others_and_names_what_it_cannot_read(
    file: str, kind: str, damage: Damage, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs / ("sweeps/lr/trials.csv" if file == "trials.csv" else f"day/1/{file}")
    damage(path)
    compare(["push=false", "--html"])
    said = capsys.readouterr()
    assert "cnn" in said.out
    needed = file != "metrics.csv"
    optional = path.is_dir() or not path.is_file()
    if needed and not (file == "config.yaml" and optional) and not (file == "run.json" and kind == "folder"):
        (line,) = said.err.splitlines()
        assert line.startswith("note: cannot be read: ")
        assert path.parent.name in line
        assert len(line) < 400


def mutated(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key in record:
        yield f"no {key}", {name: value for name, value in record.items() if name != key}
        for name, value in {
            "list": [[1]],
            "text": "x",
            "number": 3.5,
            "null": None,
            "mapping": {"a": {"b": 1}},
        }.items():
            yield f"{key} is a {name}", record | {key: value}


def test_a_run_json_of_any_structure_is_read_or_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each key away, and each of another type: compare ends well, and what it says of the file is one line."""
    path = runs / "day/1/run.json"
    record = json.loads(path.read_text())
    named = 0
    for what, content in mutated(record):
        path.write_text(json.dumps(content))
        compare(["push=false"])
        said = capsys.readouterr().err.splitlines()
        assert len(said) <= 1, what
        named += len(said)
        assert not said or re.search(r"day/1/run.json is damaged or of another version \(\w", said[0]), what
    assert named > 50


def test_a_config_of_any_structure_is_read_or_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "day/1/config.yaml"
    from ratchet.yaml_files import read_yaml, yaml_text

    for _, content in mutated(read_yaml(path)):
        path.write_text(yaml_text(content))
        compare(["push=false", "group_by=model"])
        capsys.readouterr()


def test_a_journal_that_is_no_file_is_not_waited_for(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for damage in (*NO_FILES.values(), written(b"[[[" * 100_000 + b"\n"), written(b"null\n"), written(b"\xff\n")):
        path = runs / "sweeps/lr/study.journal"
        path.unlink(missing_ok=True) if not path.is_dir() else path.rmdir()
        path.write_bytes(b"")
        damage(path)
        compare(["push=false", "study=lr"])
        assert "study.journal" in capsys.readouterr().err or path.stat().st_size == 2**36
        path.with_suffix(".pipe").unlink(missing_ok=True)


def test_everything_unreadable_is_said(runs: Path) -> None:
    for path in runs.rglob("run.json"):
        path.write_bytes(b"[]")
    with pytest.raises(RatchetError, match="no run"):
        compare(["push=false"])
