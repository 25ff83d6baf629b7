"""bench/truth.py: its worlds have the truth they claim, and its lines miss where a rule is broken."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from ratchet.evidence import attempt, gate, groups

pytestmark = pytest.mark.slow

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(str(BENCH))
    names = ("lines", "worlds", "tables", "gates", "chains", "metrics", "drift")
    return SimpleNamespace(**{name: importlib.import_module(f"known_truth.{name}") for name in names})


@pytest.fixture
def truth(bench: SimpleNamespace) -> ModuleType:
    return importlib.import_module("truth")


@pytest.mark.parametrize("regime", range(4))
def test_accuracies_are_those_that_are_claimed(bench: SimpleNamespace, regime: int):
    regime = bench.worlds.REGIMES[regime]
    quality, rng = regime.quality(0.9), np.random.default_rng(0)
    assert regime.accuracy(quality) == pytest.approx(0.9)
    seen, here = [], []
    for _ in range(60):
        world = bench.worlds.World(regime, 1000, rng)
        suits = world.suits(2)
        runs = [bench.worlds.correct(each + world.chances(40), quality).mean() for each in suits]
        seen += runs
        if regime.noise:
            here += [run - regime.accuracy_here(quality, s.astype(float)) for run, s in zip(runs, suits, strict=True)]
    assert np.mean(seen) == pytest.approx(0.9, abs=0.004)  # 60 splits with a standard deviation of 0.9 points each
    assert not here or abs(np.mean(here)) < 0.003
    assert not here or np.std(here) < 0.02  # what is left is the seeds'; a collapse weighs 40 points / 40


def test_what_suits_a_trial_is_drawn_as_if_it_had_come_first(bench: SimpleNamespace):
    regime, rng = bench.worlds.REGIMES[2], np.random.default_rng(1)
    world = bench.worlds.World(regime, 20_000, rng)
    margins, whole = world.trials(3)
    suits = world.suits_given(whole)
    assert np.var(suits - world.ease) == pytest.approx(regime.suits, rel=0.03)
    left = margins - suits
    assert np.mean([np.var(row) for row in left]) == pytest.approx(regime.noise, rel=0.03)
    assert abs(np.corrcoef((suits - world.ease)[0], left[0])[0, 1]) < 0.03


def test_a_line_misses_beyond_the_error_of_the_simulation(bench: SimpleNamespace):
    line = bench.lines.Line
    given = {"what": "x", "regime": "y", "n": 500, "error": 1.0}
    assert not line(**given, measured=6.9, high=5.0).missed
    assert line(**given, measured=7.1, high=5.0).missed
    assert not line(**given, measured=92.1, low=94.0, high=98.0).missed
    assert line(**given, measured=91.9, low=94.0, high=98.0).missed
    assert line(**given, measured=100.1, low=94.0, high=98.0).missed
    assert line(**given, measured=1.9, low=0.0, strictly=True).missed
    assert not line(**given, measured=2.1, low=0.0, strictly=True).missed
    assert not line(**given, measured=99.0).missed
    assert bench.lines.share([True, False, False, False]) == pytest.approx((25, 100 * (3 / 16) ** 0.5 / 2))


def missed(lines: list) -> list[str]:
    return [line.what for line in lines if line.missed and not line.excuse]


def test_a_gate_that_looks_at_seeds_alone_is_found_out(bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    regime = bench.worlds.REGIMES[2]
    assert missed(bench.gates.gate_lines(regime, 500, 150, 0)) == []
    monkeypatch.setattr(attempt, "weigh", lambda table, **rules: gate.weigh(table.mean(1, keepdims=True), **rules))
    assert "gate: false promotions" in missed(bench.gates.gate_lines(regime, 500, 150, 0))


def test_a_state_that_forgets_is_found_out(bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    regime = bench.worlds.REGIMES[2]
    asked_again = bench.gates.asked_again
    monkeypatch.setattr(bench.gates, "asked_again", lambda runs, rng: asked_again(runs[::-1], rng))
    assert "gate: verdicts that asking 3 times changes" in missed(bench.gates.gate_lines(regime, 500, 60, 0))


@pytest.mark.parametrize("regime", range(4))
@pytest.mark.parametrize("number", range(3))
def test_metrics_are_those_that_are_claimed(bench: SimpleNamespace, regime: int, number: int):
    regime, measure, rng = bench.worlds.REGIMES[regime], bench.metrics.MEASURES[number], np.random.default_rng(0)
    quality = measure.quality(regime, measure.start)
    seen = []
    for _ in range(16):
        examples = bench.metrics.Examples(regime, 20_000, rng)
        runs = bench.metrics.Runs(measure, examples, quality)
        seen += [[runs.run(configuration, pair, quality).mean() for pair in range(8)] for configuration in range(2)]
    # of 32 means of a split's runs; a twentieth of the seeds of the last regime loses 20 to 40 points
    assert np.mean(seen) == pytest.approx(measure.start, abs=4 * np.std(np.mean(seen, axis=1)) / 32**0.5)
    assert np.std(np.mean(seen, axis=1)) < (0.05 if regime.collapse else 0.02)


def test_a_gate_without_the_examples_of_a_metric_of_the_set_is_found_out(
    bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    regime = bench.worlds.REGIMES[2]
    assert missed(bench.metrics.metric_lines(regime, 500, 100, 0)) == []
    monkeypatch.setattr(attempt, "weigh", lambda table, **rules: gate.weigh(table.mean(1, keepdims=True), **rules))
    found = missed(bench.metrics.metric_lines(regime, 500, 100, 0))
    assert {"AUROC: false promotions", "average precision: false promotions"} <= set(found)


def test_a_table_that_is_too_sure_is_found_out(bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    regime = bench.worlds.REGIMES[1]
    assert missed(bench.tables.table_lines(regime, 500, 40, 0)) == []
    monkeypatch.setattr(groups, "two_sided", lambda *_, **__: 1.0)
    found = missed(bench.tables.table_lines(regime, 500, 40, 0))
    assert "false best, 2 equal rows, 3 seeds" in found
    assert "gaps cover the truth, 5 seeds" in found


def test_a_watch_that_corrects_nothing_is_found_out(bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    table = bench.drift.TABLES[0]
    monkeypatch.setattr(bench.drift, "DAYS", 5)
    lines = bench.drift.drift_lines(table, 100, 60, 0)
    assert missed(lines) == []
    monkeypatch.setattr(bench.drift, "holm", list)
    assert "watch: checks with a false alarm" in missed(bench.drift.drift_lines(table, 1000, 60, 0))


def test_a_chain_keeps_the_champions_runs(bench: SimpleNamespace):
    chain = bench.chains.live(bench.worlds.REGIMES[1], 300, np.random.default_rng(2), better=True)
    assert len(chain.spent) == bench.chains.ROUNDS
    assert chain.promotions > 0
    assert min(chain.spent) >= 15  # the screen's ten, and five pairs of which the champion's may be there
    assert max(chain.spent) <= 45
    assert len(chain.champion.runs) in (5, 10, 15)


def test_the_command_prints_a_table_and_its_status_says_whether_a_line_missed(
    truth: ModuleType, bench: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    line = bench.lines.Line
    holds, misses = (line("x", "y", 500, value, 0.1, high=5.0) for value in (4.0, 6.0))
    excused = line("z", "y", 500, 6.0, 0.1, high=5.0, excuse="z: because")
    for lines, status in (([holds], 0), ([holds, excused], 0), ([holds, misses], 1)):
        monkeypatch.setattr(truth, "measured", lambda *_, lines=lines: lines)
        monkeypatch.setattr("sys.argv", ["truth.py", "gates", "markdown=true"])
        assert truth.main() == status
    said = capsys.readouterr().out
    assert "| x | y | 500 | 6.0 ± 0.1 % | at most 5 | MISSED |  |" in said
    assert "* z: because" in said
    assert "1 of 2 aims hold" in said
    monkeypatch.setattr("sys.argv", ["truth.py", "gate"])
    assert truth.main() == 2
    assert "'gate'" in capsys.readouterr().out
