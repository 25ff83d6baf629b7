"""Settings that change no number: one list, by which configs are hashed, compared and promoted."""

from __future__ import annotations

import pytest

from ratchet.config.composition import config_hash, load_config
from ratchet.config.non_numeric_settings import (
    NON_NUMERIC_SETTINGS,
    is_non_numeric,
    with_non_numeric_of,
    without_non_numeric,
)
from ratchet.config.tree import exists
from ratchet.project import Project
from ratchet.tasks.base import Target
from ratchet.training.tasks import task_for

QUIET = ["logger=none", "evaluation.bootstrap=0", "trainer.progress=none", "trainer.profile=true"]


def test_every_name_on_the_list_is_a_key_of_the_config(project: Project) -> None:
    """A renamed key would make two equal trainings different."""
    plain = load_config(project).plain()
    assert [key for key in NON_NUMERIC_SETTINGS if not exists(plain, key)] == []


def test_they_make_no_difference_and_everything_else_does(project: Project) -> None:
    usual = load_config(project)
    quiet = load_config(project, QUIET)
    assert quiet != usual
    assert config_hash(quiet) == config_hash(usual)
    assert with_non_numeric_of(quiet.plain(), usual.plain()) == usual.plain()
    assert config_hash(load_config(project, ["optimizer.lr=0.5"])) != config_hash(usual)


def test_what_is_given_stays_as_it_is(project: Project) -> None:
    plain = load_config(project).plain()
    without_non_numeric(plain)
    with_non_numeric_of(plain, load_config(project, QUIET).plain())
    assert plain == load_config(project).plain()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("logger", True), ("logger.mode", True), ("data.sources", True), ("trainer.profile", True),
        ("loggers", False), ("data.name", False), ("trainer.threads", False), ("seed", False),
    ],
)  # fmt: skip
def test_a_section_stands_for_what_is_in_it(key: str, expected: bool) -> None:
    assert is_non_numeric(key) is expected


def test_no_setting_of_the_report_reaches_what_is_trained_and_promoted_by(project: Project) -> None:
    usual, finer = (load_config(project, typed) for typed in ([], ["evaluation.calibration_bins=50"]))
    target = Target("class", ("a", "b", "c"))
    assert task_for(finer, target).calibration_bins == task_for(usual, target).calibration_bins
