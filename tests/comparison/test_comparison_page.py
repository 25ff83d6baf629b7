"""The page in a browser: opened, sorted, filtered, compared, curves chosen; by mouse and keys, on a phone, in the dark.

A headless Chromium without network. What a chart shows is counted in its lines of a colour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from comparison.browser import CHROMIUM, Browser
from made_runs import make_run, make_study
from ratchet.comparison.gather import Run, gather
from ratchet.comparison.importance import importances
from ratchet.comparison.page import payload, wandb_address, write_page
from ratchet.comparison.tables import tables_of
from ratchet.project import Project

pytestmark = pytest.mark.slow

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here to open the page in")
HERE = "[...document.querySelectorAll('article')].find(each => each.offsetParent)"
COLOURED = """(() => { const hex = getComputedStyle(document.documentElement).getPropertyValue('--c0').trim();
  return document.querySelectorAll(`%s [stroke="${hex}"][stroke-width="1.8"]`).length; })()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory, engine: Path) -> Path:
    """A page of a search of 60 trials, five seeds of two models, a failure with a nasty message; another data set."""
    root = tmp_path_factory.mktemp("study")
    make_study(root / "runs", "search", 60)
    for seed in range(5):
        make_run(root / f"runs/cnn{seed}", accuracy=0.99 + seed / 1000, seed=seed, seconds=10 + seed)
        make_run(root / f"runs/mlp{seed}", accuracy=0.70 + seed / 2000, seed=seed, model="mlp")
    message = "</script><script>document.title='taken'</script><b>x"
    make_run(root / "runs/bad", model="gru", status="failed", error={"class": "exception", "message": message})
    online = {"mode": "online", "entity": "us", "wandb_id": "abc"}
    make_run(root / "runs/online", config={"data.name": "digits"}, data_hash="e" * 64, **online)
    return page_of(root, engine)


@pytest.fixture(scope="session")
def engine(tmp_path_factory) -> Path:
    """The folder that keeps what draws: it is bundled once."""
    return tmp_path_factory.mktemp("engine")


def page_of(root: Path, engine: Path) -> Path:
    runs = gather(Project(root), [root / "runs"]).runs
    page = root / "page.html"
    write_page(tables_of(runs, metric=None, direction=None, group_by=()), page, cache=engine)
    return page


@pytest.fixture
def opened(browser: Browser, study: Path) -> Iterator[Browser]:
    browser.complaints.clear()
    browser.requests.clear()
    browser.screen(1200)
    browser.open(study)
    yield browser
    assert browser.complaints == []
    assert {address.partition(":")[0] for address in browser.requests} <= {"file", "data"}


def column(browser: Browser, title: str) -> list[str]:
    """What stands below a title of the runs' table, in the lines that are shown."""
    script = """(() => { const heads = [...document.querySelectorAll('.runs th')].map(h => h.textContent);
      const k = heads.indexOf(%s), lines = [...document.querySelectorAll('.runs tbody tr')].filter(l => l.offsetParent);
      return lines.map(line => line.cells[k].textContent.trim()); })()"""
    return browser.js(script % json.dumps(title))


def count(browser: Browser) -> str:
    return browser.js(f"{HERE}.querySelector('.count').textContent")


def draw(browser: Browser, selector: str) -> None:
    """Scroll to a chart and wait for it."""
    browser.js(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
    script = """(async () => { for (let k = 0; k < 400; k++) { const place = document.querySelector(%s);
      if (place.querySelector('svg, canvas')) return; await new Promise(done => setTimeout(done, 20)); }
      throw Error('it is not drawn'); })()"""
    browser.js(script % json.dumps(selector))
    browser.frames()


def on_a_mark(browser: Browser, selector: str, mark: str, number: int = 0) -> tuple[float, float]:
    """Where in the window the middle of a line or a point is."""
    script = """(() => { const p = [...document.querySelector(%s).querySelectorAll(%s)][%d], m = p.getScreenCTM();
      const length = p.getTotalLength();
      const q = length > 30 ? p.getPointAtLength(length * .8) : new DOMPoint(0, 0);
      return [q.x * m.a + m.e, q.y * m.d + m.f]; })()"""
    x, y = browser.js(script % (json.dumps(selector), json.dumps(mark), number))
    return x, y


def point_at(browser: Browser, selector: str, mark: str, number: int = 0) -> str:
    """Move to a mark. Returns what the tooltip says."""
    for step in range(40):  # what the first move draws is drawn again below the pointer
        x, y = on_a_mark(browser, selector, mark, number)
        move(browser, x + step % 2, y)
        tip = browser.js("document.querySelector('#vg-tooltip-element.visible')?.innerText.replace(/\\s+/g, ' ')")
        if tip:
            return tip
    raise AssertionError("no tooltip")


def move(browser: Browser, x: float, y: float, kind: str = "mouseMoved", **more: Any) -> None:
    browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)
    browser.frames()


