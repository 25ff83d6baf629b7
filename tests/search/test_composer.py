"""The quick composer gives what Hydra gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict

from ratchet.search.composer import task_config

TABLE = [
    "lr=0.5",
    "lr=0.5 lr=0.7",
    "model=gru",
    "model=gru model.depth=3 seed=4",
    "model.width=${seed}",
    "+new=1 ++lr=2 ++other.deep={a:[1,b]}",
    "~optimizer",
    "~seed",
    "optimizer=sgd ~optimizer.momentum",
    "optimizer@second=sgd",
    "+optimizer@second=sgd +second.extra=1",
    "model={width:3}",
    "objective={metric:loss,direction:minimize}",
    "hydra.job.chdir=true lr=1",
    "hydra.sweep.subdir=${hydra.job.override_dirname} lr=1 model=mlp",
    "lr=null",
    "lr=[1,2]",
    "unknown=1",
    "model=none",
    "+lr=1",
]
QUOTED = ["lr='a b'", "lr='it\\'s, [ü]'"]


def plain(config: DictConfig) -> dict[str, Any]:
    """What the task sees."""
    found = OmegaConf.to_container(task_config(config), resolve=False)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


@pytest.mark.parametrize("overrides", [[], *(text.split(" ") for text in TABLE), *([text] for text in QUOTED)], ids=str)
def test_a_config_is_hydras_own(zoo, overrides: list[str]) -> None:
    try:
        theirs = zoo.loaded.loader.load_sweep_config(zoo.loaded.master, list(overrides))
    except HydraException as error:
        with pytest.raises(type(error)):
            zoo.loaded.composer.compose(overrides)
        return
    with open_dict(theirs.hydra):
        theirs.hydra.job.num, theirs.hydra.job.id, theirs.hydra.sweep.dir = 7, "7", "here"
    ours = zoo.loaded.composer.compose(overrides, number=7, directory="here")
    assert plain(ours) == plain(theirs)
    for key in ("overrides", "runtime.choices", "job.override_dirname", "job", "sweep"):
        assert OmegaConf.select(ours.hydra, key) == OmegaConf.select(theirs.hydra, key), key


def test_one_config_is_not_another_s(zoo) -> None:
    composer = zoo.loaded.composer
    first, second = composer.compose(["lr=1"]), composer.compose([])
    first.model.width = 99
    first.hydra.job.name = "changed"
    assert (first.lr, second.lr) == (1, 0.1)
    assert second.model.width == composer.compose([]).model.width == 8
    assert composer.compose([]).hydra.job.name != "changed"


def test_the_choices_are_those_of_the_overrides(zoo) -> None:
    choices = zoo.loaded.composer.choices(["model=gru", "optimizer=sgd", "model.width=3"])
    assert (choices["model"], choices["optimizer"]) == ("gru", "sgd")


def test_the_project_s_own_config_is_hydras_too() -> None:
    from search.conftest import load

    loaded = load(Path(__file__).parents[2] / "conf", "config")
    for overrides in (["data=digits", "model=gru", "model.depth=1", "optimizer=sgd"], ["trainer.max_epochs=3"]):
        theirs = loaded.loader.load_sweep_config(loaded.master, overrides)
        assert plain(loaded.composer.compose(overrides)) == plain(theirs)
