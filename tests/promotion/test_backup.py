"""Files put aside and put back, beside what a person writes meanwhile."""

from __future__ import annotations

from pathlib import Path

from ratchet.project import Project
from ratchet.promotion.backup import Backup


def test_what_a_person_wrote_since_stays(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "lock"):
        (tmp_path / name).write_text("before")
    backup = Backup(tmp_path / "journal", Project(tmp_path))
    backup.take(["a", "b", "c", "lock", "new"])
    backup.note_writing({"a": "promoted", "b": "promoted", "c": "promoted", "new": None})
    (tmp_path / "a").write_text("promoted")
    (tmp_path / "b").write_text("a person's")
    (tmp_path / "new").write_text("a person's")
    (tmp_path / "lock").write_text("of dvc")
    assert backup.put_back(changes_too=False) == ["b", "new"]
    now = {name: (tmp_path / name).read_text() for name in ("a", "b", "c", "lock", "new")}
    assert now == {"a": "before", "b": "a person's", "c": "before", "lock": "before", "new": "a person's"}
    assert backup.put_back() == []
    assert (tmp_path / "b").read_text() == "before"
    assert not (tmp_path / "new").exists()