def drag(browser: Browser, begin: tuple[float, float], end: tuple[float, float]) -> None:
    move(browser, *begin, "mousePressed", button="left", clickCount=1)
    for share in (0.3, 0.7, 1.0):
        x, y = (a + share * (b - a) for a, b in zip(begin, end, strict=True))
        move(browser, x, y, button="left", buttons=1)
    move(browser, *end, "mouseReleased", button="left", clickCount=1)


@in_browser
def test_it_opens_and_says_which_is_better(opened: Browser):
    text = opened.js("document.body.innerText")
    assert "mlp" in opened.js("document.querySelector('.judged').innerText")
    assert "cnn is better than the rows that were not chosen by their values" in text
    assert re.search(r"best of 58, (9 pruned, 2 failed|2 failed, 9 pruned)", text)
    assert opened.js("document.title") == "Comparison"  # what a message says is no script
    assert count(opened) == "71 of 71 runs."


@in_browser
def test_columns_sort_by_mouse_and_by_key(opened: Browser):
    values = [float(value) for value in column(opened, "validation/accuracy") if value != "–"]
    assert values == sorted(values, reverse=True)
    opened.js("[...document.querySelectorAll('.runs th button')].find(b => b.textContent === 'Time').id = 'time'")
    opened.click("#time")
    assert opened.js("document.querySelector('.runs th[aria-sort=descending]').textContent") == "Time"
    opened.press("Enter")  # the button kept the focus
    assert opened.js("document.querySelector('.runs th[aria-sort=ascending]').textContent") == "Time"
    texts = [text.split() for text in column(opened, "Time") if text != "–"]
    seconds = [float(number) * {"s": 1, "min": 60}[unit] for number, unit in texts]
    assert seconds == sorted(seconds)
    opened.click(".judged th:nth-child(2) button")
    assert opened.js("document.querySelector('.judged th[aria-sort=descending]').textContent") == "Mean"


@in_browser
def test_filters_apply_to_table_and_charts(opened: Browser):
    draw(opened, ".curves .chart")
    assert opened.js(COLOURED % ".curves figure:first-child") == 5  # the seeds of the first row
    opened.fill("article input[name=text]", "mlp SEED")
    assert count(opened) == "5 of 71 runs."
    assert {name.split(",")[0] for name in column(opened, "Row")} == {"mlp"}
    assert opened.js(COLOURED % ".curves figure:first-child") == 0
    opened.click("article button[type=reset]")
    opened.choose("article select[name=status]", "failed")
    assert count(opened) == "3 of 71 runs."
    assert sorted(column(opened, "Failure")) == ["exception", "non-finite loss", "non-finite loss"]
    opened.click("article button[type=reset]")
    opened.fill("article input[name=least]", "0.99")
    assert count(opened) == "5 of 71 runs."
    opened.fill("article input[name=text]", "nothing like it")
    assert count(opened) == "0 of 71 runs."


@in_browser
def test_chosen_runs_have_coloured_curves_and_their_differences(opened: Browser):
    draw(opened, ".curves .chart")
    opened.click(".runs tbody tr:nth-child(1) input")
    opened.fill("article input[name=text]", "runs/mlp4")
    opened.js(
        "[...document.querySelectorAll('.runs tbody tr')].find(l => l.offsetParent).querySelector('input').focus()"
    )
    opened.press("Space")
    opened.click("article button[type=reset]")
    chips = "[...document.querySelectorAll('.legend button')].slice(0, 4).map(b => b.textContent)"
    assert opened.js(chips) == ["cnn, seed 4", "mlp, seed 4", "69 others", "Choose none"]
    assert opened.js(COLOURED % ".curves figure:first-child") == 1
    lines = "[...document.querySelectorAll('.difference tr')].map(r => [...r.cells].map(c => c.textContent))"
    rows = opened.js(lines)
    assert rows[0] == ["", "cnn, seed 4", "mlp, seed 4"]
    assert rows[1] == ["validation/accuracy", "0.9940", "0.7020"]
    assert ["model.name", "cnn", "mlp"] in rows
    assert {"seed", "optimizer.lr", "code"}.isdisjoint(row[0] for row in rows)  # they are the same
    opened.click(".runs tbody tr:nth-child(2) input")
    assert ["seed", "4", "4", "3"] in opened.js(lines)
    opened.click(".legend .none")
    assert opened.js(COLOURED % ".curves figure:first-child") == 5


