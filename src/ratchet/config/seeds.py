"""Seeds that belong to promotion: a number that was searched for on them would prove nothing."""

from __future__ import annotations

from ratchet.errors import ConfigError

RESERVED = range(700_000, 800_000)
PAIRS, SCREEN, AUDIT = 700_000, 710_000, 720_000  # where the gate's pairs, its screen and its audits begin


def refuse_reserved(seed: int) -> None:
    """Raises ConfigError for a seed that no search may use."""
    if seed in RESERVED:
        raise ConfigError(
            f"seed={seed} is kept for promotion; allowed in a sweep: any below {RESERVED.start} or from "
            f"{RESERVED.stop} on; type: seed=0"
        )


def is_audit(seed: int) -> bool:
    """Whether a run on this seed chose nothing: it came after the promotion."""
    return AUDIT <= seed < RESERVED.stop
