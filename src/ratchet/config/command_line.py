"""The command line of train.py, taken apart: Hydra's flags, settings, and the run to resume."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ratchet.compat.hydra import argument_parser
from ratchet.config.hints import OverrideError, named, to_type, unquoted
from ratchet.errors import ConfigError
from ratchet.names import nearest

_MODES = ("run", "multirun", "cfg", "info", "shell_completion")
_OTHER_CONFIG = ("config_name", "config_path", "config_dir", "experimental_rerun")
_PRINTS = ("help", "hydra_help", "cfg", "info", "shell_completion")


@dataclass(frozen=True)
class CommandLine:
    """What was typed after train.py."""

    flags: tuple[str, ...]  # Hydra's, with their values, in a form that needs no order
    typed: tuple[str, ...]  # key=value, in order
    resume: str | None
    multirun: bool
    prints: bool  # it shows something instead of training
    bare: bool  # it is about Hydra itself or tab completion: params.yaml has no part in it
    other_config: bool  # it names a primary config of its own

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> CommandLine:
        """Raises ConfigError for an unknown flag, flags that exclude each other, and `resume=` of nothing."""
        parser = argument_parser()
        parser.error = lambda message: _refuse(message, parser)  # type: ignore[method-assign]
        given = {name: value for name, value in vars(parser.parse_intermixed_args(list(arguments))).items() if value}
        overrides: list[str] = given.pop("overrides", [])
        modes = [_typed(name, given[name]) for name in _MODES if name in given]
        if len(modes) > 1:
            flags = [mode.partition("=")[0] for mode in modes]
            raise OverrideError(f"{' and '.join(flags)} exclude each other; allowed: one of them", instead=[modes[:1]])
        if "resolve" in given and not {"cfg", "help"} & given.keys():
            instead = [["--cfg", "job", "--resolve"]]
            raise OverrideError("--resolve is for what is printed; allowed: with --cfg", instead=instead)
        multirun = "multirun" in given or "hydra.mode=MULTIRUN" in overrides
        return cls(
            flags=tuple(_typed(name, value) for name, value in given.items()),
            typed=tuple(item for item in overrides if not item.startswith("resume=")),
            resume=_resume(overrides, multirun=multirun),
            multirun=multirun,
            prints=any(name in given for name in _PRINTS),
            bare=bool({"hydra_help", "shell_completion"} & given.keys()),
            other_config=any(name in given for name in _OTHER_CONFIG),
        )


def is_for_a_sweep(text: str) -> bool:
    """Whether an override says what to search, not what to train."""
    return text.lstrip("+").startswith(("sweep=", "sweep.", "sweep/"))


def _typed(name: str, value: Any) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag}={value}"


def _resume(overrides: Sequence[str], *, multirun: bool) -> str | None:
    given = [unquoted(item.removeprefix("resume=")) for item in overrides if item.startswith("resume=")]
    if not given:
        return None
    if not given[-1]:
        raise ConfigError("resume= names no run; allowed: a run directory; type: find runs -name run.json, to see them")
    if multirun:
        said = "resume= goes on with one run, -m starts many; allowed: one of them"
        raise OverrideError(said, otherwise=f"type: {to_type('python', 'src/train.py', named('resume', given[-1]))}")
    return given[-1]


def _refuse(message: str, parser: ArgumentParser) -> NoReturn:
    """Argparse would print its whole usage and exit."""
    actions: list[Any] = parser._actions
    known = [option for action in actions for option in action.option_strings if option.startswith("--")]
    if "unrecognized arguments" in message:
        got = message.partition(": ")[2].split()[0]
        close = nearest(got.partition("=")[0], [*known, "--debug"])
        meant = _with_a_value(close[0], got.partition("=")[2], actions) if close else ["--help"]
        raise ConfigError(
            f"{got}: there is no such flag; {f'nearest: {close[0]}; ' if close else ''}allowed: --help, "
            f"--debug, --multirun (-m), --cfg job, --hydra-help; type: {to_type(*meant)}"
        )
    raise ConfigError(f"{message}; type: python src/train.py --hydra-help")


def _with_a_value(flag: str, value: str, actions: Sequence[Any]) -> list[str]:
    """A flag with the value that was typed, or with an example, where it needs one."""
    action = next((each for each in actions if flag in each.option_strings), None)
    if action is None or action.nargs in {0, "?"}:
        return [flag]
    if action.choices:
        return [flag, value if value in action.choices else next(iter(action.choices))]
    return [f"{flag}={value}"] if value else ["--help"]
