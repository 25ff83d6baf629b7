"""What every section of a config has in common: unknown keys, wrong types and numbers that are none are refused.

Sections mirror conf/: one class for one config group. Values are plain scalars, lists and dicts, so that a
config fits into config.lock.yaml, run.json and a checkpoint alike.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
)

Fraction = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


def _is_a_file_name(name: str) -> str:
    if not name.strip(". ") or len(name.encode()) > LONGEST_NAME or re.search(r"[/\\\x00-\x1f\x7f]", name):
        raise ValueError(name)
    return name


LONGEST_NAME = 120  # bytes; what is added to it must fit into a file system's 255
FileName = Annotated[
    str,
    AfterValidator(_is_a_file_name),
    Field(json_schema_extra={"words": f"a file's name, without / and of at most {LONGEST_NAME} bytes"}),
]


class Section(BaseModel):
    """A part of the config. Unknown keys, wrong types, NaN and infinity are refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        populate_by_name=True,
        protected_namespaces=(),
    )


class WithArguments(Section):
    """A section that names a class by `_target_`, and beside its own keys has the keyword arguments of that class."""

    model_config = ConfigDict(extra="allow")

    @property
    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that are no keys of the section's own."""
        return dict(self.model_extra or {})
