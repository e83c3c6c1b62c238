"""The value of a correct gate, and where it is pointed into when it is wrong."""

from dataclasses import replace

import pytest
from report.reports import METRICS

from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.metrics.tools import METRICS as TOOLS
from uderia_bench.report.gates.gate import BaselineGate, ContrastGate, IssueGate, MetricGate, Misread, Names, OutcomeGate
from uderia_bench.report.gates.grammar import parse
from uderia_bench.trial import Outcome

NAMES = Names(
    arms=("IDEAT", "OPTIM", "v1.2 fast"),
    contrasts=(("IDEAT", "OPTIM"),),
    metrics={metric.name: metric for metric in (*METRICS, *TOOLS)},
    issues=("recursion", "redundant_tool_calls"),
    baseline="main-nightly",
)


@pytest.mark.parametrize(
    ("text", "arm", "metric", "statistic", "operator", "limit"),
    [
        ("OPTIM.latency_s.p95 < 20s", "OPTIM", "latency_s", "p95", "<", 20.0),
        ("OPTIM.latency_s.p95 < 20", "OPTIM", "latency_s", "p95", "<", 20.0),
        ("OPTIM.latency_s.p50<=1500ms", "OPTIM", "latency_s", "p50", "<=", 1.5),
        ("latency_s.mean < 2 min", None, "latency_s", "mean", "<", 120.0),
        ("total_tokens.p90 <= 20k", None, "total_tokens", "p90", "<=", 20_000.0),
        ("IDEAT.cost_usd.mean < 0.05usd", "IDEAT", "cost_usd", "mean", "<", 0.05),
        ("OPTIM.latency_s.p50 < 5m", "OPTIM", "latency_s", "p50", "<", 300.0),
        ("OPTIM.latency_s.p50 < 1h", "OPTIM", "latency_s", "p50", "<", 3600.0),
        ("OPTIM.latency_s.p50 < 2 min", "OPTIM", "latency_s", "p50", "<", 120.0),
        ("OPTIM.ms_per_token.p99 < 1s", "OPTIM", "ms_per_token", "p99", "<", 1000.0),
        ("OPTIM.fastpath_rate.mean >= 40%", "OPTIM", "fastpath_rate", "mean", ">=", 0.4),
        ("OPTIM.answered.mean >= 0.99", "OPTIM", "answered", "mean", ">=", 0.99),
        ("v1.2 fast.latency_s.p95 != 0s", "v1.2 fast", "latency_s", "p95", "!=", 0.0),
    ],
)
def test_a_number_of_a_metric(text, arm, metric, statistic, operator, limit):
    """Arm or every arm, any statistic, the limit in the metric's own unit whatever it was written in."""
    gate = parse(text, NAMES)
    assert isinstance(gate, MetricGate)
    assert (gate.arm, gate.metric.name, gate.statistic, gate.operator, gate.limit) == (arm, metric, statistic, operator, limit)
    assert gate.text == text


@pytest.mark.parametrize(
    "text",
    [
        "latency_s.p95 > -1s",
        "latency_s.p95 >= 0",
        "latency_s.p95 != 0",
        "tool_errors.mean <= 0",
        "tool_errors.mean == 0",
        "clock_step_s.mean < 0s",
        "clock_step_s.p50 == -1s",
        "fastpath_rate.mean >= 100%",
        "fastpath_rate.mean <= 0%",
        "fastpath_rate.mean == 0.3",
        "answered >= 0",
        "answered <= 1",
        "failed != 0",
        "issues.recursion != 0",
        "issues.recursion <= 0",
    ],
)
def test_a_limit_at_the_end_of_the_scale_can_be_met(text):
    """Only a gate that no value meets is refused."""
    assert parse(text, replace(NAMES, metrics={metric.name: metric for metric in BUILT_IN})).text == text


