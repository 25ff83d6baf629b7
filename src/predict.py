"""New rows, predicted by the champion or another run: predictions.csv with decisions and probabilities.

python src/predict.py input=new.csv           the champion; also .csv.gz, .parquet, .jsonl, and of arrays .npy or .npz
python src/predict.py input=- < new.csv       rows from standard input
python src/predict.py input=new.csv run=runs/<day>/<run>   another run
python src/predict.py input=new.csv output=june.csv        elsewhere than predictions.csv; june.json beside it
python src/predict.py input=new.csv abstain=true           no decision where several classes are likely
python src/predict.py input=new.csv abstain=true coverage=0.95   how often the true class is among those; 0.9

Rows go through the transform that prepare fitted, in their order. A target column is not needed, and not looked at.
"""

import ratchet.terminal.early  # noqa: F401 - from here on signals are heard
from ratchet.terminal.command import run_command


def main(arguments: list[str]) -> None:
    """Predict the rows of a file and say what came of it."""
    import sys

    from ratchet.commands.predict import main as predict

    predicted = predict(arguments)
    for note in predicted.notes:
        print(f"note: {note}", file=sys.stderr)
    print(predicted.in_words())


if __name__ == "__main__":
    run_command(main, usage=__doc__)
