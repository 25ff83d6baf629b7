"""Pages of HTML that need nothing beside them: the skeleton, its style by day and night, the engine that draws.

The engine is Vega-Lite from the package vl-convert-python; a chart is a specification of it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ratchet.files import write_atomically

VEGA_LITE = "6.4"  # takes the specifications of version 5 that DVC writes
_PARTS = Path(__file__).parent


def render(template: Path, *, cache: Path | None, own: str = "", **content: Any) -> str:
    """The page of a Jinja template, which extends page.html; about 0.9 MB and what `content` adds.

    All text is escaped, and a browser runs no script of the page but the engine and `own`. cache: a folder that
    keeps the engine.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([template.parent, _PARTS]), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    engine = script(cache) + own
    allowed = base64.b64encode(hashlib.sha256(engine.encode()).digest()).decode()
    return environment.get_template(template.name).render(style=style(), script=engine, allowed=allowed, **content)


def style() -> str:
    """Return the style sheet that all pages share."""
    return (_PARTS / "page.css").read_text(encoding="utf-8")


def script(cache: Path | None) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines `vegaEmbed`, in the colours of style()."""
    return _vega(cache) + "\n" + (_PARTS / "charts.js").read_text(encoding="utf-8")


def _vega(cache: Path | None) -> str:
    kept = cache and cache / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    if kept and kept.is_file():
        return kept.read_text(encoding="utf-8")
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, _bundle().encode())
    return _bundle()


@lru_cache(1)
def _bundle() -> str:
    """It takes seconds."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE))
