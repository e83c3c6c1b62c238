"""The view in headless Chromium: a page follows a run to its report, through a crash of the run and of the view."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing

import pytest
from browser.chromium import chromium, needs_chromium
from cli.conftest import placed, shortened, wait_for_trials
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys
from viewing import COMMAND
from waiting import until

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.timeout(600)]
RUNNING = "return !!document.querySelector('[data-state=running]')"
REPORT = "return !!document.querySelector('#report #verdict')"


class Place:
    """A folder of runs, and a view on a port that stays."""

    def __init__(self, folder) -> None:
        self.command = placed(folder)
        text = (folder / "experiment.yaml").read_text().replace("speed: 200", "speed: 15")
        self.command.write("seen.yaml", text)  # leaves time to look
        self.held = socket.socket()  # bound and not listening: the view can use the port, and no other process gets it
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = str(self.held.getsockname()[1])
        self.view = self.run = None

    def start_view(self) -> str:
        """Start the view; return its address."""
        self.view = subprocess.Popen(
            [*COMMAND, "view", "--port", self.port, "--control"],
            cwd=self.command.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self.view.stdout.readline().strip()

    def kill_view(self) -> None:
        """End the view as a power cut would."""
        self.view.kill()
        self.view.communicate()

    def end(self) -> None:
        """Kill what still runs."""
        self.command.end()
        if self.view is not None:
            self.kill_view()
        self.held.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Start the view."""
    made = Place(tmp_path_factory.mktemp("viewed"))
    try:
        made.url = made.start_view()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def browser(place):
    """Start one browser for this file, and let it into the view."""
    with chromium() as started:
        started.get(place.url)
        yield started


def test_a_page_follows_a_run_to_its_report_through_crashes(place, browser):
    """One load: the list shows the run, its page goes on through kill -9 of the view and of the run, and ends as the report."""
    place.run = place.command.start("run", "seen.yaml", "--repeats", "90", "--run-id", "seen")  # does not end by itself
    browser.resize(1280)
    browser.open(place.url)
    browser.until("return document.querySelector('#part-runs').textContent.includes('seen')")
    assert browser.faults() == []
    browser.get(f"http://127.0.0.1:{place.port}/runs/seen")
    setting = "[placeholder='load.concurrency=4']"
    browser.on(setting, lambda field: field.send_keys("load.concurrency=1\ue007"))  # slow, until it is resumed
    browser.until("return document.getElementById('part-actions')?.textContent.includes('load.concurrency=1 set')")
    for button, key, state in (("pause", "\ue007", "paused"), ("resume", " ", "running")):  # by Enter, and by the space bar
        browser.on(f"[value={button}]", lambda found, key=key: found.send_keys(key))
        browser.until(f"return !!document.querySelector('[data-state={state}]')")
        assert browser.execute_script("return document.querySelector('link[rel=icon]').href").endswith(f"{state}.svg")
    browser.execute_script("window.loaded = 1")
    browser.until(f"{RUNNING} && document.querySelectorAll('#part-latest tbody tr').length > 1")
    assert browser.faults() == []
    assert browser.execute_script("return document.querySelector('link[rel=icon]').href").endswith("running.svg")
    assert browser.console() == []
    browser.until("return !!document.querySelector('#course summary')")
    browser.execute_script(
        "const table = document.querySelector('#course summary'); table.focus(); table.click(); table.id = 'old'"
    )
    browser.until("return !document.getElementById('old')")  # drawn again
    opened = "return document.querySelector('#course details').open && document.activeElement.tagName"
    assert browser.execute_script(opened) == "SUMMARY"
    assert place.command("ctl", "seen", "pause").returncode == 0  # it must not end meanwhile
    place.kill_view()
    browser.until("return document.body.classList.contains('lost')")
    place.start_view()
    browser.until("return !document.body.classList.contains('lost')")
    place.run.kill()
    place.run.wait()
    browser.until("return !!document.querySelector('[data-state=abandoned]')")
    assert "uderia-bench resume seen" in browser.execute_script("return document.body.textContent")
    shortened(place.command, "seen", planned=8)
    commands = place.command.cwd / "output/seen/control.sock"
    commands.unlink()
    place.run = place.command.start("resume", "output/seen")
    until(commands.exists, "the run takes commands again", process=place.run)
    place.run.send_signal(signal.SIGSTOP)  # or it could be over before the page shows it
    browser.until(RUNNING)
    place.run.send_signal(signal.SIGCONT)
    browser.until(REPORT)
    assert browser.execute_script("return window.loaded") == 1
    assert "UTC" not in browser.execute_script("return document.querySelector('#details time').textContent")
    # While the view was away, its page could not connect; an icon may have been on its way, too.
    away = ("WebSocket connection", "net::ERR_CONNECTION", "net::ERR_EMPTY_RESPONSE")
    lost = [line for line in browser.console() if not any(words in line for words in away)]
    assert lost == []
    assert [url for url in browser.requests() if f"127.0.0.1:{place.port}/" not in url] == []
    assert place.run.wait() == 0
    click(browser, "#trials-table tbody button")  # the report's own script works, once it has come
    assert browser.execute_script("return document.getElementById('trial').open")


