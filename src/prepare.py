"""Stage prepare: raw files become clean, split, normalised arrays and a data card in data/prepared/<name>/.

python src/prepare.py                     the data set of params.yaml
python src/prepare.py data=fashion_mnist  another one of conf/data/
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import note_without_effect, run_command


def main(arguments: list[str]) -> None:
    """Prepare the chosen data set and say what came of it."""
    import os

    from ratchet.config.composition import load_config
    from ratchet.data.card import in_words, warn
    from ratchet.data.prepare import prepare
    from ratchet.project import Project

    project = Project.find()
    config = load_config(project, arguments).data
    note_without_effect(arguments, script="prepare", reads="data")
    card = prepare(config, project=project)
    where = os.path.relpath(project.prepared(config.name))
    print(f"{in_words(card)}; see {where}/card.html and card.json")
    warn(card)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
