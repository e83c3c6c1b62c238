"""The rules every renderer shares: standing and exit code, scope, what decides a class of queries."""

from report.reports import comparison, facts, ratio, report

from uderia_bench.analysis import winners
from uderia_bench.report import content, decision, standing
from uderia_bench.report.content import GateResult, Scope
from uderia_bench.report.standing import Standing

MISSED = GateResult(name="g", passed=False, detail="")


def test_the_standing_is_the_exit_code_of_the_contract():
    """Invalid weighs more than a missed gate, and a verdict alone weighs nothing."""
    worse = comparison("latency_s", ratio(2.0, 1.9, 2.1), "worse")
    invalid = comparison("total_tokens", ratio(2.0, 1.9, 2.1), "invalid")
    assert standing.of(report(comparisons=(worse,))) is Standing.FINE
    assert standing.of(report(comparisons=(worse,), gates=(MISSED,))) is Standing.GATE_MISSED
    assert standing.of(report(comparisons=(worse, invalid), gates=(MISSED,))) is Standing.INVALID
    assert [int(s) for s in (Standing.FINE, Standing.GATE_MISSED, Standing.INVALID)] == [0, 1, 5]


def test_an_invalid_stratum_does_not_make_the_contrast_invalid():
    """A class of queries with too few answers loses its own verdict, not the run's."""
    part = comparison("latency_s", ratio(2.0, 1.9, 2.1), "invalid", stratum="complexity=complex")
    assert standing.of(report(comparisons=(part,))) is Standing.FINE


def test_one_query_speaks_of_itself():
    """Two queries are a sample, one is not."""
    assert content.scope(report(facts=facts(queries=1))) is Scope.THIS_QUERY
    assert content.scope(report(facts=facts(queries=2))) is Scope.QUERIES_LIKE_THESE


def test_only_the_reasons_that_invalidate_are_given():
    """Other caveats on the same number are not what is in the way."""
    invalid = comparison("latency_s", ratio(2.0), "invalid", warnings=("cost is estimated", "invalid: nobody was there"))
    assert standing.invalid_reasons(report(comparisons=(invalid,))) == ("nobody was there",)


def test_the_headline_rests_on_the_metrics_that_name_the_winner():
    """The analysis names winners by these metrics; a headline that gave other reasons would lie."""
    assert decision.DECIDING == {
        "simple": (winners.SUCCESS, winners.TIME, winners.COST, winners.QUALITY),
        "complex": (winners.SUCCESS, winners.QUALITY, winners.PREFERENCE),
    }
