"""Where a run on a table is wrong more often than elsewhere, on the test split, and whether that is more than chance.

python src/slices.py                                      the champion: slices that are bad on validation, tried on test
python src/slices.py run=runs/<day>/<run> by=[sex,age]    another run; and each group of these columns
python src/slices.py output=bad.json                      elsewhere than slices.json

Slices are the leaves of a small tree of mistakes on validation; p is corrected for how many were tried on test (Holm).
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Show groups and slices."""
    from ratchet.commands.slices import main as slices

    slices(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
