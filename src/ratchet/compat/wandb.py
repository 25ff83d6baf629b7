"""What Ratchet needs of W&B beyond its public interface: its process, which is killed where it hangs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def service_process() -> subprocess.Popen[bytes] | None:
    """Return W&B's process, if this one started it; without importing wandb."""
    setup: Any = sys.modules.get("wandb.sdk.wandb_setup")
    found = setup and setup.singleton()
    for name in ("_connection", "_proc", "_process"):
        found = getattr(found, name, None)
    return found if isinstance(found, subprocess.Popen) else None
