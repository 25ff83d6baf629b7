"""Wheels and archives of source with a stand-in for pip, so that they are tested offline."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data.conftest import shipped_config
from ratchet.config.data_sections import DataConfig
from ratchet.data.fetch import fetch
from ratchet.data.snippets import movie
from ratchet.errors import DataError
from ratchet.project import Project

WHEEL = {"kind": "wheel", "requirement": "weights==1.0", "path": "weights/model"}
SDIST = {"kind": "sdist", "requirement": "words==2.0"}


def entry(name: str, content: bytes, **more: str) -> dict[str, str]:
    return {"name": name, "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}", **more}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What pip was asked; it downloads weights-1.0-py3-none-any.whl or words-2.0.tar.gz."""
    said: list[tuple[str, ...]] = []

    def pip(*words: str, folder: Path) -> str:
        said.append(words)
        if words[-1] == "weights==1.0":
            with zipfile.ZipFile(folder / "weights-1.0-py3-none-any.whl", "w") as archive:
                archive.writestr("weights/model/config.json", b"{}")
        if words[-1] == "words==2.0":
            (folder / "words-2.0.tar.gz").write_bytes(b"words")
        return ""

    monkeypatch.setattr("ratchet.data.sources.wheel.run_tool", pip)
    return said


def config(*sources: dict[str, str], files: list[dict[str, str]]) -> DataConfig:
    whole = shipped_config("digits").model_dump() | {"name": "both", "sources": list(sources), "files": files}
    return DataConfig.model_validate(whole)


def test_files_of_two_sources_each_come_from_their_own(project: Project, asked: list[tuple[str, ...]]) -> None:
    files = [entry("config.json", b"{}", source="wheel"), entry("words-2.0.tar.gz", b"words", source="sdist")]
    found = fetch(config(SDIST, WHEEL, files=files), project=project)
    assert found.source == "wheel and sdist"
    assert (project.raw("both") / "config.json").read_bytes() == b"{}"
    assert (project.raw("both") / "words-2.0.tar.gz").read_bytes() == b"words"
    assert [words[-1] for words in asked] == ["weights==1.0", "words==2.0"]
    assert "--no-binary=words" in asked[1]
    assert fetch(config(SDIST, WHEEL, files=files), project=project).fetched == ()


def test_a_source_that_nobody_names_and_a_large_wheel_are_one_line(
    project: Project, asked: list[tuple[str, ...]]
) -> None:
    with pytest.raises(DataError, match=r"could not fetch config\.json of both: no source is of the kind urls"):
        fetch(config(WHEEL, files=[entry("config.json", b"{}", source="urls")]), project=project)
    large = config({**WHEEL, "size": 90_000_000}, files=[entry("config.json", b"{}")])  # type: ignore[dict-item]
    with pytest.raises(DataError, match=r"its download has 90\.0 MB: above 20 MB none is begun"):
        fetch(large, project=project, at_most=20_000_000)
    assert asked == []


def test_an_archive_without_the_file_is_one_line(project: Project, asked: list[tuple[str, ...]]) -> None:
    with pytest.raises(DataError, match=r"could not fetch other\.tar\.gz"):
        fetch(config(SDIST, files=[entry("other.tar.gz", b"words")]), project=project)


def test_snippets_are_told_by_the_sign_of_their_rating(tmp_path: Path) -> None:
    def packed(name: str, content: bytes) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        return stream.getvalue()

    lines = b"1\t2.5\tA\tlovely film\r\n2\t-0.6\tdull\r\n3\t0\tneither\r\n"
    inner = packed("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt", lines)
    outer = packed("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", inner)
    (tmp_path / "vaderSentiment-3.3.2.tar.gz").write_bytes(outer)
    frame = movie(tmp_path)
    assert frame[["id", "text", "sentiment"]].to_numpy().tolist() == [
        ["1", "A\tlovely film", "positive"], ["2", "dull", "negative"],
    ]  # fmt: skip
    assert np.array_equal(frame["rating"], [2.5, -0.6])
