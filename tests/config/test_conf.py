"""Every file of conf/ composes, and is allowed by the schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException

from ratchet.config.composed import composed
from ratchet.config.composition import load_config
from ratchet.project import Project

CONF = Path(__file__).parents[2] / "conf"
OPTIONS = sorted(
    str(path.relative_to(CONF).with_suffix("")) for path in CONF.glob("*/*.yaml") if path.parent.name != "tuned"
)
TUNED = sorted(path.stem for path in CONF.glob("tuned/*.yaml"))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_alone(option, tmp_path):
    group, name = option.split("/")
    (table := tmp_path / "orders.csv").write_text("age,bought\n1,yes\n2,no\n", encoding="utf-8")
    for place in range(8):
        (picture := tmp_path / "photos" / f"class {place % 2}" / f"{place}.png").parent.mkdir(
            parents=True, exist_ok=True
        )
        picture.write_bytes(b"")
    of = {
        "data/folder": [f"data.path={tmp_path / 'photos'}", "data.name=folder"],
        "data/table": [f"data.path={table}", "data.target=bought", "data.name=table"],
        "data/text": [f"data.path={table}", "data.text=age", "data.target=bought", "data.name=text"],
        "model/encoder": ["model.path=weights"],
        "task/binary": ["data.classes=[no,yes]"],
        "task/multilabel": ["data.target_kind=labels"],
        "task/regression": ["data.target_kind=number", "data.classes=[]"],
        "task/quantile": ["data.target_kind=number", "data.classes=[]"],
    }
    config = load_config(Project(CONF.parent), ["model=mlp", f"{group}={name}", *of.get(option, [])])
    chosen = getattr(config, group, None)
    assert getattr(chosen, "name", name) == name  # a section that has a name has that of its file


@pytest.mark.parametrize("tuned", TUNED)
def test_every_tuned_file_composes_with_its_data_and_model(tuned):
    data, _, model = tuned.rpartition("_")
    config = load_config(Project(CONF.parent), [f"data={data}", f"model={model}"])
    assert (config.data.name, config.model.name) == (data, model)


def test_params_yaml_composes():
    load_config(Project(CONF.parent))


def test_tuned_values_belong_to_their_data_and_model_and_give_way_to_what_is_typed(project):
    tuned = project.conf / "tuned" / "digits_cnn.yaml"
    tuned.parent.mkdir()
    tuned.write_text("# @package _global_\noptimizer:\n  lr: 0.5\nmodel:\n  depth: 2\n", encoding="utf-8")
    config = load_config(project)
    assert (config.optimizer.lr, config.model.arguments["depth"]) == (0.5, 2)
    assert load_config(project, ["optimizer.lr=0.25"]).optimizer.lr == 0.25
    assert load_config(project, ["model=mlp"]).optimizer.lr != 0.5
    assert load_config(project, ["data=mnist1d"]).optimizer.lr != 0.5


def test_what_was_composed_before_is_composed_anew_where_a_file_is_another(project):
    before, _ = composed(project.conf, ["model=mlp"])
    before.optimizer.lr = 7.0
    again, _ = composed(project.conf, ["model=mlp"])
    assert again.optimizer.lr == 0.003
    for text in ("lr: 0.25", "lr: 0.75"):  # of the same size, and within the same second
        file = project.conf / "optimizer" / "adamw.yaml"
        file.write_text(re.sub(r"^lr: .*", text, file.read_text(encoding="utf-8"), flags=re.MULTILINE), "utf-8")
        config, loader = composed(project.conf, ["model=mlp"])
        assert f"lr: {config.optimizer.lr}" == text
        assert ("optimizer/adamw", "optimizer") in loader.files
    file.unlink()
    with pytest.raises(MissingConfigException):
        composed(project.conf, ["model=mlp"])


def test_a_tuned_file_gives_way_to_an_experiment(project):
    tuned = project.conf / "tuned" / "mnist1d_cnn.yaml"
    tuned.parent.mkdir()
    tuned.write_text("# @package _global_\noptimizer: {lr: 0.5}\nseed: 7\n", encoding="utf-8")
    recipe = project.conf / "experiment" / "mine.yaml"
    recipe.write_text("# @package _global_\noptimizer: {lr: 0.125}\n", encoding="utf-8")
    config = load_config(project, ["experiment=mine"])
    assert (config.optimizer.lr, config.seed) == (0.125, 7)


def test_a_data_set_whose_name_begins_with_table_keeps_its_own_tuned_file(project):
    (project.conf / "data/table_digits.yaml").write_text("defaults: [digits]\nname: table_digits\n", encoding="utf-8")
    (project.conf / "tuned").mkdir(exist_ok=True)
    (project.conf / "tuned/table_digits_mlp.yaml").write_text(
        "# @package _global_\noptimizer: {lr: 0.0123}\n", encoding="utf-8"
    )
    named = ["data=table_digits", "data.name=table_digits", "model=mlp"]  # as data=table may be named
    assert load_config(project, named).optimizer.lr == 0.0123


def test_an_edit_behind_a_link_is_noticed(project: Project) -> None:
    (project.conf / "model").rename(project.root / "models")
    (project.conf / "model").symlink_to(project.root / "models")
    before, _ = composed(project.conf, ["model=mlp"])
    edited = (project.conf / "model/mlp.yaml").read_text(encoding="utf-8").replace("depth: 2", "depth: 3")
    (project.root / "models/mlp.yaml").write_text(edited, encoding="utf-8")
    after, _ = composed(project.conf, ["model=mlp"])
    assert (before.model.depth, after.model.depth) == (2, 3)
