"""A challenger's config becomes params.yaml and conf/tuned/, and nothing else of a person's changes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from ratchet.config.composition import config_hash, load_config
from ratchet.errors import ConfigError, RatchetError
from ratchet.project import Project
from ratchet.promotion import pipeline
from ratchet.promotion.history import Entry
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.rewriting import write_for
from ratchet.promotion.succession import Succession
from ratchet.runs.record import RunRecord

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
PARAMS = """\
# what I run
data: digits     # eight by eight
model: cnn       # the best so far

overrides:
  trainer: {max_epochs: 5, batch_size: 50}   # quick
  logger: csv    # no W&B here
"""


@pytest.fixture
def written(tmp_path: Path) -> Project:
    """A project with conf/ and a params.yaml full of comments."""
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    return Project(tmp_path)


@pytest.mark.parametrize(
    "typed",
    [
        ["optimizer.lr=0.02"],
        ["model=mlp", "model.width=64", "augmentation.noise=0.2"],
        ["optimizer=sgd", "optimizer.momentum=0.5"],
        ["optimizer=rmsprop", "scheduler=step", "model=gru"],
        ["augmentation=image"],
        ["loss.label_smoothing=0.1", "trainer.gradient_clip=1.0"],
        ["trainer.early_stopping={patience: 4, min_delta: 0.0}"],
        ["model=transformer", "trainer.batch_size=20", "loss.l2=1e-4"],
        ["objective.metric=validation/loss", "objective.direction=minimize"],
        ["+callbacks.a._target_=pytorch_lightning.callbacks.EMAWeightAveraging", "+callbacks.a.decay=0.9"],
    ],
)
def test_what_is_written_composes_to_the_challenger(written: Project, typed: list[str]) -> None:
    target = load_config(written, typed)
    writing = write_for(target, project=written)
    writing.put(written)
    assert config_hash(load_config(written)) == config_hash(target)


def test_what_conf_leaves_open_is_written_too(written: Project) -> None:
    option = (written.conf / "model/mlp.yaml").read_text(encoding="utf-8")
    open_width = re.sub(r"(?m)^width:.*$", "width: ???", re.sub(r"(?m)^name:.*$", "name: needy", option))
    assert open_width.count("???") == 1
    (written.conf / "model/needy.yaml").write_text(open_width, encoding="utf-8")
    target = load_config(written, ["model=needy", "model.width=48", "optimizer.lr=0.02"])
    write_for(target, project=written).put(written)
    assert config_hash(load_config(written)) == config_hash(target)


def test_sampling_is_written_and_taken_back(written: Project) -> None:
    plain = load_config(written, [])
    assert "sampling" not in plain.plain()["trainer"]  # a config without it is the one before there was such a key
    for target in (load_config(written, ["trainer.sampling=oversample"]), plain):
        write_for(target, project=written).put(written)
        assert config_hash(load_config(written)) == config_hash(target)
    assert config_hash(load_config(written, ["trainer.sampling=oversample"])) != config_hash(plain)


def test_what_is_written_twice_is_the_same(written: Project) -> None:
    target = load_config(written, ["model=mlp", "optimizer=sgd", "optimizer.momentum=0.5"])
    once = write_for(target, project=written)
    once.put(written)
    again = write_for(target, project=written)
    assert (again.params, again.tuned) == (once.params, once.tuned)


def test_comments_and_everything_that_need_not_change_stay(written: Project) -> None:
    writing = write_for(load_config(written, ["model=mlp", "trainer.max_epochs=9"]), project=written, header=["why"])
    for kept in ("# what I run", "# eight by eight", "# the best so far", "# quick", "batch_size: 50", "# no W&B here"):
        assert kept in writing.params
    assert "model: mlp" in writing.params
    assert "max_epochs: 5" not in writing.params
    assert writing.tuned_name == "digits_mlp.yaml"
    assert writing.tuned is not None
    assert writing.tuned.startswith("# @package _global_\n# why\n")
    assert "max_epochs: 9" in writing.tuned


def test_params_that_say_it_already_stay_as_they_are(written: Project) -> None:
    target = load_config(written, ["optimizer.lr=0.02"])
    assert write_for(target, project=written).params == PARAMS


def test_writing_looks_and_touches_nothing(written: Project) -> None:
    before = {path: path.read_bytes() for path in written.root.rglob("*") if path.is_file()}
    write_for(load_config(written, ["model=mlp", "model.width=64"]), project=written)
    assert {path: path.read_bytes() for path in written.root.rglob("*") if path.is_file()} == before


def test_a_conf_that_cannot_say_it_any_more_is_told(written: Project) -> None:
    target = load_config(written, ["scheduler=cosine"])
    option = written.conf / "scheduler" / "cosine.yaml"
    option.write_text(option.read_text() + "decay: 0.5\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"scheduler|decay"):
        write_for(target, project=written)


def test_a_table_of_one_s_own_is_written_as_it_was_said_and_tuned_by_its_name(written: Project, monkeypatch) -> None:
    monkeypatch.chdir(written.root)
    rows = [f"{k},{k % 7},{'no' if k % 3 else 'yes'}" for k in range(60)]
    (written.root / "orders.csv").write_text("\n".join(["id,age,churned", *rows]), encoding="utf-8")
    said = ["data=table", "data.path=orders.csv", "data.target=churned", "data.id=id", "optimizer.lr=0.02"]
    target = load_config(written, said)
    writing = write_for(target, project=written)
    writing.put(written)
    assert (written.conf / "tuned" / "orders_mlp.yaml").is_file()
    assert "data: table      # eight by eight" in written.params.read_text(encoding="utf-8")
    assert config_hash(load_config(written)) == config_hash(target)
    assert load_config(written).optimizer.lr == 0.02
    assert load_config(written, ["data.name=others"]).optimizer.lr != 0.02  # another table has its own file
    back = load_config(written, ["data=digits", "model=mlp"])
    write_for(back, project=written).put(written)
    assert "orders" not in written.params.read_text(encoding="utf-8")
    assert config_hash(load_config(written)) == config_hash(back)


def test_a_folder_of_pictures_is_written_as_it_was_said_and_tuned_by_its_name(written: Project, monkeypatch) -> None:
    monkeypatch.chdir(written.root)
    for k in range(8):
        (written.root / "photos" / f"class {k % 2}").mkdir(parents=True, exist_ok=True)
        (written.root / "photos" / f"class {k % 2}" / f"{k}.png").write_bytes(b"")
    said = ["data=folder", "data.path=photos", "data.size=16", "data.prepare.fit=letterbox", "optimizer.lr=0.02"]
    target = load_config(written, said)
    write_for(target, project=written).put(written)
    tuned = written.conf / "tuned" / f"photos_{target.model.name}.yaml"
    assert tuned.is_file()
    assert "data: folder" in written.params.read_text(encoding="utf-8")
    assert config_hash(load_config(written)) == config_hash(target)
    assert load_config(written, ["data.name=others"]).optimizer.lr != 0.02  # another folder has its own file


@pytest.mark.parametrize("name", ["params.yaml", "conf/tuned/digits_cnn.yaml"])
def test_what_a_person_writes_during_the_gate_is_not_lost(
    written: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "repro", lambda _: pytest.fail("written over"))
    paths = PromotionPaths(written)
    writing = write_for(load_config(written, ["optimizer.lr=0.02"]), project=written)
    file = written.root / name
    file.parent.mkdir(exist_ok=True)
    text = (file.read_text(encoding="utf-8") if file.exists() else "") + "# my note of today\n"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RatchetError, match=f"{name} has changed since the test began.*the same command again"):
        Succession(written, paths).go(
            writing, promise=RunRecord.model_construct(), entry=Entry.model_construct(), first=[]
        )
    assert file.read_text(encoding="utf-8") == text
    assert not paths.journal.exists()
