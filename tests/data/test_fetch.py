"""The stage fetch: sources in order, checksums, and nothing half-written left behind."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.conftest import Dataset, sha256, shipped_config
from data.server import CONTENT, Server
from ratchet.config.data_sections import DataConfig, RawFile
from ratchet.data.fetch import fetch, verify_raw
from ratchet.data.generators import mnist1d
from ratchet.errors import ConfigError, DataError
from ratchet.project import Project

TWO = ("first.bin", "second.bin")
SOURCE = Path(__file__).parents[2] / "src"
FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture
def elsewhere(toy: Dataset) -> Path:
    """The folder that the toy's config names as its source; data/raw is empty."""
    folder = toy.project.root / "elsewhere"
    shutil.move(toy.raw, folder)
    return folder


@pytest.fixture
def config(toy: Dataset) -> DataConfig:
    return toy.config()


def partial_files(project: Project) -> list[Path]:
    return [path for path in project.root.rglob("*") if "part" in path.name]


def with_sources(config: DataConfig, *sources: dict[str, Any]) -> DataConfig:
    return DataConfig.model_validate(config.model_dump() | {"sources": list(sources)})


def test_files_are_brought_and_then_left_alone(config: DataConfig, elsewhere: Path, project: Project) -> None:
    report = fetch(config, project=project)
    assert (report.fetched, report.kept, report.source) == (("x.npy", "y.npy"), (), "folder")
    where = os.path.relpath(project.raw("toy"))
    assert report.in_words() == f"toy: 2 files, 1.2 kB, in {where}; from folder; checksums right"
    shutil.rmtree(elsewhere)
    report = fetch(config, project=project)
    assert (report.fetched, report.kept, report.source) == ((), ("x.npy", "y.npy"), None)
    assert report.in_words() == f"toy: 2 files, 1.2 kB, in {where}; already there; checksums right"
    assert verify_raw(config, project=project) == project.raw("toy")
    assert partial_files(project) == []


def test_only_what_is_missing_or_damaged_is_fetched(config: DataConfig, elsewhere: Path, project: Project) -> None:
    fetch(config, project=project)
    project.raw("toy").joinpath("y.npy").write_bytes(b"damaged")
    before = project.raw("toy").joinpath("x.npy").stat().st_mtime_ns
    report = fetch(config, project=project)
    assert (report.fetched, report.kept) == (("y.npy",), ("x.npy",))
    assert project.raw("toy").joinpath("x.npy").stat().st_mtime_ns == before
    verify_raw(config, project=project)


def test_sources_are_tried_in_order(
    config: DataConfig, elsewhere: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(elsewhere))  # no apt-get there
    config = with_sources(
        config,
        {"kind": "package", "package": "no_such_package"},
        {"kind": "debian", "package": "no-such-package", "path": "/nowhere"},
        {"kind": "folder", "path": "elsewhere"},
        {"kind": "generated", "function": "ratchet.data.generators.no_such_function"},
    )
    assert fetch(config, project=project).source == "folder"


def test_a_source_with_a_damaged_file_gives_way_to_the_next(
    config: DataConfig, elsewhere: Path, project: Project
) -> None:
    damaged = project.root / "damaged"
    shutil.copytree(elsewhere, damaged)
    with (damaged / "x.npy").open("r+b") as file:
        file.truncate(100)
    config = with_sources(config, {"kind": "folder", "path": "damaged"}, {"kind": "folder", "path": str(elsewhere)})
    fetch(config, project=project)
    verify_raw(config, project=project)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"kind": "folder", "path": "nowhere"}, "folder: there is no folder"),
        ({"kind": "folder", "path": "."}, "has no x.npy, y.npy"),
        (
            {"kind": "package", "package": "no_such_package", "requirement": "some-name>=2"},
            "the package no_such_package is not installed .type: pip install .some-name>=2..",
        ),
        ({"kind": "folder", "path": "holds_folders"}, "has no y.npy; .*/x.npy is a directory where a file is needed"),
        ({"kind": "folder", "path": "holds_folders/file"}, "file is a file where a directory is needed"),
        ({"kind": "package", "package": "no_such.package"}, "the package no_such.package is not installed"),
        ({"kind": "package", "package": "ratchet", "path": "data"}, "has no x.npy"),
        (
            {"kind": "generated", "function": "ratchet.data.staging.scratch_beside"},  # it writes nothing when called
            "scratch_beside did not write x.npy, y.npy",
        ),
    ],
)
def test_when_all_sources_fail_one_line_says_why_and_what_to_type(
    config: DataConfig, elsewhere: Path, project: Project, source: dict[str, Any], said: str
) -> None:
    (project.root / "holds_folders" / "x.npy").mkdir(parents=True)
    (project.root / "holds_folders" / "file").touch()
    with pytest.raises(DataError, match=said) as caught:
        fetch(with_sources(config, source), project=project)
    assert str(caught.value).endswith("type: python src/fetch.py data=toy")
    assert "\n" not in str(caught.value)
    assert not project.raw("toy").exists()
    assert partial_files(project) == []


