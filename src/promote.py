"""What is proved better than the champion becomes the champion: `dvc repro` makes its number again.

python src/promote.py study=<name>                the best of a study: screened on fresh seeds, then tested
python src/promote.py study=<name> trial=<number> one of its trials
python src/promote.py run=<id or directory>       any run
python src/promote.py study=<name> dry_run=true   what it would do: nothing is run or written
python src/promote.py study=<name> min_effect=0.005   it must be better by more than that, in the metric's unit
python src/promote.py study=<name> accept=ahead   also what is ahead and not proved; the history says so
python src/promote.py study=<name> alpha=0.05     another level than 0.02 at each look; the history says so
python src/promote.py study=<name> allow_dirty=true   with changes that no commit has
python src/promote.py --undo                      back to the champion before

Challenger and champion are trained on 5, then 10, then 15 seeds that no sweep may use, and scored on the confirm split.
After a stop of any kind the same command goes on. Exit status 0: promoted; 3: the champion stays.
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> int:
    """Promote a challenger, or say why it is not promoted."""
    from ratchet.commands.promote import main as promote

    return promote(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
