"""The page in a browser: opened, sorted, filtered, compared, curves chosen; by mouse and keys, on a phone, in the dark.

A headless Chromium without network. What a canvas shows is counted in pixels of the colour that a chosen run has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from comparison.browser import CHROMIUM, Browser
from ratchet.comparison.gather import Run, gather
from ratchet.comparison.importance import importances
from ratchet.comparison.page import embedded, payload, wandb_address, write_page
from ratchet.comparison.tables import tables_of
from ratchet.comparison.testing import make_run, make_study
from ratchet.project import Project

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here to open the page in")
COLOURED = """(() => { const c = document.querySelector(%s), copy = document.createElement('canvas');
  Object.assign(copy, {width: c.width, height: c.height});
  const context = copy.getContext('2d', {willReadFrequently: true});
  context.drawImage(c, 0, 0);
  const d = context.getImageData(0, 0, c.width, c.height).data;
  const hex = getComputedStyle(document.documentElement).getPropertyValue('--c0').trim();
  const [r, g, b] = [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16)); let n = 0;
  for (let k = 0; k < d.length; k += 4) n += d[k] === r && d[k+1] === g && d[k+2] === b;
  return n; })()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
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
    return page_of(root)


def page_of(root: Path) -> Path:
    runs = gather(Project(root), [root / "runs"]).runs
    page = root / "page.html"
    write_page(tables_of(runs, metric=None, direction=None, group_by=()), page)
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
    """What stands below a title of the runs' table."""
    script = """(() => { const heads = [...document.querySelectorAll('#runs th')].map(h => h.textContent);
      const k = heads.indexOf(%s), lines = [...document.querySelectorAll('#runs tbody tr')];
      return lines.map(line => line.cells[k].textContent); })()"""
    return browser.js(script % json.dumps(title))


def count(browser: Browser) -> str:
    return browser.js("document.querySelector('#count').textContent")


@in_browser
def test_it_opens_and_says_which_is_better(opened: Browser):
    text = opened.js("document.body.innerText")
    assert "mlp" in opened.js("document.querySelector('#rows').innerText")
    assert "cnn is better than the rows that were not chosen by their values" in text
    assert re.search(r"best of 58, (9 pruned, 2 failed|2 failed, 9 pruned)", text)
    assert opened.js("document.title") == "Comparison: mnist1d"  # what a message says is no script
    assert count(opened) == "71 of 71 runs."


@in_browser
def test_columns_sort_by_mouse_and_by_key(opened: Browser):
    values = [float(value) for value in column(opened, "validation/accuracy")]
    assert values == sorted(values, reverse=True)
    opened.click("#runs th button[data-key='seconds']")
    assert opened.js("document.querySelector('#runs th[aria-sort=descending]').textContent") == "Time"
    opened.press("Enter")  # the button kept the focus
    assert opened.js("document.querySelector('#runs th[aria-sort=ascending]').textContent") == "Time"
    seconds = [float(text.split()[0]) for text in column(opened, "Time")]
    assert seconds == sorted(seconds)
    opened.click("#rows th button[data-key='mean']")
    assert opened.js("document.querySelector('#rows th[aria-sort=descending]').textContent") == "Mean"


@in_browser
def test_filters_apply_to_table_and_charts(opened: Browser):
    opened.fill("#text", "mlp SEED")
    assert count(opened) == "5 of 71 runs."
    assert {name.split(",")[0] for name in column(opened, "Row")} == {"mlp"}
    assert "of 5 runs" in opened.js("document.querySelector('#curves').getAttribute('aria-label')")
    opened.click("#filters button[type=reset]")
    opened.choose("#status", "failed")
    assert count(opened) == "3 of 71 runs."
    assert sorted(column(opened, "Failure")) == ["exception", "non-finite loss", "non-finite loss"]
    assert "No finished run" in opened.js("document.querySelector('#cost').getAttribute('aria-label')") or (
        "of 0 finished" in opened.js("document.querySelector('#cost').getAttribute('aria-label')")
    )
    opened.click("#filters button[type=reset]")
    opened.fill("#least", "0.99")
    assert count(opened) == "5 of 71 runs."
    opened.fill("#text", "nothing like it")
    assert count(opened) == "0 of 71 runs."


