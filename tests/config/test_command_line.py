"""The command line of train.py: flags in any place, params.yaml never between them."""

from __future__ import annotations

import pytest

from ratchet.config.command_line import CommandLine
from ratchet.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "flags", "typed"),
    [
        ("model=cnn", [], ["model=cnn"]),
        ("-m model=cnn,gru seed=1", ["--multirun"], ["model=cnn,gru", "seed=1"]),
        ("model=cnn --multirun seed=1", ["--multirun"], ["model=cnn", "seed=1"]),
        ("model=cnn --cfg job seed=1", ["--cfg=job"], ["model=cnn", "seed=1"]),
        ("-c job -p model model=gru", ["--cfg=job", "--package=model"], ["model=gru"]),
        ("-cn other seed=1 -cp conf seed=2", ["--config-path=conf", "--config-name=other"], ["seed=1", "seed=2"]),
        ("-cd more seed=1", ["--config-dir=more"], ["seed=1"]),
        ("--info defaults seed=1", ["--info=defaults"], ["seed=1"]),
        ("seed=1 --info", ["--info=all"], ["seed=1"]),
        ("seed=1 -h", ["--help"], ["seed=1"]),
        ("-sc query=bash", ["--shell-completion"], ["query=bash"]),
        ("--package seed seed=1 --cfg job", ["--cfg=job", "--package=seed"], ["seed=1"]),
    ],
)
def test_flags_keep_their_values_and_settings_their_order(arguments, flags, typed):
    line = CommandLine.parse(arguments.split())
    assert (list(line.flags), list(line.typed)) == (flags, typed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--multrun model=cnn", "--multrun: there is no such flag; nearest: --multirun; allowed: --help, --debug"),
        ("--frobnicate", "--frobnicate: there is no such flag; allowed: --help"),
        ("-x", "-x: there is no such flag"),
        ("--cfg jobs", "invalid choice: 'jobs'"),
        ("--info nothing", "invalid choice: 'nothing'"),
        ("--config-name", "expected one argument"),
        ("--run -m", "--run and --multirun exclude each other; allowed: one of them; type: --run"),
        ("-m --cfg job", "--multirun and --cfg exclude each other"),
        ("--resolve", "type: --cfg job --resolve"),
        ("resume=", "resume= names no run; allowed: a run directory; type: find runs -name run.json, to see them"),
        ("-m resume=runs/a", "resume= goes on with one run, -m starts many"),
        ("hydra.mode=MULTIRUN resume=runs/a", "resume= goes on with one run, -m starts many"),
    ],
)
def test_a_mistaken_flag_is_said_in_one_line(arguments, said, capsys):
    with pytest.raises(ConfigError) as caught:
        CommandLine.parse(arguments.split())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr() == ("", "")
