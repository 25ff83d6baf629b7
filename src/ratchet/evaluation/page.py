"""The page that `dvc plots show` fills: it carries its drawing library, so that it draws without a network.

DVC's own page fetches Vega from the net; `dvc config plots.html_template` takes another one. It is made where it is
needed: it is no file of this project.
"""

from __future__ import annotations

from pathlib import Path

from ratchet.pages import render

_TEMPLATE = Path(__file__).with_name("plots.html")


def write_page(path: Path, *, cache: Path) -> None:
    """Write the page with DVC's placeholders, about 0.9 MB. The library is kept in the folder `cache`."""
    path.write_text(render(_TEMPLATE, cache=cache), encoding="utf-8")
