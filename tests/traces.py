"""Builders with defaults for traces and records: a test names only what it is about."""

from __future__ import annotations

from typing import Any

import orjson

from uderia_bench.trace import CallClass, LlmCall, Phase, PhasePath, PlannedPhase, Timing, Tokens, ToolCall, ToolStatus, Trace
from uderia_bench.trial import Ending, Outcome, Serving, Stage, Trial, TrialRecord


def trial(**changes: Any) -> Trial:
    """Return a measured trial of one query on one arm."""
    values: dict[str, Any] = {
        "trial_id": "t-1", "seq": 0, "block": 0, "window": 0, "stage": Stage.MEASURED, "query_id": "q", "prompt": "how many?",
        "complexity": None, "tags": (), "arm": "A", "repeat": 1,
    }  # fmt: skip
    return Trial(**{**values, **changes})


def expected(**changes: Any) -> Serving:
    """Return an expectation of nothing, unless the test names something."""
    return Serving(**{"server": "", "profile_id": "", "profile_tag": "", "profile_type": "", **changes})


def record(task: Any = None, session: Any = None, **changes: Any) -> TrialRecord:
    """Return a settled record of these bodies (JSON values, or bytes as they are); None leaves a body out."""
    values: dict[str, Any] = {
        "trial": trial(), "expected": expected(), "ending": Ending.SETTLED, "detail": None, "task": _body(task),
        "session": _body(session),
    }  # fmt: skip
    return TrialRecord(**{**values, **changes})


def _body(value: Any) -> bytes | None:
    return value if value is None or isinstance(value, bytes) else orjson.dumps(value)


def llm_call(call_class: CallClass = CallClass.OTHER, tokens: tuple[int, int] = (100, 10), **changes: Any) -> LlmCall:
    """Return one LLM call of (input, output) tokens."""
    return LlmCall(call_class=call_class, label="call", input_tokens=tokens[0], output_tokens=tokens[1], **changes)


def tool_call(name: str = "base_tableList", **changes: Any) -> ToolCall:
    """Return one successful call of a data tool that the plan chose."""
    values: dict[str, Any] = {
        "name": name, "arguments": "{}", "system": name.startswith("TDA_"), "status": ToolStatus.SUCCESS, "llm_chosen": False,
    }  # fmt: skip
    return ToolCall(**{**values, **changes})


def phase(number: int = 1, path: PhasePath = PhasePath.FAST, **changes: Any) -> Phase:
    """Return one completed phase."""
    values: dict[str, Any] = {
        "number": number, "goal": f"goal {number}", "tools": (), "path": path, "fastpath_logged": False, "status": "completed",
    }  # fmt: skip
    return Phase(**{**values, **changes})


def planned(number: int = 1, *tools: str, **changes: Any) -> PlannedPhase:
    """Return one phase of a plan."""
    return PlannedPhase(number=number, goal=f"goal {number}", tools=tools, **changes)


def trace(calls: int = 0, **changes: Any) -> Trace:
    """Return an answered trace with this many LLM calls of 100 + 10 tokens each, and totals to match."""
    llm_calls = changes.pop("llm_calls", tuple(llm_call() for _ in range(calls)))
    spent_in, spent_out = (sum(getattr(call, name) for call in llm_calls) for name in ("input_tokens", "output_tokens"))
    totals = Tokens(input=spent_in, output=spent_out, naming_input=0, naming_output=0)
    values: dict[str, Any] = {
        "outcome": Outcome.ANSWERED, "outcome_detail": None, "profile_type": "tool_enabled",
        "execution_path": "planner/executor", "timing": Timing(), "tokens": totals, "llm_calls": llm_calls, "answer": "42",
    }  # fmt: skip
    return Trace(**{**values, **changes})
