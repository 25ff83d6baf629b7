"""A script's end: the line on stderr and the exit status."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ratchet.errors import DataError
from ratchet.terminal.command import note_without_effect, run_command

SOURCE = Path(__file__).parents[2] / "src"


def end(function, monkeypatch, *arguments: str, usage: str = "what it does") -> int:
    monkeypatch.setattr(sys, "argv", ["script.py", *arguments])
    with pytest.raises(SystemExit) as caught:
        run_command(function, usage=usage)
    return caught.value.code


def raising(error: BaseException):
    def function(arguments: list[str]) -> None:
        raise error

    return function


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (DataError("this\n  is wrong"), 1, "error: this is wrong\n"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "error: out of memory (DefaultCPUAllocator: "),
        (OSError(errno.ENOSPC, "no", "/a/b"), 1, "error: the disk is full /a/b; free some space"),
        (PermissionError(errno.EACCES, "no", "/a/b"), 1, "error: no permission to write /a/b; type: ls -ld /a/b\n"),
        (
            NotADirectoryError(errno.ENOTDIR, "no", "/a/b"),
            1,
            "error: there is a file where a directory is needed: /a/b",
        ),
        (MemoryError("Unable to allocate 9 TiB"), 1, "error: out of memory (Unable to allocate 9 TiB); "),
        (MemoryError(), 1, "error: out of memory (MemoryError); "),
        (RecursionError("too deep"), 1, "error: a file or a value is nested too deeply to be read; "),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_mistake_ends_in_one_line(error, status, said, monkeypatch, capsys):
    assert end(raising(error), monkeypatch) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(said)
    assert printed.err.count("\n") == 1


def test_a_bug_shows_its_traceback(monkeypatch, capsys):
    assert end(raising(KeyError("x")), monkeypatch) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("KeyError: 'x'\n")


@pytest.mark.parametrize("asked", ["--debug", "HYDRA_FULL_ERROR"])
def test_a_mistake_shows_its_traceback_when_asked(asked, monkeypatch, capsys):
    if asked == "HYDRA_FULL_ERROR":
        monkeypatch.setenv(asked, "1")
    assert end(raising(DataError("wrong")), monkeypatch, *([asked] if asked.startswith("-") else [])) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback")
    assert printed.endswith("\nerror: wrong\n")


def test_the_function_gets_the_command_line_without_debug_and_its_status_counts(monkeypatch):
    got: list[str] = []
    assert end(lambda arguments: got.extend(arguments) or 3, monkeypatch, "a=1", "--debug", "-m") == 3
    assert got == ["a=1", "-m"]
    assert end(lambda _: None, monkeypatch) == 0


def test_help_prints_the_usage(monkeypatch, capsys):
    assert end(raising(AssertionError("not called")), monkeypatch, "--help") == 0
    assert capsys.readouterr().out == "what it does\n"


def test_settings_that_a_script_does_not_read_are_named(capsys):
    note_without_effect(
        ["params=null", "data=digits", "data.prepare.seed=1", "experiment=x", "+model.a=1"],
        script="fetch",
        reads="data",
    )
    assert capsys.readouterr().err == "note: +model.a=1 has no effect: fetch reads data alone\n"


def test_a_mistake_in_a_person_s_own_code_is_one_line_with_its_place(monkeypatch, capsys, tmp_path):
    (tmp_path / "own").mkdir()
    file = tmp_path / "own" / "net.py"
    file.write_text("def forward(x):\n    import json\n    return json.loads(x)\n")
    namespace: dict = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)
    assert end(lambda _: namespace["forward"]("{"), monkeypatch) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: JSONDecodeError in your code, ")
    assert "own/net.py line 3: Expecting property name" in printed
    assert printed.count("\n") == 1


def test_a_missing_environment_is_one_line(monkeypatch, capsys):
    error = ModuleNotFoundError("No module named 'hydra'", name="hydra.core")
    assert end(raising(error), monkeypatch) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"error: Python has no package hydra.core here ({sys.executable}); type: ")
    assert printed.rstrip().endswith(("source .venv/bin/activate", "make setup"))


def test_a_module_of_ratchet_s_own_that_is_missing_is_a_bug(monkeypatch, capsys):
    assert end(raising(ModuleNotFoundError("no", name="ratchet.x")), monkeypatch) == 1
    assert capsys.readouterr().err.startswith("Traceback")


def test_a_terminal_that_is_not_utf_8_shows_what_it_can(tmp_path):
    script = "import sys; from ratchet.terminal.command import run_command\n"
    script += "run_command(lambda _: print('2 \u00b1 1 \u2013 \u540d'), usage='')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"2 ? 1 ? ?\n", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_one_line_and_the_status_that_shells_give_it(number, monkeypatch, capsys):
    assert end(lambda _: os.kill(os.getpid(), number), monkeypatch) == 128 + number
    said = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert capsys.readouterr().err == f"{said}\n"


SIGNALLED_AT_AN_IMPORT = """
import os, sys

class Finder:
    def find_spec(self, name, *_):
        if name == "ratchet.terminal.command":
            os.kill(os.getpid(), int(os.environ["SIGNALLED_BY"]))

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("script", sorted(SOURCE.glob("*.py")), ids=lambda script: script.stem)
def test_a_signal_in_a_script_s_first_instants_is_one_line_too(script, number, tmp_path):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it, and so does what it starts
    (tmp_path / "sitecustomize.py").write_text(SIGNALLED_AT_AN_IMPORT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SIGNALLED_BY": str(int(number))}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment, timeout=60,
    )  # fmt: skip
    said = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", f"{said}\n")


def test_a_signal_that_comes_out_as_another_exception_is_no_bug(monkeypatch, capsys):
    """A library that is broken off in the midst of its own work may raise anything."""

    def function(_: list[str]) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise AttributeError("'NoneType' object has no attribute 'flags'")

    assert end(function, monkeypatch) == 143
    assert capsys.readouterr().err == "ended by SIGTERM\n"


def test_a_mistake_after_a_signal_is_told(monkeypatch, capsys):
    def function(_: list[str]) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise OSError(errno.ENOSPC, "No space left on device")

    assert end(function, monkeypatch) == 1
    assert capsys.readouterr().err.startswith("error: the disk is full")


def test_a_signal_while_python_takes_itself_apart_changes_nothing():
    script = "import ratchet.terminal.early, os, signal\n"
    script += "from ratchet.terminal.command import run_command\n"
    script += "class Last:\n    def __del__(self, end=os.kill, me=os.getpid(), by=signal.SIGINT): end(me, by)\n"
    script += "signal.signal(signal.SIGINT, signal.default_int_handler); last = Last()\n"
    script += "run_command(lambda _: print('done'), usage='')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
