from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from dvc_render import ImageRenderer, VegaRenderer
from dvc_render.html import render_html

from ratchet.evaluation.page import write_page
from ratchet.evaluation.plots import write_table

TEMPLATES = Path(__file__).resolve().parents[2] / ".dvc" / "plots"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_page(folder / "page.html", cache=folder / "cache")
    return folder / "page.html"


def test_dvc_fills_a_page_that_asks_the_network_for_nothing(page, tmp_path):
    line = VegaRenderer([{"epoch": "0", "loss": "1", "rev": "workspace"}], "loss.csv", x="epoch", y="loss")
    picture = ImageRenderer([{"rev": "workspace", "src": "static/mistakes.png"}], "mistakes.png")
    html = Path(render_html([line, picture], tmp_path / "index.html", html_template=page)).read_text()
    assert "vegaEmbed('#loss_csv', spec)" in html
    assert 'src="static/mistakes.png"' in html
    assert 'src="http' not in html
    assert "cdn.jsdelivr.net" not in html
    assert "window.vegaEmbed=" in html
    for placeholder in ("{plot_divs}", "{refresh_tag}", "{scripts}"):
        assert placeholder not in html


def test_the_library_ends_no_script_early(page):
    assert page.read_text().count("</script>") == 1


def test_the_library_is_bundled_once(page, tmp_path, monkeypatch):
    import vl_convert

    monkeypatch.delattr(vl_convert, "javascript_bundle")
    write_page(tmp_path / "again.html", cache=page.parent / "cache")
    assert (tmp_path / "again.html").read_bytes() == page.read_bytes()


TABLES = {
    "ratchet_confusion": ("predicted", "actual", "confusion"),
    "ratchet_reliability": ("confidence", "accuracy", "reliability"),
}


@pytest.mark.parametrize("template", TABLES)
def test_the_templates_of_the_project_fit_the_tables(draw, tmp_path, template):
    """Every field that a template draws is a column of the table that evaluate writes, and Vega-Lite takes it."""
    import vl_convert

    x, y, name = TABLES[template]
    header, rows = draw(100).plots()[name]
    write_table(tmp_path / "table.csv", header=header, rows=rows)
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = [{**row, "rev": "workspace"} for row in csv.DictReader(file)]
    renderer = VegaRenderer(rows, "table.csv", template=template, template_dir=str(TEMPLATES), x=x, y=y, title="t")
    filled = renderer.get_filled_template()
    assert "<DVC_METRIC" not in json.dumps(filled)
    assert fields(filled) <= {*rows[0], "even"}  # even: the diagonal's own two points
    assert vl_convert.vegalite_to_svg(filled).startswith("<svg")


def fields(spec: object) -> set[str]:
    if isinstance(spec, list):
        return set().union(*(fields(one) for one in spec))
    if not isinstance(spec, dict):
        return set()
    own = {spec["field"]} if isinstance(spec.get("field"), str) else set()
    return own.union(*(fields(value) for key, value in spec.items() if key != "values"))
