"""Each option is built before the first trial: one that never works is refused, one that works at times is a note."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratchet.errors import ConfigError
from ratchet.search.processes.executors import apart
from ratchet.search.processes.server import SERVER
from ratchet.search.space.composer import Composer
from ratchet.search.space.plan import TaskFacts
from ratchet.search.space.preflight import MOST_BUILT, build_ahead, make_ready, preflight
from search.conftest import Bench, load
from search.zoo import ZOO, animal


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    conf = tmp_path_factory.mktemp("zoo") / "conf"
    for name, text in ZOO.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / name).write_text(text, encoding="utf-8")
    return Bench(load(conf, "config"), conf.parent, animal)


def build(
    bench: Bench, rule: Callable[[Any], str | None], *arguments: str, **settings: Any
) -> tuple[list[Any], list[str]]:
    """What was built, and the notes. `rule`: what is wrong with a config."""
    seen: list[Any] = []

    def built(configs: Any) -> list[str | None]:
        seen.extend(configs)
        return [rule(config) for config in configs]

    bench = replace(bench, facts=replace(bench.facts, build=built))
    plans = bench.plans(*arguments, **settings)
    return seen, build_ahead(plans, composer=bench.loaded.composer, facts=bench.facts)


def even(config: Any) -> str | None:
    return f"width {config.model.width} is even" if config.model.width % 2 == 0 else None


def test_an_option_that_never_works_is_named_with_its_reason(zoo: Bench) -> None:
    with pytest.raises(ConfigError, match=r"^model\.width=4: width 4 is even$"):
        build(zoo, even, "seed=0,1", "model.width=5,4", "lr=0.1,0.2")
    with pytest.raises(ConfigError, match=r"^model\.width=6: width 6 is even$"):
        build(zoo, even, "seed=0,1", "model.width=6,4")  # no seed works either, and is not to blame
    with pytest.raises(ConfigError, match=r"^model=gru: width 16 is even$"):
        build(zoo, lambda config: even(config) if config.model.name == "gru" else None, "model=cnn,gru", "seed=0,1")
    with pytest.raises(ConfigError, match=r"^model\.width=8: width 8 is even$"):
        build(zoo, even, space={"model.width": "range(7,9)", "lr": "interval(0.1,1)"})


def test_what_is_fixed_is_to_blame_where_nothing_works(zoo: Bench) -> None:
    with pytest.raises(ConfigError, match=r"^width 8 is even$"):
        build(zoo, even, "seed=0,1", "lr=0.1,0.2")
    with pytest.raises(ConfigError, match=r"^width 4 is even$"):
        build(zoo, even, "model.width=4", space={"lr": "interval(0.1,1)", "seed": "choice(0,1)"})


def test_an_option_that_works_with_some_others_is_a_note(zoo: Bench) -> None:
    def rule(config: Any) -> str | None:
        return "they do not go together" if config.model.width % config.model.kernel else None

    space = {"model.width": "choice(15,14)", "model.kernel": "choice(5,7)"}
    seen, notes = build(zoo, rule, space=space)
    assert len(seen) == 4
    said = "2 of 4 combinations cannot be built, such as model.width=15 model.kernel=7: they do not go together"
    assert notes == [said]
    assert build(zoo, rule, "model.width=15,14", "model.kernel=5,7")[1] == notes


def test_the_values_of_conf_do_not_count_where_the_space_lacks_them(zoo: Bench) -> None:
    """The width of conf/ is 8, with which a kernel of 3 would not go."""
    rule = lambda config: "no" if config.model.width % config.model.kernel else None  # noqa: E731
    seen, notes = build(zoo, rule, space={"model.width": "choice(9,15)", "model.kernel": "choice(3)"})
    assert (len(seen), notes) == (2, [])


def test_a_large_product_is_bounded_and_each_option_takes_its_turn(zoo: Bench) -> None:
    space = {"seed": "int(interval(0,9))", "lr": "interval(0.1,1)"}
    space |= {f"+a{number}": "choice(1,2,3)" for number in range(6)}
    seen, notes = build(zoo, lambda _: None, space=space, dry_run=True)
    assert len(seen) <= MOST_BUILT
    assert notes == [f"{len(seen)} of 2,916 combinations were built ahead; others are built in their trials"]
    assert build(zoo, lambda _: None, space=space)[1] == []
    for number in range(6):
        assert {config[f"a{number}"] for config in seen} == {1, 2, 3}
    assert ({config.seed for config in seen}, {config.lr for config in seen}) == ({0, 9}, {0.1, 1.0})

    seeds, rates = ",".join(map(str, range(20))), ",".join(f"0.{k}" for k in range(1, 10))
    seen, notes = build(zoo, lambda _: None, f"seed={seeds}", f"lr={rates}")
    assert notes == [f"{MOST_BUILT} of 180 combinations were built ahead; others are built in their trials"]
    assert (len({config.seed for config in seen}), len({config.lr for config in seen})) == (20, 9)


def test_the_studies_of_a_command_share_the_bound(zoo: Bench) -> None:
    space = {"lr": "interval(0.1,1)", **{f"+a{number}": "choice(1,2)" for number in range(8)}}
    seen, _ = build(zoo, lambda _: None, "seed=0,1,2,3", space=space)
    assert len(seen) <= MOST_BUILT
    assert {config.seed for config in seen} == {0, 1, 2, 3}


def test_what_the_task_did_not_come_to_is_not_judged(zoo: Bench) -> None:
    bench = replace(zoo, facts=replace(zoo.facts, build=lambda configs: [even(configs[0])]))
    plans = bench.plans("model.width=5,4", "seed=0,1")
    notes = build_ahead(plans, composer=bench.loaded.composer, facts=bench.facts)
    assert notes == ["1 of 4 combinations were built ahead; others are built in their trials"]


def pid_and(argument: int) -> tuple[int, int]:
    return os.getpid(), argument


def end(_: Any) -> None:
    os._exit(1)


def end_and_leave_a_child(note: str) -> None:
    child = os.fork()
    if child:
        Path(note).write_text(str(child))
        os._exit(1)
    signal.pause()


@pytest.mark.slow
def test_a_function_runs_in_a_process_of_the_server_and_what_ends_that_costs_nothing(tmp_path: Path) -> None:
    SERVER.end()  # one that another test of this process has begun stays there for the next
    assert apart(pid_and, 1) == (os.getpid(), 1)
    SERVER.begin([])
    try:
        pid, argument = apart(pid_and, 2)
        assert (pid != os.getpid(), argument) == (True, 2)
        assert apart(end, 0) is None
        assert apart(end_and_leave_a_child, str(tmp_path / "child")) is None
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)  # it lives, with the pipe in its hands
    finally:
        SERVER.leave()
        SERVER.end()
    assert not SERVER.begun


def test_the_folder_of_the_zoo_is_left_as_it_was(zoo: Bench) -> None:
    assert [path.name for path in Path(zoo.directory).iterdir()] == ["conf"]


def test_each_cell_of_a_grid_is_composed_once_before_its_trial(zoo: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[tuple[str, ...]] = []

    def compose(self: Composer, overrides: Any, **place: Any) -> Any:
        composed.append(tuple(overrides))
        return original(self, overrides, **place)

    plan, original, composer = zoo.plan("seed=0,1,2", "lr=0.1,0.2"), Composer.compose, zoo.loaded.composer
    monkeypatch.setattr(Composer, "compose", compose)
    facts = TaskFacts(build=lambda configs: [None for _ in configs], ready=lambda *_: None)
    preflight(plan, composer=composer, facts=facts)
    build_ahead([plan], composer=composer, facts=facts)
    make_ready([plan], composer=composer, facts=facts, dry_run=False)
    assert sorted(composed) == sorted(plan.cells)