def test_a_wrong_checksum_is_told_in_full_so_that_it_can_be_corrected(
    config: DataConfig, elsewhere: Path, project: Project
) -> None:
    right = sha256(elsewhere / "x.npy")
    wrong = "sha256:" + "0" * 64
    config = config.model_copy(update={"files": [RawFile(name="x.npy", checksum=wrong)]})
    with pytest.raises(DataError, match=f"x.npy has the checksum {right} .*, expected {wrong}"):
        fetch(config, project=project)
    assert not project.raw("toy").exists()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("ratchet.data.generators.mnist1", r"has no attribute .mnist1.\); nearest: mnist1d; allowed: a function of"),
        (
            "ratchet.data.generatorz.mnist1d",
            r"cannot be imported \(No module named .ratchet.data.generatorz.\)",
        ),
        ("os.path.exists", "os.path.exists is not called; allowed: a function of ratchet.data.readers"),
        ("mnist1d", "mnist1d is not called; allowed: .* as own.module.function"),
        ("ratchet.data.generators.np", "generators.np is not called"),
    ],
)
def test_a_function_that_is_not_there_is_told_with_the_nearest(
    config: DataConfig, elsewhere: Path, project: Project, function: str, message: str
) -> None:
    config = with_sources(config, {"kind": "generated", "function": function})
    with pytest.raises(ConfigError, match=message):
        fetch(config, project=project)


def test_a_generator_whose_package_is_absent_gives_way_to_the_next_source(
    config: DataConfig, elsewhere: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    config = with_sources(
        config,
        {"kind": "generated", "function": "ratchet.data.generators.mnist1d"},
        {"kind": "folder", "path": "elsewhere"},
    )
    assert fetch(config, project=project).source == "folder"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full: .* was not written; free some space, then type: python src/fetch.py"),
        (errno.EACCES, "cannot write .*Permission denied; make .* writable, then type"),
        (errno.EROFS, "cannot write .*Read-only file system"),
        (errno.EIO, "cannot read or write"),
    ],
)
def test_a_disk_that_refuses_is_told_and_keeps_nothing(
    config: DataConfig, elsewhere: Path, project: Project, *, number: int, message: str
) -> None:
    def refuse(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(number, os.strerror(number), str(target))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "copyfile", refuse)
        with pytest.raises(DataError, match=message):
            fetch(config, project=project)
    assert not project.raw("toy").exists()
    assert partial_files(project) == []


def test_a_file_where_a_folder_must_be_is_told(config: DataConfig, elsewhere: Path, project: Project) -> None:
    shutil.rmtree(project.root / "data")
    (project.root / "data").write_text("in the way")
    with pytest.raises(DataError, match="a file stands where a folder must be; move it away"):
        fetch(config, project=project)


def spoil_by_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "x.npy").unlink(), "x.npy is missing; type: python src/fetch.py data=toy"),
        (lambda folder: spoil_by_directory(folder / "x.npy"), "x.npy is a directory where a file is needed; type: "),
        (lambda folder: (folder / "y.npy").write_bytes(b""), "y.npy has the checksum .* .0 bytes., expected"),
        (lambda folder: (folder / "z.npy").write_bytes(b""), "z.npy is not among the files .* type: rm"),
        (lambda folder: (folder / ".gitignore").write_bytes(b""), None),
    ],
)
def test_raw_files_are_those_of_the_config_and_no_other(toy: Dataset, spoil: Any, message: str | None) -> None:
    config = toy.config()
    spoil(toy.raw)
    if message is None:
        verify_raw(config, project=toy.project)
        return
    with pytest.raises(DataError, match=message):
        verify_raw(config, project=toy.project)


