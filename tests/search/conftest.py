"""Hydra with the project's configuration, as a sweep has it."""

from __future__ import annotations

import pytest
from hydra._internal.callbacks import Callbacks
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.types import HydraContext, RunMode

from ratchet.project import Project
from ratchet.search.composer import Composer


@pytest.fixture(scope="module")
def context() -> HydraContext:
    hydra = Hydra.create_main_hydra2("test", create_config_search_path(str(Project.find().conf)))
    return HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())


@pytest.fixture(scope="module")
def composer(context: HydraContext) -> Composer:
    master = context.config_loader.load_configuration("config", ["hydra.sweep.dir=/tmp"], RunMode.MULTIRUN)
    return Composer(context.config_loader, master)
