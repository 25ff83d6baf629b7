"""Stage evaluate: the test split, opened here alone: metrics with intervals, predictions, plots.

python src/evaluate.py                        the champion
python src/evaluate.py run=runs/<day>/<run>   another run; its report goes into its directory
python src/evaluate.py evaluation.bootstrap=0 any value of evaluation: --cfg job of train.py shows them
python src/evaluate.py logger.mode=online     W&B otherwise than the run was trained with; logger=none: not at all
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import note_without_effect, run_command


def main(arguments: list[str]) -> None:
    """Evaluate a run on the test split and print the table."""
    from pathlib import Path

    from rich.console import Console

    from ratchet.config.composition import load_config
    from ratchet.config.hints import unquoted
    from ratchet.errors import RatchetError
    from ratchet.project import Project
    from ratchet.runs import RunDirectory

    project = Project.find()
    named = [unquoted(argument.removeprefix("run=")) for argument in arguments if argument.startswith("run=")]
    overrides = [argument for argument in arguments if not argument.startswith("run=")]
    settings = load_config(project, overrides)
    logged = [text for text in overrides if text.lstrip("+").partition("=")[0].partition(".")[0] == "logger"]
    note_without_effect([text for text in overrides if text not in logged], script="evaluate", reads="evaluation")
    if named and not named[-1]:
        raise RatchetError("run= names no run; allowed: a run directory; type: find runs -name run.json, to see them")
    given = Path(named[-1]) if named else project.champion_run
    run = RunDirectory(given if given.is_dir() else project.root / given)

    from ratchet.evaluation.evaluate import evaluate, render
    from ratchet.evaluation.tracked import track_evaluation

    output = run.evaluation if named else project.champion / "evaluate"
    evaluation = evaluate(run, output=output, project=project, config=settings.evaluation)
    Console().print(render(evaluation))
    track_evaluation(evaluation, run=run, output=output, project=project, logger=settings.logger if logged else None)


if __name__ == "__main__":
    run_command(main, usage=__doc__)
