"""One trial for ``inspect``: its trace, its metrics and its issues, and their JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from uderia_bench.reading import derive
from uderia_bench.reading.detectors import Issue
from uderia_bench.reading.metrics import Value
from uderia_bench.report.formats.data import data, record
from uderia_bench.trace import LlmCall, PlannedPhase, ToolCall, Trace
from uderia_bench.trial import TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A trial read in full.

    ``planned`` trials belong to a run, so they have a query, an arm and expectations.
    """

    record: TrialRecord
    planned: bool
    trace: Trace
    metrics: Mapping[str, Value]
    issues: tuple[Issue, ...]


def to_json(inspected: Inspected) -> str:
    """Return the trial as JSON. Every metric is a key, null where it does not apply."""
    trace = inspected.trace
    shown = {
        "outcome": trace.outcome,
        "outcome_detail": trace.outcome_detail,
        "served": served(inspected),
        "metrics": dict(inspected.metrics),
        "plan": [_with_arguments(phase) for phase in trace.plan or ()],
        "phases": data(trace.phases),
        "llm_calls": [_llm_call(call) for call in trace.llm_calls],
        "tools": [
            *(_with_arguments(call) | {"session_id": None} for call in trace.tool_calls),
            *(_with_arguments(child.call) | {"session_id": child.session_id} for child in trace.children),
        ],
        "issues": [_issue(issue) for issue in inspected.issues],
    }
    return json.dumps(shown, indent=2)  # ASCII, so that no terminal obeys what a server said


def served(inspected: Inspected) -> dict[str, Any]:
    """Return who served the trial, by the columns of docs/reference/tables.md; null where unknown."""
    found = derive.served(inspected.record, inspected.trace)
    return {name: value if name == "models_used" else value or None for name, value in found.items()}


def _llm_call(call: LlmCall) -> dict[str, Any]:
    found = record(call)
    return {"class": found.pop("call_class"), **found}


def _with_arguments(step: PlannedPhase | ToolCall) -> dict[str, Any]:
    """Return a step whose arguments are canonical JSON text, with the arguments parsed."""
    return record(step) | {"arguments": orjson.loads(step.arguments)}


def _issue(issue: Issue) -> dict[str, Any]:
    return record(issue) | {"evidence": [str(evidence) for evidence in issue.evidence]}
