"""The HTML page: its sections, its security policy, and that no foreign text becomes markup."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime

import polars as pl
import pytest
from report.html.pages import issues, kept, page_report, steps, trials
from report.reports import facts

from uderia_bench.report.content import GateResult, IssueSummary
from uderia_bench.report.formats.html import listing, to_html
from uderia_bench.report.formats.html.kept import IN_FULL, in_full
from uderia_bench.report.table import Table, left

EVIL = "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\x1b[2J\u202e"
MEGABYTE = 1_000_000


def embedded(text):
    """Return the page's data."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_first_screen_says_what_to_do():
    """The headline in cards, what to fix first, whether it is valid, before any figure."""
    text = to_html(page_report(), kept())
    first = text.split("<nav")[0]
    assert "Simple queries" in first
    assert "use IDEAT for" in first
    assert "Limit the tool&#x27;s retries." in first
    assert "every planned comparison is valid" in first
    assert "a simulation, not a real agent" in first


def test_a_run_that_is_not_over_says_so_once():
    """The state of the run is one line, with how many trials are missing and the code the run left with."""
    cut = facts(settled={"answered": 32}, planned=112, interrupted=True)
    first = to_html(page_report(facts=cut), kept()).split("<nav")[0]
    assert first.count("Not finished") == 1
    assert "80 trials left to ask" in first
    assert "4, the run is incomplete" in first
    assert "<code>uderia-bench resume " in first
    assert "`" not in first


def test_moments_can_be_shown_in_the_zone_of_the_reader():
    """Where the run is described and in notes on what people did to it. The view's script writes them again."""
    made = facts(
        started_at=datetime(2026, 11, 30, 14, 13, 10, tzinfo=UTC), notes=("stopped by ann at 2026-11-30 14:20:00 UTC",)
    )
    text = to_html(page_report(facts=made), kept())
    for time in ("14:13:10", "14:20:00"):
        assert f'<time datetime="2026-11-30T{time}+00:00" data-form="second">2026-11-30 {time} UTC</time>' in text


def test_no_trial_at_all_is_nothing_good():
    """That all trials were answered is shown as good where there were any."""
    for settled, tone in (({"answered": 112}, "good"), ({"answered": 111, "failed": 1}, "plain"), ({}, "plain")):
        first = to_html(page_report(facts=facts(settled=settled, planned=112, interrupted=True)), kept()).split("<nav")[0]
        answered = settled.get("answered", 0)
        assert f'<li class="{tone}"><b>Trials </b>{answered} of' in first


def test_every_section_is_there_and_linked():
    """The navigation leads to each section, and only to those there are."""
    text = to_html(page_report(), kept())
    linked = re.findall(r'href="#([a-z]+)"', text.split("<nav")[1].split("</nav>")[0])
    assert linked == [
        *(
            "effects",
            "distributions",
            "queries",
            "tokens",
            "phases",
            "course",
            "outcomes",
            "change",
            "issues",
            "trials",
            "details",
        ),
    ]
    assert all(f'<section id="{name}"' in text for name in linked)


def test_every_term_in_a_heading_has_its_explanation():
    """A button names the popover it opens, and "Terms" explains all of them."""
    text = to_html(page_report(), kept())
    opened = set(re.findall(r'popovertarget="([^"]+)"', text))
    assert {"term-p", "term-n", "term-verdict", "term-percentile", "terms"} <= opened
    assert opened <= set(re.findall(r'<div id="([^"]+)" popover="auto"', text))


def test_what_was_not_derived_is_left_out():
    """Without steps and issues the page has no section of phases and issues, and still opens."""
    text = to_html(page_report(issues=()), kept(steps=None, issues=None))
    assert 'id="phases"' not in text
    assert 'id="issues"' not in text
    assert embedded(text)["full"]


def test_a_run_where_nothing_ended_has_a_page():
    """An empty frame and no arms: the headline and the details."""
    text = to_html(page_report(arms=(), comparisons=(), winners=(), issues=()), kept(trials().clear(), steps=None, issues=None))
    assert "no trial has ended yet" in text
    assert 'id="details"' in text


