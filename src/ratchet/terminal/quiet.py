"""The libraries' own banners, tips and warnings go to a file, not to the person."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAMES = ("pytorch_lightning", "lightning", "lightning_fabric", "py.warnings", "torch", "matplotlib", "wandb")


@contextmanager
def quiet_libraries(log: Path) -> Iterator[None]:
    """While it lasts, what the libraries log and warn of is appended to `log`."""
    handler = logging.FileHandler(log, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _NAMES]
    before = [(logger, logger.propagate, list(logger.handlers)) for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.captureWarnings(capture=True)
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            for logger, propagate, handlers in before:
                logger.handlers, logger.propagate = handlers, propagate
            handler.close()
