"""Every labelled trial and every capture, read against what was counted at the LLM and at the tool server."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import traces

from uderia_bench.reading import metrics, profile_types
from uderia_bench.trace import CallClass
from uderia_bench.trial import Outcome

pytestmark = [pytest.mark.shared, pytest.mark.usefixtures("shared")]

_UDERIA = Path(__file__).resolve().parents[4] / "shared/uderia"
COORDINATED = sorted((_UDERIA / "labelled-2").glob("*.json"))
LABELLED = sorted((_UDERIA / "labelled").glob("*.json"))
CAPTURES = sorted(path.parent for path in (_UDERIA / "captures").glob("*/session_details.json"))
PARSE_RETRY = "optim-this-plan-is-broken-garbage"  # its second call is in no log: unattributed tokens

# docs/reference/measured.md, "Labelled trials": plan -> strategic, tactical -> tactical,
# final_report -> report, correct* -> correction, the rest other
_KINDS = {"plan": "strategic", "plan_garbage": "strategic", "tactical": "tactical", "final_report": "report"}


def _class_of(kind):
    return CallClass("correction" if kind.startswith("correct") else _KINDS.get(kind, "other"))


@pytest.mark.parametrize("path", LABELLED or [None], ids=lambda path: path.stem if path else "absent")
def test_a_labelled_trial_is_read_as_it_was(path):
    """Outcome, tokens, naming, LLM calls by class, tool calls, tool errors and corrections equal the truth."""
    trial = json.loads(path.read_bytes())
    truth = trial["truth"]
    record = traces.record(trial["task"], trial["session"], sent_s=10.0, accepted_s=10.0 + truth["submit_s"])
    trace = profile_types.read(record)
    observed = metrics.observe(trace)
    kinds = Counter(_class_of(kind) for kind in truth["llm_kinds"])
    if path.stem == PARSE_RETRY:
        kinds[CallClass.STRATEGIC] -= 1
        assert observed["unattributed_tokens"] == 14147 - 7038  # both tries less the first, the only one logged
    else:
        assert observed["llm_calls"] == truth["llm_calls"]
        assert observed["unattributed_tokens"] == 0
    assert trace.outcome == truth["outcome"], trace.outcome_detail
    assert (observed["input_tokens"], observed["output_tokens"]) == (truth["input_tokens"], truth["output_tokens"])
    assert observed["naming_tokens"] == truth["naming_tokens"]
    assert Counter(call.call_class for call in trace.llm_calls) == +kinds
    assert (observed["tool_calls"], observed["tool_errors"]) == (truth["mcp_calls"], truth["mcp_errors"])
    assert observed["corrections"] == kinds[CallClass.CORRECTION]
    assert trace.unclassified == 0
    totals = profile_types.totals(record)
    assert (totals.outcome, totals.outcome_detail, totals.timing, totals.tokens, totals.answer) == (
        trace.outcome,
        trace.outcome_detail,
        trace.timing,
        trace.tokens,
        trace.answer,
    )
    if trace.outcome is Outcome.ANSWERED:
        assert 0 < observed["latency_s"] <= observed["answer_wall_s"] <= truth["seen_s"] + 0.02  # a 20 ms poll saw the end


@pytest.mark.parametrize("path", COORDINATED or [None], ids=lambda path: path.stem if path else "absent")
def test_a_labelled_coordination_counts_its_experts(path):
    """Tokens, naming, calls by class and tools equal the truth; the record has one session that is not this trial's."""
    trial = json.loads(path.read_bytes())
    truth = trial["truth"]
    children = tuple(json.dumps(child).encode() for child in trial["children"].values())
    trace = profile_types.read(traces.record(trial["task"], trial["session"], sent_s=10.0, accepted_s=10.05, children=children))
    observed = metrics.observe(trace)
    assert (observed["input_tokens"], observed["output_tokens"]) == (truth["input_tokens"], truth["output_tokens"])
    assert observed["naming_tokens"] == truth["naming_tokens"]
    assert Counter(call.call_class for call in trace.llm_calls) == Counter(map(_class_of, truth["llm_kinds"]))
    assert (observed["tool_calls"], observed["tool_errors"]) == (truth["mcp_calls"], truth["mcp_errors"])
    assert (observed["unattributed_tokens"], observed["lower_bound"], trace.notes) == (0, False, ())
    assert 0 < trace.timing.naming_s < 0.5
    assert observed["latency_s"] == pytest.approx(observed["answer_wall_s"] - trace.timing.naming_s)


