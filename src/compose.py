"""Stage compose: conf/ + params.yaml become config.lock.yaml, which the other stages depend on.

python src/compose.py                 what dvc repro runs first
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Write config.lock.yaml and say what it chooses."""
    from ratchet.config.composition import compose
    from ratchet.project import Project

    project = Project.find()
    before = project.lock.read_bytes() if project.lock.is_file() else None
    config = compose(project, arguments)
    news = "is as it was" if project.lock.read_bytes() == before else "written"
    chosen = f"data {config.data.name}, model {config.model.name}, optimizer {config.optimizer.target.split('.')[-1]}"
    print(f"{project.lock.name} {news}: {chosen}, scheduler {config.scheduler.name}, seed {config.seed}")


if __name__ == "__main__":
    run_command(main, usage=__doc__)
