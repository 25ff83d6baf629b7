"""What a failure is called: each cause by its own name."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch
from hydra.errors import ConfigCompositionException

from ratchet.errors import ConfigError, NonFiniteLossError, OutOfMemoryError, TrainingError
from ratchet.search.processes.outcomes import Outcome


@pytest.mark.parametrize(
    ("error", "called"),
    [
        (MemoryError(), "out of memory"),
        (OutOfMemoryError("too large"), "out of memory"),
        (torch.OutOfMemoryError("too large"), "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "out of memory"),
        (RuntimeError("CUDA error: out of memory"), "out of memory"),
        (RuntimeError("Storage size calculation overflowed with sizes=[9, 9]"), "out of memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk full"),
        (
            RuntimeError("[enforce fail at inline_container.cc:603] . file write failed"),
            "disk full",
        ),
        (NonFiniteLossError("nan"), "non-finite loss"),
        (ConfigError("no such class"), "config error"),
        (TrainingError("no batch"), "exception"),
        (ValueError("I ran out of memory of what to say"), "exception"),
        (KeyboardInterrupt(), "interrupted"),
    ],
    ids=repr,
)
def test_a_failure_is_called_by_its_cause(error: BaseException, called: str) -> None:
    assert Outcome.of_error(error).failure == called


def test_a_trial_that_took_too_long_is_not_called_interrupted() -> None:
    from ratchet.errors import TrialTimeout

    assert Outcome.of_error(TrialTimeout("too long")).failure == "timeout"


@pytest.mark.parametrize(
    ("error", "called"),
    [
        (ConfigCompositionException("no such key"), "compose error"),
        (ConfigError("no such option"), "compose error"),
        (MemoryError(), "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
    ],
    ids=repr,
)
def test_what_is_raised_before_there_is_a_config_is_a_compose_error_unless_something_ran_out(
    error: Exception, called: str
) -> None:
    assert Outcome.of_composing(error).failure == called


@pytest.mark.parametrize(
    ("value", "names", "metrics"),
    [
        (0.5, ["value"], {"value": 0.5}),
        (np.float32(0.5), ["value"], {"value": 0.5}),
        (torch.tensor(0.5), ["value"], {"value": 0.5}),
        ((0.5,), ["value"], {"value": 0.5}),
        ({"loss": 0.5}, ["value"], {"value": 0.5}),
        ({"loss": 0.5, "size": 3, "name": "a"}, ["loss"], {"loss": 0.5, "size": 3.0}),
        ([1, 2.5], ["a", "b"], {"a": 1.0, "b": 2.5}),
        (np.array([1.0, 2.5]), ["a", "b"], {"a": 1.0, "b": 2.5}),
    ],
    ids=repr,
)
def test_what_a_task_may_return(value: object, names: list[str], metrics: dict[str, float]) -> None:
    assert Outcome.of_value(value, names).metrics == metrics


@pytest.mark.parametrize(
    "value",
    [
        "0.5",
        b"ab",
        None,
        True,
        (),
        (1.0,),
        (1.0, 2.0, 3.0),
        (1.0, "b"),
        {1.0, 2.0},
        {"a": 1.0},
        1.0,
        np.array([[1.0, 2.0]]),
    ],
    ids=repr,
)
def test_what_is_not_a_number_for_each_of_two_objectives(value: object) -> None:
    found = Outcome.of_value(value, ["a", "b"])
    assert (found.state, found.failure) == ("failed", "no value")
    assert "\n" not in found.error
