"""A run as files: the same numbers as its checkpoint, a card, and every checksum."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ratchet.commands.export import main
from ratchet.data.prepared import PreparedData
from ratchet.deployment import export as exporting
from ratchet.deployment.export import export
from ratchet.errors import ConfigError, RatchetError
from ratchet.runs import RunDirectory


def test_a_missing_package_is_one_line(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"export needs the package onnx; type: pip install -e '\.\[export\]'$"):
        main([])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binary", "number", "digits"])
def test_an_export_says_what_the_checkpoint_says(evaluated, tmp_path, name):
    onnxruntime = pytest.importorskip("onnxruntime")
    project, run = evaluated(name)
    found = export(run, output=tmp_path / "export", project=project, evaluation=run.evaluation)
    manifest = json.loads((found.directory / "manifest.json").read_text())
    for file, digest in manifest["files"].items():
        assert hashlib.sha256((found.directory / file).read_bytes()).hexdigest() == digest
    assert {path.name for path in found.directory.iterdir()} == {*manifest["files"], "manifest.json"}
    assert manifest["parity"]["different_decisions"] == 0
    assert manifest["parity"]["largest_difference"] < 1e-3

    data = PreparedData.open(project.prepared(manifest["data"]["name"]), reader="evaluate")
    x = np.asarray(data.split("test").x)
    model = onnxruntime.InferenceSession(found.directory / "model.onnx", providers=["CPUExecutionProvider"])
    whole = model.run(None, {"x": x})
    for size in (1, 3):  # any number of rows at a time
        some = model.run(None, {"x": x[:size]})
        for one, other in zip(some, whole, strict=True):
            np.testing.assert_allclose(one, other[:size], atol=1e-4, rtol=1e-5)
    if name == "digits":
        np.testing.assert_allclose(whole[1].sum(axis=1), 1, atol=1e-5)

    card = (found.directory / "card.md").read_text()
    metrics = json.loads((run.evaluation / "metrics.json").read_text())
    first = next(iter(metrics["intervals"]))
    assert f"| {first.replace('_', ' ')} | {metrics[first]:.4g} |" in card
    described = json.loads((found.directory / "transform.json").read_text())
    assert (described["threshold"] is not None) == (name == "binary")
    assert (described["conformal"] is None) == (name == "number")
    model_bytes = (found.directory / "model.onnx").read_bytes()
    assert str(Path.cwd()).encode() not in model_bytes
    assert b".py" not in model_bytes


@pytest.mark.slow
def test_an_export_that_decides_otherwise_is_not_written(evaluated, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    project, run = evaluated("digits")
    right = exporting.outputs_of
    monkeypatch.setattr(exporting, "outputs_of", lambda *given: np.roll(right(*given), 1, axis=1))
    with pytest.raises(RatchetError, match=r"is not the checkpoint: .* test examples are decided otherwise"):
        export(run, output=tmp_path / "export", project=project, evaluation=run.evaluation)
    assert not (tmp_path / "export").exists()


def test_what_is_no_export_is_not_replaced_and_a_copied_run_needs_its_data(evaluated, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_require_packages", lambda: None)
    project, run = evaluated("digits")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(RatchetError, match=r"mine holds something else than an export, .*type: output=.*mine_export"):
        export(run, output=tmp_path / "mine", project=project, evaluation=run.evaluation)
    shutil.copytree(run.path, tmp_path / "run")
    elsewhere = type(project)(tmp_path)
    with pytest.raises(RatchetError, match="there is no prepared data in "):
        export(RunDirectory(tmp_path / "run"), output=tmp_path / "out", project=elsewhere, evaluation=run.evaluation)


def test_a_key_that_export_does_not_know_is_one_line(project):
    with pytest.raises(RatchetError, match=r"input=a: export does not know it; .*allowed: run, output; type: python"):
        main(["input=a"])


@pytest.mark.slow
def test_a_card_shows_no_quality_of_another_model(evaluated, tmp_path):
    pytest.importorskip("onnxruntime")
    project, run = evaluated("digits")
    metrics = json.loads((run.evaluation / "metrics.json").read_text())
    (tmp_path / "metrics.json").write_text(json.dumps({**metrics, "accuracy": metrics["accuracy"] - 0.01}))
    export(run, output=tmp_path / "export", project=project, evaluation=tmp_path)
    assert "Not measured: what evaluate wrote is of another model" in (tmp_path / "export/card.md").read_text()
