"""The line with the exit code, one test per standing."""

from report.reports import comparison, facts, ratio, report

from uderia_bench.report import standing
from uderia_bench.report.closing import closing
from uderia_bench.report.content import GateResult
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.formats.text import to_text

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
    assert closing(made, leaving=True) == last
    assert int(standing.of(made)) == 1
    assert last in to_text(made, leaving=True).splitlines()


def test_read_later_the_code_is_said_to_be_the_runs():
    """``report`` itself leaves with 0, and so does who opens report.md."""
    made = report(gates=(KEPT, MISSED))
    assert "1 of 2 gates missed: OPTIM.latency_s.p95 < 20s (exit code of the run: 1)" in to_text(made).splitlines()
    last = to_markdown(made).splitlines()[-1]
    assert last == "**1 of 2 gates missed: OPTIM.latency_s.p95 &lt; 20s (exit code of the run: 1)**"


def test_an_invalid_comparison_weighs_more():
    """The line names both and the code is the invalid comparison's."""
    found = comparison("latency_s", ratio(1.0), "invalid", warnings=("invalid: 11 trials were misrouted",))
    made = report(comparisons=(found,), gates=(MISSED,))
    assert closing(made, leaving=True) == (
        "Not valid (exit 5): 11 trials were misrouted; gate missed: OPTIM.latency_s.p95 < 20s"
    )
    assert int(standing.of(made)) == 5


def test_that_a_run_is_interrupted_comes_first():
    """What is missing may turn every gate and every comparison: the code is 4, what was seen is seen so far."""
    cut = facts(settled={"answered": 32}, planned=112, interrupted=True)
    found = comparison("latency_s", ratio(1.0), "invalid", warnings=("invalid: 11 trials were misrouted",))
    made = report(facts=cut, gates=(KEPT, MISSED))
    undone = "Not finished (exit 4): 80 trials left to ask"
    assert closing(report(facts=cut), leaving=True) == undone
    assert closing(made, leaving=True) == f"{undone}; so far 1 of 2 gates missed: OPTIM.latency_s.p95 < 20s"
    both = report(facts=cut, comparisons=(found,), gates=(MISSED,))
    assert closing(both, leaving=True) == (
        f"{undone}; not valid so far: 11 trials were misrouted; so far gate missed: OPTIM.latency_s.p95 < 20s"
    )
    assert {int(standing.of(one)) for one in (made, both)} == {4}


def test_a_warm_up_that_is_left_is_not_counted_among_the_measured():
    """Only warm-ups are left: no number of trials is named that the report does not have."""
    made = report(facts=facts(interrupted=True))
    assert closing(made, leaving=True) == "Not finished (exit 4): there are trials left to ask"