def test_a_share_of_the_outcomes_is_exact():
    """99.9% is what 999 of 1,000 divide to, so that a run that keeps the gate to the trial passes it."""
    gate = parse("OPTIM.answered >= 99.9%", NAMES)
    assert isinstance(gate, OutcomeGate)
    assert (gate.arm, gate.outcome, gate.limit) == ("OPTIM", Outcome.ANSWERED, 999 / 1000)
    assert parse("misrouted == 0", NAMES) == OutcomeGate(
        text="misrouted == 0", arm=None, outcome=Outcome.MISROUTED, operator="==", limit=0.0
    )


def test_a_count_of_issues():
    """Over the whole run, by kind."""
    assert parse("issues.recursion == 0", NAMES) == IssueGate(
        text="issues.recursion == 0", kind="recursion", operator="==", limit=0.0
    )


@pytest.mark.parametrize(
    ("text", "verdict", "negated", "surely"),
    [
        ("OPTIM vs IDEAT: total_tokens not worse", Verdict.WORSE, True, False),
        ("OPTIM vs IDEAT: total_tokens surely not worse", Verdict.WORSE, True, True),
        ("OPTIM vs IDEAT : total_tokens better", Verdict.BETTER, False, False),
        ("OPTIM  vs  IDEAT:total_tokens equivalent", Verdict.EQUIVALENT, False, False),
    ],
)
def test_a_verdict_of_a_contrast(text, verdict, negated, surely):
    """Candidate against baseline, on one metric."""
    gate = parse(text, NAMES)
    assert isinstance(gate, ContrastGate)
    assert (gate.candidate, gate.baseline, gate.metric.name) == ("OPTIM", "IDEAT", "total_tokens")
    assert (gate.verdict, gate.negated, gate.surely) == (verdict, negated, surely)


def test_a_contrast_may_be_asked_the_other_way_round():
    """What was planned as OPTIM against IDEAT can be held to IDEAT against OPTIM."""
    gate = parse("IDEAT vs OPTIM: latency_s better", NAMES)
    assert (gate.candidate, gate.baseline) == ("IDEAT", "OPTIM")


@pytest.mark.parametrize(
    ("text", "arm", "metric", "verdict", "negated", "surely"),
    [
        ("OPTIM vs baseline: latency_s not worse", "OPTIM", "latency_s", Verdict.WORSE, True, False),
        ("vs baseline: latency_s not worse", None, "latency_s", Verdict.WORSE, True, False),
        ("v1.2 fast vs baseline : total_tokens surely not worse", "v1.2 fast", "total_tokens", Verdict.WORSE, True, True),
        ("IDEAT vs baseline: answered equivalent", "IDEAT", "answered", Verdict.EQUIVALENT, False, False),
        ("vs baseline: nothing worse", None, None, Verdict.WORSE, True, False),
        ("OPTIM vs baseline: nothing worse", "OPTIM", None, Verdict.WORSE, True, False),
    ],
)
def test_an_arm_against_the_baseline(text, arm, metric, verdict, negated, surely):
    """One arm or every arm, on one metric or on all that are tested."""
    gate = parse(text, NAMES)
    assert isinstance(gate, BaselineGate)
    assert (gate.arm, gate.metric and gate.metric.name) == (arm, metric)
    assert (gate.verdict, gate.negated, gate.surely, gate.text) == (verdict, negated, surely, text)


def test_an_arm_that_is_called_baseline_is_the_arm():
    """Names of arms come before words of the language."""
    arms = replace(NAMES, arms=("baseline", "OPTIM"), contrasts=(("baseline", "OPTIM"),))
    assert isinstance(parse("OPTIM vs baseline: latency_s better", arms), ContrastGate)


def test_without_a_baseline_nothing_is_held_against_one():
    """The message says which key is missing, and points at the word."""
    with pytest.raises(Misread, match="has no baseline; add baseline: NAME") as caught:
        parse("vs baseline: nothing worse", replace(NAMES, baseline=None))
    assert caught.value.text[caught.value.start : caught.value.end] == "baseline"


