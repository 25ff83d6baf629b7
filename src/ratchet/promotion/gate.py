"""The gate: a screen that names the challenger, and pairs of runs that test it against the champion."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from typing import Any, Literal

from ratchet.config.hints import to_type
from ratchet.config.seeds import AUDIT, PAIRS, SCREEN
from ratchet.errors import RatchetError, TrainingError
from ratchet.evidence.attempt import AUDITS, SCREEN_SEEDS, Attempt, challenger
from ratchet.evidence.gate import ALPHA, LOOKS, SINGLE_ALPHA, Evidence
from ratchet.files import append_lines, read_text
from ratchet.project import Project
from ratchet.promotion.gate_runs import Configuration, Failed, GateRun, Trained, train_missing
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.scores import read_scores

MOST_PAIRS = 100  # seeds that are looked at for pairs, where the champion itself fails on some

Accept = Literal["proved", "ahead"]


@dataclass(frozen=True)
class Terms:
    """What is asked of a challenger; anything but the defaults is told in the history."""

    min_effect: float = 0.0
    alpha: float | None = None  # one-sided, at each look
    accept: Accept = "proved"

    def attempt(self) -> Attempt:
        """Return a test that has no pairs of runs yet."""
        return Attempt(
            (), self.min_effect, LOOKS, ALPHA if self.alpha is None else self.alpha,
            SINGLE_ALPHA if self.alpha is None else self.alpha,
        )  # fmt: skip

    @property
    def override(self) -> dict[str, Any]:
        """Return in what respects the test is easier to pass than the rules, if it is."""
        eased = {"accept": "ahead"} if self.accept == "ahead" else {}
        return eased | ({"alpha": self.alpha} if self.alpha is not None else {})


@dataclass(frozen=True)
class Judgement:
    """Result of a promotion test."""

    evidence: Evidence
    spent: int  # runs that were trained for it now
    failed: tuple[Failed, ...]
    seeds: tuple[int, ...]

    def promotes(self, terms: Terms) -> bool:
        """Whether the challenger becomes the champion."""
        verdict = self.evidence.verdict
        return verdict == "proved" or (verdict == "ahead, not proved" and terms.accept == "ahead")


def screen(candidates: Mapping[str, Configuration], *, mode: Literal["max", "min"], project: Project) -> str:
    """The name of the best mean over fresh seeds, on validation. One whose run failed is passed over."""
    wanted = [each.on(SCREEN + k) for each in candidates.values() for k in range(SCREEN_SEEDS)]
    trained = train_missing(wanted, project=project)
    refuse_accidents(trained.failed)
    values = {}
    for name, each in candidates.items():
        runs = [each.on(SCREEN + k) for k in range(SCREEN_SEEDS)]
        if all(seeded.run is not None for seeded in runs):
            values[name] = [_validated(seeded) for seeded in runs]
    if not values:
        raise TrainingError(
            "every run of the screen failed; type: find runs -name run.json, for a challenger that trains"
        )
    return challenger(values, mode=mode)


def _validated(seeded: GateRun) -> float:
    best = seeded.record.best
    if best is None:
        raise RatchetError(
            "the study trained on validation too, so nothing tells its trials apart; name one of them by trial="
        )
    return best.value


def judge(
    champion: Configuration, against: Configuration, *, terms: Terms, project: Project, data_hash: str,
    undecided: Callable[[Evidence, int], None],
) -> Judgement:  # fmt: skip
    """Run pairs until a look decides; pairs that are kept are not run again. Each look is noted.

    `undecided` is called with what a look saw that has another one after it, so many pairs later.
    A seed on which the champion itself does not train is left out, for both. Raises TrainingError where the challenger
    fails on one that the champion trains on.
    """
    attempt, seeds, used, failed, spent = terms.attempt(), count(PAIRS), list[int](), list[Failed](), 0
    looked = 0
    while wanted := attempt.wanted:
        tried = list(islice(seeds, len(wanted)))
        trained = train_missing([each.on(seed) for seed in tried for each in (champion, against)], project=project)
        spent, failed = spent + trained.spent, [*failed, *trained.failed]
        usable = _usable(tried, trained, champion=champion)
        attempt = attempt.after(*(_scores(against, seed) - _scores(champion, seed) for seed in usable))
        used += usable
        if tried[-1] >= PAIRS + MOST_PAIRS:
            raise TrainingError(f"the champion fails on most seeds: {failed[-1].error}; mend it first")
        if attempt.evidence is not None and attempt.evidence.pairs > looked:
            looked, seen = attempt.evidence.pairs, attempt.evidence
            _note_use(champion, against, seen, data_hash=data_hash, paths=PromotionPaths(project))
            if attempt.wanted:
                undecided(seen, len(attempt.wanted))
    evidence = attempt.evidence
    assert evidence is not None
    return Judgement(evidence, spent, tuple(failed), tuple(used[: evidence.pairs]))


def _usable(tried: Sequence[int], trained: Trained, *, champion: Configuration) -> list[int]:
    refuse_accidents(trained.failed)
    lost = {each.seeded.seed for each in trained.failed if each.seeded.of is champion}
    for each in trained.failed:
        if each.seeded.of is not champion and each.seeded.seed not in lost:
            raise TrainingError(
                f"not promoted: the challenger's training failed on seed {each.seeded.seed}, where the champion's did "
                f"not ({each.error}); name another one: type: ls runs/sweeps, for the studies"
            )
    return [seed for seed in tried if seed not in lost]


def refuse_accidents(failed: Sequence[Failed]) -> None:
    """Raises TrainingError for a run that failed for reasons that are not its configuration's."""
    for each in failed:
        if not each.diverged:
            raise TrainingError(
                f"{each.seeded.of.role}, seed {each.seeded.seed}: {each.failure}: {each.error}; mend that, "
                f"type: {to_type('rm', '-r', str(each.seeded.folder))}, then the same command again"
            )


def _scores(of: Configuration, seed: int) -> Any:
    run = of.on(seed).run
    assert run is not None
    return read_scores(run)


def audit(of: Configuration, *, project: Project) -> tuple[list[float], tuple[Failed, ...]]:
    """The confirm scores of runs on fresh seeds, in the metric's own sign, and the runs that diverged."""
    wanted = [of.on(AUDIT + k) for k in range(AUDITS)]
    trained = train_missing(wanted, project=project)
    refuse_accidents(trained.failed)
    return [number(seeded) for seeded in wanted if seeded.run is not None], trained.failed


def number(seeded: GateRun) -> float:
    """The objective on the confirm split; of a whole run."""
    assert seeded.run is not None
    sign = -1.0 if seeded.config.judged_by.direction == "minimize" else 1.0
    return sign * float(read_scores(seeded.run).mean())


def _note_use(
    champion: Configuration, against: Configuration, evidence: Evidence, *, data_hash: str, paths: PromotionPaths
) -> None:
    """Write down a look at the confirm split; one taken before, at the same pairs, is no new one."""
    use = {"data": data_hash, "champion": champion.key, "challenger": against.key, "pairs": evidence.pairs}
    uses = read_uses(paths)
    if not any(all(known.get(key) == value for key, value in use.items()) for known in uses):
        paths.uses.parent.mkdir(parents=True, exist_ok=True)
        line = {**use, "verdict": evidence.verdict, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        append_lines(paths.uses, json.dumps(line))


def read_uses(paths: PromotionPaths) -> list[dict[str, Any]]:
    """Every look at a confirm split on record here; a line that a kill has torn is none."""
    found = []
    for line in read_text(paths.uses).splitlines() if paths.uses.is_file() else ():
        try:
            found.append(dict(json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            continue
    return found
