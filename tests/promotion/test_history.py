"""champions.jsonl, what is put back, and the plot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from ratchet.errors import RatchetError
from ratchet.project import Project
from ratchet.promotion.backup import Backup, digests, require_as_left
from ratchet.promotion.gate import _note_use, read_uses
from ratchet.promotion.history import Entry, append, draw, read_history, reigns
from ratchet.promotion.promotion_paths import PromotionPaths


def entry(number: int, event: str = "promotion", mean: float | None = 0.9) -> Entry:
    low, high = (mean - 0.01, mean + 0.01) if mean is not None else (None, None)
    return Entry(
        number=number, event=event, at="2026-01-02T03:04:05+00:00", data="digits", model=f"m<{number}>",
        metric="validation/accuracy", direction="maximize", mean=mean, low=low, high=high, runs=5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([(0, "first"), (1, "promotion")], [0, 1]),
        ([(0, "first"), (1, "promotion"), (1, "undo")], [0]),
        ([(0, "first"), (1, "promotion"), (2, "promotion"), (2, "undo"), (1, "undo")], [0]),
        ([(0, "first"), (1, "promotion"), (1, "undo"), (2, "promotion")], [0, 2]),
    ],
)
def test_what_was_taken_back_does_not_reign(events: list[tuple[int, str]], expected: list[int]) -> None:
    assert [each.number for each in reigns([entry(*event) for event in events])] == expected


def test_lines_are_appended_and_read_back(tmp_path: Path) -> None:
    paths = PromotionPaths(Project(tmp_path))
    lines = [entry(0, "first"), entry(1)]
    append(paths, lines[0])
    before = paths.history.read_text()
    append(paths, lines[1])
    assert paths.history.read_text().startswith(before)
    assert read_history(paths) == lines
    paths.history.write_text(before.rstrip("\n"))
    append(paths, lines[1])
    assert read_history(paths) == lines
    paths.history.write_text(before + "no line\n")
    with pytest.raises(RatchetError, match="line 2"):
        read_history(paths)


def test_a_line_that_a_kill_has_torn_swallows_no_look_after_it(tmp_path: Path) -> None:
    paths, seen = PromotionPaths(Project(tmp_path)), SimpleNamespace(pairs=6, verdict="proved")
    for challenger in ("a", "b"):
        _note_use(SimpleNamespace(key="c"), SimpleNamespace(key=challenger), seen, data_hash="d", paths=paths)
        with paths.uses.open("a") as stream:
            stream.write('{"data": "d", "cham')
    assert [use["challenger"] for use in read_uses(paths)] == ["a", "b"]


@pytest.mark.parametrize("means", [[], [0.5], [0.5, 0.7, None, 0.6], [0.9, 0.9]])
def test_the_plot_is_svg_that_needs_nothing_else(means: list[float | None]) -> None:
    text = draw([entry(k, mean=mean) for k, mean in enumerate(means)])
    root = ElementTree.fromstring(text)
    circles = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == len([mean for mean in means if mean is not None])
    assert "nan" not in text
    assert "href" not in text
    heights = [float(each.get("cy", "")) for each in circles]
    order = [mean for mean in means if mean is not None]
    assert sorted(range(len(order)), key=lambda k: -heights[k]) == sorted(range(len(order)), key=lambda k: order[k])


def test_champions_of_other_data_or_another_metric_have_an_axis_of_their_own() -> None:
    """A loss of 2.3 would press accuracies into a line."""
    accuracies = [entry(0, "first", 0.90), entry(1, mean=0.91)]
    loss = entry(2, mean=2.3).model_copy(update={"metric": "validation/loss"})
    other = entry(3, mean=0.5).model_copy(update={"data": "fashion"})
    panels = ElementTree.fromstring(draw([*accuracies, loss, other])).findall("{http://www.w3.org/2000/svg}g")
    titles = [str(panel[0].text) for panel in panels]
    assert titles == [
        "Champions of fashion: accuracy on confirm", "Champions of digits: loss on confirm",
        "Champions of digits: accuracy on confirm",
    ]  # fmt: skip
    apart = [float(each.get("cy", "")) for each in panels[2].iter("{http://www.w3.org/2000/svg}circle")]
    assert apart[0] - apart[1] > 50


def test_numbers_of_data_that_were_prepared_anew_have_another_axis_and_what_reigns_is_first() -> None:
    anew = entry(1, mean=0.5).model_copy(update={"data_hash": "b"})
    taken_back = [entry(0, "first", 0.90), anew, anew.model_copy(update={"event": "undo"})]
    panels = ElementTree.fromstring(draw(taken_back)).findall("{http://www.w3.org/2000/svg}g")
    assert [len(list(panel.iter("{http://www.w3.org/2000/svg}circle"))) for panel in panels] == [1, 1]
    assert "0.9" in "".join(panels[0].itertext())


def test_a_backup_puts_back_content_and_absence(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "params.yaml").write_text("old")
    backup = Backup(tmp_path / "kept", project)
    assert not backup.is_whole
    backup.take(["params.yaml", "conf/tuned/a.yaml"])
    left = digests(project, ["params.yaml"])
    require_as_left(project, left)
    (tmp_path / "params.yaml").write_text("new")
    (tmp_path / "conf/tuned").mkdir(parents=True)
    (tmp_path / "conf/tuned/a.yaml").write_text("new")
    with pytest.raises(RatchetError, match=r"params.yaml has changed"):
        require_as_left(project, left)
    backup.copy_to(tmp_path / "elsewhere")
    for copy in (backup, Backup(tmp_path / "elsewhere", project)):
        copy.put_back()
        assert (tmp_path / "params.yaml").read_text() == "old"
        assert not (tmp_path / "conf/tuned/a.yaml").exists()


def test_a_backup_is_not_whole_while_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("old")
    backup = Backup(tmp_path / "kept", Project(tmp_path))
    backup.take(["params.yaml"])
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # a kill that comes before it
    backup.forget()
    assert not backup.is_whole
