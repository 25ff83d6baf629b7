"""The data report: what it shows of each kind of data, that no text of the data runs, that it stands alone."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from comparison.browser import CHROMIUM, Browser
from data.conftest import Dataset, sha256
from ratchet.config.data_sections import DataConfig
from ratchet.data import report as report_module
from ratchet.data.prepare import prepare
from ratchet.data.report import COLUMNS_DRAWN, EXAMPLES_SHOWN
from ratchet.project import Project

RNG = np.random.default_rng(0)
N = 300
HOSTILE = "</script><script>document.title='taken'</script>"
STRANGE = ["\"'\\' + alert(1) + '", "{{ 7 * 7 }}", "__proto__", "a\u2028b", "=1+1", "<b>x</b>"]


def prepared(project: Project, frame: pd.DataFrame, target: list[str], **changes: Any) -> Path:
    """The report of a table."""
    raw = project.raw("toy")
    raw.mkdir(parents=True)
    frame.to_csv(raw / "toy.csv", index=False)
    plain: dict[str, Any] = {
        "name": "toy", "layout": "table", "shape": None, "target_kind": "class", "classes": ["no", "yes"],
        "table": {"target": target}, "files": [{"name": "toy.csv", "checksum": sha256(raw / "toy.csv")}],
        "sources": [{"kind": "folder", "path": "elsewhere"}], "reader": "ratchet.data.table_file.read",
        "prepare": {"validation": 0.2, "confirm": 0.2, "test": 0.2, "duplicates": "keep", "normalise": "feature"},
    }  # fmt: skip
    prepare(DataConfig.model_validate(plain | changes), project=project)
    return project.prepared("toy") / "card.html"


def customers() -> pd.DataFrame:
    y = RNG.integers(0, 2, N)
    return pd.DataFrame({
        "age": RNG.normal(40, 12, N).round(1), "visits": np.where(RNG.random(N) < 0.2, np.nan, RNG.poisson(3 + 4 * y)),
        "since": pd.date_range("2020-01-01", periods=N, freq="D").strftime("%Y-%m-%d"), "twin": y * 3,
        HOSTILE: [STRANGE[k] for k in RNG.integers(0, len(STRANGE), N)], "id": [f"customer {k}" for k in range(N)],
        "bought": np.where(y, "yes", "no"),
    })  # fmt: skip


class _Reader(HTMLParser):
    """The words of a page that a person reads, its scripts, and what it loads from elsewhere."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.words, self.scripts, self.loads, self._tag = "", [], [], ""  # type: ignore[var-annotated]
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag, self.words = tag, f"{self.words} "
        of = dict(attrs)
        if tag == "script":
            self.scripts.append([of.get("type"), ""])
        self.loads += [value for name, value in attrs if name in {"src", "href", "action"} and value]

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "script":
            self.scripts[-1][1] += data
        elif self._tag != "style":
            self.words += data

    @property
    def charts(self) -> list[dict[str, Any]]:
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]


def read(page: Path) -> _Reader:
    return _Reader(page)


def fields(charts: list[dict[str, Any]], name: str) -> set[object]:
    return {row[name] for chart in charts for row in chart["data"]["values"] if name in row}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(Project(tmp_path_factory.mktemp("table")), customers(), ["bought"])


def test_a_table_shows_its_columns_splits_and_what_gives_the_target_away(table: Path) -> None:
    page = read(table)
    assert {"age", "visits", "since", "twin"} <= set(page.words.split())
    assert "column twin alone tells" in page.words
    assert "column id is left out: each row has another text" in page.words
    assert re.search(r"visits\s+number\s+(1\d|2\d)\.\d %", page.words)  # its gaps
    assert len(page.charts) == 1 + 2 * 5
    assert {"yes", "no"} == fields(page.charts, "name")
    assert {"train", "validation", "confirm", "test"} <= fields(page.charts, "split")
    assert "missing" in fields(page.charts, "band")
    assert {text.replace("__proto__", "__proto__\u200b") for text in STRANGE} <= fields(page.charts, "level")


def test_no_text_of_the_data_is_a_script_or_loads_anything(table: Path) -> None:
    page = read(table)
    assert HOSTILE in page.words
    assert len([kind for kind, _ in page.scripts if kind is None]) == 1  # the engine
    assert "<b>x</b>" not in table.read_text(encoding="utf-8")
    assert all(address.startswith(("#", "data:")) for address in page.loads)
    assert "default-src 'none'" in table.read_text(encoding="utf-8")