WRONG = [  # the gate, what in it is pointed at, the message
    ("", " ", "is empty"),
    ("   ", " ", "is empty"),
    ("OPTMI.latency_s.p95 < 20s", "OPTMI", "unknown arm 'OPTMI'; did you mean OPTIM?"),
    ("OPTMI.answered >= 99%", "OPTMI", "unknown arm 'OPTMI'; did you mean OPTIM?"),
    ("OPTIM.latncy_s.p95 < 20s", "latncy_s", "unknown metric or outcome 'latncy_s'; did you mean latency_s?"),
    ("OPTIM.p95 < 20s", "p95", "'uderia-bench metrics' lists them"),
    ("latncy_s.p95 < 20s", "latncy_s", "unknown metric 'latncy_s'; did you mean latency_s?"),
    ("OPTIM.latency_s < 20s", "latency_s", "name a statistic of latency_s: latency_s.mean, latency_s.p50"),
    ("OPTIM.latency_s.p96 < 20s", "p96", "unknown statistic 'p96'; did you mean p9"),
    ("OPTIM.latency_s.max < 20s", "max", "unknown statistic 'max'"),
    ("OPTIM.latency_s. < 20s", "<", "name a statistic of latency_s"),
    ("OPTIM.latency_s.p95 20s", "20s", "write a comparison here"),
    ("OPTIM.latency_s.p95 = 20s", "=", "'=' is not a comparison; write =="),
    ("OPTIM.latency_s.p95 => 20s", "=>", "'=>' is not a comparison; write >="),
    ("OPTIM.latency_s.p95 ~ 20s", "~", "'~' is not a comparison"),
    ("OPTIM.latency_s.p95 <", " ", "write a number here"),
    ("OPTIM.latency_s.p95 < fast", "fast", "write a number here"),
    ("OPTIM.latency_s.p95 < 20%", "%", "'%' is not a unit of latency_s: use ms or s or m or h or d"),
    ("OPTIM.latency_s.p95 < 20 tokens", "tokens", "'tokens' is not a unit of latency_s"),
    ("OPTIM.total_tokens.mean < 20s", "s", "'s' is not a unit of total_tokens: use k"),
    ("OPTIM.latency_s.p95 < 20s and answered >= 99%", "and", "write a second gate"),
    ("OPTIM.latency_s.p95 < 20s, IDEAT.latency_s.p95 < 20s", ",", "write a second gate"),
    ("OPTIM.latency_s.p95 < 20s really", "really", "the gate is complete before this"),
    ("OPTIM.answerd >= 99%", "answerd", "did you mean answered?"),
    ("OPTIM.answered >= 99", "99", "write 99% or 0.99"),
    ("OPTIM.failed <= 3 trials", "trials", "'trials' is not a unit of a share: use %"),
    ("OPTIM.latency_s.p95 < -1s", "< -1s", "can never pass, because latency_s is always above 0"),
    ("OPTIM.latency_s.p95 <= 0", "<= 0", "can never pass"),
    ("OPTIM.latency_s.p95 == 0 ms", "== 0 ms", "can never pass"),
    ("total_tokens.mean < 0k", "< 0k", "total_tokens is always above 0"),
    ("tool_errors.mean < 0", "< 0", "tool_errors is never below 0; write another comparison or limit"),
    ("tool_errors.mean == -1", "== -1", "can never pass"),
    ("OPTIM.fastpath_rate.mean > 100%", "> 100%", "a share is never below 0% or above 100%"),
    ("OPTIM.answered.mean < 0", "< 0", "can never pass"),
    ("OPTIM.answered > 1", "> 1", "can never pass"),
    ("misrouted < 0%", "< 0%", "can never pass"),
    ("issues.recursion < 0", "< 0", "a number of trials is never below 0"),
    ("OPTIM", " ", "after an arm, write a dot and a metric"),
    ("OPTIM latency_s.p95 < 20s", "latency_s.p95", "after an arm, write a dot and a metric"),
    ("OPTIM.", " ", "name a metric or an outcome"),
    ("< 20s", "<", "a gate begins with an arm"),
    ("fast please", "fast", "is not an arm, a metric or an outcome"),
    ("issues == 0", "==", "needs a kind of issue"),
    ("issues.recursoin == 0", "recursoin", "did you mean recursion?"),
    ("issues.recursion == 0%", "%", "leave out the unit"),
    ("issues.recursion <= 0.5", "0.5", "write a whole number"),
    ("OPTIM vs IDEA: latency_s better", "IDEA", "unknown arm 'IDEA'; did you mean IDEAT?"),
    ("OPTMI vs IDEAT: latency_s better", "OPTMI", "unknown arm 'OPTMI'"),
    ("OPTIM vs OPTIM: latency_s better", "OPTIM", "cannot be compared with itself"),
    ("OPTIM vs v1.2 fast: latency_s better", "OPTIM vs v1.2 fast", "does not plan this contrast; it plans: OPTIM vs IDEAT"),
    ("OPTIM vs IDEAT latency_s better", "latency_s", "write a colon and a metric here"),
    ("OPTIM vs", " ", "name the arm to compare OPTIM with"),
    ("OPTIM vs IDEAT: latncy_s better", "latncy_s", "did you mean latency_s?"),
    ("OPTIM vs IDEAT: llm_calls not worse", "llm_calls", "has no better direction"),
    ("OPTIM vs IDEAT: latency_s.p95 better", ".p95", "on the metric as a whole"),
    ("vs IDEAT: latency_s not worse", "IDEAT", "must be followed by baseline"),
    ("vs baselin: latency_s not worse", "baselin", "must be followed by baseline"),
    ("OPTIM vs baselin: latency_s not worse", "baselin", "unknown arm 'baselin'; did you mean baseline?"),
    ("OPTMI vs baseline: latency_s not worse", "OPTMI", "unknown arm 'OPTMI'; did you mean OPTIM?"),
    ("OPTIM vs baseline latency_s not worse", "latency_s", "write a colon here"),
    ("OPTIM vs baseline: latncy_s not worse", "latncy_s", "did you mean latency_s?"),
    ("vs baseline: latency_s", " ", "write the verdict on every arm"),
    ("vs baseline: nothing better", "better", "only worse is possible"),
    ("vs baseline: nothing", " ", "after nothing, write worse"),
    ("vs baseline: nothing worse today", "today", "the gate is complete before this"),
    ("vs baseline: nothing worse in all metrics", "all", "write nothing worse in any metric, or only nothing worse"),
    ("OPTIM vs IDEAT: latency_s", " ", "write the verdict on OPTIM"),
    ("OPTIM vs IDEAT: latency_s faster", "faster", "is not a verdict of a gate"),
    ("OPTIM vs IDEAT: latency_s surely better", "better", "surely is only possible before not worse"),
    ("OPTIM vs IDEAT: latency_s not not worse", "not", "is not a verdict"),
    ("OPTIM.latency_s.p95 < 20s\x1b[2J", "?", "cannot be printed"),
]


@pytest.mark.parametrize(("text", "pointed", "said"), WRONG, ids=[text or "empty" for text, _, _ in WRONG])
def test_a_wrong_gate_is_pointed_into(text, pointed, said):
    """The message says what could stand there; the marks stand under what is wrong."""
    with pytest.raises(Misread) as caught:
        parse(text, NAMES)
    message, shown, marks = str(caught.value).split("\n")
    assert said in message
    start = marks.index("^")
    under = shown.ljust(len(marks))[start : start + marks.count("^")]
    assert under.split(" ")[0] == pointed.strip() or under == pointed


def test_there_are_thirty_wrong_gates():
    """As many as the interface asks for, all different."""
    assert len({text for text, _, _ in WRONG}) >= 30


def test_marks_stand_under_wide_characters():
    """A name that takes two columns a character does not push the marks aside."""
    names = Names(arms=("速い",), contrasts=(), metrics=NAMES.metrics)
    with pytest.raises(Misread) as caught:
        parse("速い.latncy_s.p95 < 1s", names)
    _, shown, marks = str(caught.value).split("\n")
    assert marks == "    " + " " * 5 + "^" * len("latncy_s")
    assert shown.strip() == "速い.latncy_s.p95 < 1s"
