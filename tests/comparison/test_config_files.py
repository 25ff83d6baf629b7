"""A config read in pieces is the config that PyYAML reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet import yaml_files
from ratchet.comparison.config_files import read_flat

CONFIGS = {
    "numbers": {"a": {"x": 1e-08, "y": 10000.0, "z": -3, "big": 10**20, "no": 0, "tiny": 1.5e-300, "f": 1.0}},
    "words": {"a": {"on": "on", "yes": "yes", "null": "null", "text": "1.0", "hash": "a # b", "empty": "", "e": "1e5"}},
    "long": {"a": {"line": "word " * 60, "lines": "one\ntwo\n  three\n"}, "b": "word " * 60},
    "nested": {"a": {"b": {"c": {"d": [1, [2, 3], {"e": None}]}}, "none": None, "list": []}, "seed": 0},
    "nothing": {},
}


def flat(plain: Any, prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, value in plain.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def plain(value: Any) -> Any:
    """Lists are tuples, and a mapping in one is JSON."""
    if not isinstance(value, tuple):
        return value
    return (
        [json.loads(v) if isinstance(v, str) and v.startswith("{") else plain(v) for v in value]
        if isinstance(value, tuple)
        else value
    )


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    "style", [{}, {"indent": 4}, {"default_flow_style": True}, {"default_flow_style": None}], ids=str
)
def test_pieces_and_whole_agree(name, style, tmp_path: Path):
    text = yaml.dump(CONFIGS[name], Dumper=yaml_files._Dumper, sort_keys=False, **style)
    (tmp_path / "config.yaml").write_text(text)
    found = read_flat(tmp_path / "config.yaml")
    assert {key: plain(value) for key, value in found.items()} == flat(CONFIGS[name])
    assert {key: type(value) for key, value in found.items() if not isinstance(value, tuple)} == {
        key: type(value) for key, value in flat(CONFIGS[name]).items() if not isinstance(value, list)
    }


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "word"])
def test_what_is_no_config_is_refused(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"mapping|YAML"):
        read_flat(tmp_path / "config.yaml")