@in_browser
def test_the_legend_hides_and_shows_the_runs_of_a_colour(opened: Browser):
    draw(opened, ".curves .chart")
    opened.click(".legend button")
    assert opened.js("document.querySelector('.legend button').ariaPressed") == "false"
    assert opened.js(COLOURED % ".curves figure:first-child") == 0
    assert count(opened) == "71 of 71 runs."
    opened.click(".legend button")
    assert opened.js(COLOURED % ".curves figure:first-child") == 5


@in_browser
def test_the_pointer_on_a_curve_a_point_or_a_row_shows_the_run(opened: Browser):
    thick = "document.querySelectorAll('.curves figure:first-child [stroke-width=\"3.2\"]').length"
    opened.fill("article input[name=text]", "runs/cnn4")
    opened.choose("article select[name=status]", "completed")
    draw(opened, ".curves .chart")
    assert opened.js(thick) == 0
    row = "[...document.querySelectorAll('.runs tbody tr')].findIndex(l => l.offsetParent) + 1"
    opened.hover(f".runs tbody tr:nth-child({opened.js(row)})")
    assert opened.js(thick) == 1
    draw(opened, ".curves .chart")
    tip = point_at(opened, ".curves .chart", "[stroke-width='9']")
    assert tip.startswith("cnn, seed 4 validation/accuracy 0.9940 time 14.0 s model.width 32")
    assert opened.js("document.querySelectorAll('tr.hovered').length") == 1
    tip = point_at(opened, ".curves .chart", ".mark-symbol path", 9)
    assert tip.startswith("cnn, seed 4 step 300 value at it 0.91")
    draw(opened, ".slices .chart")
    tip = point_at(opened, ".slices .chart", ".mark-symbol path[opacity='0.9']")
    assert tip.startswith("cnn, seed 4 validation/accuracy 0.9940")


@in_browser
@pytest.mark.parametrize(
    ("chart", "left"), [(".slices .chart", 0.2), pytest.param(".parallel .chart", 0.83, marks=pytest.mark.nightly)]
)
def test_a_box_shows_its_runs_alone_and_a_click_chooses(opened: Browser, chart: str, left: float):
    draw(opened, chart)
    drag(opened, opened.place(chart, left, 0.05), opened.place(chart, 0.97, 0.3))
    values = [float(value) for value in column(opened, "validation/accuracy")]
    assert 0 < len(values) < 60
    assert min(values) > 0.85
    assert count(opened) == f"{len(values)} of 71 runs."
    opened.click("article button[type=reset]")
    assert count(opened) == "71 of 71 runs."
    draw(opened, ".slices .chart")
    where = on_a_mark(opened, ".slices .chart", ".mark-symbol path[opacity='0.9']")
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        move(opened, *where, kind, **({} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}))
    assert opened.js("document.querySelectorAll('.runs input:checked').length") == 1


@in_browser
def test_importances_front_failures_and_the_other_data_set(opened: Browser):
    draw(opened, "[aria-label='What matters'] .chart")
    bars = opened.js("document.querySelector(\"[aria-label='What matters'] .chart\").textContent")
    for key in ("optimizer.lr", "model", "model.width", "model.dropout"):
        assert key in bars
    assert "In time: cnn, seed" in opened.js(
        "document.querySelector(\"[aria-label='Objective against cost']\").innerText"
    )
    kinds = opened.js("[...document.querySelectorAll('.failures summary')].map(s => s.textContent)")
    assert sorted(kinds) == ["exception 1 run", "non-finite loss 2 runs"]
    opened.click(".failures summary")
    link = opened.js("document.querySelector('.failures a').href")
    assert Path(link.removeprefix("file://")).name in {"bad", "11"}
    opened.click("nav a:nth-child(2)")
    assert count(opened) == "1 of 1 runs."
    address = opened.js(f"{HERE}.querySelector('.runs a[rel]').href")
    assert address == "https://wandb.ai/us/ratchet/runs/abc"


