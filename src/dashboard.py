"""All studies in a browser, while they run: optuna-dashboard.

python src/dashboard.py              http://127.0.0.1:8080/
python src/dashboard.py port=8081    another port; 0: any free one
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Serve the dashboard of the studies until Ctrl-C."""
    from ratchet.commands.dashboard import main as serve

    serve(arguments)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
