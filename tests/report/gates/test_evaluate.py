"""What a gate makes of what a run was found to be: numbers one can check in the head."""

import pytest
from report.gates.test_grammar import NAMES
from report.reports import arm, comparison, difference, estimate, ratio, report, summary

from uderia_bench.reading.metrics.metric import Direction
from uderia_bench.report import standing
from uderia_bench.report.content import IssueSummary
from uderia_bench.report.gates.evaluate import evaluate
from uderia_bench.report.gates.gate import Against
from uderia_bench.report.gates.grammar import parse
from uderia_bench.report.standing import Standing


def result(text, *, arms=(), comparisons=(), issues=()):
    """Judge one gate."""
    (one,) = evaluate([parse(text, NAMES)], report(arms=arms, comparisons=comparisons).analysis, issues)
    return one


def latency(name, mean, p95=None):
    """Make an arm with a latency."""
    return arm(name, summary("latency_s", mean, 0.1 * mean, percentiles={95: estimate(p95, 1.0)}), answered=198, failed=2)


def test_the_point_estimate_is_read():
    """A p95 of 19.5 keeps a limit of 20 although its interval reaches 20.5: the gate asks what happened."""
    assert result("OPTIM.latency_s.p95 < 20s", arms=[latency("OPTIM", 12.0, 19.5)]).passed
    missed = result("OPTIM.latency_s.p95 < 19s", arms=[latency("OPTIM", 12.0, 19.5)])
    assert not missed.passed
    assert missed.detail == "OPTIM: 19.5s ±5%"


@pytest.mark.parametrize("text", ["OPTIM.misrouted == 0", "OPTIM.failed <= 5%", "timed_out < 1%", "issues.recursion == 0"])
def test_a_limit_is_missed_where_no_trial_was_answered(text):
    """Every trial was unreachable: no failure, no misrouting and no issue is no success."""
    found = result(text, arms=[arm("OPTIM", answered=0, unreachable=20)])
    assert not found.passed
    assert "no trial was answered" in found.detail


def test_a_gate_that_asks_for_trouble_passes_in_trouble():
    """A lower limit of an outcome, as a test of faults has it."""
    assert result("OPTIM.unreachable >= 90%", arms=[arm("OPTIM", answered=0, unreachable=20)]).passed


def test_a_run_without_answers_is_not_valid():
    """Exit code 5 also for one arm without gates; one answer is enough for the run to stand."""
    silent = report(arms=[arm("OPTIM", answered=0, unreachable=20)])
    assert standing.of(silent) is Standing.INVALID
    assert standing.invalid_reasons(silent) == ("no measured trial was answered",)
    assert standing.of(report(arms=[arm("OPTIM", answered=1, unreachable=20)])) is Standing.FINE
    assert standing.of(report()) is Standing.FINE


def test_without_an_arm_every_arm_must_pass():
    """One slow arm misses the gate, and both are named with what they have."""
    arms = [latency("IDEAT", 3.0, 4.0), latency("OPTIM", 12.0, 25.0)]
    missed = result("latency_s.p95 < 20s", arms=arms)
    assert not missed.passed
    assert missed.detail == "IDEAT: 4.0s ±25%, OPTIM: 25.0s ±4%"
    assert result("latency_s.p95 < 26s", arms=arms).passed


@pytest.mark.parametrize(("text", "passed"), [("OPTIM.answered >= 99%", True), ("OPTIM.answered > 99%", False)])
def test_a_share_of_exactly_the_limit(text, passed):
    """198 of 200 is 99% to the bit."""
    found = result(text, arms=[latency("OPTIM", 12.0, 19.5)])
    assert found.passed is passed
    assert found.detail == "OPTIM: 99.0% (198 of 200)"


def test_an_outcome_without_trials_is_zero():
    """No trial was misrouted: the share is 0, and that is known, not missing."""
    assert result("OPTIM.misrouted == 0", arms=[latency("OPTIM", 12.0, 19.5)]).passed


@pytest.mark.parametrize("text", ["OPTIM.latency_s.p95 > 0s", "OPTIM.total_tokens.mean > 0", "IDEAT.answered >= 0%"])
def test_what_was_not_measured_misses_the_gate(text):
    """No percentile, no such metric, no such arm: a gate does not pass because data are missing."""
    assert not result(text, arms=[latency("OPTIM", 12.0, None)]).passed


