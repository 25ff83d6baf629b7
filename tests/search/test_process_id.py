"""Processes by name."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from ratchet.search.processes.process_id import ProcessId


def test_a_process_knows_itself_by_a_name_that_others_can_read() -> None:
    this = ProcessId.this()
    assert ProcessId.parse(this.name) == this
    assert (this.pid, this.is_alive()) == (os.getpid(), True)


def test_a_process_that_ended_is_gone_also_while_nobody_has_waited_for_it() -> None:
    code = "from ratchet.search.processes.process_id import ProcessId; print(ProcessId.this().name)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        named = ProcessId.parse(child.stdout.read().strip())
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now
        assert (named.pid, named.is_alive()) == (child.pid, False)
    assert named.is_alive() is False


def test_a_later_process_with_the_same_number_is_another() -> None:
    assert dataclasses.replace(ProcessId.this(), started="1").is_alive() is False


def test_only_its_own_machine_knows_of_a_process() -> None:
    assert dataclasses.replace(ProcessId.this(), host="elsewhere").is_alive() is None


@pytest.mark.parametrize("name", ["", "a", "host!", "host!x-1", "old-lock-file", "!-"])
def test_what_is_no_name_is_a_process_of_an_unknown_machine(name: str) -> None:
    assert ProcessId.parse(name).is_alive() is None
