"""Why a run says what it says: what each column adds to an answer, and which columns the model needs.

python src/explain.py input=new.csv                        the champion, the first 100 rows
python src/explain.py input=new.csv run=runs/<day>/<run>   another run
python src/explain.py input=new.csv rows=1000 output=why   more rows, another folder than explanation/

Integrated gradients of each row (explanations.csv), importances by permutation with intervals on the validation split,
and a check that other weights give another map; all of it on one page, explanation.html.
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Explain the answers to some rows."""
    from ratchet.commands.explain import main as explain

    explain(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
