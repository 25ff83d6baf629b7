"""The libraries' own banners, tips and warnings go to a file, not to the person."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratchet.files import unlink_from_others

_NAMES = ("pytorch_lightning", "lightning", "lightning_fabric", "py.warnings", "torch", "matplotlib", "wandb")
_NOT_OURS = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)  # for those who write the libraries

_TIP = "The `srun` command is available on your system"  # Lightning's, where SLURM is installed


@contextmanager
def quiet_libraries(log: Path) -> Iterator[None]:
    """Append what libraries warn of within this context to `log`; their tips and deprecations go nowhere."""
    unlink_from_others(log)
    handler = logging.FileHandler(log, delay=True)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in _NAMES]
    before = [(logger, logger.propagate, list(logger.handlers)) for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for category in _NOT_OURS:
            warnings.simplefilter("ignore", category)
        warnings.filterwarnings("ignore", message=_TIP)
        warnings.showwarning = _log_warning
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        try:
            yield
        finally:
            for logger, propagate, handlers in before:
                logger.handlers, logger.propagate = handlers, propagate
            handler.close()


def _log_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """What was warned of, without the path and the line of the library's code."""
    logging.getLogger("py.warnings").warning("%s: %s", category.__name__, message)
