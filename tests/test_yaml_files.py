"""One dialect of YAML: what is written is what every reader of the project reads."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from ruamel.yaml import YAML

from ratchet.yaml_files import needs_quotes, read_yaml, yaml_text

TEXTS = [
    "1e-4", "1e1", "1E5", "-1e3", ".5", "+.5e3", "1_000", "0x1F", "0o17", "017", "0b101", "12:30", "1:30.5",
    "2026-01-01", "2026-01-01T10:00:00Z", "no", "No", "on", "off", "yes", "y", "true", "null", "Null", "~", "",
    " ", "=", "<<", "-", "---", "nan", ".nan", ".inf", "-.INF", "a: b", "a #b", "#", "- a", "[a]", "{a: b}",
    "*a", "&a", "!a", "%a", "@a", "`a", "'", "\"", "a\nb", "\t", "ä", "名", "it's", "1.", "1.5e3", "${x}", "1e",
    "e1", "1e+4", "_1", "1__0", "0.", "+1", "-0", "1,5",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_stays_text_whoever_reads_it(text: str, tmp_path: Path) -> None:
    plain = {"value": text, "list": [text, {"inner": text}], text or "empty": 1}
    file = tmp_path / "file.yaml"
    file.write_text(yaml_text(plain), encoding="utf-8")
    assert read_yaml(file) == plain
    assert YAML(typ="safe").load(file) == plain
    if text not in {"${x}", "a\nb", "\t", " "}:  # OmegaConf's own grammar, not YAML's
        assert OmegaConf.to_container(OmegaConf.load(file)) == plain


@pytest.mark.parametrize("text", TEXTS)
def test_what_needs_quotes_is_known(text: str) -> None:
    stream = io.StringIO(f"value: {text}\n")
    try:
        read = OmegaConf.to_container(OmegaConf.load(stream))
    except Exception:  # noqa: BLE001 - no YAML at all, so a writer quotes it anyway
        return
    if read != {"value": text} and not text.startswith(("#", "'", '"', "- ", "[", "{", "&", "!", "*")) and text.strip():
        assert needs_quotes(text) or ":" in text or "#" in text or "\n" in text


@pytest.mark.parametrize("number", [1e-4, 1e16, 0.1, 1, 1e-300, float("inf"), -0.0, True, None, [1, 2.5], {"a": {}}])
def test_numbers_stay_numbers(number: object, tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(yaml_text({"value": number}), encoding="utf-8")
    for read in (read_yaml(file), OmegaConf.to_container(OmegaConf.load(file))):
        assert repr(read) == repr({"value": number})


def test_nothing_else_in_the_project_reads_or_writes_yaml() -> None:
    """OmegaConf for what Hydra composes, ruamel.yaml where a person's comments stay: both are that dialect."""
    source = Path(__file__).parents[2] / "src"
    own = [path for path in source.rglob("*.py") if path.name != "yaml_files.py"]
    assert [str(path) for path in own if re.search(r"yaml\.(safe_|load|dump)", path.read_text("utf-8"))] == []
