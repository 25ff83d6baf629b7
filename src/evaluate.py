"""Stage evaluate: the test split, opened here alone: metrics with intervals, predictions, plots.

python src/evaluate.py                  the champion
python src/evaluate.py run=runs/<run>   another run; its report goes into its directory
"""

from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Evaluate a run on the test split and print the table."""
    from pathlib import Path

    from rich.console import Console

    from ratchet.config.composition import load_config
    from ratchet.evaluation.evaluate import evaluate, render
    from ratchet.project import Project
    from ratchet.runs import RunDirectory

    project = Project.find()
    named = [argument.removeprefix("run=") for argument in arguments if argument.startswith("run=")]
    overrides = [argument for argument in arguments if not argument.startswith("run=")]
    run = RunDirectory(Path(named[-1])) if named else RunDirectory(project.champion / "train")
    output = run.evaluation if named else project.champion / "evaluate"
    settings = load_config(project, overrides).evaluation
    Console().print(render(evaluate(run, output=output, project=project, config=settings)))


if __name__ == "__main__":
    run_command(main, usage=__doc__)
