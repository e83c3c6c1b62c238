"""Every detector has a trial where it must fire and a near miss, one step away, where it must not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import traces
from traces import llm_call, phase, planned, tool_call

from uderia_bench.reading import detectors
from uderia_bench.trace import CallClass, ContextModule, PhasePath, Signal, SignalKind, Tokens, ToolStatus, Trace
from uderia_bench.trial import Outcome

AGENT = {"profile_type": "llm_only", "execution_path": "conversation_agent"}
FAILED = {"status": ToolStatus.ERROR, "error": "no such column"}
REPORT = planned(9, "TDA_FinalReport")


def tactical(arguments="{}", plan_arguments="{}", tools=("base_tableList",), **call):
    """Return a trace with one tactical phase: what was planned for it, and the one call that the LLM chose."""
    return traces.trace(
        plan=(planned(1, *tools, arguments=plan_arguments), REPORT),
        phases=(phase(1, PhasePath.TACTICAL, tools=tools),),
        llm_calls=(llm_call(CallClass.TACTICAL, (300, 20), phase=1),),
        tool_calls=(tool_call(arguments=arguments, llm_chosen=True, phase=1, **call),),
    )


def strategic(*sizes):
    """Return a trace with strategic calls of this many input tokens."""
    return traces.trace(plan=(REPORT,), llm_calls=tuple(llm_call(CallClass.STRATEGIC, (size, 0)) for size in sizes))


def work(phases, complexity="simple"):
    """Return a trace whose plan looks the date up, does this many phases of work and reports."""
    steps = (planned(n, "base_tableList") for n in range(1, phases + 1))
    return traces.trace(plan=(planned(0, "TDA_CurrentDate"), *steps, REPORT), complexity=complexity)


def asked(question, *plan, **changes):
    """Return an answered trace of a question."""
    return traces.trace(question=question, plan=plan or None, **changes)


def repeats(times, **call):
    """Return an agent's trace that makes one call this often."""
    return traces.trace(times, tool_calls=(tool_call(llm_chosen=True, **call),) * times, **AGENT)


def says(kind, **changes):
    """Return a planner's trace with one signal of the server."""
    return traces.trace(plan=(REPORT,), signals=(Signal(kind=kind, said="it said so"),), **changes)


def spent(call_classes, total=None, **changes):
    """Return a planner's trace with one call of 100 + 10 tokens a class, and another total where one is given."""
    calls = tuple(llm_call(one) for one in call_classes)
    more = {} if total is None else {"tokens": Tokens(input=total, output=0, naming_input=0, naming_output=0)}
    return traces.trace(llm_calls=calls, plan=(REPORT,), **more, **changes)


@dataclass(frozen=True)
class Case:
    """One step apart: the detector fires on the first and not on the second."""

    kind: str
    because: str
    fires: Trace
    near_miss: Trace


