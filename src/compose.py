"""Stage compose: conf/ + params.yaml become config.lock.yaml, which the other stages depend on.

python src/compose.py                 what dvc repro runs first
"""

from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Write config.lock.yaml."""
    from ratchet.config.composition import compose
    from ratchet.project import Project

    project = Project.find()
    compose(project, arguments)
    print(f"wrote {project.lock.relative_to(project.root)}")


if __name__ == "__main__":
    run_command(main, usage=__doc__)
