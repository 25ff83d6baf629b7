"""The champion as files that need no checkpoint: model.onnx, transform.json, a model card, sha256 of each.

python src/export.py                           the champion, into champion/export/
python src/export.py run=runs/<day>/<run>      another run, into its directory
python src/export.py output=<folder>           elsewhere

model.onnx is compared with the checkpoint over the whole test split; where a decision differs nothing is written.
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Export a run and say how near it is to its checkpoint."""
    import sys

    from ratchet.commands.export import main as export

    exported = export(arguments)
    for note in exported.notes:
        print(f"note: {note}", file=sys.stderr)
    print(exported.in_words())


if __name__ == "__main__":
    run_command(main, usage=__doc__)