@in_browser
def test_a_phone_never_scrolls_sideways_and_can_choose(opened: Browser):
    opened.screen(360, 740, mobile=True)
    draw(opened, ".curves .chart")
    assert opened.js("document.documentElement.scrollWidth") <= 360
    beyond = opened.js(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') && !e.closest('svg') &&"
        " e.getBoundingClientRect().right > 361).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    opened.click(".runs tbody tr input")
    draw(opened, ".curves .chart")
    assert opened.js(COLOURED % ".curves figure:first-child") == 1


@in_browser
def test_a_finger_on_a_chart_scrolls_the_page(opened: Browser):
    opened.screen(400, 740, mobile=True)
    opened.call("Emulation.setTouchEmulationEnabled", enabled=True)
    draw(opened, ".slices .chart")
    x, y = opened.place(".slices .chart")
    before = opened.js("scrollY")
    for step in range(8):
        kind = "touchMove" if step else "touchStart"
        opened.call("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x + 2 * step, "y": y - 15 * step}])
    opened.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    opened.frames()
    opened.call("Emulation.setTouchEmulationEnabled", enabled=False)
    assert opened.js("scrollY") > before
    assert count(opened) == "71 of 71 runs."


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(opened: Browser, scheme: str):
    """WCAG AA: 4.5 to 1 for each text colour on what is behind it."""
    opened.prefer(scheme)
    found = opened.js("""(() => {
      const parse = s => s.match(/[\\d.]+/g).map(Number);
      const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b; };
      const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
      const low = [];
      const words = 'h1,h2,p,td,th,button,label,summary,strong,a,figcaption,li,span,select';
      for (const e of document.querySelectorAll(words)) {
        if (!e.textContent.trim() || e.disabled || !e.getClientRects().length) continue;
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 4.5) low.push([e.outerHTML.slice(0, 90), (a + .05) / (b + .05)]);
      }
      return [low, parse(getComputedStyle(document.body).backgroundColor)[0]]; })()""")
    opened.prefer("light")
    assert found[0] == []
    assert (found[1] < 60) == (scheme == "dark")


@in_browser
@pytest.mark.parametrize("runs", ["one", "none finished"])
def test_one_run_and_none_finished_are_shown(browser: Browser, tmp_path: Path, engine: Path, runs: str):
    status = "completed" if runs == "one" else "failed"
    make_run(tmp_path / "runs/a", status=status, error=None if runs == "one" else {"class": "killed", "message": ""})
    browser.complaints.clear()
    browser.open(page_of(tmp_path, engine))
    assert count(browser) == "1 of 1 runs."
    assert browser.js("document.querySelector('.parallel')") is None
    assert browser.js("document.querySelector('.failures') === null") == (runs == "one")
    if runs == "one":
        draw(browser, ".curves .chart")
    assert "NaN" not in browser.js("document.body.innerText")
    assert "undefined" not in browser.js("document.body.innerText")
    browser.click(".runs tbody tr input")
    assert browser.complaints == []


def other(run: Run, number: int) -> Run:
    """A run much like it."""
    assert run.record is not None
    rate = run.config["optimizer.lr"] * (1 + number / 1e5)
    return replace(
        run,
        record=run.record.model_copy(update={"id": f"{number:08x}"}),
        trial=number,
        config={**run.config, "optimizer.lr": rate},
    )


@in_browser
@pytest.mark.slow
@pytest.mark.parametrize("number", [400, pytest.param(2000, marks=pytest.mark.nightly)])
def test_many_runs_are_sorted_filtered_and_drawn(browser: Browser, tmp_path: Path, engine: Path, number: int):
    make_study(tmp_path / "runs", "search", 50)
    few = [run for run in gather(Project(tmp_path), [tmp_path / "runs"]).runs if run.record is not None]
    many = [other(few[each % len(few)], each) for each in range(number)]  # two thousand files are for the bench
    page = tmp_path / "page.html"
    write_page(tables_of(many, metric=None, direction=None, group_by=()), page, cache=engine)
    assert page.stat().st_size < 5_000_000
    browser.complaints.clear()
    browser.screen(1200)
    browser.open(page)
    assert count(browser) == f"{number:,} of {number:,} runs."
    assert f"at most {20_000 // number} points, evenly taken" in browser.js("document.body.innerText")
    draw(browser, ".curves .chart")
    browser.js("[...document.querySelectorAll('.runs th button')].find(b => b.textContent === 'optimizer.lr').click()")
    rates = [float(text) for text in column(browser, "optimizer.lr")]
    assert rates == sorted(rates, reverse=True)
    browser.choose("article input[name=least]", "0.94")
    assert count(browser).endswith(f"of {number:,} runs.")
    assert not count(browser).startswith(f"{number:,}")
    assert browser.complaints == []


def test_the_page_holds_its_data_and_nothing_that_ends_a_script(tmp_path: Path, engine: Path):
    message = "</script><!-- \u2028 & ]]>"
    make_run(tmp_path / "runs/a", status="failed", error={"class": "x", "message": message})
    make_run(tmp_path / "runs/b", accuracy=float("nan"), seed=1)
    text = page_of(tmp_path, engine).read_text()
    body = text.partition("<main>")[2]
    assert "&lt;/script&gt;&lt;!-- &amp; ]]&gt;" in body
    assert body.count("<script") == body.count("</script>") == body.count('<script type="application/json"')
    assert "<!--" not in body
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", body)


def test_names_that_are_markup_or_code_stay_words(tmp_path: Path, engine: Path):
    name = "</script><img src=x onerror=alert(1)>'\"${1}"
    for seed in (0, 1):
        make_run(tmp_path / f"runs/a{seed}", seed=seed, config={"model.name": name, "model.width": "constructor"})
        make_run(tmp_path / f"runs/b{seed}", seed=seed, config={"model.width": "__proto__"})
    body = page_of(tmp_path, engine).read_text().partition("<main>")[2]
    assert "<img" not in body
    assert all(json.loads(found) for found in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', body))


def test_the_same_runs_make_the_same_page(tmp_path: Path, engine: Path):
    make_study(tmp_path / "runs", "search", 20)
    first = page_of(tmp_path, engine).read_bytes()
    assert page_of(tmp_path, engine).read_bytes() == first


def test_settings_that_are_the_same_in_all_runs_are_left_out(tmp_path: Path):
    make_study(tmp_path / "runs", "search", 30)
    runs = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    [found] = payload(tables_of(runs, metric=None, direction=None, group_by=()), tmp_path)["tables"]
    assert {title for title, _ in found["titles"]} == {"optimizer.lr", "model.width", "model.dropout"}
    assert len(found["slices"]) == 3
    assert {"seed", "model.name"}.isdisjoint(found["changing"])


def test_importances_find_what_was_varied_and_need_enough_runs(tmp_path: Path):
    make_study(tmp_path / "runs", "search", 80)
    runs = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    (whole,) = tables_of(runs, metric=None, direction=None, group_by=())
    shares = importances(whole)
    assert next(iter(shares)) == "optimizer.lr"
    assert sum(shares.values()) == pytest.approx(1)
    (few,) = tables_of(runs[:8], metric=None, direction=None, group_by=())
    assert importances(few) == {}


def test_equal_importances_stand_in_the_order_of_the_config(tmp_path: Path):
    for k in range(12):
        both = {"model.depth": k % 2 + 3, "model.width": k % 2 + 30, "model.dropout": k % 2 / 2}
        make_run(tmp_path / f"runs/{k}", accuracy=0.8 + k / 100, seed=k, config=both)
    (table,) = tables_of(gather(Project(tmp_path), [tmp_path / "runs"]).runs, metric=None, direction=None, group_by=())
    assert list(importances(table)) == ["model.depth", "model.width", "model.dropout"]


def test_only_what_was_online_under_a_known_entity_has_an_address(tmp_path: Path):
    make_run(tmp_path / "runs/a", mode="online", entity=None, wandb_id="x")
    make_run(tmp_path / "runs/b", mode="offline", entity="us", wandb_id="x")
    assert [wandb_address(run) for run in gather(Project(tmp_path), [tmp_path / "runs"]).runs] == [None, None]


def test_curves_are_thinned(tmp_path: Path):
    make_run(tmp_path / "runs/a", epochs=1000)
    make_run(tmp_path / "runs/b", epochs=1000, seed=1)
    runs = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    [table] = payload(tables_of(runs, metric=None, direction=None, group_by=()), tmp_path)["tables"]
    for run in table["runs"]:
        assert len(run["x0"]) == len(run["y0"]) == table["points"] == 80
        assert (run["x0"][0], run["x0"][-1]) == (30, 30_000)
