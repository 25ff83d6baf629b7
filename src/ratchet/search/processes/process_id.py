"""Processes by name: which machine, which pid, started when."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class ProcessId:
    """A process that another one on any machine can name."""

    host: str
    pid: int
    started: str  # tells a process from a later one with its pid

    @classmethod
    def this(cls) -> ProcessId:
        """Return the calling process."""
        return _this(os.getpid())

    @classmethod
    def parse(cls, name: str) -> ProcessId:
        """Return the process with this `name`. Any other text names a process of an unknown machine."""
        host, _, rest = name.rpartition("!")
        pid, _, started = rest.partition("-")
        return cls(host, int(pid), started) if pid.isdigit() else cls(name, 0, "")

    @property
    def name(self) -> str:
        """Unique name of the process: `host!pid-started`."""
        return f"{self.host}!{self.pid}-{self.started}"

    def is_alive(self) -> bool | None:
        """Whether it runs; None where only its own machine can say."""
        if self.host != _host():
            return None
        return _started(self.pid) == self.started


@cache
def _this(pid: int) -> ProcessId:
    return ProcessId(_host(), pid, _started(pid) or "0")


@cache
def _host() -> str:
    try:  # containers share names; a boot id tells machines apart, a namespace containers
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 - it points to no path
    except OSError:
        boot, space = "", ""
    return "_".join(filter(None, [socket.gethostname(), boot, space]))


def _started(pid: int) -> str | None:
    """Return when a process of this machine started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _started_without_proc(pid)
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def _started_without_proc(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "0"