# scenario: outcome, profile type, (input, output) tokens, LLM calls, data-tool calls, phase paths
_READ = {
    "ideat-first-run": ("answered", "llm_only", (12025, 25), 2, 1, ""),
    "ideat-knowledge": ("answered", "llm_only", (13754, 32), 2, 1, ""),
    "ideat-no-tool": ("answered", "llm_only", (5922, 8), 1, 0, ""),
    "ideat-one-tool": ("answered", "llm_only", (12025, 25), 2, 1, ""),
    "ideat-tool-chain": ("answered", "llm_only", (18297, 66), 3, 2, ""),
    "ideat-tool-error": ("answered", "llm_only", (12041, 35), 2, 1, ""),
    "no-profile-id-on-query": ("answered", "tool_enabled", (9261, 111), 2, 1, "fast fast"),
    "optim-contaminated": ("misrouted", "tool_enabled", (8309, 120), 2, 1, "fast fast"),
    "optim-date-range": ("answered", "tool_enabled", (7639, 117), 2, 3, "fast orchestrated fast"),
    "optim-fastpath": ("answered", "tool_enabled", (7600, 111), 2, 1, "fast fast"),
    "optim-knowledge": ("answered", "tool_enabled", (9296, 119), 2, 1, "fast fast"),
    "optim-multi-tool": ("answered", "tool_enabled", (7718, 119), 2, 2, "dispatched fast"),
    "optim-plan-failure": ("failed", "tool_enabled", (14121, 22), 1, 0, ""),
    "optim-self-correction": ("answered", "tool_enabled", (9323, 143), 3, 2, "fast fast"),
    "optim-tactical": ("answered", "tool_enabled", (9821, 140), 4, 0, "tactical fast"),
    "task-error": ("failed", "tool_enabled", (None, None), 0, 0, ""),
    "unknown-profile-id": ("misrouted", "tool_enabled", (9437, 111), 2, 1, "fast fast"),
}


def _body(path):
    return json.loads(path.read_bytes())["body"]


def test_every_scenario_is_known():
    """A capture added to the shared material needs its line here."""
    assert {folder.name for folder in CAPTURES} == set(_READ)


@pytest.mark.parametrize("folder", CAPTURES or [None], ids=lambda folder: folder.name if folder else "absent")
def test_a_captured_scenario_is_read(folder):
    """Every scenario has the outcome, totals, calls and paths that its raw JSON shows; nothing in it is unclassified."""
    trace = profile_types.read(traces.record(_body(folder / "task_final.json"), _body(folder / "session_details.json")))
    observed = metrics.observe(trace)
    assert (
        trace.outcome,
        trace.profile_type,
        (trace.tokens.input, trace.tokens.output),
        len(trace.llm_calls),
        observed["tool_calls"],
        " ".join(phase.path for phase in trace.phases),
    ) == _READ[folder.name]
    assert trace.unclassified == 0


@pytest.mark.parametrize("tag", ["IDEAT", "OPTIM"])
def test_a_cancelled_capture_is_cancelled(shared, tag):
    """OPTIM saves a turn with that status, IDEAT saves none: both are cancelled."""
    folder = shared / "uderia/captures/cancel"
    task, session = _body(folder / f"{tag}_poll_after_cancel3.json"), _body(folder / f"{tag}_details_after_cancel.json")
    trace = profile_types.read(traces.record(task, session))
    assert (trace.outcome, trace.outcome_detail) == (Outcome.CANCELLED, "Task cancelled by user.")


@pytest.mark.parametrize("folder", CAPTURES or [None], ids=lambda folder: folder.name if folder else "absent")
def test_without_its_session_a_capture_reads_nearly_the_same(folder):
    """The stream alone gives the same totals, classes, tools and paths; only what it never carries is missing."""
    task, session = _body(folder / "task_final.json"), _body(folder / "session_details.json")
    full = profile_types.read(traces.record(task, session))
    if isinstance(task["result"], dict):
        task["result"].pop("execution_trace", None)
    alone = profile_types.read(traces.record(task))
    assert Counter(c.call_class for c in alone.llm_calls) == Counter(c.call_class for c in full.llm_calls)
    assert sorted((c.name, c.status, c.attempt) for c in alone.tool_calls) == sorted(
        (c.name, c.status, c.attempt) for c in full.tool_calls
    )
    if folder.name != "optim-date-range":  # the stream never says that the server expanded a date range
        assert [phase.path for phase in alone.phases] == [phase.path for phase in full.phases]
    assert (alone.tokens.input, alone.tokens.output) == (full.tokens.input, full.tokens.output)
