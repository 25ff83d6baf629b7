"""A download that is interrupted inside `dvc repro`, which removes what a stage made before it runs it again."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from data.server import CONTENT, serving
from pipeline.conftest import SMALL, make_checkout

pytestmark = pytest.mark.slow


def test_the_stage_fetch_goes_on_after_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would ignore it
    checkout = make_checkout(tmp_path / "project", SMALL.replace("data: digits", "data: far"))
    raw = checkout.root / "data" / "raw"
    with serving() as server:
        config = yaml.safe_load((checkout.root / "conf/data/digits.yaml").read_text())
        config["name"] = "far"
        checksum = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
        config["files"] = [{"name": name, "checksum": checksum} for name in ("first.bin", "second.bin")]
        mirror = f"http://127.0.0.1:{server.server_port}/fails_at_second/"
        config["sources"] = [{"kind": "urls", "mirrors": [mirror], "timeout": 60}]
        (checkout.root / "conf/data/far.yaml").write_text(yaml.safe_dump(config))

        process = subprocess.Popen(
            ["dvc", "repro", "fetch"],
            cwd=checkout.root,
            env=checkout.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and not any(part.stat().st_size for part in raw.rglob("second.bin.part")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) != 0
        assert not list(raw.glob("far/*"))
        (part,) = raw.rglob("*.part")
        asked, came = len(server.asked), part.stat().st_size

        server.mended = True
        checkout.type("dvc", "repro", "fetch")
        assert server.files[asked:] == ["second.bin"]
        assert server.asked[asked:] == [("fails_at_second", f"bytes={came}-")]
    assert sorted(path.name for path in raw.rglob("*.bin*")) == ["first.bin", "second.bin"]
    assert not list(raw.glob(".far*"))
    assert "far" not in checkout.type("git", "status", "--porcelain", "data")
