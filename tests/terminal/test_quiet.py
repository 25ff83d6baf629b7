"""What of the libraries' talk is kept."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from ratchet.terminal.quiet import quiet_libraries


def test_warnings_of_libraries_are_kept_and_tips_and_deprecations_are_not(tmp_path: Path, capsys, caplog) -> None:
    log = tmp_path / "train.log"
    shown = warnings.showwarning
    with quiet_libraries(log):
        logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.INFO)
        logging.getLogger("pytorch_lightning.utilities.rank_zero").info("GPU available: False")
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.warn("of old", category, stacklevel=1)
        assert not log.exists()
        logging.getLogger("torch.nn").warning("a strange layer")
        warnings.warn("a strange number", UserWarning, stacklevel=1)
    lines = [line.split(" ", 2)[2] for line in log.read_text().splitlines()]
    assert lines == ["torch.nn WARNING a strange layer", "py.warnings WARNING UserWarning: a strange number"]
    assert capsys.readouterr() == ("", "")
    assert caplog.records == []
    assert warnings.showwarning is shown
