"""Which run is better, and is the difference real? A table, and files beside it in comparison/. Reads; never trains.

python src/compare.py                             all runs, a table for each data set
python src/compare.py study=<name>                the trials of one study
python src/compare.py runs='[runs/a, runs/b]'     these: directories of runs, folders of them, patterns, ids
python src/compare.py data=mnist1d group_by=model rows by any config key: optimizer.lr, or model,optimizer
python src/compare.py metric=validation/loss      another number; direction=minimize where its name does not say it
python src/compare.py --html                      comparison/page.html too, for a browser without network; --html=<file>
python src/compare.py output=<folder>             the files elsewhere
python src/compare.py push=true                   the table to W&B too; without it where the runs were online
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Compare the chosen runs and print the table."""
    from ratchet.commands.compare import main as compare

    compare(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
