"""The server's JSON, written by hand: builders of events, log entries, turns and whole runs of each profile type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

_ZERO = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
NAMING = (20, 2)  # tokens that naming the session spends in every run here


def at(seconds: float) -> str:
    """Return a server stamp this long after the first event."""
    return (_ZERO + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def event(name: str | None, seconds: float, **data: Any) -> dict[str, Any]:
    """Return a named event, or a planner's nameless one."""
    return {"event_type": name, "timestamp": at(seconds), "event_data": data}


def notification(kind: str, seconds: float, **payload: Any) -> dict[str, Any]:
    """Return a notification with its payload."""
    return event("notification", seconds, type=kind, payload=payload)


def head(tag: str) -> list[dict[str, Any]]:
    """Return the two events every run begins with."""
    return [
        event("session_model_update", 0.0, session_id="s", models_used=[], profile_tags_used=[]),
        notification("user_message_profile_tag", 0.001, profile_tag=tag, is_session_primer=False),
    ]


def naming(start: float, end: float) -> list[dict[str, Any]]:
    """Return the events of naming the session."""
    details = {"input_tokens": NAMING[0], "output_tokens": NAMING[1], "cost_usd": 0.001}
    return [
        event("session_name_generation_start", start, type="session_name_generation_start", details={}),
        event("session_name_generation_complete", end, type="session_name_generation_complete", details=details),
    ]


def final_answer(seconds: float, answer: str = "42") -> dict[str, Any]:
    """Return the answer's event."""
    return event("final_answer", seconds, final_answer_text=answer, turn_id=1)


def token_update(
    call_id: str | None, seconds: float, spent: tuple[int, int], turn: tuple[int, int], **more: Any
) -> dict[str, Any]:
    """Return a token update of one call with the turn's running totals."""
    named = {"statement_input": spent[0], "statement_output": spent[1], "turn_input": turn[0], "turn_output": turn[1]}
    return event("token_update", seconds, call_id=call_id, **named, **more)


def task(events: list[Any], *, status: str = "complete", ended: float = 9.0, **more: Any) -> dict[str, Any]:
    """Return a task as GET gives it; the result is the last answer's unless given."""
    answers = [item["event_data"] for item in events if isinstance(item, dict) and item.get("event_type") == "final_answer"]
    result = more.pop("result", answers[-1] if answers else None)
    return {"task_id": "task-1", "status": status, "last_updated": at(ended), "events": events, "result": result, **more}


def session(*turns: dict[str, Any], models: tuple[str, ...] = ("OpenAI/m",), **more: Any) -> dict[str, Any]:
    """Return a session's details with these turns."""
    return {"id": "s", "models_used": list(models), "last_turn_data": {"workflow_history": list(turns)}, **more}


def turn(tag: str, spent: tuple[int, int], **more: Any) -> dict[str, Any]:
    """Return a successful first turn that spent this much, naming included."""
    named = {"turn_input_tokens": spent[0], "turn_output_tokens": spent[1]}
    return {"turn": 1, "status": "success", "profile_tag": tag, "provider": "OpenAI", "model": "m", **named, **more}


# --- the conversation agent -------------------------------------------------------------------------------------------


def step(seconds: float, spent: tuple[int, int], name: str = "Tool Selection") -> dict[str, Any]:
    """Return one LLM step of the agent, 0.5 s long."""
    return notification(
        "conversation_llm_step", seconds, step_name=name, input_tokens=spent[0], output_tokens=spent[1], duration_ms=500,
        provider="OpenAI", model="m", cost_usd=0.01,
    )  # fmt: skip


def agent_tool(
    seconds: float, name: str, preview: str, arguments: dict[str, Any] | None = None, **more: Any
) -> list[dict[str, Any]]:
    """Return the invocation and the completion, 0.25 s later, of one tool call."""
    done: dict[str, Any] = {"tool_name": name, "result_preview": preview, "duration_ms": 250, "success": True, **more}
    return [
        notification("conversation_tool_invoked", seconds, tool_name=name, arguments=arguments or {}),
        notification("conversation_tool_completed", seconds + 0.25, **done),
    ]


def agent_run(
    *middle: dict[str, Any], spent: tuple[int, int] = (300, 30), tag: str = "IDEAT", **turn_more: Any
) -> tuple[Any, Any]:
    """Return the task and session of an agent's run: these steps, naming from 4.0 to 4.5 s, the answer at 5 s."""
    events = [
        *head(tag),
        notification("conversation_agent_start", 0.1, profile_tag=tag, profile_type="conversation_with_tools", turn_id=1),
        *middle,
        notification("conversation_agent_complete", 3.5, success=True, input_tokens=spent[0], output_tokens=spent[1]),
        *naming(4.0, 4.5),
        final_answer(5.0),
    ]
    totals = (spent[0] + NAMING[0], spent[1] + NAMING[1])
    more = {"profile_type": "conversation_with_tools", "duration_ms": 3400, "turn_cost": 0.101, **turn_more}
    return task(events), session(turn(tag, totals, **more))


