"""Artifacts are named by DVC's hashes, and only where DVC holds these very bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ratchet.config.composition import load_config
from ratchet.config.schema import Config
from ratchet.project import Project
from ratchet.runs import RunDirectory, RunRecord
from ratchet.tracking.identity import evaluation_of, identity_of, preparation_of
from ratchet.tracking.lineage import data_materials, evaluation_material, model_material

RAW, PREPARED = "1" * 32 + ".dir", "2" * 32 + ".dir"


@pytest.fixture
def config(project: Project) -> Config:
    return load_config(project, ["data=digits", "model=mlp", "logger=wandb"])


def record_of(**changes: Any) -> RunRecord:
    given = {
        "id": "0a1b2c3d", "status": "completed", "wandb_id": "0a1b2c3d", "command": [], "git": {"revision": "abc"},
        "data": {"name": "digits", "hash": "f" * 64}, "config_hash": "c", "versions": {}, "host": {}, "threads": 1,
        "seed": 0, "parameters": 10, "started_at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return RunRecord.model_validate({**given, **changes})


def lock(project: Project, cache: Path) -> None:
    """As DVC leaves it: dvc.lock, and in its cache the listing of the prepared data."""
    stage = {
        "deps": [{"path": "data/raw/digits", "md5": RAW}, {"path": "src/prepare.py", "md5": "3" * 32}],
        "outs": [{"path": "data/prepared/digits", "md5": PREPARED}],
    }
    (project.root / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"prepare": stage}}))
    listing = cache / "files/md5" / PREPARED[:2] / PREPARED[2:]
    listing.parent.mkdir(parents=True)
    card = hashlib.md5((project.prepared("digits") / "card.json").read_bytes()).hexdigest()
    listing.write_text(json.dumps([{"md5": card, "relpath": "card.json"}, {"md5": "0", "relpath": "train/x.npy"}]))


def test_data_that_dvc_holds_has_its_hashes(project: Project, config: Config) -> None:
    lock(project, project.root / ".dvc/cache")
    raw, prepared = data_materials(project, config.data, data_hash="d")
    assert raw.references == {"data/raw/digits": f"dvc:md5/{RAW}"}
    assert prepared.references == {"data/prepared/digits": f"dvc:md5/{PREPARED}"}
    assert prepared.metadata["data_hash"] == "d"


@pytest.mark.parametrize("where", ["../elsewhere", "absolute"])
def test_the_cache_is_where_dvc_is_told(project: Project, config: Config, where: str, tmp_path: Path) -> None:
    cache = project.root / "elsewhere" if where == "../elsewhere" else tmp_path / "absolute"
    named = where if where == "../elsewhere" else str(cache)
    (project.root / ".dvc").mkdir()
    (project.root / ".dvc/config").write_text(
        "[core]\n    analytics = false\n['remote \"storage\"']\n    url = s3://x\n"
    )
    (project.root / ".dvc/config.local").write_text(f"[cache]\n    dir = {named}\n")
    lock(project, cache)
    assert data_materials(project, config.data, data_hash="d")[0].references == {"data/raw/digits": f"dvc:md5/{RAW}"}


@pytest.mark.parametrize("what", ["no lock", "damaged lock", "odd lock", "other data", "no cache"])
def test_other_data_has_its_checksums(project: Project, config: Config, what: str) -> None:
    lock(project, project.root / ".dvc/cache")
    if what == "no lock":
        (project.root / "dvc.lock").unlink()
    elif what == "damaged lock":
        (project.root / "dvc.lock").write_text("stages: [")
    elif what == "odd lock":
        (project.root / "dvc.lock").write_text("stages: {prepare: null, train: {outs: [1]}}")
    elif what == "other data":
        card = project.prepared("digits") / "card.json"
        card.write_text(card.read_text().replace("digits", "other digits"))
    else:
        (project.root / ".dvc/cache/files/md5" / PREPARED[:2] / PREPARED[2:]).unlink()
    raw, prepared = data_materials(project, config.data, data_hash="d")
    assert prepared.references == {"data/prepared/digits": "sha256:d"}
    assert raw.references == {f"data/raw/digits/{file.name}": file.checksum for file in config.data.files}
    assert raw.metadata["dvc_md5"] is None


def test_a_model_is_its_checkpoint_s_hash_and_dvc_s_in_the_champion(project: Project, config: Config) -> None:
    digest = hashlib.md5(b"weights").hexdigest()
    for directory, reference in (
        (project.runs / "x", f"md5:{digest}"),
        (project.champion / "train", f"dvc:md5/{digest}"),
    ):
        run = RunDirectory(directory)
        assert model_material(project, run, record_of(), config) is None
        run.create()
        run.best_checkpoint.write_bytes(b"weights")
        material = model_material(project, run, record_of(), config)
        assert material is not None
        assert material.references == {"best.ckpt": reference}
        assert material.metadata["path"] == str(run.best_checkpoint.relative_to(project.root))
        assert material.metadata["git_revision"] == "abc"


def test_an_evaluation_elsewhere_names_no_path_of_the_machine(project: Project, config: Config, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    material = evaluation_material(project, tmp_path, {"test/accuracy": 1.0}, config)
    assert str(tmp_path) not in str(material)
    assert set(material.references) == {"metrics.json"}


def test_names(project: Project, config: Config) -> None:
    plain = identity_of(record_of(), config)
    assert (plain.id, plain.name, plain.job_type, plain.group) == (
        "0a1b2c3d", "digits-mlp-seed0-0a1b2c3d", "train", None
    )  # fmt: skip
    trial = identity_of(record_of(study="learning_rate", trial=7, status="pruned", wandb_id="e"), config)
    assert (trial.id, trial.name, trial.job_type, trial.group, trial.tags) == (
        "e", "learning_rate-7-mlp-seed0", "trial", "learning_rate", ("pruned",)
    )  # fmt: skip
    evaluation = evaluation_of(trial)
    assert (evaluation.id, evaluation.job_type, evaluation.group) == ("e-evaluate", "evaluate", "learning_rate")


def test_a_preparation_is_one_run_for_each_version_of_the_data(project: Project, config: Config) -> None:
    raw, prepared = data_materials(project, config.data, data_hash="d")
    other = data_materials(project, config.data, data_hash="e")[1]
    elsewhere = config.logger.model_copy(update={"project": "another"})
    once = preparation_of(raw, prepared, config.logger)
    assert preparation_of(raw, prepared, config.logger) == once
    assert (
        len({once.id, preparation_of(raw, other, config.logger).id, preparation_of(raw, prepared, elsewhere).id}) == 3
    )
