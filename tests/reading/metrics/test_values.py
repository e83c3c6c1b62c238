"""Metrics on traces with a few numbers, which can be checked in the head."""

from __future__ import annotations

from dataclasses import replace

import pytest
import traces

from uderia_bench.reading import metrics
from uderia_bench.trace import CallClass, Child, PhasePath, Timing, Tokens, ToolStatus
from uderia_bench.trial import Outcome

BY_NAME = {metric.name: metric for metric in metrics.BUILT_IN}

_CLOCK = Timing(
    queue_s=0.25,
    submit_s=0.5,
    stall_s=0.125,
    seen_hi_s=9.0,
    answer_s=4.0,
    terminal_s=6.0,
    naming_s=1.0,
    naming_before_answer_s=1.0,
    agent_s=2.0,
)
_POLLED = Timing(submit_s=0.5, seen_lo_s=8.0, seen_hi_s=9.0)
_CALLS = (
    traces.llm_call(CallClass.STRATEGIC, (700, 100)),
    traces.llm_call(CallClass.TACTICAL, (80, 10)),
    traces.llm_call(CallClass.TACTICAL, (100, 10)),
    traces.llm_call(CallClass.REPORT, (60, 5)),
    traces.llm_call(CallClass.CORRECTION, (40, 10)),
    traces.llm_call(CallClass.OTHER, (20, 5)),
)
_SPENT = Tokens(input=1100, output=150, naming_input=20, naming_output=2, cost_usd=0.5, naming_cost_usd=0.1)
_LEDGER = traces.trace(llm_calls=_CALLS, tokens=_SPENT, plan=(), timing=_CLOCK)

_PLAN = (traces.planned(1, "a"), traces.planned(2, "b"), traces.planned(3, "c"), traces.planned(4, "TDA_FinalReport"))
_PHASES = (
    traces.phase(1, PhasePath.FAST, fastpath_logged=True, duration_s=1.0),
    traces.phase(2, PhasePath.TACTICAL, duration_s=3.0),
    traces.phase(3, PhasePath.DISPATCHED),
    traces.phase(4, PhasePath.FAST, fastpath_logged=True, duration_s=2.0),
    traces.phase(5, PhasePath.SKIPPED),
)
_TOOLS = (
    traces.tool_call("a", phase=1),
    traces.tool_call("b", phase=2, llm_chosen=True, status=ToolStatus.ERROR),
    traces.tool_call("b", phase=2, llm_chosen=True, attempt=2),
    traces.tool_call("c", phase=3),
    traces.tool_call("TDA_FinalReport", phase=4),
)
_PLANNED = traces.trace(plan=_PLAN, phases=_PHASES, tool_calls=_TOOLS, llm_calls=_CALLS, corrections=2, plan_rewrites=1)
_AGENT = traces.trace(2, profile_type="llm_only", tool_calls=(traces.tool_call("a", llm_chosen=True),))
_EXPERTS = traces.trace(
    children=(Child(profile_tag="OPTIM", session_id="s", status=ToolStatus.SUCCESS),), tokens=Tokens(input=100, output=10)
)
_NOTHING = traces.trace(profile_type=None, outcome=Outcome.FAILED, tokens=Tokens(), answer=None)

