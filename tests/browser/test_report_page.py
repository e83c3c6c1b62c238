"""The report page in headless Chromium: it opens without requests, filters and sorts, and a click opens a trial."""

import pytest
from browser.chromium import chromium, needs_chromium
from commands.history.nights import folder
from report.html.pages import kept, page_report, trials
from selenium.webdriver.common.keys import Keys

from uderia_bench.commands import history
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.report.content import QueryResult
from uderia_bench.report.formats.html import drawing, to_html
from uderia_bench.report.formats.html.axis import ratio_axis

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def browser():
    """Start one browser for this file."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write a page of 122 trials."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(to_html(page_report(), kept()), encoding="utf-8")
    return path


ROWS = "[...document.querySelectorAll('#trials-table tbody tr')]"


def opened(browser, page, width=1280):
    """Open the page again at a width."""
    browser.resize(width)
    browser.open("about:blank")
    browser.open(page)


def choose(browser, name, text):
    """Choose an option of a filter, as a user does."""
    browser.execute_script(
        "const s = document.getElementById('filters').elements[arguments[0]];"
        "s.selectedIndex = [...s.options].findIndex((option) => option.textContent === arguments[1]);"
        "s.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        text,
    )


@pytest.mark.parametrize("width", [1280, 400])
def test_it_opens_with_an_empty_console_and_without_requests(browser, page, width):
    """The console stays empty, only the file itself is requested, and the page fits the width of the screen."""
    opened(browser, page, width)
    assert browser.console() == []
    assert browser.requests() == [page.as_uri()]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_click_on_a_query_leads_to_its_trials_and_a_click_on_a_trial_opens_it(browser, page):
    """Query, list, trial: plan, timeline and token ledger are there; Escape closes it."""
    opened(browser, page)
    browser.find_element("css selector", "#queries-table button.link").click()
    query = browser.execute_script("return document.querySelector('#queries-table button.link').textContent")
    listed = browser.execute_script(f"return {ROWS}.map((row) => row.children[2].textContent)")
    assert query in listed
    assert len(listed) < 122
    choose(browser, "arm", "OPTIM")
    browser.find_element("css selector", "#trials-table tbody button").click()
    body = browser.execute_script("return document.getElementById('trial').open && document.getElementById('trial').innerText")
    for words in ("Plan, as executed", "Timeline", "Token ledger", "base_databaseList", "uderia-bench inspect"):
        assert words in body
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert browser.execute_script("return document.getElementById('trial').open") is False
    assert browser.console() == []


def test_back_closes_a_trial_and_forward_opens_it_again(browser, page):
    """The trial is an entry of the history, and closing it by a button leaves no entry behind."""
    opened(browser, page)
    address = "return location.hash"
    is_open = "return document.getElementById('trial').open"
    browser.execute_script("document.querySelector('#trials-table tbody button').click()")
    trial = browser.execute_script(address)
    assert trial.startswith("#trial=")
    browser.back()
    browser.until(f"{is_open} === false")
    assert browser.execute_script(address) == ""
    browser.forward()
    browser.until(is_open)
    assert browser.execute_script(address) == trial
    browser.execute_script("document.getElementById('close').click()")
    browser.until(f"{address} === ''")
    assert browser.execute_script(is_open) is False
    assert browser.console() == []


SIDEWAYS = (
    "document.querySelectorAll('details').forEach((each) => { each.open = true; });"
    "return [...document.querySelectorAll('.wide')].filter((box) => box.scrollWidth > box.clientWidth + 1)"
    ".map((box) => box.getAttribute('aria-label'))"
)


def test_no_column_is_cut_off_on_a_narrow_screen(browser, page):
    """Every table fits 400 pixels, and every cell but the row's name has the heading of its column."""
    opened(browser, page, 400)
    assert browser.execute_script(SIDEWAYS) == []
    shown = (
        "const cell = document.querySelector('#trials-table td.number'); const before = getComputedStyle(cell, '::before');"
        "return before.content"
    )
    assert "repeat" in browser.execute_script(shown)


