"""Stage prepare: raw files become clean, split, normalised arrays and a data card in data/prepared/<name>/.

python src/prepare.py                     the data set of params.yaml
python src/prepare.py data=fashion_mnist  another one of conf/data/
"""

from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Prepare the chosen data set."""
    from ratchet.config.composition import load_config
    from ratchet.data.prepare import prepare
    from ratchet.project import Project

    project = Project.find()
    prepare(load_config(project, arguments).data, project=project)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