CORPUS = "version: 1\nname: slow\nqueries:\n  - {id: chat, prompt: 'Hello, and thank you for your help!', complexity: edge}\n"
STALLED = "faults:\n  - {kind: stall, rate: 1, profile: IDEAT}\n"
SLOW = """version: 1
name: slow
server: {sim: {speed: 200, faults: stalled.yaml}}
corpus: slow-corpus.yaml
arms: [{name: OPTIM, profile: OPTIM}, {name: IDEAT, profile: IDEAT}]
repeats: 2
warmup: 0
load: {concurrency: 2}
grace: 10m
"""


@pytest.fixture
def slow(place, request):
    """Start a run that stands still: a trial of OPTIM failed, and both of IDEAT are in flight until they are cancelled.

    The other trial of OPTIM is asked when they have ended.
    """
    command, run_id = place.command, request.param  # one for each test: the view would follow the first for some seconds
    for name, text in (("slow-corpus.yaml", CORPUS), ("stalled.yaml", STALLED), ("slow.yaml", SLOW)):
        command.write(name, text)
    run = command.start("run", "slow.yaml", "--run-id", run_id)
    wait_for_trials(command, run_id, run)
    until(lambda: len(stalled(place, run_id)) == 2, "both trials of IDEAT are in flight", process=run)
    yield run
    run.kill()
    run.wait()
    shutil.rmtree(command.cwd / "output" / run_id)


def rows(place, run_id, columns="trial_id, state, ending, attempts"):
    """Return the trials in the ledger of a run, by id."""
    ledger_file = place.command.cwd / "output" / run_id / "ledger.sqlite"
    with closing(sqlite3.connect(f"file:{ledger_file}?mode=ro", uri=True)) as ledger:
        return {row[0]: row[1:] for row in ledger.execute(f"SELECT {columns} FROM trials")}


def stalled(place, run_id):
    """Return the trials of IDEAT that are in flight."""
    now = rows(place, run_id, "trial_id, arm, state")
    return [name for name, arm_and_state in now.items() if arm_and_state == ("IDEAT", "asked")]


def cancel(place, run_id, trial_ids):
    """Cancel trials from the terminal."""
    for name in trial_ids:
        done = place.command("ctl", run_id, "cancel", name)
        assert done.returncode == 0, done.stderr


def click(browser, what):
    """Click on what a selector finds, by mouse, once it is there to be clicked."""

    def by_mouse(found) -> str:
        named = found.text
        ActionChains(browser).move_to_element(found).click().perform()
        return named

    return browser.on(what, by_mouse)


@pytest.mark.parametrize("slow", ["changed"], indirect=True)
def test_buttons_are_pressed_by_mouse(place, browser, slow):
    """Ask again a failed trial, cancel one in flight, set the slots. The run's ledger and its status show that it did it."""
    page = f"http://127.0.0.1:{place.port}/runs/changed"
    browser.resize(1280)
    browser.open(page)
    assert browser.moved() == 0
    failed = click(browser, "#part-failures th a")
    click(browser, "[value=requeue]")
    browser.until("return document.getElementById('part-actions')?.textContent.includes('asked again by')")
    flying = click(browser, "#part-flights td a, #part-flights th a")
    assert flying in stalled(place, "changed")
    click(browser, "[value=cancel]")
    browser.until("return document.getElementById('part-actions')?.textContent.includes('cancelled by')")
    until(lambda: rows(place, "changed")[flying][:2] == ("settled", "cancelled"), "the cancelled trial has ended")
    browser.on("[placeholder='load.concurrency=4']", lambda field: field.send_keys("load.concurrency=5"))
    click(browser, "[value=set]")
    browser.until("return document.getElementById('part-actions')?.textContent.includes('load.concurrency=5 set')")
    state = place.command("ctl", "changed", "status", "--json")
    assert json.loads(state.stdout)["concurrency"] == 5
    cancel(place, "changed", stalled(place, "changed"))
    assert slow.wait() == 4  # the cancelled trials are left
    assert rows(place, "changed")[failed] == ("settled", "settled", 2)  # asked again after the others