def test_a_cost_at_the_default_price_is_not_judged():
    """Where the server priced a model it does not know by its default the number is shown and the gate is missed."""
    from dataclasses import replace

    cost = replace(NAMES.metrics["cost_usd"], judged_unless="price_fallback")
    names = replace(NAMES, metrics={**NAMES.metrics, "cost_usd": cost})
    gate = parse("OPTIM.cost_usd.mean < 1usd", names)
    for share, passed in ((0.0, True), (0.25, False)):
        arms = [arm("OPTIM", summary("cost_usd", 0.01, 0.001), summary("price_fallback", share, 0.01))]
        (found,) = evaluate([gate], report(arms=arms).analysis)
        assert found.passed is passed
    assert "not tested: price_fallback in 25.0% of the trials" in found.detail


@pytest.mark.parametrize(
    ("verdict", "not_worse", "better"),
    [("better", True, True), ("equivalent", True, False), ("inconclusive", True, False), ("worse", False, False),
     ("invalid", False, False), ("structural", False, False)],
)  # fmt: skip
def test_a_contrast_is_judged_by_its_verdict(verdict, not_worse, better):
    """``not worse`` is missed where the candidate is worse, or where there is no verdict to have; ``better`` needs it shown."""
    found = comparison("latency_s", ratio(1.0, 0.9, 1.1), verdict)
    assert result("OPTIM vs IDEAT: latency_s not worse", comparisons=[found]).passed is not_worse
    assert result("OPTIM vs IDEAT: latency_s better", comparisons=[found]).passed is better


def test_a_contrast_seen_from_the_other_side():
    """OPTIM worse than IDEAT is IDEAT better than OPTIM."""
    found = comparison("latency_s", ratio(2.0, 1.8, 2.2), "worse")
    other = result("IDEAT vs OPTIM: latency_s better", comparisons=[found])
    assert other.passed
    assert other.detail == "-50% (-55 to -44), better"


@pytest.mark.parametrize(
    ("metric", "effect", "sure"),
    [
        ("latency_s", ratio(1.0, 0.9, 1.05), True),  # margin 5%: an interval up to 1.05 is inside
        ("latency_s", ratio(0.98, 0.9, 1.06), False),
        ("answered", difference(0.0, -0.05, 0.1), True),  # higher is better: five points down are inside
        ("answered", difference(0.0, -0.06, 0.1), False),
        ("latency_s", ratio(1.0), False),  # no interval
    ],
)
def test_surely_not_worse_needs_the_interval_inside_the_margin(metric, effect, sure):
    """The end that would be bad decides, and no interval is not sure."""
    found = comparison(metric, effect, "inconclusive", margin=0.05)
    assert result(f"OPTIM vs IDEAT: {metric} surely not worse", comparisons=[found]).passed is sure


@pytest.mark.parametrize("means", [(10.0, 4.0), (4.0, 10.0)])
def test_the_margin_of_an_amount_is_a_share_of_the_smaller_mean(means):
    """As for verdicts: 5 % of 4 is 0.2, whichever arm is the baseline."""
    from dataclasses import replace

    calls = replace(NAMES.metrics["llm_calls"], direction=Direction.LOWER)
    gate = parse("OPTIM vs IDEAT: llm_calls surely not worse", replace(NAMES, metrics={"llm_calls": calls}))
    arms = [arm(name, summary("llm_calls", mean, 0.1)) for name, mean in zip(("IDEAT", "OPTIM"), means, strict=True)]
    for end, sure in ((0.19, True), (0.21, False)):
        found = comparison("llm_calls", difference(0.0, -0.1, end), "inconclusive", margin=0.05)
        (judged,) = evaluate([gate], report(arms=arms, comparisons=[found]).analysis)
        assert judged.passed is sure


def test_a_missing_interval_is_not_beside_the_margin():
    """The result of the gate names the reason: there is no interval."""
    found = comparison("latency_s", ratio(1.0), "inconclusive", margin=0.05)
    missed = result("OPTIM vs IDEAT: latency_s surely not worse", comparisons=[found])
    assert missed.detail.endswith("; there is no interval")


def test_without_a_margin_no_loss_is_allowed():
    """Surely not worse by nothing at all."""
    found = comparison("latency_s", ratio(1.0, 0.9, 1.01), "inconclusive", margin=None)
    assert not result("OPTIM vs IDEAT: latency_s surely not worse", comparisons=[found]).passed


def test_a_contrast_that_was_not_compared_misses():
    """An arm that was never reached has no verdict."""
    missed = result("OPTIM vs IDEAT: latency_s not worse")
    assert (missed.passed, missed.detail) == (False, "not compared, because one of the arms has no value")