@in_browser
def test_pages_of_the_table_turn(opened: Browser):
    first = column(opened, "Directory")
    opened.click("#next")
    assert not set(first) & set(column(opened, "Directory"))
    assert opened.js("document.querySelector('#page').textContent") == "Page 2 of 6"


@in_browser
def test_chosen_runs_have_coloured_curves_and_their_differences(opened: Browser):
    assert opened.js(COLOURED % "'#curves'") == 0
    opened.click("#runs tbody tr:nth-child(1) input")
    opened.fill("#text", "runs/mlp4")
    opened.js("document.querySelector('#runs tbody input').focus()")
    opened.press("Space")
    opened.click("#filters button[type=reset]")
    assert opened.js("document.querySelector('#legend').children.length") == 2
    assert opened.js(COLOURED % "'#curves'") > 50
    assert opened.js(COLOURED % "'#parallel'") > 50
    assert "seed 4" in opened.js("document.querySelector('#legend').textContent")
    rows = opened.js(
        "[...document.querySelectorAll('#difference tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    assert rows[0] == ["validation/accuracy", "0.9940", "0.7020"]
    assert ["model.name", "cnn", "mlp"] in rows
    assert ["parameters", "12202", "50810"] in rows
    assert {"seed", "optimizer.lr", "code"}.isdisjoint(row[0] for row in rows)  # they are the same
    another = "[...document.querySelector('#other')].find(each => each.text.includes('cnn, seed 1')).value"
    opened.choose("#other", opened.js(another))
    assert "seed" in opened.js("[...document.querySelectorAll('#difference tbody th')].map(h => h.textContent)")
    opened.click("#unchoose")
    assert opened.js(COLOURED % "'#curves'") == 0


@in_browser
def test_the_pointer_on_a_curve_or_a_row_shows_the_run(opened: Browser):
    opened.fill("#text", "cnn seed 4")
    opened.choose("#status", "completed")
    before = opened.js("document.querySelector('#curves').toDataURL()")
    opened.hover("#runs tbody tr")
    assert opened.js("document.querySelector('#curves').toDataURL()") != before
    opened.hover("#cost", 0.02, 0.02)
    assert opened.js("document.querySelector('#tip').hidden")
    hit = opened.js(
        "(() => { const c = document.querySelector('#slices canvas'), b = c.getBoundingClientRect();"
        " for (let x = 0; x < b.width; x += 6) for (let y = 0; y < b.height; y += 6) {"
        " c.onpointermove({clientX: b.left + x, clientY: b.top + y});"
        " if (!document.querySelector('#tip').hidden) return document.querySelector('#tip').textContent; } })()"
    )
    assert hit.startswith("cnn, seed 4\nvalidation/accuracy 0.9940")


@in_browser
def test_importances_front_failures_and_the_other_data_set(opened: Browser):
    bars = opened.js("[...document.querySelectorAll('.bar')].map(b => b.innerText.split('\\n')[0])")
    assert {"optimizer.lr", "model", "model.width", "model.dropout"} == set(bars)
    assert "On the front: cnn, seed 0" in opened.js("document.querySelector('#front').textContent")
    kinds = opened.js("[...document.querySelectorAll('#failures summary')].map(s => s.textContent)")
    assert sorted(kinds) == ["exception 1 run", "non-finite loss 2 runs"]
    opened.click("#failures summary")
    link = opened.js("document.querySelector('#failures a').href")
    assert Path(link.removeprefix("file://")).name in {"bad", "11"}
    opened.click("#datasets button:nth-child(2)")
    assert count(opened) == "1 of 1 runs."
    assert opened.js("document.title") == "Comparison: digits"
    address = opened.js("document.querySelector('#runs a[rel]').href")
    assert address == "https://wandb.ai/us/ratchet/runs/abc"


@in_browser
def test_a_phone_never_scrolls_sideways_and_can_choose(opened: Browser):
    opened.screen(360, 740, mobile=True)
    opened.js("dispatchEvent(new Event('resize'))")
    assert opened.js("document.documentElement.scrollWidth") <= 360
    beyond = opened.js(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll') && !e.closest('.hidden') &&"
        " e.getBoundingClientRect().right > 361).map(e => e.outerHTML.slice(0, 80))"
    )
    assert beyond == []
    opened.click("#runs tbody tr input")
    assert opened.js(COLOURED % "'#curves'") > 20


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
def test_one_run_and_none_finished_are_shown(browser: Browser, tmp_path: Path, runs: str):
    status = "completed" if runs == "one" else "failed"
    make_run(tmp_path / "runs/a", status=status, error=None if runs == "one" else {"class": "killed", "message": ""})
    browser.complaints.clear()
    browser.open(page_of(tmp_path))
    assert count(browser) == "1 of 1 runs."
    assert browser.js("document.querySelector('#parallel-section').hidden")
    assert browser.js("document.querySelector('#failures-section').hidden") == (runs == "one")
    assert "NaN" not in browser.js("document.body.innerText")
    assert "undefined" not in browser.js("document.body.innerText")
    browser.click("#runs tbody tr input")
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
def test_two_thousand_runs_are_sorted_filtered_and_drawn(browser: Browser, tmp_path: Path):
    make_study(tmp_path / "runs", "search", 50)
    few = [run for run in gather(Project(tmp_path), [tmp_path / "runs"]).runs if run.record is not None]
    many = [other(few[number % len(few)], number) for number in range(2000)]  # two thousand files are for the bench
    page = tmp_path / "page.html"
    write_page(tables_of(many, metric=None, direction=None, group_by=()), page)
    assert page.stat().st_size < 3_000_000
    browser.complaints.clear()
    browser.screen(1200)
    browser.open(page)
    assert count(browser) == "2,000 of 2,000 runs."
    assert browser.js("document.querySelectorAll('#runs tbody tr').length") < 50
    browser.click("#runs th button[data-key='config.optimizer.lr']")
    rates = [float(text) for text in column(browser, "optimizer.lr")]
    assert rates == sorted(rates, reverse=True)
    browser.choose("#least", "0.94")
    assert count(browser).endswith("of 2,000 runs.")
    assert not count(browser).startswith("2,000")
    assert browser.complaints == []


def test_the_page_holds_its_data_and_nothing_that_ends_a_script(tmp_path: Path):
    message = "</script><!-- \u2028 & ]]>"
    make_run(tmp_path / "runs/a", status="failed", error={"class": "x", "message": message})
    make_run(tmp_path / "runs/b", accuracy=float("nan"), seed=1)
    text = page_of(tmp_path).read_text()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    errors = [run.get("error") for table in json.loads(data)["tables"] for run in table["runs"]]
    assert " ".join(message.split()) in errors
    assert text.count("</script>") == 2
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", text)


def test_embedded_json_is_read_back():
    nasty = {"a": "</SCRIPT>\u2028\u2029<!--", "b": [1.5, None, True]}
    assert json.loads(embedded(nasty)) == nasty
    assert "<" not in embedded(nasty)


def test_importances_find_what_was_varied_and_need_enough_runs(tmp_path: Path):
    make_study(tmp_path / "runs", "search", 80)
    runs = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    (whole,) = tables_of(runs, metric=None, direction=None, group_by=())
    shares = importances(whole)
    assert next(iter(shares)) == "optimizer.lr"
    assert sum(shares.values()) == pytest.approx(1)
    (few,) = tables_of(runs[:8], metric=None, direction=None, group_by=())
    assert importances(few) == {}


def test_only_what_was_online_under_a_known_entity_has_an_address(tmp_path: Path):
    make_run(tmp_path / "runs/a", mode="online", entity=None, wandb_id="x")
    make_run(tmp_path / "runs/b", mode="offline", entity="us", wandb_id="x")
    assert [wandb_address(run) for run in gather(Project(tmp_path), [tmp_path / "runs"]).runs] == [None, None]


def test_curves_are_carried_once_and_thinned(tmp_path: Path):
    make_run(tmp_path / "runs/a", epochs=1000)
    make_run(tmp_path / "runs/b", epochs=1000, seed=1)
    runs = gather(Project(tmp_path), [tmp_path / "runs"]).runs
    tables = payload(tables_of(runs, metric=None, direction=None, group_by=()), tmp_path)["tables"]
    ((steps,), curves) = tables[0]["curves"].values()
    assert len(steps) == 80
    assert (steps[0], steps[-1]) == (30, 30_000)
    assert [place for place, _ in curves["validation/accuracy"].values()] == [0, 0]