@pytest.mark.parametrize("slow", ["stopped"], indirect=True)
def test_stop_pressed_by_mouse_ends_the_run(place, browser, slow):
    """The trials in flight end, the others are left. The page has the reason and the command that goes on."""
    browser.open(f"http://127.0.0.1:{place.port}/runs/stopped")
    browser.until("return document.querySelectorAll('#part-latest tbody tr').length > 0")
    in_flight = stalled(place, "stopped")
    (left,) = [name for name, (state, *_) in rows(place, "stopped").items() if state == "planned"]
    click(browser, "[value=stop]")
    browser.until("return document.getElementById('part-actions')?.textContent.includes('stopped by')")
    cancel(place, "stopped", in_flight)
    browser.until("return !!document.querySelector('[data-state=interrupted]')")
    words = browser.execute_script("return document.querySelector('main').textContent")
    assert "Stopped by" in words
    assert "uderia-bench resume stopped" in words
    assert slow.wait() == 4
    assert rows(place, "stopped")[left] == ("planned", None, 0)


PAGES = ("/runs", "/runs/over", "/runs/over/answers?query=tables", "/history?experiment=small", "/diff?baseline=over&run=again")


@pytest.fixture(scope="module")
def over(place):
    """Make a run that has ended, and a copy to compare it with."""
    ended = place.command("run", "experiment.yaml", "--run-id", "over")
    assert ended.returncode == 0, ended.stderr
    shutil.copytree(place.command.cwd / "output/over", place.command.cwd / "output/again")


@pytest.mark.usefixtures("over")
@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_the_screen_and_are_accessible(place, browser, path):
    """At 400 px and in both colours; no fault of accessibility, an empty console, no foreign request. Print has the content."""
    base = f"http://127.0.0.1:{place.port}"
    for width, scheme in ((1280, "light"), (400, "dark")):
        browser.emulate(scheme=scheme)
        browser.resize(width)
        browser.open(f"{base}{path}")
        assert browser.moved() == 0
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.faults() == []
        assert browser.console() == []
        assert [url for url in browser.requests() if not url.startswith((base, base.replace("http", "ws")))] == []
    browser.emulate("print")
    shown = "return ['.top', 'main'].map((each) => document.querySelector(each).checkVisibility())"
    assert browser.execute_script(shown) == [False, True]
    inputs = "return [...document.querySelectorAll('main :is(input, button)')].filter((each) => each.checkVisibility()).length"
    assert path != "/runs" or browser.execute_script(inputs) == 0
    browser.emulate()


STOP = """
const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
const place = [...document.querySelectorAll("*")].indexOf(here);
return here === document.body ? null : {place, text: here.outerHTML.slice(0, 80), seen:
  here.matches(":focus-visible") && style.outlineStyle !== "none" && box.bottom > 0 && box.top < innerHeight && box.width > 5}
"""


@pytest.mark.usefixtures("over")
@pytest.mark.parametrize("path", PAGES)
def test_the_tab_key_goes_through_a_page_in_order_and_each_stop_is_seen(place, browser, path):
    """Until it leaves the page, or has gone through its first 60 stops. Nothing moves for those who want no motion."""
    browser.resize(1280)
    browser.open(f"http://127.0.0.1:{place.port}{path}")
    stops = []
    while len(stops) < 60:
        ActionChains(browser).send_keys(Keys.TAB).perform()
        stop = browser.execute_script(STOP)
        if stop is None or (stops and stop["place"] == stops[0]["place"]):
            break
        stops.append(stop)
    assert [stop["text"] for stop in stops if not stop["seen"]] == []
    places = [stop["place"] for stop in stops]
    assert len(places) > 5
    assert places == sorted(set(places))
    moving = "return [document.getAnimations().length, getComputedStyle(document.documentElement).scrollBehavior]"
    assert browser.execute_script(moving) == [0, "auto"]