# --- the planner ------------------------------------------------------------------------------------------------------


def log(message: str, seconds: float, details: Any = None, kind: str = "system_message", depth: int = 0) -> dict[str, Any]:
    """Return one entry of the planner's own log."""
    metadata = {"execution_depth": depth, "type": kind, "timestamp": at(seconds)}
    action = {"tool_name": "TDA_SystemLog", "arguments": {"message": message, "details": details}, "metadata": metadata}
    return {"action": action, "result": {"status": "info"}}


def llm(message: str, seconds: float, call_id: str, spent: tuple[int, int], **more: Any) -> dict[str, Any]:
    """Return the log entry of an LLM call."""
    return log(message, seconds, {"call_id": call_id, "input_tokens": spent[0], "output_tokens": spent[1], **more})


def tool(name: str, seconds: float, phase: int | None = None, status: str = "success", **more: Any) -> dict[str, Any]:
    """Return a tool call with its result as the trace logs it; ``arguments``, ``result`` and ``depth`` may be given."""
    metadata: dict[str, Any] = {"timestamp": at(seconds), "execution_depth": more.pop("depth", 0)}
    if phase is not None:
        metadata["phase_number"] = phase
    result = more.pop("result", {"status": status, "metadata": {"tool_name": name}, "results": []})
    return {"action": {"tool_name": name, "arguments": more.pop("arguments", {}), "metadata": metadata}, "result": result}


def phase_start(number: int, seconds: float, *tools: str, goal: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the start of a phase; ``type="loop"`` makes it a loop, ``depth`` nests it."""
    depth = more.pop("depth", 0)
    goal = goal or f"goal {number}"
    details = {"phase_num": number, "goal": goal, "phase_details": {"relevant_tools": list(tools), **more}}
    return log(f"Starting Plan Phase {number}/9", seconds, details, "phase_start", depth)


def phase_end(number: int, seconds: float, status: str = "completed", depth: int = 0) -> dict[str, Any]:
    """Return the end of a phase."""
    return log(f"Ending Plan Phase {number}/9", seconds, {"phase_num": number, "status": status}, "phase_end", depth)


def fastpath(number: int, seconds: float, name: str) -> dict[str, Any]:
    """Return the announcement of a fast path."""
    details = {"phase_num": number, "summary": f"FASTPATH initiated for '{name}'."}
    return log("Plan Optimization", seconds, details, "plan_optimization")


def plan(*tools: str) -> list[dict[str, Any]]:
    """Return a plan with one phase a tool."""
    return [{"phase": i, "goal": f"goal {i}", "relevant_tools": [name], "arguments": {}} for i, name in enumerate(tools, 1)]


PLANNED = llm("Calling LLM for Planning", 1.0, "c-plan", (1000, 50), planning_phase="strategic")
REPORT = (
    phase_start(2, 3.0, "TDA_FinalReport"),
    fastpath(2, 3.1, "TDA_FinalReport"),
    llm("Calling LLM for TDA_FinalReport", 3.8, "c-report", (200, 40)),
    tool("TDA_FinalReport", 3.2, 2),
    phase_end(2, 3.9),
)


def planner_run(
    *trace: dict[str, Any], spent: tuple[int, int] = (1200, 90), extra_events: tuple[Any, ...] = (), **turn_more: Any
):
    """Return the task and session of a planner's run with this trace: the answer at 5 s, naming from 6.0 to 6.5 s."""
    events = [
        *head("OPTIM"),
        notification(
            "execution_start", 0.1, profile_type="tool_enabled", profile_tag="OPTIM", provider="OpenAI", model="m", turn_id=1
        ),
        *extra_events,
        final_answer(5.0),
        notification("execution_complete", 5.1, duration_ms=4000, total_input_tokens=spent[0], total_output_tokens=spent[1]),
        *naming(6.0, 6.5),
    ]
    totals = (spent[0] + NAMING[0], spent[1] + NAMING[1])
    more = {"task_id": "task-1", "original_plan": plan("base_tableList", "TDA_FinalReport"), "turn_cost": 0.101, **turn_more}
    return task(events), session(turn("OPTIM", totals, execution_trace=list(trace), **more))


def one_tool_run(*, tactical: bool = False):
    """Return a planner's run of one data tool and a report, with a tactical call or without."""
    middle = (
        llm(
            "Calling LLM for Tactical Action",
            2.2,
            "c-tactical",
            (300, 20),
            summary="Deciding next action for phase goal: 'goal 1'",
        )
        if tactical
        else fastpath(1, 2.1, "base_tableList")
    )
    trace = (PLANNED, phase_start(1, 2.0, "base_tableList"), middle, tool("base_tableList", 2.5, 1), phase_end(1, 2.9), *REPORT)
    return planner_run(*trace, spent=(1500, 110) if tactical else (1200, 90))
