"""Stage fetch: the raw files of a data set come to data/raw/<name>/, checksums verified.

python src/fetch.py                     the data set of params.yaml
python src/fetch.py data=fashion_mnist  another one of conf/data/
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import note_without_effect, run_command


def main(arguments: list[str]) -> None:
    """Bring the raw files of the chosen data set and say what was brought."""
    from ratchet.config.composition import load_config
    from ratchet.data.fetch import fetch
    from ratchet.project import Project

    project = Project.find()
    config = load_config(project, arguments).data
    note_without_effect(arguments, script="fetch", reads="data")
    print(fetch(config, project=project).in_words())


if __name__ == "__main__":
    run_command(main, usage=__doc__)
