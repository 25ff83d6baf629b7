"""What may be typed after promote.py; seeds that no sweep may use; scores of examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ratchet.commands.promote import parse
from ratchet.config.seeds import AUDIT, PAIRS, RESERVED, SCREEN, refuse_reserved
from ratchet.errors import ConfigError, RatchetError
from ratchet.project import Project
from ratchet.promotion.gate import Terms
from ratchet.promotion.gate_runs import CODE, code_hash
from ratchet.promotion.pipeline import promised, reasons, require_promised
from ratchet.promotion.promote import Ask, promote
from ratchet.runs.record import Best, RunRecord
from ratchet.tasks.multiclass import MulticlassPredictions


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ([], "nobody challenges"),
        (["study=a", "run=b"], "exclude each other"),
        (["trial=3"], "type: ls runs/sweeps"),
        (["study=a", "trial=best"], "a trial's number"),
        (["study="], "names nothing"),
        (["stduy=a"], "nearest: study"),
        (["study=a", "accept=yes"], "allowed: proved, ahead"),
        (["study=a", "alpha=0.9"], "above 0, below 0.5"),
        (["study=a", "alpha=0"], "above 0, below 0.5"),
        (["study=a", "min_effect=-1"], "0 or more"),
        (["study=a", "min_effect=nan"], "0 or more"),
        (["study=a", "dry_run=maybe"], "allowed: true, false"),
        (["--undo", "study=a"], "exclude each other"),
    ],
)
def test_a_mistake_is_one_line(typed: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(typed)


def test_what_is_typed_is_asked() -> None:
    ask = parse(["study=a", "trial=3", "alpha=0.05", "accept=ahead", "min_effect=0.01", "dry_run=true"])
    assert (ask.study, ask.trial, ask.dry_run, ask.undo) == ("a", 3, True, False)
    assert ask.terms.override == {"accept": "ahead", "alpha": 0.05}
    assert parse(["--undo", "allow_dirty=true"]) == Ask(undo=True, allow_dirty=True)
    assert parse(["run=a"]).terms.override == {}


@pytest.mark.parametrize("seed", [RESERVED.start, PAIRS + 14, SCREEN + 1, AUDIT + 4, RESERVED.stop - 1])
def test_a_sweep_may_not_use_the_seeds_of_promotion(seed: int) -> None:
    with pytest.raises(ConfigError, match="kept for promotion"):
        refuse_reserved(seed)


@pytest.mark.parametrize("seed", [0, 1000, 1101, RESERVED.start - 1, RESERVED.stop])
def test_other_seeds_are_everybodys(seed: int) -> None:
    refuse_reserved(seed)


def test_the_mean_of_the_scores_is_the_metric() -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss

    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 200)
    logits = generator.normal(size=(200, 3))
    logits[:, 0] += 1
    log_probabilities = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    predictions = MulticlassPredictions(labels, log_probabilities)
    expected = {
        "validation/accuracy": accuracy_score(labels, predictions.predicted),
        "validation/balanced_accuracy": balanced_accuracy_score(labels, predictions.predicted),
        "validation/f1": f1_score(labels, predictions.predicted, average="macro"),
        "validation/loss": -log_loss(labels, np.exp(log_probabilities)),
    }
    for metric, value in expected.items():
        scores = predictions.scores(metric.rpartition("/")[2])
        assert scores.mean() == pytest.approx(value, rel=1e-12)
        assert scores.shape == (200,)


def test_a_gain_in_macro_f1_can_be_proved() -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 4, 1000)

    def scores(accuracy: float) -> np.ndarray:
        told = np.where(generator.random(1000) < accuracy, labels, (labels + 1) % 4)
        return MulticlassPredictions(labels, np.log(np.eye(4)[told] + 1e-6)).scores("f1")

    evidence = Terms().attempt().after(*(scores(0.9) - scores(0.7) for _ in range(5))).evidence
    assert evidence is not None
    assert (evidence.verdict, evidence.examples) == ("proved", 1000)
    assert evidence.gain == pytest.approx(0.2, abs=0.03)


def test_runs_that_were_scored_by_other_code_are_not_used_again(tmp_path: Path) -> None:
    file = tmp_path / "src/ratchet/promotion/scores.py"
    file.parent.mkdir(parents=True)
    codes = set()
    for text in ("one number of macro F1", "pseudo-values"):
        file.write_text(text)
        codes.add(code_hash(Project(tmp_path)))
    assert len(codes) == 2


def test_the_code_that_scores_is_where_the_hash_looks_for_it() -> None:
    assert [place for place in CODE if not (Path(__file__).parents[2] / place).exists()] == []


def record(value: float, processor: str = "one", **changes: object) -> RunRecord:
    best = Best(checkpoint="c", epoch=1, step=1, metric="m", value=value, metrics={"m": value})
    given = {
        "id": "a", "status": "completed", "command": [], "git": {"revision": "r1"}, "threads": 1, "seed": 0,
        "data": {"name": "digits", "hash": "h1"}, "config_hash": "c1", "versions": {"torch": "2"}, "parameters": 1,
        "host": {"processor": processor, "system": "Linux"}, "started_at": "now", "best": best,
    }  # fmt: skip
    return RunRecord.model_validate(given | changes)


def test_a_number_must_come_out_bit_for_bit_on_the_same_type_of_machine() -> None:
    require_promised(record(0.9), record(0.9))
    with pytest.raises(Exception, match=r"did not come out.*not deterministic here"):
        require_promised(record(0.9), record(0.9 + 1e-15))
    require_promised(record(0.9), record(0.905, processor="another"))
    with pytest.raises(Exception, match="machine changed: one then, another now"):
        require_promised(record(0.9), record(0.95, processor="another"))
    on_a_gpu = {"host": {"processor": "one", "system": "Linux", "device": "H200"}}
    require_promised(record(0.9), record(0.905, **on_a_gpu))
    with pytest.raises(Exception, match="device changed: cpu then, H200 now"):
        require_promised(record(0.9), record(0.95, **on_a_gpu))


def test_the_reasons_are_what_differs() -> None:
    made = record(
        0.8, data={"name": "digits", "hash": "h2"}, versions={"torch": "3"}, git={"revision": "r2", "dirty": False}
    )
    assert reasons(record(0.9), made) == [
        "data changed: h1 then, h2 now", "code changed: r1 then, r2 now", "version of torch changed: 2 then, 3 now",
    ]  # fmt: skip
    assert promised(record(0.9)) == {"m": 0.9}


def test_a_champion_in_folds_is_refused_before_anything_is_trained(project: Project) -> None:
    project.params.write_text("data: digits\nmodel: logistic\nsplit: kfold\n")
    with pytest.raises(RatchetError, match=r"params\.yaml says split: kfold.*write: split: holdout"):
        promote(Ask(run="runs/a", allow_dirty=True), project=project)
