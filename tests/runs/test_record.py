"""run.json holds what it was given, numbers that are not finite included."""

from __future__ import annotations

import math
from pathlib import Path

from made_runs import make_run
from ratchet.promotion.pipeline import _is_same
from ratchet.runs import RunRecord


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    record = RunRecord.read(run)
    assert record.best is not None
    record.best.metrics |= {"validation/own": math.nan, "validation/cost": math.inf}
    record.legs = record.earlier_legs()
    record.legs[0].timings["fit"] = math.inf
    record.write(run)
    found = RunRecord.read(run)
    assert found.best is not None
    assert math.isnan(found.best.metrics["validation/own"])
    assert found.best.metrics["validation/cost"] == math.inf
    assert found.legs[0].timings["fit"] == math.inf


def test_a_number_that_is_none_is_reproduced_by_one_that_is_none() -> None:
    assert _is_same(math.nan, math.nan, elsewhere=False)
    assert not _is_same(math.nan, 0.5, elsewhere=False)
    assert not _is_same(0.5, math.nan, elsewhere=True)
