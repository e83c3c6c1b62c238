"""One trial as ``inspect`` shows it: its trace, its metrics and what the detectors found. A value, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from uderia_bench.reading.detectors import Issue
from uderia_bench.reading.metrics import Value
from uderia_bench.trace import Child, LlmCall, Phase, PlannedPhase, ToolCall, Trace
from uderia_bench.trial import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A trial read in full. ``planned``: the record belongs to a run, so it has a trial, an arm and expectations."""

    record: TrialRecord
    planned: bool
    trace: Trace
    metrics: Mapping[str, Value]
    issues: tuple[Issue, ...]


def to_json(inspected: Inspected) -> str:
    """Return the JSON of docs/reference/run-directory.md, "report.json": every metric a key, null where it does not apply."""
    trace = inspected.trace
    shown = {
        "outcome": trace.outcome,
        "outcome_detail": trace.outcome_detail,
        "served": served(inspected),
        "metrics": dict(inspected.metrics),
        "plan": [_planned(phase) for phase in trace.plan or ()],
        "phases": [_phase(phase) for phase in trace.phases],
        "llm_calls": [_llm_call(call) for call in trace.llm_calls],
        "tools": [*map(_tool_call, trace.tool_calls), *map(_child, trace.children)],
        "issues": [_issue(issue) for issue in inspected.issues],
    }
    return orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()


def served(inspected: Inspected) -> dict[str, Any]:
    """Return who served the trial, by the columns of docs/reference/tables.md; null where nothing says it."""
    record, trace = inspected.record, inspected.trace
    return {
        "server": record.expected.server or None,
        "profile_id": record.expected.profile_id or None,
        "profile_tag": trace.profile_tag or record.expected.profile_tag or None,
        "profile_type": trace.profile_type or record.expected.profile_type or None,
        "execution_path": trace.execution_path,
        "provider": trace.provider,
        "model": trace.model,
        "models_used": list(trace.models_used),
        "session_id": record.session_id,
        "task_id": record.task_id,
    }


def _planned(phase: PlannedPhase) -> dict[str, Any]:
    return {
        "number": phase.number,
        "goal": phase.goal,
        "tools": list(phase.tools),
        "arguments": orjson.loads(phase.arguments),
        "looped": phase.looped,
    }


def _phase(phase: Phase) -> dict[str, Any]:
    return {
        "number": phase.number,
        "goal": phase.goal,
        "tools": list(phase.tools),
        "path": phase.path,
        "fastpath_logged": phase.fastpath_logged,
        "status": phase.status,
        "looped": phase.looped,
        "parallel": phase.parallel,
        "start_s": phase.start_s,
        "duration_s": phase.duration_s,
    }


def _llm_call(call: LlmCall) -> dict[str, Any]:
    return {
        "class": call.call_class,
        "label": call.label,
        "phase": call.phase,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cost_usd": call.cost_usd,
        "model": call.model,
        "call_id": call.call_id,
        "start_s": call.start_s,
        "duration_s": call.duration_s,
        "depth": call.depth,
    }


def _tool_call(call: ToolCall) -> dict[str, Any]:
    return {
        "name": call.name,
        "arguments": orjson.loads(call.arguments),
        "system": call.system,
        "status": call.status,
        "llm_chosen": call.llm_chosen,
        "phase": call.phase,
        "attempt": call.attempt,
        "iteration": call.iteration,
        "error": call.error,
        "start_s": call.start_s,
        "duration_s": call.duration_s,
        "session_id": None,
    }


def _child(child: Child) -> dict[str, Any]:
    """Return a consulted profile as the coordinator's tool that it is, under the server's name, with its own session."""
    return {
        "name": f"invoke_{child.profile_tag}",
        "arguments": None,
        "system": False,
        "status": child.status,
        "llm_chosen": True,
        "phase": None,
        "attempt": 1,
        "iteration": None,
        "error": child.error,
        "start_s": child.start_s,
        "duration_s": child.duration_s,
        "session_id": child.session_id,
    }


def _issue(issue: Issue) -> dict[str, Any]:
    return {
        "kind": issue.kind,
        "severity": issue.severity,
        "evidence": [str(evidence) for evidence in issue.evidence],
        "recommendation": issue.recommendation,
        "tokens_lost": issue.tokens_lost,
        "method": issue.method,
    }
