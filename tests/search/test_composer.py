"""The config of each job is the one that Hydra itself would compose."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import HydraContext
from omegaconf import DictConfig, Node, OmegaConf, open_dict

from ratchet.search.space.composer import Composer, copied, task_config
from ratchet.search.worker.hydra_job import run_job

NUMBERS = ["0", "-3", "007", "1_000", "0.5", "-0.0", "1e-05", "1e-5", "1.5e+20", "1e5", ".5", "5.", "1.2.3", "'1'"]


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_what_hydra_reads(composer: Composer, text: str) -> None:
    ours, theirs = composer._parse(f"seed={text}"), composer._parser.parse_override(f"seed={text}")
    assert (repr(ours.value()), type(ours.value())) == (repr(theirs.value()), type(theirs.value()))
    assert ours.get_value_element_as_str() == theirs.get_value_element_as_str()


@pytest.mark.parametrize(
    "overrides",
    [["seed=3"], ["model=gru", "model.width=48"], ["optimizer.lr=1e-05", "+extra=[1,2]"], ["~experiment", "seed=1"]],
)
def test_a_config_is_the_one_that_hydra_composes(composer: Composer, overrides: list[str]) -> None:
    ours = composer.compose(overrides)
    theirs = composer._loader.load_sweep_config(composer._master, overrides)
    theirs.hydra.job.id, theirs.hydra.job.num, theirs.hydra.sweep.subdir = "0", 0, "0"  # it is ${hydra.job.num}
    assert OmegaConf.to_container(ours, resolve=False) == OmegaConf.to_container(theirs, resolve=False)


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
    "model={width:3} model.width=5",
    "model.width=5 model={width:3}",
    "seed=1.5 lr=7",
    "+layers=[{width:3}] layers.0.width=5",
    "+layers=[3,4] layers.0=5",
    "nothing.here=1",
    "nothing.at.all=1",
    "lr.x.y=2",
    "lr.x=2",
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


def test_the_choices_are_those_of_the_overrides(zoo) -> None:
    choices = zoo.loaded.composer.choices(["model=gru", "optimizer=sgd", "model.width=3"])
    assert (choices["model"], choices["optimizer"]) == ("gru", "sgd")


def nodes(node: Any) -> list[Any]:
    """A node, its metadata and flags, and those below it."""
    content = node.__dict__.get("_content")
    below = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    return [node, node._metadata, node._metadata.flags, *(each for child in below for each in nodes(child))]


def test_a_copy_is_equal_and_shares_no_node(composer: Composer) -> None:
    original = composer.compose(["seed=1"])
    OmegaConf.set_readonly(original.model, True)
    made = copied(original)
    assert OmegaConf.to_container(made) == OmegaConf.to_container(original)
    assert not {id(each) for each in nodes(made)} & {id(each) for each in nodes(original)}
    assert len(nodes(made)) == len(nodes(original))
    assert OmegaConf.is_readonly(made.model)
    assert all(each._get_root() is made for each in nodes(made) if isinstance(each, Node))
    assert OmegaConf.to_container(pickle.loads(pickle.dumps(made))) == OmegaConf.to_container(original)
    OmegaConf.get_cache(made)["now"]["x"] = 1
    assert "x" not in OmegaConf.get_cache(original).get("now", {})


def test_configs_share_nothing(composer: Composer) -> None:
    first = composer.compose(["seed=1"])
    first.model.width = 4711
    assert composer.compose(["seed=1"]).model.width != 4711


def test_a_job_sees_its_config_and_hydras_as_under_hydra(
    composer: Composer, context: HydraContext, tmp_path: str
) -> None:
    config = composer.compose(
        ["seed=5", "hydra.sweep.subdir=${seed}_${model.name}_${hydra.job.num}"], number=7, directory=str(tmp_path)
    )

    def task(config: object) -> tuple[object, ...]:
        hydra = HydraConfig.get()
        return "hydra" in config, hydra.runtime.output_dir, hydra.job.num, OmegaConf.is_readonly(hydra)  # type: ignore[operator]

    returned = run_job(task, config, context)
    assert returned.return_value == (False, f"{tmp_path}/5_cnn_7", 7, True)
    assert not HydraConfig.initialized()