def test_the_page_needs_nothing_from_anywhere():
    """No address is loaded, and the policy forbids everything but the page's own style and script."""
    text = to_html(page_report(), kept())
    assert not re.search(r'(?:src|href|action)="(?!#)', text)
    assert "@import" not in text
    assert "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1].replace("&#x27;", "'")
    assert policy.startswith("default-src 'none'")
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    for kind, held in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(held.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_no_text_of_a_server_becomes_markup():
    """Hostile names, prompts, evidence, details and gates stay text, in the markup and in the data."""
    frame = trials(name="{}" + EVIL).with_columns(
        pl.lit(EVIL).alias("outcome_detail"), pl.lit(EVIL).alias("model"), pl.Series("tags", [[EVIL]] * trials().height)
    )
    hostile = kept(
        frame,
        manifest={"run_id": EVIL},
        prompts=dict.fromkeys(frame["query_id"], EVIL),
        steps=steps(frame).with_columns(pl.lit(EVIL).alias("name"), pl.lit(EVIL).alias("arguments")),
        issues=issues(frame).with_columns(pl.Series("evidence", [[EVIL]])),
    )
    made = page_report(
        warnings=(EVIL,),
        issues=(IssueSummary(kind=EVIL, severity=EVIL, count=1, share=0.1, recommendation=EVIL),),
        gates=(GateResult(name=EVIL, passed=False, detail=EVIL),),
    )
    text = to_html(made, hostile)
    assert text.count("<script") == 2  # the data and the page's own
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert embedded(text)["queries"][0]["prompt"] == EVIL


def test_the_data_holds_every_trial():
    """Columns of one length, references that resolve, None where there is no number."""
    frame = trials()
    data = embedded(to_html(page_report(), kept(frame)))
    columns = data["trials"]
    assert {len(column) for column in columns.values()} == {frame.height}
    assert [data["arms"][code] for code in columns["arm"]] == frame["arm"].to_list()
    assert [data["queries"][code]["id"] for code in columns["query"]] == frame["query_id"].to_list()
    failed = [
        value for value, code in zip(columns["seconds"], columns["outcome"], strict=True) if data["outcomes"][code] == "failed"
    ]
    assert set(failed) == {None}
    optim = next(trial for trial in data["full"] if "OPTIM" in trial)
    assert [step["kind"] for step in data["full"][optim]["steps"]] == ["phase", "llm_call", "tool_call"]


@pytest.mark.no_cover
def test_ten_thousand_trials_stay_under_four_megabytes():
    """With 300 of them in full; the rest has the line to type."""
    frame = trials(1000, 5, name="a-query-with-a-name-of-some-length-{}")
    text = to_html(page_report(), kept(frame))
    assert frame.height > 10_000
    assert len(text.encode()) < 4 * MEGABYTE
    assert len(embedded(text)["full"]) == IN_FULL


def test_the_trials_in_full_are_the_ones_to_look_at():
    """Failures, the slowest of both arms, then one a query and arm; never more than the limit."""
    frame = trials(1000, 5)
    chosen = in_full(frame)
    assert len(chosen) == len(set(chosen)) == IN_FULL
    shown = frame.filter(pl.col("trial_id").is_in(chosen))
    assert shown.filter(pl.col("outcome") == "failed").height == IN_FULL // 3
    slowest = frame.filter(pl.col("outcome") == "answered").sort("latency_s", descending=True)["trial_id"][0]
    assert slowest in chosen
    assert set(in_full(trials())) == set(trials()["trial_id"])


def test_a_table_without_a_row_is_its_remarks_only():
    """Headings of nothing are not shown. A table alone below its heading keeps its caption for screen readers."""
    heads = (left("query"), "change")
    assert listing.table(Table.of("Changed", heads, [], "0 of 3 queries changed.")) == (
        '<ul class="remarks"><li>0 of 3 queries changed.</li></ul>'
    )
    shown = listing.table(Table.of("Changed", heads, [("q", "1")]), alone=True)
    assert '<caption class="hidden">Changed</caption>' in shown
