"""Stage fetch: the raw files of a data set come to data/raw/<name>/, checksums verified.

python src/fetch.py                     the data set of params.yaml
python src/fetch.py data=fashion_mnist  another one of conf/data/
"""

from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Bring the raw files of the chosen data set."""
    from ratchet.config.composition import load_config
    from ratchet.data.fetch import fetch
    from ratchet.project import Project

    project = Project.find()
    fetch(load_config(project, arguments).data, project=project)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
