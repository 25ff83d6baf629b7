"""Each private part of another library that Ratchet uses is there, and does what it is used for.

A failure here names what a new version took away; src/ratchet/compat says what it was needed for.
"""

from __future__ import annotations

import logging
import multiprocessing
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
import pytorch_lightning as pl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf
from optuna.storages import InMemoryStorage
from pytorch_lightning.plugins.environments import LightningEnvironment

from ratchet.compat import forkserver, hydra, lightning, omegaconf, wandb
from ratchet.compat import optuna as ours
from ratchet.search.storage.journal import Journal, JournalStudies

SOURCE = Path(__file__).parents[2] / "src"
PRIVATE = re.compile(
    r"hydra\._internal|omegaconf\._|optuna\.[\w.]*\._\w|_SubprocessScriptLauncher|_forkserver\b|wandb_setup|"
    r"\._(content|metadata|get_node|set_value|set_parent|storage|study_id|trial_id|forkserver_pid)\b|\"_content\""
)


def test_private_parts_are_used_in_the_room_compat_alone() -> None:
    elsewhere = [
        f"{path.relative_to(SOURCE)}:{number}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.parent.name != "compat"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]
    assert elsewhere == []


def test_hydra_s_flags_are_known() -> None:
    known = {flag for action in hydra.argument_parser()._actions for flag in action.option_strings}
    assert {"--multirun", "--cfg", "--info", "--hydra-help", "--config-name", "--shell-completion"} <= known


def test_a_key_is_escaped_as_the_grammar_reads_it() -> None:
    text = f"x={{{hydra.escaped_key('a b')}:1}}"
    assert OverridesParser.create().parse_override(text).value() == {"a b": 1}


def test_hydra_composes_by_the_loader_that_is_put_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("x: 1\n")
    asked: list[str] = []

    class Loader(hydra.ConfigLoaderImpl):
        def load_configuration(self, *given: Any, **named: Any) -> DictConfig:
            asked.append("load")
            return super().load_configuration(*given, **named)

        def _compose_config_from_defaults_list(self, defaults: Any, repo: Any) -> DictConfig:
            asked.append("compose")
            return super()._compose_config_from_defaults_list(defaults, repo)

        def _parse_overrides_and_create_caching_repo(self, *given: Any) -> Any:
            asked.append("parse")
            return super()._parse_overrides_and_create_caching_repo(*given)

    GlobalHydra.instance().clear()
    with hydra.loading_configs_with(Loader):
        made = Hydra.create_main_hydra2("task", create_config_search_path(str(tmp_path)))
    try:
        config = made.compose_config("config", [], run_mode=None)  # type: ignore[arg-type]
        assert config.x == 1
        assert {"parse", "compose"} <= set(asked)
    finally:
        GlobalHydra.instance().clear()


def test_overrides_of_values_are_applied_to_a_composed_config() -> None:
    config = OmegaConf.create({"a": {"b": 1}})
    OmegaConf.set_struct(config, True)
    hydra.apply_overrides([OverridesParser.create().parse_override("a.b=2")], config)
    assert config.a.b == 2


def test_singletons_are_taken_over() -> None:
    state = hydra.singletons()
    hydra.take_over(state)
    assert hydra.singletons()["instances"].keys() >= state["instances"].keys()
    assert hydra.singletons()["omegaconf_resolvers"] == state["omegaconf_resolvers"]


def test_the_error_of_a_job_is_known_without_being_raised() -> None:
    returned = JobReturn()
    error = ValueError("x")
    returned.return_value, returned.status = error, JobStatus.FAILED
    assert hydra.returned_error(returned) is error


def test_a_text_is_parsed_once_and_each_time_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    load = OmegaConf.load
    monkeypatch.setattr(OmegaConf, "load", lambda file: parsed.append(str(file.name)) or load(file))
    loader = Hydra.create_main_hydra2("test", create_config_search_path(str(tmp_path))).config_loader
    for text, times in (("x: 1\ny: [1]", 1), ("x: 1\ny: [1]", 1), ("x: 2\ny: [1]", 2)):
        (tmp_path / "config.yaml").write_text(text)
        repo = hydra.CachingConfigRepository(loader.repository)
        hydra.parse_once(repo)
        found = repo.load_config("config")
        assert found is not None
        assert (found.config, found.provider) == (OmegaConf.create(text), "main")
        assert parsed.count(str(tmp_path / "config.yaml")) == times
        found.config.y.append(2)


def test_a_job_s_files_are_written_as_hydra_writes_them(tmp_path: Path) -> None:
    hydra.save_config(OmegaConf.create({"x": 1}), "config.yaml", tmp_path / "made")
    assert (tmp_path / "made/config.yaml").read_text() == "x: 1\n"
    logging.getLogger("of a job").info("said")
    hydra.flush_loggers()


def test_a_copied_config_shares_nothing_and_says_the_same() -> None:
    config = OmegaConf.create({"a": {"b": [1, {"c": "${a.d}"}], "d": 3}, "e": None})
    OmegaConf.set_struct(config, True)
    copy = omegaconf.copied(config)
    assert (copy, OmegaConf.is_struct(copy), copy.a.b[1].c) == (config, True, 3)
    copy.a.d = 4
    assert (config.a.d, config.a.b[1].c, copy.a.b[1].c) == (3, 3, 4)


def test_values_are_set_in_their_nodes() -> None:
    config = OmegaConf.create({"a": {"b": 1, "c": "${a.b}"}})
    assert omegaconf.set_number(config, ["a", "b"], 2.5)
    assert not omegaconf.set_number(config, ["a", "x"], 2.5)
    assert not omegaconf.set_number(config, ["a"], 2.5)
    assert omegaconf.raw(config.a, "c") == "${a.b}"
    assert config.a.c == 2.5
    omegaconf.set_raw(config.a, "c", "plain")
    assert config.a.c == "plain"


def test_a_node_is_taken_out_into_a_config_of_its_own() -> None:
    config = OmegaConf.create({"hydra": {"of": "${x}"}, "x": 1})
    whole = omegaconf.taken_out(config, "hydra")
    assert (list(config), whole.hydra.of) == (["x"], 1)
    config.x = 2
    assert whole.hydra.of == 2


def test_a_study_s_storage_and_ids_are_known(tmp_path: Path) -> None:
    study = optuna.create_study(storage=InMemoryStorage())
    trial = study.ask()
    storage = ours.storage_of(study)
    assert storage.get_study_name_from_id(ours.study_id_of(study)) == study.study_name
    assert storage.get_trial(ours.trial_id_of(trial)).number == trial.number == 0
    assert ours.backend_of(study) is None
    (frozen,) = storage.get_all_studies()
    assert ours.study_id_of(ours.study_of_id(frozen, 7)) == 7
    assert ours.trial_id_of(ours.trial_of_id(study.trials[0], 9)) == 9
    journal = Journal(tmp_path / "journal.log")
    assert ours.backend_of(optuna.create_study(storage=JournalStudies(journal))) is journal


def test_what_the_journal_extends_has_the_parts_that_it_uses(tmp_path: Path) -> None:
    """search/storage/journal.py extends Optuna's journal, whose parts are not public."""
    storage = JournalStudies(Journal(tmp_path / "journal.log"))
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({})
    read = storage._replay_result
    assert read.log_number_read == len((tmp_path / "journal.log").read_text().splitlines())
    assert len(read._trials) == len(study.trials) == 1
    assert read._trial_id_to_study_id == {0: 0}
    assert read._next_study_id == 1
    assert storage._backend._file_path == str(tmp_path / "journal.log")  # type: ignore[attr-defined]


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="there is no fork")
def test_the_fork_server_is_seen_and_ended() -> None:
    code = (
        "from ratchet.compat import forkserver as it; it.begin_tracker(); it.begin(['json']); "
        "first = it.probe(); first.poll(60); pid = it.process_id(); it.end(); "
        "assert pid and it.process_id() is None; it.begin([]); it.probe().poll(60); it.end(); print('ended')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "ended\n"
    assert callable(forkserver.kill)


def test_a_strategy_starts_its_ranks_by_the_launcher_that_is_named() -> None:
    class Launcher(lightning.SubprocessScriptLauncher):
        pass

    class Strategy(lightning.LaunchedDDPStrategy):
        launched_by = Launcher

    strategy = Strategy(cluster_environment=LightningEnvironment())
    strategy._configure_launcher()
    assert isinstance(strategy.launcher, Launcher)


def test_w_and_b_s_process_is_found_without_importing_it() -> None:
    from wandb.sdk import wandb_setup
    from wandb.sdk.lib.service import service_connection, service_process

    code = "import sys; from ratchet.compat.wandb import service_process as it; print(it(), 'wandb' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None False\n"
    assert callable(wandb.service_process)
    assert hasattr(wandb_setup, "singleton")
    assert "_proc" in Path(service_connection.__file__).read_text(encoding="utf-8")
    assert "_process" in Path(service_process.__file__).read_text(encoding="utf-8")


def test_lightning_has_what_a_resumed_run_is_put_right_by() -> None:
    trainer = pl.Trainer(max_steps=3, max_epochs=9, logger=False, accelerator="cpu", plugins=[LightningEnvironment()])
    assert trainer.fit_loop._iteration_based_training()
    lightning.resume_after_epochs(trainer)
    trainer.fit_loop.restarting = True
    assert not trainer.fit_loop.restarting  # no epoch is unfinished
    assert lightning.epochs_begun(trainer) == 0
    assert trainer.fit_loop._data_fetcher is None  # until there is a loader
