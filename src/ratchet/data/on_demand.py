"""A data set that a command needs and nobody has prepared yet: fetched and prepared, once, before anything starts."""

from __future__ import annotations

import sys
from os.path import relpath

from ratchet.config.data_sections import DataConfig
from ratchet.data.staging import one_process_at_a_time, storage_errors
from ratchet.project import Project

UNASKED = 100_000_000  # bytes: a larger download is begun by src/fetch.py alone


def is_missing(config: DataConfig, *, project: Project) -> bool:
    """Whether there is nothing at all where the prepared data belongs. What is outdated or damaged is not missing.

    Nothing is missing of a person's data module, which prepares its data itself.
    """
    if config.module is not None:
        return False
    directory = project.prepared(config.name)
    return not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))


def prepare_if_missing(config: DataConfig, *, project: Project) -> None:
    """Fetch and prepare a data set that is missing, with a line on stderr that says so.

    Of several processes one does it, and the others wait for it. Raises DataError as fetch() and prepare() do, and
    for a download above UNASKED, with its size and the command that fetches it.
    """
    if not is_missing(config, project=project):
        return
    with (
        storage_errors(project.prepared(config.name), command=f"python src/prepare.py {config.typed}"),
        one_process_at_a_time(project.data_lock(config.name)),
    ):
        if is_missing(config, project=project):
            _fetch_and_prepare(config, project=project)


def _fetch_and_prepare(config: DataConfig, *, project: Project) -> None:
    from ratchet.data.card import in_words, warn
    from ratchet.data.fetch import fetch
    from ratchet.data.prepare import prepare  # it brings matplotlib

    print(f"{config.name} is not prepared: it is fetched and prepared first, once", file=sys.stderr, flush=True)
    fetch(config, project=project, at_most=UNASKED)
    card = prepare(config, project=project)
    where = relpath(project.prepared(config.name))
    print(f"{in_words(card)}; see {where}/card.html and card.json", file=sys.stderr, flush=True)
    warn(card)