def test_no_column_is_cut_off_in_print_and_legends_need_no_background(browser, page):
    """The page is as wide as a sheet of A4 between its margins; a swatch is drawn by its border."""
    opened(browser, page, 718)
    browser.emulate("print")
    try:
        assert browser.execute_script(SIDEWAYS) == []
        swatch = "return getComputedStyle(document.querySelector('.swatch'))"
        assert browser.execute_script(f"{swatch}.borderTopColor") != browser.execute_script(f"{swatch}.color")
        assert float(browser.execute_script(f"{swatch}.borderTopWidth").removesuffix("px")) > 2
    finally:
        browser.emulate()


BREAKS = """
const of = (what, property) => [...document.querySelectorAll(what)].map((each) => getComputedStyle(each)[property]);
const all = (what, property, value) => of(what, property).length > 0 && of(what, property).every((each) => each === value);
return {
  whole: all("figure, tr, li, .lead, .card", "breakInside", "avoid"),
  headings: all("h2, caption, .lead, details[open] > summary", "breakAfter", "avoid"),
  rows: all("tbody:first-of-type > tr:first-child", "breakBefore", "avoid"),
  remarks: all(".remarks", "breakBefore", "avoid"),
  heads: all("thead button", "display", "contents"),
};
"""


def test_a_new_page_of_print_begins_between_things_that_belong_together(browser, page):
    """Figures and rows are whole, a heading stays with what follows it, and the heads of a table are on each of its pages.

    Chromium leaves the box of a button out of heads that it repeats.
    """
    opened(browser, page, 718)
    browser.emulate("print")
    try:
        assert browser.execute_script(BREAKS) == dict.fromkeys(("whole", "headings", "rows", "remarks", "heads"), True)
    finally:
        browser.emulate()


def test_a_term_of_statistics_is_explained_by_a_click_on_its_heading(browser, page):
    """The explanation opens without a script of ours, and Escape closes it."""
    opened(browser, page)
    browser.execute_script("document.querySelector('[popovertarget=term-p]').click()")
    said = "return document.querySelector('#term-p:popover-open')?.innerText"
    assert "chance" in browser.execute_script(said)
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert browser.execute_script(said) is None


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing(browser, page, width, scheme):
    """The rules of axe-core for accessibility, on the page, on its terms and on an open trial."""
    opened(browser, page, width)
    browser.emulate(scheme=scheme)
    found = browser.faults()
    browser.execute_script("document.querySelector('[popovertarget=terms]').click()")
    found += browser.faults("'#terms'")
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    browser.execute_script("document.querySelector('#trials-table tbody button').click()")
    found += browser.faults("'#trial'")
    browser.emulate()
    assert found == []


def test_the_page_of_a_history_fits_a_narrow_screen_without_a_script(browser, tmp_path):
    """It has none. Each value has the heading of its column, and axe-core finds nothing."""
    folder(tmp_path, 1)
    path = tmp_path / "history.html"
    path.write_text(history.to_html(history.gather(tmp_path, BUILT_IN, names=["latency_s"])), encoding="utf-8")
    opened(browser, path, 400)
    assert browser.execute_script(SIDEWAYS) == []
    label = "return getComputedStyle(document.querySelector('td.number'), '::before').content"
    assert "level" in browser.execute_script(label)
    assert browser.faults() == []


def test_an_axis_of_ratios_keeps_its_middle_on_a_narrow_screen(browser, page):
    """Every other label of a crowded axis is left out there. Labels of ratios are short, and 1x means no difference."""
    opened(browser, page, 400)
    crowded = drawing.scale(ratio_axis([0.5, 4.0], least=2.0), lambda value: f"{value:g}x")
    browser.execute_script("document.querySelector('#effects .scale').outerHTML = arguments[0]", crowded)
    labels = (
        "[...document.querySelector('#effects .scale').querySelectorAll('text')].filter((each) => each.getClientRects().length)"
    )
    assert browser.execute_script(f"return {labels}.map((each) => each.textContent)") == ["0.5x", "1x", "2x", "4x"]


def test_a_chart_and_its_legend_have_the_same_colours_when_colours_are_forced(browser, page):
    """A user of high contrast can tell the parts of a bar."""
    opened(browser, page)
    browser.emulate(forced="active")
    colours = "return [...document.querySelectorAll('.swatch')].map((each) => getComputedStyle(each).borderTopColor)"
    assert len(set(browser.execute_script(colours))) > 1
    browser.emulate()


