"""The page that `dvc plots show` fills: it carries its drawing library, so that it draws without a network.

DVC's own page fetches Vega from the net; `dvc config plots.html_template` takes another one. Here Vega comes
from the package vl-convert-python, and the page is made where it is needed: it is no file of this project.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from ratchet.files import write_atomically

VEGA_LITE = "5.21"  # the newest of version 5, which DVC's templates are written for

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<script>%(vega)s</script>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 24px; color: #222; background: #fff;
       display: flex; flex-wrap: wrap; gap: 24px; align-items: flex-start; }
body > div { border: 1px solid #ddd !important; border-radius: 6px; padding: 12px; overflow: auto;
             max-width: 100%%; white-space: normal !important; }
img { max-width: 100%%; height: auto; }
</style>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def write_page(path: Path, *, cache: Path) -> None:
    """Write the page with DVC's placeholders, about 0.9 MB. The library is kept in the folder `cache`."""
    path.write_text(PAGE % {"vega": _vega(cache)}, encoding="utf-8")


def _vega(cache: Path) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines `vegaEmbed`."""
    import vl_convert

    kept = cache / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    if not kept.is_file():  # bundling takes seconds
        kept.parent.mkdir(parents=True, exist_ok=True)
        script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
        write_atomically(kept, script.encode())
    return kept.read_text(encoding="utf-8")
