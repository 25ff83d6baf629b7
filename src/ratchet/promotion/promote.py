"""promote(): from a challenger's name to a champion whose number comes out again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ratchet.config.composition import config_hash, load_config
from ratchet.data.on_demand import prepare_if_missing
from ratchet.errors import RatchetError
from ratchet.evaluation.resolution import resolution
from ratchet.evidence.attempt import SCREEN_SEEDS, SCREENED, recorded
from ratchet.evidence.gate import LOOKS, Evidence
from ratchet.metrics import range_of
from ratchet.project import Project
from ratchet.promotion import verdict_text
from ratchet.promotion.challengers import Candidate, Champion, from_run, from_trial, of_study
from ratchet.promotion.gate import (
    Judgement,
    Terms,
    judge,
    number,
    read_uses,
    refuse_accidents,
    screen,
)
from ratchet.promotion.gate_runs import Configuration, seedless_hash, train_missing
from ratchet.promotion.history import Entry, read_history
from ratchet.promotion.promotion_paths import PromotionPaths
from ratchet.promotion.rewriting import Writing, write_for
from ratchet.promotion.succession import Succession, alone, recover, undo
from ratchet.runs.provenance import git_state

STAYS = 3  # exit status where the champion stays


@dataclass(frozen=True)
class Ask:
    """What a person typed after promote.py."""

    study: str | None = None
    trial: int | None = None
    run: str | None = None
    dry_run: bool = False
    allow_dirty: bool = False
    undo: bool = False
    terms: Terms = field(default_factory=Terms)


def promote(ask: Ask, *, project: Project) -> int:
    """Test the challenger; where it is proved, make it the champion. Returns the exit status.

    Everything that can be refused is before the first run. Raises RatchetError for a mistake, and where the promised
    number does not come out: then files are as before.
    """
    paths = PromotionPaths(project)
    with alone(paths):
        if ask.dry_run and paths.journal.is_dir():
            raise RatchetError(
                "a promotion was cut off here, and is finished or put back before anything else; leave out dry_run=true"
            )
        recover(project)
        if ask.undo:
            undo(project, allow_dirty=ask.allow_dirty)
            return 0
        git = git_state(project.root)
        if not ask.allow_dirty:
            _require_clean(git, only_say=ask.dry_run)
        config = load_config(project)
        if config.split.name != "holdout":
            raise RatchetError(
                "params.yaml says split: kfold, and a champion trains on all that is not for another split; write: "
                "split: holdout into params.yaml, type: dvc repro, git commit, then the same command again"
            )
        if not ask.dry_run:
            prepare_if_missing(config.data, project=project)
        return _Promotion(ask, project, paths, Champion(config, project), git).go()


def _require_clean(git: Mapping[str, Any], *, only_say: bool) -> None:
    if only_say:
        if git["dirty"] is not False:
            print("note: without dry_run=true this would be refused, for there are changes that no commit has")
        return
    if git["dirty"] is None:
        raise RatchetError(
            "this is no git repository, so nobody could say which code the champion is of; type: git init && git add "
            "-A && git commit -m start, or add allow_dirty=true"
        )
    if git["dirty"]:
        raise RatchetError(
            "there are changes that no commit has, so the champion's code would be unknown; type: git status, then git "
            "commit, or add allow_dirty=true"
        )


@dataclass(frozen=True)
class _Promotion:
    ask: Ask
    project: Project
    paths: PromotionPaths
    champion: Champion
    git: Mapping[str, Any]

    def go(self) -> int:
        candidates = self._candidates()
        told = resolution(self.champion.config, project=self.project, fits=not self.ask.dry_run)
        if told is not None:
            print(f"note: {told}")
        if len(candidates) > 1 and self.ask.dry_run:
            self._tell_screen(candidates)
            return 0
        chosen = self._screened(candidates) if len(candidates) > 1 else candidates[0]
        return self._challenge(chosen)

    def _candidates(self) -> list[Candidate]:
        """Return the candidate, or the best of a study. Raises RatchetError where there is none but the champion."""
        now = seedless_hash(self.champion.config)
        others: dict[str, Candidate] = {}
        for each in self._named():
            key = seedless_hash(each.config)
            if key != now:
                others.setdefault(key, each)
            if len(others) == SCREENED:
                break
        if not others:
            name = f"study {self.ask.study}" if self.ask.study is not None else f"run {self.ask.run}"
            raise RatchetError(
                f"{name} has nothing but what params.yaml and conf/ say already: that is the champion; type: "
                "python src/train.py -m sweep=learning_rate, to search for a challenger"
            )
        return list(others.values())

    def _named(self) -> Iterable[Candidate]:
        """What the command line names, best first."""
        ask = self.ask
        if ask.run is not None:
            return [from_run(ask.run, self.champion, paths=self.paths)]
        assert ask.study is not None
        if ask.trial is not None:
            return [from_trial(ask.study, ask.trial, self.champion, paths=self.paths)]
        return of_study(ask.study, self.champion, paths=self.paths)

    @property
    def _metric(self) -> str:
        return self.champion.config.judged_by.metric

    def _configuration(self, role: str, candidate: Candidate | Champion) -> Configuration:
        return Configuration.of(role, candidate.config, data_hash=self.champion.data_hash, project=self.project)

    def _tell_screen(self, candidates: Sequence[Candidate]) -> None:
        print(f"screen: {len(candidates)} best of study {self.ask.study}, each on {SCREEN_SEEDS} fresh seeds:")
        for each in candidates:
            print(f"  trial {each.origin['trial']}  searched {each.value:.4f}")
        runs = len(candidates) * SCREEN_SEEDS
        print(
            f"then its winner against the champion; {runs} runs, and up to {2 * LOOKS[-1]}; nothing was run or written"
        )

    def _screened(self, candidates: Sequence[Candidate]) -> Candidate:
        print(f"screen: the {len(candidates)} best, each on {SCREEN_SEEDS} fresh seeds, on validation")
        by_name = {f"trial {each.origin['trial']}": each for each in candidates}
        configurations = {name: self._configuration(name, each) for name, each in by_name.items()}
        mode: Literal["max", "min"] = "max" if candidates[0].config.objective.direction == "maximize" else "min"
        winner = screen(configurations, mode=mode, project=self.project)
        print(f"challenger: {winner}, the best mean over fresh seeds")
        return by_name[winner]

    def _challenge(self, candidate: Candidate) -> int:
        config = self.champion.config
        changed = verdict_text.changes(config, candidate.config)
        print(f"champion: {config.data.name} {config.model.name}, as params.yaml and conf/ say")
        print(f"challenger: {candidate.name} ({candidate.config.model.name}); it differs in")
        print("\n".join(verdict_text.difference_lines(changed)))
        if candidate.beyond:
            print(f"note: {candidate.name} is beyond a constraint of its study; you named it, so it is tested")
        if not self.project.champion.is_dir():
            print(
                "note: dvc repro has made no champion here yet; the challenger is tested against what params.yaml says"
            )
        champion = self._configuration("champion", self.champion)
        challenger = self._configuration("challenger", candidate)
        writing = write_for(candidate.config, project=self.project, header=self._header(candidate))
        if self.ask.dry_run:
            self._tell_dry(champion, challenger, writing)
            return 0
        judgement = judge(
            champion, challenger, terms=self.ask.terms, project=self.project, data_hash=self.champion.data_hash,
            undecided=self._tell_look,
        )  # fmt: skip
        self._tell(judgement)
        if not judgement.promotes(self.ask.terms):
            print("the champion stays; nothing was written. Its runs are kept: asked again, the answer is the same")
            return STAYS
        self._succeed(candidate, challenger, judgement, writing, changed=changed, champion=champion)
        return 0

    def _tell_dry(self, champion: Configuration, challenger: Configuration, writing: Writing) -> None:
        from ratchet.config.seeds import PAIRS

        kept = sum(each.on(PAIRS + k).run is not None for k in range(LOOKS[-1]) for each in (champion, challenger))
        looks = ", ".join(map(str, LOOKS))
        print(f"it would be tested on {looks} pairs: at most {2 * LOOKS[-1] - kept} runs, {kept} are kept")
        print(f"proved, it would write conf/tuned/{writing.tuned_name} and params.yaml; nothing was run or written")

    def _tell_look(self, evidence: Evidence, more: int) -> None:
        print(verdict_text.look_line(evidence, more=more, metric=self._metric), flush=True)

    def _tell(self, judgement: Judgement) -> None:
        uses = [use for use in read_uses(self.paths) if use.get("data") == self.champion.data_hash]
        metric = self._metric
        print(
            "\n".join(verdict_text.verdict_lines(judgement, terms=self.ask.terms, metric=metric, uses=uses)), flush=True
        )

    def _header(self, candidate: Candidate) -> list[str]:
        origin, trained = candidate.origin, candidate.origin["git"]
        value = (
            f", {candidate.config.objective.metric} {candidate.value:.4f}" if candidate.value == candidate.value else ""
        )
        revision = f"{str(trained.get('revision'))[:12]}{' with changes' if trained.get('dirty') else ''}"
        return [
            f"Promoted on {datetime.now(UTC):%Y-%m-%d} by src/promote.py; champions.jsonl has the evidence.",
            f"From {candidate.name}, seeds {', '.join(map(str, origin['seeds']))}{value}.",
            f"git {revision}, data {self.champion.data_hash[:12]}.",
        ]

    def _succeed(
        self, candidate: Candidate, challenger: Configuration, judgement: Judgement, writing: Writing, *,
        changed: dict[str, tuple[Any, Any]], champion: Configuration,
    ) -> None:  # fmt: skip
        promise = challenger.on(self.champion.config.seed)
        if promise.run is None:
            print(f"the number to promise: the challenger on the pipeline's seed, {promise.seed}", flush=True)
            refuse_accidents(train_missing([promise], project=self.project).failed)
        if promise.run is None:
            raise RatchetError(
                f"the challenger does not train on the pipeline's seed {promise.seed}; nothing was promoted; "
                f"write: seed: {promise.seed + 1} into params.yaml, git commit, then type the same command again"
            )
        entry = self._entry(candidate, judgement, changed)
        first = [] if read_history(self.paths) else [self._first(champion, judgement)]
        Succession(self.project, self.paths).go(writing, promise=promise.record, entry=entry, first=first)

    def _first(self, champion: Configuration, judgement: Judgement) -> Entry:
        """The champion that the first promotion met: its gate runs had no part in choosing it."""
        found = recorded(
            [number(champion.on(seed)) for seed in judgement.seeds],
            within=range_of(self._metric),
        )
        common = self._common(self.champion.config)
        interval = {"mean": found.mean, "low": found.low, "high": found.high, "runs": found.n}
        return Entry(number=0, event="first", **common, **interval)

    def _entry(self, candidate: Candidate, judgement: Judgement, changed: dict[str, tuple[Any, Any]]) -> Entry:
        evidence = asdict(judgement.evidence)
        return Entry(
            number=max((each.number for each in read_history(self.paths)), default=0) + 1, event="promotion",
            **self._common(candidate.config), verdict=judgement.evidence.verdict, override=self._override(judgement),
            evidence={**evidence, "min_effect": self.ask.terms.min_effect}, origin=dict(candidate.origin),
            changes=changed,
        )  # fmt: skip

    def _override(self, judgement: Judgement) -> dict[str, Any]:
        """What of the overrides was needed."""
        terms = self.ask.terms.override
        return {k: v for k, v in terms.items() if k != "accept" or judgement.evidence.verdict != "proved"}

    def _common(self, config: Any) -> dict[str, Any]:
        judged = config.judged_by
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"), "data": config.data.name, "model": config.model.name,
            "metric": judged.metric, "split": "confirm", "direction": judged.direction, "git": dict(self.git),
            "data_hash": self.champion.data_hash, "config_hash": config_hash(config),
        }  # fmt: skip