def ended_process() -> int:
    """The id of a process that ran and is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


def test_a_scratch_folder_of_a_killed_process_is_cleared_away(
    config: DataConfig, elsewhere: Path, project: Project
) -> None:
    left_over = project.root / "data" / "raw" / f".toy.{ended_process()}.partial"
    of_another = project.root / "data" / "raw" / f".toy.{os.getppid()}.partial"
    for folder in (left_over, of_another):
        (folder / "folder").mkdir(parents=True)
        (folder / "folder" / "x.npy").write_bytes(b"half")
    fetch(config, project=project)
    assert not left_over.exists()
    assert of_another.exists()


@pytest.fixture
def downloads(server: Server) -> DataConfig:
    """Two files on a server that fails in the middle of the second until it is mended."""
    files = [{"name": name, "checksum": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"} for name in TWO]
    mirror = f"http://127.0.0.1:{server.server_port}/fails_at_second/"
    source = {"kind": "urls", "mirrors": [mirror], "timeout": 0.3}
    return DataConfig.model_validate(shipped_config("digits").model_dump() | {"files": files, "sources": [source]})


def test_a_download_that_failed_goes_on_at_the_next_call(
    downloads: DataConfig, server: Server, project: Project
) -> None:
    with pytest.raises(DataError, match=r"no mirror served second\.bin"):
        fetch(downloads, project=project)
    assert not project.raw("digits").exists()
    (part,) = (path for path in project.root.rglob("*.part") if path.stat().st_size)
    asked, came = len(server.asked), part.stat().st_size
    server.mended = True
    assert fetch(downloads, project=project).fetched == TWO
    assert server.files[asked:] == ["second.bin"]
    assert server.asked[asked:] == [("fails_at_second", f"bytes={came}-")]
    verify_raw(downloads, project=project)
    assert [path.name for path in project.raw("digits").parent.iterdir()] == ["digits"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_download_goes_on_after_its_process_was_stopped(
    downloads: DataConfig, server: Server, project: Project, number: signal.Signals
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would ignore it
    patient = downloads.model_dump() | {"sources": [{**downloads.model_dump()["sources"][0], "timeout": 30.0}]}
    code = (
        "import json, pathlib, sys; from ratchet.config.data_sections import DataConfig;"
        "from ratchet.project import Project;"
        "from ratchet.data.fetch import fetch; given = DataConfig.model_validate(json.loads(sys.argv[1]));"
        "fetch(given, project=Project(pathlib.Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, json.dumps(patient), str(project.root)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(SOURCE)}, stderr=subprocess.DEVNULL)
    part = project.root / "data" / "raw" / f".digits.{process.pid}.partial" / "urls" / "second.bin.part"
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(timeout=30) == -number
    assert not project.raw("digits").exists()
    came = part.stat().st_size
    asked = len(server.asked)
    server.mended = True
    fetch(downloads, project=project)
    assert server.asked[asked:] == [("fails_at_second", f"bytes={came}-")]
    verify_raw(downloads, project=project)
    assert [path.name for path in project.raw("digits").parent.iterdir()] == ["digits"]


def test_ctrl_c_leaves_nothing(
    config: DataConfig, elsewhere: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(config, project=project)
    assert not project.raw("toy").exists()
    assert partial_files(project) == []


@pytest.mark.slow
def test_mnist1d_is_made_to_the_byte_and_leaves_the_random_generators_alone(tmp_path: Path) -> None:
    import random

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    mnist1d(tmp_path)
    assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]  # noqa: NPY002
    for file in shipped_config("mnist1d").files:
        assert sha256(tmp_path / file.name) == file.checksum


def test_digits_come_out_of_the_package(project: Project) -> None:
    assert fetch(shipped_config("digits"), project=project).source == "package"


@pytest.mark.skipif(not FASHION.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_fashion_mnist_comes_out_of_the_installed_debian_package(project: Project) -> None:
    assert fetch(shipped_config("fashion_mnist"), project=project).source == "debian"
