"""conf/tuned/: the values of a group stay until the group is chosen; then they give way, with a note."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from config.conftest import notified
from ratchet.config.composition import compose, config_hash, load_config
from ratchet.project import Project

pytestmark = pytest.mark.slow

CONF = Path(__file__).parents[2] / "conf"
TUNED = """\
# @package _global_
model: {depth: 2}
optimizer: {lr: 0.5, betas: [0.8, 0.9]}
scheduler: {warmup: 0.4}
augmentation: {shift: 0.25, noise: 0.125}
loss: {l2: 0.75}
trainer: {max_epochs: 7}
seed: 6
"""


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose params.yaml chooses digits and cnn, for which there are tuned values."""
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "tuned" / "digits_cnn.yaml").write_text(TUNED, encoding="utf-8")
    (tmp_path / "params.yaml").write_text("data: digits\nmodel: cnn\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def left_out(group: str, keys: str, choice: str) -> str:
    verb = "are" if "," in keys else "is"
    names = ", ".join(f"{group}.{key}" for key in keys.split(", "))
    return f"note: conf/tuned/digits_cnn.yaml's {names} {verb} left out: {choice} was chosen\n"


CHOICES = {
    "optimizer=sgd": ("optimizer", "lr, betas"),
    "optimizer=adamw": ("optimizer", "lr, betas"),
    "scheduler=cosine": ("scheduler", "warmup"),
    "augmentation=none": ("augmentation", "shift, noise"),
    "augmentation=image": ("augmentation", "shift, noise"),
    "trainer=gpu": ("trainer", "max_epochs"),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("by", ["command line", "params.yaml", "experiment"])
def test_the_tuned_values_of_a_chosen_group_give_way_and_the_others_stay(tuned, capsys, choice, by):
    group, keys = CHOICES[choice]
    everything = load_config(tuned).plain()
    assert (everything["optimizer"]["lr"], everything["augmentation"]["shift"], everything["seed"]) == (0.5, 0.25, 6)
    assert capsys.readouterr().err == ""
    typed = {"command line": [choice], "params.yaml": [], "experiment": ["data=digits", "experiment=mine"]}[by]
    if by == "params.yaml":
        name, _, option = choice.partition("=")
        tuned.params.write_text(f"data: digits\nmodel: cnn\noverrides: {{{name}: {option}}}\n", encoding="utf-8")
    if by == "experiment":
        recipe = f"# @package _global_\ndefaults:\n  - override /{choice.replace('=', ': ')}\n"
        (tuned.conf / "experiment" / "mine.yaml").write_text(recipe, encoding="utf-8")
    composed = notified(tuned, typed).plain()
    said = capsys.readouterr().err.removeprefix("note: params.yaml is not read: experiment= starts from conf/ alone\n")
    assert said == left_out(group, keys, choice)
    shutil.rmtree(tuned.conf / "tuned")
    untuned = load_config(tuned, typed).plain()
    assert composed[group] == untuned[group] != everything[group]
    for other in {"model", "optimizer", "scheduler", "augmentation", "loss", "trainer", "seed"} - {group}:
        assert composed[other] == everything[other] != untuned[other]


def test_a_debug_file_s_choice_and_its_values_win(tuned, capsys):
    config = notified(tuned, ["debug=overfit", "augmentation=image"])
    assert (config.scheduler.name, config.scheduler.warmup) == ("none", 0.0)
    assert (config.augmentation.shift, config.trainer.max_epochs, config.optimizer.lr) == (0.0, 200, 0.5)
    assert capsys.readouterr().err == (
        left_out("augmentation", "shift, noise", "augmentation=image")
        + left_out("scheduler", "warmup", "scheduler=none")
    )


def test_values_that_were_typed_win_with_and_without_a_choice(tuned, capsys):
    assert load_config(tuned, ["optimizer.lr=0.125"]).optimizer.arguments["betas"] == [0.8, 0.9]
    assert capsys.readouterr().err == ""
    config = load_config(tuned, ["optimizer=sgd", "optimizer.lr=0.125"])
    assert (config.optimizer.lr, "betas" in config.optimizer.arguments) == (0.125, False)


@pytest.mark.parametrize("typed", [["model=cnn"], ["data=digits"], ["data=digits", "model=cnn"]])
def test_choosing_what_a_tuned_file_belongs_to_leaves_it_whole(tuned, capsys, typed):
    assert load_config(tuned, typed) == load_config(tuned)
    assert load_config(tuned, typed).model.arguments["depth"] == 2
    assert capsys.readouterr().err == ""


def test_the_lock_and_the_hash_are_of_what_came_out(tuned):
    plain = [f"augmentation.{key}=0.0" for key in ("shift", "noise")]
    assert config_hash(load_config(tuned, ["augmentation=none"])) == config_hash(load_config(tuned, plain))
    compose(tuned, ["augmentation=none"])
    assert yaml.safe_load(tuned.lock.read_text(encoding="utf-8"))["augmentation"]["shift"] == 0.0


@pytest.mark.parametrize("path", sorted((CONF / "tuned").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_tuned_file_gives_way(path):
    data, _, model = path.stem.rpartition("_")
    chosen = ["optimizer=sgd", "augmentation=none", "trainer=cpu"]
    config = load_config(Project(CONF.parent), [f"data={data}", f"model={model}", *chosen])
    assert (config.optimizer.lr, config.trainer.max_epochs) == (0.05, 60)
    assert not any(config.augmentation.model_dump().values())
