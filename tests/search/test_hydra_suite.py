"""Hydra's own published suites, with `hydra/sweeper=ratchet`.

BatchedSweeperTestSuite is left out: it asks for batches of two, and here nothing waits for a batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.test_utils.test_utils import integration_test
from hydra.version import _UNSPECIFIED_, VersionBase
from omegaconf import OmegaConf

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(autouse=True)
def _base_version_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite takes it for granted that nothing in this process has chosen one."""
    monkeypatch.setattr(VersionBase.instance(), "version_base", _UNSPECIFIED_)


def test_hydra_finds_the_sweeper() -> None:
    assert "RatchetSweeper" in [kind.__name__ for kind in Plugins.instance().discover(Sweeper)]


@pytest.mark.parametrize(("launcher_name", "overrides"), [("basic", ["hydra/sweeper=ratchet"])])
class TestSweeper(LauncherTestSuite):
    """Every job of a sweep, its directory, its config and its return."""

    # since Hydra 1.4: a task's exception comes out of the sweep; here it is a row of the study, with its traceback
    test_failure_preserves_task_traceback = None


@pytest.mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [({"defaults": [{"override hydra/sweeper": "ratchet"}]}, ["-m"])],
)
@pytest.mark.nightly  # the sweeper suite has the contract; these are processes around it
class TestIntegration(IntegrationTestSuite):
    """Whole applications, in processes of their own."""

    def test_to_absolute_path_multirun(
        self, tmpdir: Path, task_launcher_cfg: dict[str, Any], extra_flags: list[str]
    ) -> None:
        """Hydra's own runs two commands into one directory; for Ratchet the second is the same study, done already."""
        for typed, expected in {"/foo/bar": "/foo/bar", "foo/bar": str(Path(tmpdir, "foo/bar").resolve())}.items():
            integration_test(
                tmpdir=tmpdir,
                task_config=OmegaConf.create(task_launcher_cfg),
                overrides=[*extra_flags, "hydra.job.chdir=True", f"hydra.sweep.dir=of{typed.count('/')}"],
                prints=[f"hydra.utils.to_absolute_path({typed!r})", "os.getcwd()"],
                expected_outputs=[expected, str(Path(tmpdir, f"of{typed.count('/')}", "0").resolve())],
            )
