"""Effects with intervals, drawn with characters."""

import re

from report.reports import comparison, ratio, report, seed_story

from uderia_bench.report.formats.forest import forest

PAIR = ("IDEAT", "OPTIM")


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
