"""The jobs of a command line, each composed and checked before the first one trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from ratchet.config.composition import Request
from ratchet.config.grammar import parse_override, values_of
from ratchet.config.schema import Config
from ratchet.errors import ConfigError


def checked_jobs(request: Request) -> list[Config]:
    """The config of every job, in order: one, or with -m one for each combination. Raises ConfigError.

    One mistaken job refuses them all: nothing has been trained yet, and a mistyped name is better mended now
    than found at the end.
    """
    if not request.multirun:
        return [request.compose()]
    with request.explained():
        jobs = _combinations(request.overrides)
    request.refuse_wrong_options()
    alone = [replace(request, params=(), typed=tuple(job), multirun=False) for job in jobs]
    configs = []
    for job in alone:
        try:
            configs.append(job.compose())
        except ConfigError as error:
            name = label(job.typed, swept_keys(request.overrides))
            another = alone[-1] if job is alone[0] else alone[0]
            if not name or _complaint(another) == str(error):
                raise  # a mistake of all jobs: the name of one would mislead
            raise ConfigError(f"job {name}: {error}") from error
    return configs


def _complaint(job: Request) -> str | None:
    try:
        job.compose()
    except ConfigError as error:
        return str(error)
    return None


def swept_keys(overrides: Sequence[str]) -> list[str]:
    """The keys that have several values."""
    parsed = [parse_override(text) for text in overrides]
    return [override.get_key_element() for override in parsed if override.is_sweep_override()]


def label(overrides: Sequence[str], keys: Sequence[str]) -> str:
    """The overrides of these keys: what tells one job from another."""
    return " ".join(text for text in overrides if text.partition("=")[0] in keys)


def _combinations(overrides: Sequence[str]) -> list[list[str]]:
    parsed = [parse_override(text) for text in overrides]
    for override in parsed:
        if override.is_sweep_override() and not values_of(override):
            raise ConfigError(
                f"{override.input_line}: -m cannot count these values; allowed: a list or a range of whole steps; "
                f"type: {override.get_key_element()}=<a>,<b>"
            )
    return [job for batch in BasicSweeper.split_arguments(parsed, None) for job in batch]
