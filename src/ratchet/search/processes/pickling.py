"""Configs as bytes, whoever imported the classes that they name."""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle


def dumps(value: Any) -> bytes:
    """By pickle, which is fast; by cloudpickle where that refuses.

    Hydra imports its plugins anew when it starts, and a config from before names classes that are no longer what their
    module has.
    """
    try:
        return pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        return bytes(cloudpickle.dumps(value))
