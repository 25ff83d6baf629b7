"""Requests that serve kept, against the export's reference: has anything drifted, are the answers still right?

python src/watch.py requests=<folder>                     what serve keep=<folder> wrote, champion/export its model
python src/watch.py requests=<folder> model=<export>      of another export
python src/watch.py requests=<folder> since=24h           the last day; also a date, or a date and a time (UTC)
python src/watch.py requests=<folder> labels=true.csv     with columns id (of an answer or a row) and label: quality
python src/watch.py requests=<folder> ignore=[age]        without a column that may differ
python src/watch.py requests=<folder> alpha=0.0005        how often all tests together may be wrong in a check; 0.05

A table in the terminal, watch/watch.html and watch.json. Exit status: 0 nothing is told from the reference, 1 drift,
2 an error.
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> int:
    """Check kept requests."""
    from ratchet.commands.watch import main as watch

    return watch(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__, failed=2)
