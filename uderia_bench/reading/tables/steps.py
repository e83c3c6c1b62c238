"""Table of the steps: one row per phase, LLM call and tool call, with its times and tokens.

``index`` counts the steps of one kind from 1. (``trial_id``, ``kind``, ``index``) is a key, which
the evidence of an issue uses too. ``parent`` is the index of the phase that a call belongs to.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from uderia_bench.reading.tables import identity
from uderia_bench.reading.tables.columns import COUNT, NUMBER, TEXT, column
from uderia_bench.trace import Child, LlmCall, Phase, StepKind, ToolCall, Trace
from uderia_bench.trial import Trial

LONGEST_TEXT = 2_000  # characters of arguments, errors and goals; the ledger has the full text
CHILD = "child"  # the class of a consulted profile, called as a tool by a coordinator
_CUT = "…"

SCHEMA = pa.schema(
    [
        *identity.COLUMNS,
        column("kind", TEXT, "`phase`, `llm_call` or `tool_call`."),
        column("index", COUNT, "Number of the step among those of its kind, from 1."),
        column("parent", COUNT, "Index of the phase that the step belongs to."),
        column(
            "class",
            TEXT,
            "Class of an LLM call (strategic, tactical, report, correction, other) or of a tool (data, system, child).",
        ),
        column("name", TEXT, "Goal of the phase, message of the LLM call, or name of the tool."),
        column("status", TEXT, "How the step ended."),
        column("path", TEXT, "How the phase came to its tool, such as fast path or tactical."),
        column("iteration", TEXT, "The item of a loop that the call is for."),
        column("attempt", COUNT, "Number of the attempt at a tool call, from 1."),
        column("depth", COUNT, "Depth of nested prompts, 0 at the top."),
        column("start_s", NUMBER, "Seconds from the first event of the task to the start of the step."),
        column("duration_s", NUMBER, "Duration in seconds."),
        column("input_tokens", COUNT, "Input tokens."),
        column("output_tokens", COUNT, "Output tokens."),
        column("cost_usd", NUMBER, "Cost in US dollars, as the server states it."),
        column("model", TEXT, "Model that was called."),
        column("arguments", TEXT, "Arguments of the tool call, as canonical JSON."),
        column("error", TEXT, "Error of the tool call."),
    ],
    metadata={"schema": "uderia-bench/steps/1"},
)
_NOTHING: dict[str, Any] = dict.fromkeys(name for name in SCHEMA.names[len(identity.COLUMNS) :])


def rows(run_id: str, trial: Trial, trace: Trace) -> list[dict[str, Any]]:
    """Return a trial's steps as rows of ``SCHEMA``: phases, LLM calls, then tool calls, each in the order of the trace."""
    known = {**identity.of(run_id, trial), **_NOTHING}
    place = phase_places(trace)
    tools = (*(_tool(call, place) for call in trace.tool_calls), *(_child(child, place) for child in trace.children))
    kinds = (
        (StepKind.PHASE, map(_phase, trace.phases)),
        (StepKind.LLM_CALL, (_llm(call, place) for call in trace.llm_calls)),
        (StepKind.TOOL_CALL, tools),
    )
    return [
        {**known, "kind": kind.value, "index": index, **own}
        for kind, found in kinds
        for index, own in enumerate(found, start=1)
    ]


def phase_places(trace: Trace) -> dict[int | None, int]:
    """Return the index of every phase by its number; the last one where a re-plan used a number again."""
    return {phase.number: index for index, phase in enumerate(trace.phases, start=1)}


def _phase(phase: Phase) -> dict[str, Any]:
    return {
        **_same(phase, "status", "start_s", "duration_s"),
        "name": _bounded(phase.goal),
        "path": phase.path.value,
        "iteration": "loop" if phase.looped else None,
    }


def _llm(call: LlmCall, place: dict[int | None, int]) -> dict[str, Any]:
    return {
        "parent": place.get(call.phase),
        "class": call.call_class.value,
        "name": _bounded(call.label),
        **_same(call, "depth", "start_s", "duration_s", "input_tokens", "output_tokens", "cost_usd", "model"),
    }


def _tool(call: ToolCall, place: dict[int | None, int]) -> dict[str, Any]:
    return {
        "parent": place.get(call.phase),
        "class": "system" if call.system else "data",
        "name": _bounded(call.name),
        "status": call.status.value,
        "path": "llm" if call.llm_chosen else "plan",
        **_same(call, "iteration", "attempt", "start_s", "duration_s"),
        "arguments": _bounded(call.arguments),
        "error": _bounded(call.error),
    }


def _child(child: Child, place: dict[int | None, int]) -> dict[str, Any]:
    return {**_tool(child.call, place), "class": CHILD, "path": None, "attempt": None, "arguments": None}


def _same(step: Phase | LlmCall | ToolCall, *names: str) -> dict[str, Any]:
    """Return the fields of a step that the table has under the same names."""
    return {name: getattr(step, name) for name in names}


def _bounded(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + _CUT