def test_the_same_data_gives_the_same_bytes(table: Path, tmp_path: Path) -> None:
    raw = table.parents[2] / "raw" / "toy" / "toy.csv"
    again = prepared(Project(tmp_path), pd.read_csv(raw, keep_default_na=True), ["bought"])
    assert again.read_bytes() == table.read_bytes()


def test_three_hundred_columns_are_rows_and_the_strongest_are_drawn(tmp_path: Path) -> None:
    y = RNG.integers(0, 2, N)
    frame = pd.DataFrame({f"c{k}": (RNG.normal(size=N) + y / (1 + k)).round(4) for k in range(300)})
    file = prepared(Project(tmp_path), frame.assign(bought=np.where(y, "yes", "no")), ["bought"])
    page = read(file)
    assert len(page.charts) == 1 + 2 * COLUMNS_DRAWN
    assert {f"c{k}" for k in range(300)} <= set(page.words.split())
    assert file.stat().st_size < 3e6


def test_a_number_to_predict_has_its_distribution_and_boxes(tmp_path: Path) -> None:
    frame = customers().drop(columns=["bought", HOSTILE])
    frame["price"] = frame["age"] * 10 + RNG.normal(size=N)
    page = read(prepared(Project(tmp_path), frame, ["price"], target_kind="number", classes=[]))
    assert fields(page.charts[:1], "split") == {"train", "validation", "confirm", "test"}
    assert fields(page.charts, "p50")
    assert "target: mean" in page.words


def test_labels_have_their_frequencies_and_stand_together(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": RNG.normal(size=N), **{name: RNG.integers(0, 2, N) for name in ("red", "blue")}})
    page = read(prepared(Project(tmp_path), frame, ["red", "blue"], target_kind="labels", classes=["red", "blue"]))
    assert "Labels together" in page.words
    assert {"red", "blue"} == fields(page.charts, "row") == fields(page.charts[:1], "name")


def test_inputs_in_two_splits_are_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": np.repeat(np.arange(30), 10), "bought": ["yes", "no"] * 150})
    page = read(prepared(Project(tmp_path), frame, ["bought"]))
    assert re.search(
        r"\d+ of (validation|confirm|test) \(\d+\.\d %\) have the same input as an example of train", page.words
    )
    assert "conflicting labels (300)" in page.words


@pytest.mark.parametrize(
    ("layout", "shape", "n_classes"),
    [("image", [3, 2, 5], 2), ("image", [4, 300, 3], 2), ("sequence", [6, 4], 3), ("sequence", [1, 1], 60)],
)
def test_data_of_any_form_is_shown(dataset: Dataset, layout: str, shape: list[int], n_classes: int) -> None:
    n = 8 * n_classes
    dataset.write(x=RNG.normal(size=(n, *shape)), y=np.arange(n) % n_classes)
    classes = [f"${index}_{{ a rather long name 名" for index in range(n_classes)]
    prepare(dataset.config(layout=layout, shape=shape, classes=classes), project=dataset.project)
    page = read(dataset.project.prepared("toy") / "card.html")
    pictures = [address for address in page.loads if address.startswith("data:image/png")]
    drawn = [chart for chart in page.charts if fields([chart], "line")]
    assert (len(drawn), len(pictures)) == ((min(12, n_classes), 0) if layout == "sequence" else (0, len(pictures)))
    assert bool(pictures) == (layout == "image")
    assert "$0_{ a rather long name 名" in page.words


def test_only_training_examples_are_shown(toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[np.ndarray] = []
    curves = report_module.charts.curves
    monkeypatch.setattr(
        report_module.charts, "curves", lambda *args, **more: (shown.extend(args[2]), curves(*args, **more))[1]
    )
    prepare(toy.config(prepare={"normalise": "none"}), project=toy.project)
    x = np.load(toy.project.prepared("toy") / "train" / "x.npy")
    assert len(shown) == 2 * EXAMPLES_SHOWN
    assert {row.astype("f4").tobytes() for row in shown} <= {row.tobytes() for row in x}


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here to open the page in")
def test_a_browser_draws_every_chart_without_a_word_of_complaint(table: Path, tmp_path: Path) -> None:
    browser = Browser(tmp_path)
    try:
        browser.screen(400, 20_000)
        browser.open(table)
        while browser.js("document.querySelectorAll('.chart svg').length") < len(read(table).charts):
            browser.frames()
        assert browser.js("document.title") == "toy: data report"
        assert browser.js("document.documentElement.scrollWidth") == 400
        assert "undefined" not in browser.js("document.body.innerText")
        browser.prefer("dark")
        browser.js("new Promise(done => setTimeout(done, 100))")
        assert browser.complaints == []
        assert {address.partition(":")[0] for address in browser.requests} <= {"file", "data"}
    finally:
        browser.close()
