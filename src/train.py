"""Stage train: a run directory from the prepared arrays. `python src/train.py --help` says what can be chosen."""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> int:
    """Train what params.yaml and the command line name."""
    from ratchet.commands.prefork import prefork_trial_server

    with prefork_trial_server(arguments):
        from ratchet.commands.train import main as application

        return application(arguments)


if __name__ == "__main__":
    run_command(main, usage="")