CASES = (
    Case("excessive_planning", "over the threshold", strategic(6_000, 4_001), strategic(6_000, 4_000)),
    Case("missed_fast_path", "the arguments were planned", tactical('{"a":1}', '{"a":1}'), tactical('{"a":1}', "{}")),
    Case("missed_fast_path", "no argument is needed", tactical(), tactical(tools=("base_tableList", "base_columnList"))),
    Case(
        "missed_fast_path", "a placeholder is not concrete",
        tactical('{"a":"x"}', '{"a":"x"}'), tactical('{"a":"{phase_1|key}"}', '{"a":"{phase_1|key}"}'),
    ),
    Case("missed_fast_path", "a phrase of time is not concrete",
         tactical('{"d":"2026-11-23"}', '{"d":"2026-11-23"}'), tactical('{"d":"yesterday"}', '{"d":"yesterday"}')),
    Case(
        "missed_fast_path", "a result yet to come is not concrete",
        tactical('{"a":{"b":1}}', '{"a":{"b":1}}'), tactical('{"a":{"source":"p1"}}', '{"a":{"source":"p1"}}'),
    ),
    Case("missed_fast_path", "a list of names is not concrete", tactical('{"a":[1]}', '{"a":[1]}'),
         tactical('{"a":["x"]}', '{"a":["x"]}')),
    Case("missed_fast_path", "another tool was chosen", tactical(), tactical(name="base_readQuery")),
    Case("over_engineered_plan", "report and date are no work", work(3), work(2)),
    Case("over_engineered_plan", "only of a simple query", work(3), work(3, "complex")),
    Case(
        "missing_temporal_context", "no phase looks at dates",
        asked("usage of the past 3 days", planned(1, "dba_usage"), REPORT),
        asked("usage of the past 3 days", planned(1, "dba_usage", arguments='{"date":"past 3 days"}'), REPORT),
    ),
    Case(
        "missing_temporal_context", "the server put the date in",
        asked("usage of the past 3 days", planned(1, "dba_usage"), REPORT),
        asked("usage of the past 3 days", planned(1, "TDA_CurrentDate"), planned(2, "dba_usage"), REPORT),
    ),
    Case(
        "missing_temporal_context", "the SQL works the date out",
        asked("tables of last week", planned(1, "base_readQuery", arguments='{"sql":"SELECT 1"}')),
        asked("tables of last week", planned(1, "base_readQuery", arguments='{"sql":"SELECT CURRENT_DATE - 7"}')),
    ),
    Case("report_before_data", "data comes after the report",
         asked("?", REPORT, planned(10, "base_tableList")), asked("?", planned(1, "base_tableList"), REPORT)),
    Case("no_tool_called", "the question asks for data", asked("how many databases are there?", **AGENT),
         asked("how many databases are there?", tool_calls=(tool_call(),), **AGENT)),
    Case("no_tool_called", "a concept is no data", asked("which tables are there?", **AGENT),
         asked("what is a table?", **AGENT)),
    Case("no_tool_called", "a failed trial has its reason already", asked("?", planned(1, "base_tableList")),
         asked("?", planned(1, "base_tableList"), outcome=Outcome.FAILED)),
    Case("no_tool_called", "an earlier turn had fetched it", asked("?", planned(1, "base_tableList")),
         asked("?", planned(1, "base_tableList"), hydrated=True)),
    Case("recursion", "more than three times", repeats(4), repeats(3)),
    Case("recursion", "an iteration repeats on purpose", repeats(4), repeats(4, iteration="day")),
    Case(
        "recursion", "a retry changed nothing",
        traces.trace(tool_calls=(tool_call(phase=1, **FAILED), tool_call(phase=1, attempt=2, **FAILED))),
        traces.trace(tool_calls=(tool_call(phase=1, **FAILED), tool_call(phase=1, attempt=2))),
    ),
    Case("recursion", "the server stopped it", says(SignalKind.RECURSION_GUARD), says(SignalKind.REWRITE)),
    Case(
        "redundant_tool_calls", "another phase had it",
        traces.trace(tool_calls=(tool_call(phase=1), tool_call(phase=2))),
        traces.trace(tool_calls=(tool_call(phase=1), tool_call(phase=2, arguments='{"a":1}'))),
    ),
    Case("inappropriate_format", "the server repaired it", says(SignalKind.FORMAT_REPAIR), says(SignalKind.CORRECTION)),
    Case(
        "inappropriate_format", "the planner gave up",
        traces.trace(plan=(), outcome=Outcome.FAILED, outcome_detail="Failed to generate a valid meta-plan after 2 attempts."),
        traces.trace(plan=(), outcome=Outcome.FAILED, outcome_detail="the deadline passed"),
    ),
    Case("inappropriate_format", "a retry is logged nowhere", spent([CallClass.STRATEGIC], 116),
         spent([CallClass.STRATEGIC], 115)),
    Case("tool_failed_in_answer", "it failed for good",
         traces.trace(tool_calls=(tool_call(phase=1, **FAILED), tool_call(phase=2))),
         traces.trace(tool_calls=(tool_call(phase=1, **FAILED), tool_call("other", phase=1, attempt=2)))),
    Case("tool_failed_in_answer", "a day of a range failed",
         traces.trace(tool_calls=(tool_call(iteration="day", **FAILED), tool_call(iteration="day", arguments='{"d":2}'))),
         traces.trace(tool_calls=(tool_call(iteration="day", **FAILED), tool_call(iteration="day")))),
    Case("self_correction_overhead", "more than a tenth",
         spent([CallClass.CORRECTION] + [CallClass.REPORT] * 8), spent([CallClass.CORRECTION] + [CallClass.REPORT] * 9)),
    Case("high_tokens_per_call", "over the threshold", traces.trace(llm_calls=(llm_call(tokens=(10_001, 0)),)),
         traces.trace(llm_calls=(llm_call(tokens=(10_000, 0)),))),
    Case("high_tokens_per_call", "what no call accounts for makes none larger",
         traces.trace(llm_calls=(llm_call(tokens=(20_001, 0)), llm_call(tokens=(0, 0)))), spent([CallClass.STRATEGIC], 20_000)),
    Case("unattributed_tokens", "more than the margin is missing", spent([CallClass.REPORT], 116),
         spent([CallClass.REPORT], 115)),
    Case("unattributed_tokens", "the calls claim more", spent([CallClass.REPORT], 100), spent([CallClass.REPORT], 110)),
    Case("warm_repeat", "a case was reused", traces.trace(rag_used=True), traces.trace(rag_used=False)),
)  # fmt: skip