def test_text_grows_with_the_font_size_of_the_browser(browser, page):
    """The text of the page, of tables and of charts, all by the same factor. The page still fits the screen."""
    opened(browser, page)
    sizes = (
        "return ['p.lead', 'td', '.scale text', 'body'].map((each) => parseFloat(getComputedStyle(document.querySelector(each))"
        ".fontSize))"
    )
    before = browser.execute_script(sizes)
    browser.execute_script(
        "const larger = new CSSStyleSheet(); larger.replaceSync('html { font-size: 200% }');"
        "document.adoptedStyleSheets = [larger]"
    )
    assert browser.execute_script(sizes) == pytest.approx([2 * size for size in before])
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 1280


def test_a_filter_holds_for_trials_queries_and_plots(browser, page):
    """Choosing an outcome leaves its trials alone and draws the curves of what is left."""
    opened(browser, page)
    before = browser.execute_script("return document.querySelector('[data-curve=\"0\"]').getAttribute('d').length")
    choose(browser, "outcome", "failed")
    outcomes = browser.execute_script(f"return [...new Set({ROWS}.map((row) => row.children[4].textContent))]")
    assert outcomes == ["failed"]
    assert browser.execute_script("return document.querySelector('[data-curve=\"0\"]').getAttribute('d').length") < before


def test_a_heading_sorts_the_queries_both_ways(browser, page):
    """Names up, then down, and the heading says so to a screen reader."""
    opened(browser, page)
    names = "return [...document.querySelectorAll('#queries-table tbody tr')].map((row) => row.children[0].dataset.sort)"
    browser.find_element("css selector", "#queries-table button.sort").click()
    up = browser.execute_script(names)
    assert up == sorted(up)
    browser.find_element("css selector", "#queries-table button.sort").click()
    assert browser.execute_script(names) == sorted(up, reverse=True)
    assert (
        browser.execute_script("return document.querySelector('#queries-table th').getAttribute('aria-sort')") == "descending"
    )


def test_a_link_opens_its_trial(browser, page):
    """An address with a trial in it opens that trial, so that it can be sent to somebody."""
    opened(browser, page)
    browser.open(f"{page.as_uri()}#trial=q0-OPTIM-m1-00003")
    browser.execute_script("location.reload()")
    assert browser.execute_script("return document.getElementById('dialog-title').textContent") == "q0 on OPTIM, repeat 1"


def test_ten_thousand_trials_open(browser, tmp_path):
    """The list of trials is filled, and the console is empty."""
    page = tmp_path / "large.html"
    page.write_text(to_html(page_report(), kept(trials(1000, 5))), encoding="utf-8")
    browser.open(page)
    browser.until(f"return {ROWS}.length >= 100")  # the driver may answer while the page is still being read
    assert browser.console() == []


def test_answers_are_filtered_by_failed_checks_and_by_disagreement(browser, tmp_path):
    """Each choice leaves the queries it names, also on a narrow screen, where the arms are below each other."""
    results = tuple(
        QueryResult(
            query=query, turn=1, arm=arm, complexity=None, trials=1, answered=answered, seconds=1.0, otherwise=None,
            checks=1, passed=1 - len(failed), failed=failed,
        )
        for query, arm, answered, failed in (
            ("wrong", "IDEAT", 1, ("contains 3, found: 4",)), ("wrong", "OPTIM", 1, ()),
            ("silent", "IDEAT", 1, ()), ("silent", "OPTIM", 0, ()),
            ("same", "IDEAT", 1, ()), ("same", "OPTIM", 1, ()),
        )
    )  # fmt: skip
    path = tmp_path / "report.html"
    path.write_text(to_html(page_report(results=results), kept()), encoding="utf-8")
    for width in (1280, 400):
        opened(browser, path, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        for value, left in (("failed", ["wrong"]), ("disagree", ["silent"]), ("all", ["wrong", "silent", "same"])):
            shown = browser.execute_script(
                "const s = document.getElementById('results-shown'); s.value = arguments[0];"
                "s.dispatchEvent(new Event('change'));"
                "return [...document.querySelectorAll('#results-table tbody tr')].filter((r) => r.offsetHeight)"
                ".map((r) => r.querySelector('th').textContent)",
                value,
            )
            assert shown == left