CAPTURED = """
const Real = WebSocket;
window.sockets = [];
window.WebSocket = class extends Real { constructor(...all) { super(...all); sockets.push(this); } };
"""
ROWS_ABOVE = """
const link = [...document.querySelectorAll("[id^=part-] tbody a")].at(-1), part = link.closest("[id^=part-]");
link.focus();
const place = () => document.activeElement.getBoundingClientRect().top;
const where = () => [document.activeElement.getAttribute("href"), place()];
const before = where(), copy = part.cloneNode(true), done = arguments[0];
copy.querySelector("tbody").insertAdjacentHTML("afterbegin", "<tr><td>new</td></tr>".repeat(50));
const message = {kind: "snapshot", seq: 1, state: {}, parts: {[part.id.replace("part-", "")]: copy.innerHTML}};
sockets.at(-1).dispatchEvent(new MessageEvent("message", {data: JSON.stringify(message)}));
const look = () => done([before, where(), part.querySelectorAll("tr").length, innerHeight]);
requestAnimationFrame(() => requestAnimationFrame(look));
"""


@pytest.mark.usefixtures("over")
def test_a_link_with_the_focus_stays_in_its_place_when_rows_come_in_above_it(place, browser):
    """A reader who goes through a live page with the Tab key does not lose the place."""
    captured = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CAPTURED})
    browser.resize(1000, 400)
    browser.open(f"http://127.0.0.1:{place.port}/runs")
    browser.until("return sockets.length > 0")
    before, after, rows_now, height = browser.execute_async_script(ROWS_ABOVE)
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", captured)
    assert rows_now > 50
    assert 0 < before[1] < height
    assert after == [before[0], pytest.approx(before[1], abs=2)]


@pytest.mark.usefixtures("over")
def test_a_trial_is_accessible_by_its_link(place, browser):
    """From the answers of a query. A long word of the server's fits a narrow screen."""
    browser.open(f"http://127.0.0.1:{place.port}/runs/over/answers?query=tables")
    browser.find_element("css selector", "td.answer a").click()
    browser.until("return !!document.querySelector('#ledger')")
    assert browser.faults() == []
    browser.resize(400)
    evidence = "document.querySelector('#part-trial').insertAdjacentHTML('beforeend', `<ul><li>${'long'.repeat(50)}</li></ul>`)"
    assert browser.execute_script(f"{evidence}; return document.documentElement.scrollWidth") <= 400


def test_a_trial_over_its_timeout_is_marked(place, browser):
    """In red and in words, while its age grows. The other one has only its age."""
    browser.open(f"http://127.0.0.1:{place.port}/runs")
    for name, age_s in (("late", 720), ("young", 60)):
        at = f"new Date(Date.now() - {1000 * age_s}).toISOString()"
        time = f"`<time id={name} data-age data-limit=600 datetime=${{{at}}}></time>`"
        browser.execute_script(f"document.querySelector('main').insertAdjacentHTML('beforeend', {time})")
    assert browser.until("return document.getElementById('late').textContent") == "12 min, over its timeout of 10 min"
    assert browser.execute_script("return document.getElementById('late').className") == "bad"
    assert browser.execute_script("return document.getElementById('young').textContent").endswith("s")


def test_ages_are_by_the_clock_of_the_view(place, browser):
    """The reader's clock is an hour ahead. No trial is over its timeout because of that."""
    ahead = (
        "const now = Date.now; Date.now = () => now() + 3600e3;"
        "Object.defineProperty(performance, 'timeOrigin', {value: performance.timeOrigin + 3600e3})"
    )
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": ahead})
    try:
        browser.open(f"http://127.0.0.1:{place.port}/runs")
        at = "new Date(Date.now() - 3600e3 - 60e3).toISOString()"
        time = f"`<time id=young data-age data-limit=600 datetime=${{{at}}}></time>`"
        browser.execute_script(f"document.querySelector('main').insertAdjacentHTML('beforeend', {time})")
        assert browser.until("return document.getElementById('young').textContent").partition(" ")[2] == "s"
        assert browser.execute_script("return document.getElementById('young').className") == ""
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
