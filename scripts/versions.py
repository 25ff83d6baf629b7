"""Print requirements, for pip -r: the oldest or newest versions that pyproject.toml allows, or what is to come next."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
NEXT = ["hydra-core>=1.4.0rc3,<1.5", "omegaconf>=2.4.1rc1,<2.5"]  # published before their release


def requirements(which: str) -> list[str]:
    """A line for each direct dependency: `oldest` its lower bound, `newest` as it is, `next` with what is to come."""
    with PYPROJECT.open("rb") as stream:
        project = tomllib.load(stream)["project"]
    wanted: list[str] = [*project["dependencies"], *project["optional-dependencies"]["project"]]
    if which == "oldest":
        return [re.sub(r">=([^,]+).*", r"==\1", each) for each in wanted]
    return [*wanted, *(NEXT if which == "next" else [])]


if __name__ == "__main__":
    if sys.argv[1:] not in (["oldest"], ["newest"], ["next"]):
        sys.exit("type: python scripts/versions.py oldest (or newest, or next)")
    print("\n".join(requirements(sys.argv[1])))