_CASES = [
    ("latency_s", _LEDGER, 3.5),  # 0.5 + 4 - 1
    ("latency_s", traces.trace(timing=_POLLED), 9.0),  # no stamps: the poll that saw the end
    ("latency_s", traces.trace(timing=_POLLED, answer=None), None),
    ("latency_s", traces.trace(timing=Timing(answer_s=4.0)), None),  # the time of sending is unknown
    ("response_s", _LEDGER, 3.75),  # 0.25 + 3.5
    ("response_s", traces.trace(timing=_POLLED), None),  # the due time is unknown
    ("quantisation", _LEDGER, 0.0),
    ("quantisation", traces.trace(timing=_POLLED), 1 / 9),  # between second 8 and 9
    (
        "quantisation",
        traces.trace(timing=Timing(submit_s=0.5, seen_hi_s=2.0)),
        0.75,
    ),  # no poll before, but the answer to the POST
    ("quantisation", traces.trace(timing=Timing(seen_hi_s=0.0)), 1.0),
    ("quantisation", traces.trace(timing=_POLLED, answer=None), None),
    ("stall_s", _LEDGER, 0.125),
    ("answer_wall_s", _LEDGER, 4.5),
    ("answer_wall_s", traces.trace(timing=_POLLED), 9.0),
    ("task_s", _LEDGER, 6.5),
    ("task_s", traces.trace(timing=_POLLED), 9.0),
    ("submit_s", _LEDGER, 0.5),
    ("queue_s", _LEDGER, 0.25),
    ("naming_s", _LEDGER, 1.0),
    ("agent_s", _LEDGER, 2.0),
    ("phase_s_mean", _PLANNED, 2.0),  # (1 + 3 + 2) / 3
    ("phase_s_max", _PLANNED, 3.0),
    ("phase_s_max", _AGENT, None),
    ("input_tokens", _LEDGER, 1100),
    ("output_tokens", _LEDGER, 150),
    ("total_tokens", _LEDGER, 1250),
    ("total_tokens", _NOTHING, None),
    ("naming_tokens", _LEDGER, 22),
    ("naming_tokens", _NOTHING, None),
    ("naming_cost_usd", _LEDGER, 0.1),
    ("naming_cost_usd", _NOTHING, None),
    ("strategic_tokens", _LEDGER, 800),
    ("tactical_tokens", _LEDGER, 200),
    ("report_tokens", _LEDGER, 65),
    ("correction_tokens", _LEDGER, 50),
    ("other_tokens", _LEDGER, 25),
    ("other_tokens", _NOTHING, None),
    ("unattributed_tokens", _LEDGER, 110),  # 1250 - (800 + 200 + 65 + 50 + 25)
    ("tokens_per_llm_call", traces.trace(2), 110.0),
    ("tokens_per_llm_call", traces.trace(0), None),
    ("ms_per_token", _LEDGER, 2.8),  # 3500 ms / 1250
    ("ms_per_token", _NOTHING, None),
    ("overhead_ratio", _LEDGER, 0.64),  # 800 / 1250
    ("overhead_ratio", _AGENT, None),
    ("llm_calls", _LEDGER, 6),
    ("llm_calls", traces.trace(0), 0),
    ("llm_calls", _NOTHING, None),
    ("strategic_calls", _LEDGER, 1),
    ("tactical_calls", _LEDGER, 2),
    ("report_calls", _LEDGER, 1),
    ("correction_calls", _LEDGER, 1),
    ("other_calls", _AGENT, 2),
    ("other_calls", _NOTHING, None),
    ("cost_usd", _LEDGER, 0.5),
    ("price_fallback", traces.trace(price_fallback=True), True),
    ("list_cost_usd", traces.trace(list_cost_usd=0.25), 0.25),
    ("phases_planned", _PLANNED, 4),
    ("phases_planned", traces.trace(plan=()), 0),
    ("phases_planned", _AGENT, None),
    ("phases", _PLANNED, 4),  # the skipped one did not run
    ("fastpath_phases", _PLANNED, 3),
    ("fastpath_phases", _AGENT, None),
    ("fastpath_rate", _PLANNED, 0.75),
    ("fastpath_rate", _AGENT, None),
    ("fastpath_rate", traces.trace(plan=()), None),
    ("fastpath_logged", _PLANNED, 2),
    ("data_fastpath_rate", _PLANNED, 2 / 3),  # phases 1, 2 and 3 called a data tool
    ("direct_tool_rate", _PLANNED, 0.5),  # of a, b, b and c the plan chose a and c
    ("direct_tool_rate", _AGENT, 0.0),
    ("direct_tool_rate", traces.trace(), None),
    ("fastpath_tokens_saved", _PLANNED, 200.0),  # 2 data phases x (90 + 110) / 2
    ("fastpath_tokens_saved", _AGENT, None),
    ("plan_rewrites", _PLANNED, 1),
    ("plan_rewrites", _AGENT, None),
    ("tool_calls", _PLANNED, 4),
    ("tool_calls", _NOTHING, None),
    ("system_tool_calls", _PLANNED, 1),
    ("tool_errors", _PLANNED, 1),
    ("tool_success_rate", _PLANNED, 0.75),
    ("tool_success_rate", traces.trace(), None),
    ("corrections", _PLANNED, 2),
    ("corrections", _AGENT, 0),
    ("corrections", _NOTHING, None),
    ("correction_rate", _PLANNED, 0.5),
    ("correction_rate", _AGENT, None),
    ("correction_token_ratio", _LEDGER, 0.04),  # 50 / 1250
    ("correction_token_ratio", _AGENT, None),
    ("format_repairs", traces.trace(format_repairs=1), 1),
    ("rag_used", traces.trace(rag_used=True), True),
    ("hydrated", traces.trace(hydrated=False), False),
    ("distillations", traces.trace(plan=(), distillations=2), 2),
    ("distillations", _AGENT, None),
    ("orchestrations", traces.trace(plan=(), orchestrations=1), 1),
    ("lower_bound", _AGENT, None),
    ("lower_bound", replace(_EXPERTS, lower_bound=True), True),
    ("lower_bound", _EXPERTS, False),
    ("total_tokens", _EXPERTS, 110),
    ("total_tokens", replace(_EXPERTS, lower_bound=True), None),
    ("answered", _PLANNED, True),
    ("answered", traces.trace(outcome=Outcome.TIMED_OUT), False),
    ("checks_passed_ratio", traces.trace(checks_passed_ratio=0.5), 0.5),
    ("answer_chars", traces.trace(answer="42"), 2),
    ("answer_chars", traces.trace(answer=None), None),
]


