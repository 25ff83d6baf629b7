"""The config of each job is the one that Hydra itself would compose."""

from __future__ import annotations

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from omegaconf import OmegaConf

from ratchet.search.composer import Composer
from ratchet.search.hydra_job import run_job

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
    theirs.hydra.job.id, theirs.hydra.job.num = "0", 0
    assert OmegaConf.to_container(ours, resolve=False) == OmegaConf.to_container(theirs, resolve=False)


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