def kinds(trace):
    """Return the kinds found in a trace."""
    return {issue.kind for issue in detectors.detect(trace)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.because}")
def test_it_fires_and_one_step_away_it_does_not(case):
    """The trial it was made for, and its near miss."""
    assert case.kind in kinds(case.fires)
    assert case.kind not in kinds(case.near_miss)


def test_every_detector_has_its_pair():
    """A detector added without one is not proven."""
    assert {case.kind for case in CASES} == {detector.name for detector in detectors.BUILT_IN}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.because}")
def test_a_finding_is_complete(case):
    """Evidence with figures, a recommendation, and an estimate only with its method; evidence points at steps that exist."""
    steps = {"phase": case.fires.phases, "llm_call": case.fires.llm_calls, "tool_call": case.fires.tool_calls}
    for issue in detectors.detect(case.fires):
        assert issue.evidence
        assert issue.recommendation.endswith(".")
        assert (issue.tokens_lost is None) == (issue.method is None)
        assert issue.tokens_lost is None or issue.tokens_lost > 0
        for evidence in issue.evidence:
            assert evidence.said
            assert evidence.step is None or 1 <= evidence.index <= len(steps[evidence.step])


def only(trace, kind, **thresholds):
    """Return the one issue of a kind."""
    [issue] = [i for i in detectors.detect(trace, thresholds=detectors.Thresholds(**thresholds)) if i.kind == kind]
    return issue


def test_excessive_planning_is_explained_by_what_filled_the_prompt():
    """Which module, how many tokens, the largest first; the loss is what is over the threshold."""
    window = "Context Window Assembly"
    filled = tuple(ContextModule(assembly=window, label=label, tokens=n) for label, n in (("History", 12), ("Tools", 7_940)))
    trace = traces.trace(plan=(REPORT,), llm_calls=(llm_call(CallClass.STRATEGIC, (11_000, 500)),), context=filled)
    issue = only(trace, "excessive_planning")
    assert issue.tokens_lost == 1_500
    assert [str(evidence) for evidence in issue.evidence] == [
        "llm_call 1: call (strategic), 11,000 + 500 tokens",
        "Context Window Assembly: Tools 7,940, History 12 tokens",
    ]


def test_thresholds_are_settable():
    """The same trace is no issue once more is allowed."""
    trace = strategic(6_000, 4_001)
    assert only(trace, "excessive_planning").tokens_lost == 1
    assert detectors.detect(trace, thresholds=detectors.Thresholds(strategic_tokens=20_000)) == ()


def test_a_missed_fast_path_costs_its_tactical_calls():
    """What was paid for deciding what was decided."""
    issue = only(tactical(), "missed_fast_path")
    assert (issue.tokens_lost, issue.method) == (320, "the tactical calls of those phases")


def test_a_redundant_call_of_an_agent_costs_a_mean_step():
    """Two steps of 110 tokens chose the same call twice: the second is estimated at 110; a planned call costs no LLM tokens."""
    assert only(repeats(2), "redundant_tool_calls").tokens_lost == 110
    fast = traces.trace(tool_calls=(tool_call(phase=1), tool_call(phase=2)))
    assert only(fast, "redundant_tool_calls").tokens_lost is None


def test_tokens_in_no_call_are_a_hint_and_a_repair_a_warning():
    """The fifth signal alone is weak: dates and re-ranking are logged nowhere either."""
    assert only(spent([CallClass.STRATEGIC], 116), "inappropriate_format").severity == detectors.Severity.INFO
    assert only(says(SignalKind.FORMAT_REPAIR), "inappropriate_format").severity == detectors.Severity.WARNING


def test_an_empty_trace_has_no_issue():
    """Where nothing came back there is nothing to find."""
    assert detectors.detect(traces.trace(profile_type=None, tokens=Tokens(), answer=None, outcome=Outcome.LOST)) == ()