def test_issues_are_counted_in_trials():
    """A kind that was not found was found in no trial."""
    issue = IssueSummary(kind="recursion", severity="high", count=1, share=0.1, recommendation="")
    assert result("issues.recursion == 0").passed
    missed = result("issues.recursion == 0", issues=[issue])
    assert (missed.passed, missed.detail) == (False, "found in 1 trial")


def test_a_missed_gate_is_the_standing_of_the_run():
    """The exit code comes from the same results that are printed."""
    arms = [latency("OPTIM", 12.0, 19.5)]
    for limit, expected in (("20s", Standing.FINE), ("19s", Standing.GATE_MISSED)):
        gates = evaluate([parse(f"OPTIM.latency_s.p95 < {limit}", NAMES)], report(arms=arms).analysis)
        assert standing.of(report(arms=arms, gates=gates)) is expected


def held(text, *compared, arms=("IDEAT", "OPTIM"), **why):
    """Judge one gate against a baseline in which arms compare as given: (arm, metric, effect, verdict)."""
    made = report(
        comparisons=[
            comparison(metric, effect, verdict, pair=(f"{arm} (baseline)", f"{arm} (run)"), **family)
            for arm, metric, effect, verdict, *rest in compared
            for family in ({"family": rest[0]} if rest else {},)
        ]
    )
    names = {arm: (f"{arm} (baseline)", f"{arm} (run)") for arm in arms}
    against = Against(why=why["why"]) if why else Against(analysis=made.analysis, arms=names)
    (one,) = evaluate([parse(text, NAMES)], report().analysis, (), against)
    return one


SLOWER = ("OPTIM", "latency_s", ratio(1.15, 1.11, 1.19), "worse")
SAME = ("IDEAT", "latency_s", ratio(1.0, 0.97, 1.03), "equivalent")


def test_every_arm_is_held_against_its_namesake():
    """One arm got slower: the gate on every arm and the one on that arm are missed, the one on the other is kept."""
    missed = held("vs baseline: latency_s not worse", SAME, SLOWER)
    assert not missed.passed
    assert missed.detail == "IDEAT: 0% (-3 to +3), equivalent; OPTIM: +15% (+11 to +19), worse"
    assert not held("OPTIM vs baseline: latency_s not worse", SAME, SLOWER).passed
    assert held("IDEAT vs baseline: latency_s not worse", SAME, SLOWER).passed
    assert held("IDEAT vs baseline: latency_s surely not worse", SAME, SLOWER).passed


def test_nothing_may_be_worse():
    """Every planned metric counts, and the message names what is worse on which arm; better is not worse."""
    missed = held("vs baseline: nothing worse", SAME, SLOWER, ("OPTIM", "total_tokens", ratio(0.8, 0.7, 0.9), "better"))
    assert (missed.passed, missed.detail) == (False, "worse: OPTIM latency_s +15% (+11 to +19)")
    assert held("IDEAT vs baseline: nothing worse", SAME, SLOWER).passed


def test_a_metric_without_a_margin_counts_only_on_request():
    """The gate prints the numbers of the planned metrics also where none is worse."""
    lead = ("OPTIM", "llm_calls", ratio(1.5, 1.4, 1.6), "worse", "exploratory")
    passed = held("vs baseline: nothing worse", SAME, lead)
    assert (passed.passed, passed.detail) == (True, "no planned metric is worse: IDEAT latency_s 0% (-3 to +3)")
    missed = held("vs baseline: nothing worse in any metric", SAME, lead)
    assert (missed.passed, missed.detail) == (False, "worse: OPTIM llm_calls +50% (+40 to +60)")
    only = held("vs baseline: nothing worse", lead)
    assert (only.passed, only.detail) == (False, "no planned metric could be compared")


@pytest.mark.parametrize("text", ["vs baseline: nothing worse", "OPTIM vs baseline: latency_s not worse"])
def test_without_a_baseline_a_gate_is_missed_and_says_why(text):
    """The first night: a gate does not pass because data are missing."""
    missed = held(text, why="no run is found as main-nightly yet")
    assert (missed.passed, missed.detail) == (False, "no run is found as main-nightly yet")


@pytest.mark.parametrize(
    "text",
    ["OPTIM vs baseline: nothing worse", "OPTIM vs baseline: latency_s not worse", "OPTIM vs baseline: cost_usd not worse"],
)
def test_an_arm_or_a_metric_that_the_baseline_has_not_misses_the_gate(text):
    """OPTIM is new tonight, or its cost was not compared."""
    assert not held(text, SAME, arms=("IDEAT",)).passed
    assert (
        held("IDEAT vs baseline: cost_usd not worse", SAME).detail
        == "IDEAT: not compared, because one of the arms has no value"
    )
