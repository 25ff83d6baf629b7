"""Hydra's own published suites, with `hydra/sweeper=ratchet`."""

from __future__ import annotations

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def test_hydra_finds_the_sweeper() -> None:
    assert "RatchetSweeper" in [kind.__name__ for kind in Plugins.instance().discover(Sweeper)]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", ["hydra/sweeper=ratchet"])])
class TestSweeper(LauncherTestSuite):
    """Every job of a sweep, its directory, its config and its return."""


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({"defaults": [{"override hydra/sweeper": "ratchet"}]}, ["-m"])],
)
class TestIntegration(IntegrationTestSuite):
    """Whole applications, in processes of their own."""
