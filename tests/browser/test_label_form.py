"""The form for raters in headless Chromium, from the draw to the report."""

import html
import json
import time

import judged_runs
import polars as pl
import pytest
from browser.chromium import chromium, needs_chromium
from scripted_judge import ScriptedJudge
from selenium.webdriver.common.keys import Keys
from typer.testing import CliRunner

from uderia_bench import plugins
from uderia_bench.cli.app import app
from uderia_bench.gateway.trust import Trust
from uderia_bench.runner import judging

pytestmark = [pytest.mark.browser, needs_chromium]
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> =cmd() "


CHOSEN = "return [...document.querySelectorAll('#choices button')].map((each) => getComputedStyle(each, '::before').visibility)"


@pytest.fixture(scope="module")
def browser():
    """Start one browser for this file."""
    with chromium() as started:
        yield started


def command(*arguments):
    """Run a command; return its output."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def rated(browser):
    """Return the label that the test gives to the item on the page."""
    return "1" if "good" in browser.find_element("css selector", "#answers p").text else "2"


def saved(folder):
    """Wait for the file that the form saves."""
    until = time.monotonic() + 100
    while time.monotonic() < until:
        if files := [file for file in folder.glob("*.jsonl") if file.stat().st_size]:
            return files[0]
        time.sleep(0.05)
    pytest.fail("the form saved no file")


def test_a_form_filled_in_by_keyboard_comes_back_into_the_report(browser, tmp_path):
    """Draw, label every pair by key, save, import: the report has the labels. Hostile answers stay text."""
    import anyio

    def answer(arm, query):
        return html.escape(f"{HOSTILE}{'good' if arm == 'B' else 'plain'} answer to {query}")

    run = judged_runs.made(tmp_path, queries=32, answer=answer)
    judge = ScriptedJudge(choose=judged_runs.prefers("good"))
    anyio.run(lambda: judging.ask(run, plugins.load(), {}, Trust(), transport=judge.transport()))
    form = tmp_path / "form.html"
    command("label", "draw", run.path, "--n", 31, "-o", form)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.open(form)
    assert (browser.console(), browser.requests()) == ([], [form.as_uri()])
    assert browser.title.startswith("Labels of")
    assert browser.faults() == []
    browser.resize(400)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    browser.resize(1280)
    browser.find_element("id", "rater").send_keys("Ann")
    body = browser.find_element("tag name", "body")
    browser.execute_script("document.activeElement.blur()")
    for _ in range(31):
        first = browser.find_element("css selector", "#answers p").text
        assert first.startswith("</script><script>document.title")
        body.send_keys(rated(browser))
    assert browser.find_element("id", "done").is_displayed()
    assert browser.find_element("id", "place").text.endswith("of 31, 31 labelled")
    body.send_keys(Keys.ARROW_LEFT)
    assert browser.execute_script(CHOSEN) == ["visible" if label == rated(browser) else "hidden" for label in ("1", "2", "tie")]
    body.send_keys("s")
    file = saved(tmp_path)
    assert browser.title.startswith("Labels of")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert (len(rows), {row["rater"] for row in rows}) == (31, {"Ann"})
    command("label", "import", run.path, file)
    report = json.loads((run.path / "report.json").read_text(encoding="utf-8"))
    lines = "\n".join(report["judge"])
    assert "31 pairs have labels (Ann 31): baseline 0%, tie 0%, candidate 100%" in lines
    assert "Verdict of the labels: B is better" in lines
    assert "Cohen's kappa" in command("label", "agreement", run.path)
    assert pl.read_parquet(run.path / "preferences")["preference"].to_list() == [1.0] * 32
