"""A script's end: the line on stderr and the exit status."""

from __future__ import annotations

import errno
import sys

import pytest

from ratchet.errors import DataError
from ratchet.terminal.command import note_without_effect, run_command


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
        (OSError(errno.ENOSPC, "no", "/a/b"), 1, "error: the disk is full /a/b; free some space"),
        (PermissionError(errno.EACCES, "no", "/a/b"), 1, "error: no permission to write /a/b; type: ls -ld /a/b\n"),
        (
            NotADirectoryError(errno.ENOTDIR, "no", "/a/b"),
            1,
            "error: there is a file where a directory is needed: /a/b",
        ),
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
