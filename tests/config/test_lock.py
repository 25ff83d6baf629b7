"""config.lock.yaml: the same bytes on every machine, changed by nothing but a changed value."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ratchet.config.composition import compose, config_hash, load_config
from ratchet.config.validation import validate
from ratchet.project import Project

REPOSITORY = Path(__file__).parents[2]
SECRET = "5ec2e7" * 6 + "abcd"


def run(script: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "src" / f"{script}.py"), *arguments]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def test_the_lock_is_the_same_in_another_place_for_another_user(settings, tmp_path):
    compose(settings)
    here = settings.lock.read_text(encoding="utf-8")
    elsewhere = tmp_path / "a b" / "élan"
    shutil.copytree(settings.conf, elsewhere / "conf")
    shutil.copy(settings.params, elsewhere / "params.yaml")
    (elsewhere / "inside").mkdir()
    ran = run(
        "compose",
        cwd=elsewhere / "inside",
        HOME="/nowhere", USER="somebody", HOSTNAME="other", LANG="C", TZ="Asia/Tokyo",
        RATCHET_RUNS="/scratch/runs", WANDB_API_KEY=SECRET, WANDB_ENTITY="somebody", PYTHONHASHSEED="7",
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("config.lock.yaml written: data digits, model cnn, optimizer AdamW, ")
    there = (elsewhere / "config.lock.yaml").read_bytes()
    assert there == here.encode()
    for private in (SECRET, str(tmp_path), str(Path.home()), os.uname().nodename):
        assert private not in here


def test_the_lock_holds_the_whole_config_and_reads_back(settings):
    config = compose(settings, ["seed=3"])
    assert validate(yaml.safe_load(settings.lock.read_text(encoding="utf-8"))) == config
    assert config.seed == 3
    assert "${" not in settings.lock.read_text(encoding="utf-8")


def test_a_comment_changes_nothing_and_a_value_does(project):
    compose(project)
    before = project.lock.read_bytes()
    model = project.conf / "model" / "cnn.yaml"
    model.write_text(f"# another thought\n{model.read_text(encoding='utf-8')}\n\n# the end\n", encoding="utf-8")
    other = project.conf / "model" / "gru.yaml"
    other.write_text(other.read_text(encoding="utf-8").replace("width: 64", "width: 65"), encoding="utf-8")
    compose(project)
    assert project.lock.read_bytes() == before
    model.write_text(
        f"{model.read_text(encoding='utf-8')}\ndropout: 0.25\n".replace("dropout: 0.0", "#"), encoding="utf-8"
    )
    compose(project)
    assert project.lock.read_bytes() != before


def test_a_mistake_leaves_the_old_lock(settings):
    compose(settings)
    before = settings.lock.read_bytes()
    ran = run("compose", "optimizer.lr=fast", cwd=settings.root)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: optimizer.lr is fast; allowed: a number greater than 0; type: optimizer.lr=")
    assert ran.stderr.count("\n") == 1
    assert settings.lock.read_bytes() == before


def test_the_hash_of_a_config_ignores_what_cannot_change_the_model(settings):
    def digest(*overrides: str) -> str:
        return config_hash(load_config(settings, overrides))

    usual = digest()
    for harmless in ("logger=none", "evaluation.bootstrap=7", "trainer.progress=none", "trainer.profile=true"):
        assert digest(harmless) == usual
    another_mirror = "data.sources=[{kind: folder, path: elsewhere}]"
    assert digest(another_mirror) == usual
    for change in ("seed=1", "optimizer.lr=0.5", "trainer.threads=2", "data.prepare.seed=1", "model.width=8"):
        assert digest(change) != usual


@pytest.mark.slow
def test_light_scripts_import_no_heavy_library(tmp_path):
    project = tmp_path / "light"
    shutil.copytree(REPOSITORY / "conf", project / "conf")
    code = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import compose, fetch, prepare
compose.main([])
light = {"scipy", "sklearn", "pandas", "matplotlib", "rich"} & sys.modules.keys()
fetch.main(["data=digits"])
prepare.main(["data=digits"])
heavy = {"torch", "lightning", "pytorch_lightning", "torchmetrics", "wandb", "scipy"} & sys.modules.keys()
assert not light | heavy, (light, heavy)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY / "src")], cwd=project, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    said = ran.stdout.splitlines()
    assert said[1] == "digits: 1 file, 57.5 kB, in data/raw/digits; from package; checksums right"
    assert said[2].startswith("digits: train 1,006, validation 216, confirm 216, test 359; removed: nothing; see data/")


def test_where_there_is_no_project_the_line_says_so(tmp_path):
    shutil.copytree(REPOSITORY / "src", tmp_path / "a" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [sys.executable, "a/src/compose.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert ran.stderr.startswith(
        f"error: no conf/config.yaml in {tmp_path} or above it; change to the directory of a Ratchet project"
    )


def test_the_project_is_found_from_below(settings):
    below = settings.root / "notebooks" / "mine"
    below.mkdir(parents=True)
    assert Project.find(below) == settings
