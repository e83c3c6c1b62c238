"""The last line, one test a standing: what is printed and what is returned are one rule."""

from report.reports import comparison, ratio, report

from uderia_bench.report import content
from uderia_bench.report.closing import closing
from uderia_bench.report.content import GateResult
from uderia_bench.report.markdown import to_markdown
from uderia_bench.report.text import to_text

KEPT = GateResult(name="OPTIM.answered >= 99%", passed=True, detail="99.5%")
MISSED = GateResult(name="OPTIM.latency_s.p95 < 20s", passed=False, detail="24.1s")


def test_nothing_planned_says_nothing():
    """A run without gates ends with its report."""
    assert closing(report()) is None


def test_kept_gates_are_counted():
    """A log that ends well says so."""
    assert closing(report(gates=(KEPT, KEPT))) == "All 2 gates passed."
    assert closing(report(gates=(KEPT,))) == "The gate passed."


def test_a_missed_gate_is_named_on_the_last_line_of_every_text():
    """With the exit code it stands for."""
    made = report(gates=(KEPT, MISSED))
    last = "1 of 2 gates missed: OPTIM.latency_s.p95 < 20s (exit 1)"
    assert closing(made) == last
    assert int(content.standing(made)) == 1
    assert to_text(made).splitlines()[-1] == last
    assert to_markdown(made).splitlines()[-1] == "**1 of 2 gates missed: OPTIM.latency_s.p95 &lt; 20s (exit 1)**"


def test_an_invalid_comparison_weighs_more():
    """The line names both and the code is the invalid comparison's."""
    found = comparison("latency_s", ratio(1.0), "invalid", warnings=("invalid: 11 trials were misrouted",))
    made = report(comparisons=(found,), gates=(MISSED,))
    assert closing(made) == ("Not valid (exit 5): 11 trials were misrouted; gate missed: OPTIM.latency_s.p95 < 20s")
    assert int(content.standing(made)) == 5
