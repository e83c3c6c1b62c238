"""The terminal report: what it looks like, and that it never leaves its eighty columns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.golden import assert_golden
from report.reports import (
    METRICS,
    arm,
    comparison,
    difference,
    estimate,
    facts,
    ideat_and_optim,
    metric,
    ratio,
    report,
    seed_story,
    summary,
    winner,
)
from rich.cells import cell_len

from uderia_bench.analysis.values import Learning
from uderia_bench.reading.metrics.metric import Assumption
from uderia_bench.report.content import GateResult, IssueSummary
from uderia_bench.report.formats.layout import wrapped
from uderia_bench.report.formats.text import to_text

names = st.text(min_size=1, max_size=20)


def test_the_seed_story_reads_as_it_should():
    """The whole report, looked at once by a person and kept."""
    assert_golden("seed_story.txt", to_text(seed_story()))


def test_one_query_reads_as_it_should():
    """The quick comparison: repeats are the unit and every table has the note "this query only"."""
    note = "this query only: the unit is the repeat"
    arms = (
        arm("IDEAT", summary("latency_s", 3.2, 0.2, n=5, warnings=(note,)), answered=5),
        arm("OPTIM", summary("latency_s", 20.0, 1.9, n=5, warnings=(note,)), answered=5),
    )
    found = comparison(
        "latency_s",
        ratio(6.26, 5.6, 7.0),
        "inconclusive",
        n_queries=1,
        n_pairs=5,
        warnings=(note,),
        advice="at least 1 more repeats: below 6 there is no verdict",
    )
    one = facts(queries=1, repeats=5, planned=10, settled={"answered": 10})
    text = to_text(report(arms=arms, comparisons=(found,), facts=one))
    assert_golden("one_query.txt", text)


def test_issues_gates_and_many_outcomes_read_as_they_should():
    """What to do and what was seen stand below their row, the latter in two lines; a missed gate is seen without colour."""
    ideat, _ = ideat_and_optim()
    bad = arm("OPTIM", answered=1, failed=3, misrouted=22, timed_out=40, rate_limited=7, refused=11, unreachable=9, lost=2)
    issues = (
        IssueSummary(
            kind="recursion",
            severity="high",
            count=31,
            share=0.258,
            recommendation="Add cycle detection, or limit how often a tool may be retried in one phase of the plan.",
            seen="tool_call 3: base_readQuery, attempt 3, error: [Error 3706] something expected between the word 'a' and ';'; "
            "retried with the same arguments",
            trial="missing-table-OPTIM-r1-4f4c82dc",
        ),
    )
    gates = (
        GateResult(name="OPTIM.latency_s.p95 < 20s", passed=False, detail="36.3s, from 117 trials"),
        GateResult(name="OPTIM.answered >= 99%", passed=True, detail="99.2%"),
    )
    text = to_text(report(arms=(ideat, bad), issues=issues, gates=gates, warnings=()))
    assert_golden("issues_and_gates.txt", text)


def test_what_memory_does_has_its_table():
    """Warm against cold repeats of one arm: how often, and what it saves."""
    faster = comparison("latency_s", ratio(0.72, 0.66, 0.79), "better", pair=("OPTIM", "OPTIM"), family="exploratory")
    learned = Learning(arm="OPTIM", warm=estimate(0.42, 0.08), effects=(faster,))
    lines = to_text(seed_story(learning=(learned,))).splitlines()
    row = next(at for at, line in enumerate(lines) if line.startswith("Warm repeats"))
    assert " ".join(lines[row + 2].split()) == "OPTIM 42.0% ±8 latency_s -28% (-34 to -21) <0.001 24 better"


def test_colour_only_where_it_is_asked_for():
    """Piped text is plain; colours change no character of the text."""
    plain, coloured = to_text(seed_story()), to_text(seed_story(), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[32mbetter\x1b[0m" in coloured
    stripped = coloured
    for code in ("\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"):
        stripped = stripped.replace(code, "")
    assert stripped == plain


def test_a_percentile_below_its_floor_is_shown_without_an_interval_and_says_why():
    """The point is data, the interval would be invented."""
    text = to_text(seed_story())
    row = next(line for line in text.splitlines() if line.startswith("latency_s") and "120/120" in line)
    assert row.split() == ["latency_s", "IDEAT", "120/120", "2.89s", "±6%", "4.81s", "5.78s", "7.70s"]
    assert "no 95% interval for p99: needs 299 queries, has 24" in text


def test_every_report_of_the_embedded_server_says_so():
    """A simulated number never passes for a real one."""
    assert "embedded Uderia at speed 20" in to_text(seed_story())
    assert "embedded" not in to_text(seed_story(facts=facts(embedded_speed=None, servers=("http://localhost:5050",))))


def test_the_unanswered_trials_are_counted_in_every_contrast_table():
    """A latency table has the number of trials without an answer, and the metrics that count all trials."""
    everyone = metric("answered", kind=bool, assumption=Assumption.RATE, needs_answer=False)
    metrics = tuple(everyone if m.name == "answered" else m for m in METRICS)
    text = " ".join(to_text(seed_story(metrics=metrics)).split())
    assert text.count("Excludes trials without an answer: 1 of 120 on IDEAT, 3 of 120 on OPTIM.") == 2
    assert "Excludes trials without an answer: 1 of 120 on IDEAT, 3 of 120 on OPTIM. Counted in answered." in text


@pytest.mark.no_cover
@settings(max_examples=150, deadline=None)
@given(arms=st.lists(names, min_size=2, max_size=2, unique=True), metric_name=names, note=st.text(max_size=200))
def test_no_line_is_wider_than_eighty_columns(arms, metric_name, note):
    """Whatever arms, metrics and servers are called, the table stays in the terminal and obeys no control character."""
    baseline, candidate = arms
    pair = (baseline, candidate)
    own = (metric(metric_name, "s"), metric(metric_name + "2", "usd"), metric(metric_name + "3", assumption=Assumption.RATE))
    summaries = tuple(summary(m.name, 0.123456, 0.0123, warnings=(note,)) for m in own)
    comparisons = (
        comparison(own[0].name, ratio(12345.678, 11111.1, 22222.2), "equivalent", pair=pair, warnings=(note,)),
        comparison(own[1].name, ratio(0.731, 0.69, 0.774), "inconclusive", pair=pair, advice=note),
        comparison(own[2].name, difference(-0.0167, -0.05, None), "invalid", pair=pair, family="exploratory", p=0.04),
        comparison(own[0].name, ratio(1.5, 1.4, 1.6), "worse", pair=pair, stratum="complexity=" + metric_name),
        comparison(own[0].name, ratio(1.5, 1.4, 1.6), "worse", pair=pair, stratum="complexity=simple"),
    )
    text = to_text(
        report(
            arms=(arm(baseline, *summaries), arm(candidate, *summaries, failed=3)),
            comparisons=comparisons,
            winners=(winner("simple", candidate, note, pair=pair),),
            metrics=own,
            warnings=(note,),
            facts=facts(experiment=note, run_id=metric_name, corpus=baseline, notes=(note,), files=(note,)),
        )
    )
    lines = text.split("\n")
    assert max(map(cell_len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_width_is_kept(width):
    """A narrower terminal gets shorter forms, a wider one the fuller ones."""
    assert max(map(cell_len, to_text(seed_story(), width).splitlines())) <= width


def test_totals_and_percentiles_are_shown_and_in_brief_only_where_they_withhold_a_verdict():
    """A ratio of 1.18 for the total, a p95 without an interval; the brief report has the metric whose verdict they withhold."""
    tails = {"ratio_of_totals": 1.18, "ratio_of_totals_lo": 1.05, "ratio_of_totals_hi": 1.31, "p95_ratio": 1.6}
    withheld = ("not called equivalent: the ratio of totals is 1.18 (1.05 to 1.31), beyond the margin of 5%",)
    time = comparison("latency_s", ratio(1.01, 0.98, 1.04), "inconclusive", beside=tails, warnings=withheld)
    tokens = comparison("total_tokens", ratio(1.0, 0.99, 1.01), "equivalent", beside=tails)
    both = report(arms=ideat_and_optim(), comparisons=(time, tokens))
    (brief, whole) = (to_text(both, brief=brief).split("totals and percentiles\n")[1] for brief in (True, False))
    assert brief.split("\n")[1].split() == ["latency_s", "+18%", "(+5", "to", "+31)", "—", "—", "+60.0%", "±—"]
    assert whole.split("\n")[2].startswith("total_tokens  +18% (+5 to +31)")
    assert "total_tokens" not in brief.split("\n\n")[0]
    assert "totals and percentiles" not in to_text(report(arms=ideat_and_optim(), comparisons=(tokens,)), brief=True)


def test_the_brief_report_is_the_decision_and_what_it_rests_on():
    """A run prints the planned table, the decision as its last lines, and the command for the rest."""
    made = seed_story()
    brief, whole = to_text(made, brief=True), to_text(made)
    decided = whole.split("\n\n")[0].splitlines()
    assert decided == whole.splitlines()[-len(decided) :] == brief.splitlines()[-len(decided) :]
    assert "planned metrics" in brief
    assert "other metrics" not in brief
    assert f"uderia-bench report {made.facts.run_id}'" in brief
    assert "mean ± half of its 95% confidence interval" in brief
    assert len(brief.splitlines()) < len(whole.splitlines()) / 2
    assert ("\nversions " in brief, "\nversions " in whole) == (False, True)
    assert max(map(len, brief.splitlines())) <= 80


def test_the_brief_report_lists_winners_where_there_are_several_contrasts():
    """The decision has the only one of a single contrast."""
    pairs = (("IDEAT", "OPTIM"), ("IDEAT", "OTHER"))
    for count, listed in ((1, False), (2, True)):
        found = [comparison("latency_s", ratio(0.5, 0.4, 0.6), "better", pair=pair) for pair in pairs[:count]]
        winners = [winner("simple", pair[1], pair=pair) for pair in pairs[:count]]
        brief = to_text(report(arms=ideat_and_optim(), comparisons=found, winners=winners), brief=True)
        assert ("\nWinners\n" in brief) == listed


def test_a_footnote_of_all_structural_metrics_is_one_remark():
    """Metrics without any footnote do not prevent it."""
    model = "arms also differ in model: IDEAT a, OPTIM b"
    found = [
        comparison(name, difference(1.0), "structural", family="structural", warnings=(f"structural: {name}", model))
        for name in ("direct_tool_rate", "llm_calls")
    ]
    text = to_text(report(arms=ideat_and_optim(), comparisons=found))
    section = text.partition("Metrics without a test")[2]
    assert text.count(model) == 1
    assert f"\n  {model}\n" in section


def test_a_class_without_a_verdict_in_spite_of_a_small_p_has_the_reason():
    """Also where the class decides no winner. Other undecided rows of such a class have no footnote."""
    few = "a verdict needs at least 6 groups; this has 5: add 1 more group"
    planned = comparison("latency_s", ratio(2.0, 1.5, 2.7), "worse")
    for p, noted in ((0.003, True), (0.4, False)):
        found = comparison(
            "latency_s", ratio(4.2, 3.2, 5.6), "inconclusive", stratum="tag=sql", p=p, family="exploratory", advice=few
        )
        text = to_text(report(arms=ideat_and_optim(), comparisons=(planned, found)))
        assert (few in text) == noted


def test_a_class_of_queries_says_at_what_level_it_is_judged():
    """Its families are exploratory: a verdict at 0.10 can have a 95% interval that includes no change."""
    found = comparison(
        "total_tokens", ratio(0.74, 0.32, 1.71), "better", stratum="complexity=edge", p=0.033, family="exploratory", n_queries=6
    )
    planned = comparison("total_tokens", ratio(0.9, 0.7, 1.2), "inconclusive", p=0.2)
    whole = to_text(report(arms=ideat_and_optim(), comparisons=(planned, found)))
    section = " ".join(whole.partition("by class of query")[2].partition("Percentiles")[0].split())
    assert "hints (10% level" in section
    assert "p below 0.05 for planned metrics, 0.10 for the others" in " ".join(whole.split())


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_command_is_never_broken(width):
    """It can be copied as it stands, even where it is wider than the line. Other text stays within the width."""
    command = "uderia-bench resume /var/lib/benchmarks/nightly-runs/2026-11-29"
    for text in (f"It has 7 trials left: continue with '{command}', or begin again with another name.", f"To go on: {command}"):
        lines = wrapped(text, width, first="  ", rest="    ")
        (whole,) = [line for line in lines if "uderia-bench" in line]
        assert command in whole
        assert all(len(line) <= width for line in lines if line is not whole)
        assert " ".join(" ".join(lines).split()) == text


def test_a_word_wider_than_the_line_is_broken():
    """Also one of characters that are two columns wide."""
    assert wrapped("a" * 12, 10, first="- ", rest="  ") == ["- aaaaaaaa", "  aaaa"]
    wide = "\N{CJK UNIFIED IDEOGRAPH-4E2D}"
    assert wrapped(wide * 5, 6) == [wide * 3, wide * 2]


def test_spaces_inside_a_line_are_kept():
    """They align the columns of a row."""
    assert wrapped("worse   OPTIM  latency_s", 16, first="  ", rest="    ") == ["  worse   OPTIM", "    latency_s"]
