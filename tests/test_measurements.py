"""scripts/accuracy_table.py and bench/ measure what conf/ says: params.yaml, somebody's choice, has no part in it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from ratchet.config.composition import load_config
from ratchet.config.schema import Config
from ratchet.project import Project

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def chosen(project: Project) -> Project:
    """A project whose params.yaml says other things than conf/."""
    project.params.write_text(
        "seed: 9\noverrides: {optimizer: {lr: 0.5}, trainer: {batch_size: 7}}\n", encoding="utf-8"
    )
    return project


def load(path: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, REPOSITORY / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """bench/search.py, which imports its neighbours."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench"))
    return load("bench/search.py", monkeypatch)


def composed(project: Project, arguments: list[str]) -> Config:
    """The config of a command line, without what only Hydra and evaluate read."""
    return load_config(project, [each for each in arguments if not each.startswith(("hydra.", "run="))])


def is_of_conf_alone(config: Config) -> bool:
    return (config.seed, config.optimizer.lr) == (0, 0.003) and config.trainer.batch_size == 100


def test_the_table_trains_what_conf_says(chosen, monkeypatch):
    script = load("scripts/accuracy_table.py", monkeypatch)
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(script, "table", lambda *_: ["a table"])
    monkeypatch.setattr(script, "RECIPES", script.RECIPES[:1])
    monkeypatch.setattr(script, "TABLES", [])
    monkeypatch.setattr(sys, "argv", ["accuracy_table.py"])
    script.main()
    assert [Path(command[1]).stem for command in commands] == ["fetch", "prepare", *["train", "evaluate"] * 5]
    seeds = [command[command.index("model=logistic") + 1] for command in commands if "train" in command[1]]
    assert sorted(seeds) == [f"seed={seed}" for seed in range(5)]
    for command in commands:
        config = composed(chosen, [each for each in command[2:] if not each.startswith("seed=")])
        assert is_of_conf_alone(config), command


def test_the_tables_are_trained_by_each_net_and_stand_beside_trees(chosen, monkeypatch):
    script = load("scripts/accuracy_table.py", monkeypatch)
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr(script, "beside_trees", lambda _, recipes: [f"{len(recipes)} rows"])
    monkeypatch.setattr(sys, "argv", ["accuracy_table.py", "concrete"])
    script.main()
    trained = [command for command in commands if "train" in command[1]]
    assert sorted({command[command.index("data=concrete") + 1] for command in trained}) == ["model=mlp", "model=tabm"]
    assert len(trained) == 10
    assert all("objective.metric=validation/r2" in command for command in trained)


def test_the_minutes_of_a_recipe_are_of_a_run_alone_and_go_into_its_row(project, monkeypatch):
    script = load("scripts/accuracy_table.py", monkeypatch)
    page = project.root / "docs/results.md"
    page.parent.mkdir()
    text = "| mnist1d | mlp | 5 | 0.5 |\n| mnist1d | cnn | 98.6 ± 0.3 | 94 | 5.7 |\n| digits | cnn | 94 | 5.7 |\n"
    page.write_text(text, encoding="utf-8")
    running, trained = [], []

    def train(command: list[str], **_: object) -> None:
        assert not running
        trained.append([word for word in command if word.partition("=")[0] in {"data", "model", "seed"}])

    monkeypatch.setattr(subprocess, "run", train)  # and nothing is begun that is not waited for
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: running.append(1))
    timings = iter([{"fit": 19.2, "setup": 60.0}, {"fit": 600.0}])
    monkeypatch.setattr(script.RunRecord, "read", lambda _: SimpleNamespace(timings=next(timings)))
    recipes = [next(recipe for recipe in script.RECIPES if recipe.model == model) for model in ("cnn", "mlp")]
    script.measure_minutes(project, recipes)
    assert trained == [["data=mnist1d", "model=cnn", "seed=0"], ["data=mnist1d", "model=mlp", "seed=0"]]
    said = text.replace("94 | 5.7 |\n| digits", "94 | 0.3 |\n| digits").replace("| 5 | 0.5 |", "| 5 | 10.0 |")
    assert page.read_text(encoding="utf-8") == said


