"""What a pull request shows before it is read: effects with intervals in characters, latencies and tokens as Mermaid."""

import re

import pytest
from report.html.pages import page_report
from report.reports import arm, comparison, estimate, ratio, report, seed_story, summary

from uderia_bench.report.formats import mermaid
from uderia_bench.report.formats.forest import forest
from uderia_bench.report.formats.markdown import to_markdown

PAIR = ("IDEAT", "OPTIM")
CHART = re.compile(
    r"%%\{init: [ \w\'{},:#]+\}%%\n"
    r"xychart-beta( horizontal)?\n"
    r"    x-axis \[(p\d\d|\"[^\"\n]+\")(, (p\d\d|\"[^\"\n]+\"))+\]\n"
    r"    y-axis \"\w+\" 0 --> [\d.]+\n"
    r"(    (line|bar) \[[\d.]+(, [\d.]+)*\]\n)+"
)
"""The part of Mermaid's grammar that the charts use (mermaid.js.org, XY Chart), tried with Mermaid 10.9 and 11.17."""


def lines_of(*comparisons):
    """Draw comparisons."""
    return list(forest(report(comparisons=comparisons), PAIR))


def test_half_and_double_are_as_far_from_no_difference():
    """The axis is logarithmic, the widest end at its end; no line is wider than a diff's."""
    axis, halved, doubled = lines_of(
        comparison("latency_s", ratio(0.5, 0.5, 0.5), "better"), comparison("cost_usd", ratio(2.0, 2.0, 2.0), "worse")
    )
    middle = halved.index("┊")
    assert axis.split() == ["0.5x", "same", "2x"]
    assert middle - halved.index("●") == doubled.index("●") - middle == 22
    assert halved.endswith("better")


def test_an_interval_that_holds_no_difference_covers_its_line():
    """That is what makes it inconclusive, seen."""
    _, line = lines_of(comparison("latency_s", ratio(1.02, 0.9, 1.15), "inconclusive"))
    assert re.search(r"─+●─+", line)
    assert "┊" not in line


def test_planned_effects_come_first_and_what_has_no_interval_is_left_to_the_tables():
    """Differences, structural ones and open ends are not drawn; nothing to draw is no picture."""
    found = seed_story()
    assert [line.split()[0] for line in forest(found, PAIR)] == [
        "0.11x",
        "latency_s",
        "total_tokens",
        "cost_usd",
        "ms_per_token",
    ]
    assert lines_of(comparison("latency_s", ratio(1.5, None, None), "worse")) == []
    assert lines_of() == []


def test_the_charts_are_what_mermaid_reads():
    """Both charts, in one fence each, lines or one series of bars."""
    blocks = re.findall(r"```mermaid\n(.*?)```", to_markdown(page_report()), re.DOTALL)
    assert [block.splitlines()[1] for block in blocks] == ["xychart-beta", "xychart-beta horizontal"]
    assert all(CHART.fullmatch(block) for block in blocks)
    assert [block.count("bar [") for block in blocks] == [0, 1]


@pytest.mark.parametrize("name", ['a"]; click x', "%%{init}%%", "```\n# x", "<b>&amp;#quot;", "`end`", "速い", "x" * 200])
def test_no_name_can_mean_anything_in_a_chart(name):
    """Quotes, fences, directives, entities: a chart stays the chart, and Markdown stays outside of it."""
    arms = [
        arm(
            each, summary("latency_s", 3.0, 0.1), summary("strategic_tokens", 8000.0, 9.0), summary("report_tokens", 900.0, 9.0)
        )
        for each in (name, "B")
    ]
    text = to_markdown(report(arms=arms))
    blocks = re.findall(r"^```mermaid\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    assert all(CHART.fullmatch(block) for block in blocks)


def test_values_are_drawn_in_the_unit_of_the_axis():
    """Milliseconds where every arm is that quick; numbers without exponents."""
    quick = [arm(name, summary("latency_s", 0.02, percentiles={50: estimate(0.02), 99: estimate(0.0345)})) for name in PAIR]
    chart = "\n".join(mermaid.latencies(report(arms=quick)))
    assert "🟦 IDEAT, 🟧 OPTIM" in chart
    assert 'y-axis "ms"' in chart
    assert chart.count("line [20, 34.5]") == 2


def test_where_there_is_nothing_to_draw_there_is_no_chart():
    """One percentile, one class, or more arms than colours one can tell apart."""
    assert not list(mermaid.latencies(report(arms=[arm("A", summary("latency_s", 1.0, percentiles={50: estimate(1.0)}))])))
    assert not list(mermaid.tokens(report(arms=[arm("A", summary("report_tokens", 1.0))])))
    many = [arm(str(n), summary("latency_s", 1.0), summary("report_tokens", 1.0)) for n in range(5)]
    assert not [*mermaid.latencies(report(arms=many)), *mermaid.tokens(report(arms=many))]
