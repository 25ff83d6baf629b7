"""What Hydra, OmegaConf and YAML raise while composing, said in one line."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from hydra.errors import HydraException, MissingConfigException
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from ratchet.config.groups import groups, options
from ratchet.config.hints import OverrideError
from ratchet.errors import ConfigError, first_line
from ratchet.names import nearest, suggestion, to_install
from ratchet.yaml_files import yaml_position

LAUNCHERS = {  # option of hydra/launcher: the extra of pyproject.toml that brings it
    "joblib": "joblib",
    "submitit_local": "submitit",
    "submitit_slurm": "submitit",
    "ray": "ray",
}


def explain(error: BaseException, *, directory: Path) -> ConfigError | None:
    """The line for a mistake in the files of a config directory; None for what is no such mistake."""
    if isinstance(error, MissingConfigException):
        return _missing_config(error, directory)
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        file = Path(mark.name) if mark else directory
        shown = file.relative_to(directory.parent) if file.is_relative_to(directory.parent) else file
        return ConfigError(f"{shown}{yaml_position(error)}; allowed: YAML; mend that line and type the same again")
    if isinstance(error, InterpolationResolutionError):
        key = getattr(error, "full_key", None) or ""
        if unset := re.search(r"Environment variable '(\w+)' not found", str(error)):
            said = f"{key or 'a value'} is of the environment variable {unset[1]}, which is not set; allowed: any text"
            return ConfigError(f"{said}; type: export {unset[1]}=..., then the same again")
        said = f"{key or 'a value'}: {first_line(error)}; allowed: ${{path.of.another.key}}"
        return OverrideError(said, key=key)
    if isinstance(error, HydraException | OmegaConfBaseException):
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
        return OverrideError(first_line(cause).rstrip("."))
    return None


def _missing_config(error: MissingConfigException, directory: Path) -> ConfigError:
    """A defaults list names what is not there; the choices of a command line are looked at before."""
    missing = str(error.missing_cfg_file or "")
    group, _, option = missing.rpartition("/")
    names = [str(name) for name in error.options or (options(directory, group) if group else [])]
    if names:
        best = [*nearest(option, names), *names][0]
        if group == "hydra/launcher" and option in LAUNCHERS:
            return ConfigError(
                f"hydra/launcher={option} is not installed; installed: {', '.join(sorted(names))}; "
                f"type: {to_install(LAUNCHERS[option])}"
            )
        where, write = f"a defaults list in {directory.name}/ names {group}: {option}", f"write there: {group}: {best}"
        if group.startswith("hydra/"):
            where, write = f"{group}={option}", f"type: {group}={best}"
        return ConfigError(f"{where}: there is no such option; {suggestion(option, names)}; {write}")
    return ConfigError(
        f"there is no config {missing!r} in {directory.name}/; {suggestion(missing, ['config', *groups(directory)])}"
    )