@pytest.mark.parametrize(("name", "trace", "value"), _CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(_CASES)])
def test_a_metric_has_its_value(name, trace, value):
    """The value is what the metric's doc says."""
    assert metrics.observe(trace, (BY_NAME[name],)) == {name: pytest.approx(value) if isinstance(value, float) else value}


@pytest.mark.parametrize(
    ("calls", "redundant", "repeats"),
    [
        ((), 0, 0),
        ((traces.tool_call(phase=1), traces.tool_call(phase=2)), 1, 1),  # fetched again by another phase
        ((traces.tool_call(phase=1), traces.tool_call(phase=1)), 0, 2),  # a loop inside one phase
        ((traces.tool_call(), traces.tool_call(), traces.tool_call()), 2, 3),  # an agent without phases
        ((traces.tool_call(phase=1), traces.tool_call(phase=2, arguments='{"a":1}')), 0, 1),
        ((traces.tool_call(phase=1, status=ToolStatus.ERROR), traces.tool_call(phase=1, attempt=2)), 0, 1),  # a retry
        (tuple(traces.tool_call(phase=1, iteration="loop") for _ in range(5)), 0, 0),  # intended
        ((traces.tool_call("TDA_CurrentDate", phase=1), traces.tool_call("TDA_CurrentDate", phase=2)), 0, 0),
    ],
)
def test_repetition_is_told_apart_from_retries_and_loops(calls, redundant, repeats):
    """Only a call that nothing explains is redundant or repeated."""
    observed = metrics.observe(traces.trace(tool_calls=calls))
    assert (observed["redundant_tool_calls"], observed["max_tool_repeats"]) == (redundant, repeats)


def test_the_classes_and_the_unattributed_add_up_to_the_total():
    """The ledger always balances."""
    observed = metrics.observe(_LEDGER)
    classes = [f"{call_class.value}_tokens" for call_class in CallClass]
    assert sum(observed[name] for name in (*classes, "unattributed_tokens")) == observed["total_tokens"]