@pytest.mark.parametrize(
    ("bench", "arguments", "wanted"),
    [
        ("training", ["repeats=1"], ["mnist1d", "fashion_mnist"]),
        ("training", ["repeats=1", "data=mnist1d"], ["mnist1d"]),
        ("tracking", ["trials=1", "runs=0"], ["mnist1d"]),
        ("search", ["sweep"], ["mnist1d"]),
        ("search", ["grid", "pruner"], ["mnist1d"]),
        ("search", ["grid"], []),
    ],
)
def test_a_benchmark_prepares_what_it_needs_and_is_missing(project, monkeypatch, bench, arguments, wanted):
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench"))
    module, prepared = load(f"bench/{bench}.py", monkeypatch), []
    environments = sys.modules["environments"]
    monkeypatch.setattr(environments, "prepare_if_missing", lambda config, **_: prepared.append(config.name))
    monkeypatch.setattr(module, "pair", lambda *_, **__: (1.0, 1.0), raising=False)
    monkeypatch.setattr(module, "pairs", lambda *_: [(1.0, 1.0)], raising=False)
    monkeypatch.setattr(
        module, "PARTS", dict.fromkeys(["sweep", "grid", "pruner"], lambda _: "measured"), raising=False
    )
    monkeypatch.setattr(sys, "argv", [bench, *arguments])
    module.main()
    assert prepared == wanted


def test_the_pipelines_memory_is_measured_of_what_conf_says(chosen, monkeypatch):
    bench = load("bench/pipeline.py", monkeypatch)
    commands: list[list[str]] = []
    monkeypatch.setattr(bench, "peak", lambda command, _: commands.append(command) or 1.0)
    bench.peak_megabytes(chosen, "fashion_mnist")
    assert [Path(command[1]).stem for command in commands] == ["fetch", "prepare", "train", "evaluate"]
    for command in commands:
        assert is_of_conf_alone(composed(chosen, command[2:])), command


def test_training_is_timed_of_what_conf_says(chosen, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(REPOSITORY / "bench"))
    bench = load("bench/training.py", monkeypatch)
    configs: list[Config] = []
    monkeypatch.setattr(bench, "bare", lambda config, _: configs.append(config) or 1.0)
    monkeypatch.setattr(bench, "whole", lambda *_: 1.0)
    monkeypatch.setattr(bench, "prepare", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["training.py"])
    bench.main()
    assert {config.data.name for config in configs} == {"mnist1d", "fashion_mnist"}
    assert all(is_of_conf_alone(config) for config in configs)
    assert "1.00" in capsys.readouterr().out


STOPPED = """number,state,failure,metrics/validation/accuracy
0,complete,,0.5
1,fail,interrupted,
2,fail,killed,
3,fail,non-finite loss,
4,pruned,,
5,complete,,0.75
6,fail,config error,
"""


def test_a_search_that_was_stopped_and_went_on_counts_each_configuration_once(search, monkeypatch, tmp_path):
    """Of a trial that was run again its own steps do not count; one that ended before its first validation has none."""

    def leave_a_study(*_: object, folder: Path, **__: object) -> object:
        (folder / "study").mkdir()
        (folder / "study" / "trials.csv").write_text(STOPPED)
        for number, steps in {0: 30, 2: 7, 3: 10, 4: 6, 5: 30}.items():  # 1 was interrupted before it had any
            (folder / "study" / str(number)).mkdir()
            (folder / "study" / str(number) / "metrics.csv").write_text(f"epoch,step\n0,3\n1,{steps}\n")
        return object()

    monkeypatch.setattr(search, "watch", leave_a_study)
    _, best, steps = search.ratchet(4, 30, kept=str(tmp_path))
    assert (best, steps) == (0.75, 30 + 10 + 6 + 30)
