"""Engine of tool_enabled: plan, phases, report, session naming; also failed and cancelled turns."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from uderia_bench.sim.agent import answers, scripts, tools
from uderia_bench.sim.agent.draw import stream
from uderia_bench.sim.agent.profiles import MCP_SERVER_ID
from uderia_bench.sim.agent.scripts import CONTEXT_TOOL
from uderia_bench.sim.engines import naming, phases, turns
from uderia_bench.sim.engines.phase_pen import PhasePen
from uderia_bench.sim.engines.planner import Plan, PlanningError, announce_knowledge, assemble, find_cases, make_plan
from uderia_bench.sim.engines.run import DEPTH, Run
from uderia_bench.sim.memory.cases import Case, tool_of
from uderia_bench.sim.tasks import SORTED
from uderia_bench.sim.trouble.faults import NO_WRITE_BACK

_SET_UP_S = 0.07  # the MCP client of the profile override
_STOPPED = "The process was stopped by the user."
_UNRECOVERABLE = "Execution stopped due to an unrecoverable error."


class _Turn:
    """One planner turn: the data collected so far, for every way in which it can end."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.strategic_window: dict[str, Any] | None = None
        self.plan: Plan | None = None
        self.pen: PhasePen | None = None
        self.cases: list[Case] = []
        self.knowledge_accessed: list[dict[str, Any]] = []
        self.started = run.clock.seconds

    # --- payloads

    def begin(self) -> None:
        """Announce the turn."""
        run, session = self.run, self.run.session
        session.last_updated = run.clock.local_stamp()
        run.served()
        run.notify("session_model_update", {**session.models(), "dual_model_info": None})
        run.notify("execution_start", {**self.run.base(), "has_context": True, "is_replay": False, "query": run.prompt})
        run.apply_skills()

    def milliseconds(self) -> int:
        """Return the duration of the turn so far."""
        return round((self.run.clock.seconds - self.started) * 1000)

    def events(self, *, complete: bool) -> list[dict[str, Any]]:
        """Return the lifecycle events that the turn stores.

        ``execution_complete`` includes naming here, but not in the event that was sent.
        """
        run = self.run
        who = {"profile_tag": run.profile.tag, "profile_type": "tool_enabled"}
        kept = [{"metadata": DEPTH, "payload": {**who, "has_context": True, "is_replay": False, "query": run.prompt}}]
        kept[0]["type"] = "execution_start"
        if complete:
            done = {**who, **self.totals(), "duration_ms": self.milliseconds(), "success": True}
            kept.append({"metadata": DEPTH, "payload": done, "type": "execution_complete"})
        return kept

    def totals(self) -> dict[str, Any]:
        """Return the tokens and cost so far. The server counts the calls in the trace as phases."""
        run = self.run
        calls = sum(tool_of(entry) != "TDA_SystemLog" for entry in run.trace)
        return {**run.spent(), "phases_executed": calls}

    def build(self, **own: Any) -> dict[str, Any]:
        """Return the turn as it is saved."""
        run, plan = self.run, self.plan
        return turns.build(
            run,
            {
                "case_id": self.cases[0].id if self.cases else None,
                "context_window_snapshot_event": run.window,
                "execution_trace": run.trace,
                "knowledge_accessed": self.knowledge_accessed,
                "knowledge_retrieval_event": None if run.found is None else run.found.planned(),
                "mcp_server_id": MCP_SERVER_ID,
                "original_plan": None if plan is None else plan.entries,
                "rag_source_collection_id": self.cases[0].metadata["collection_id"] if self.cases else None,
                "raw_llm_plan": None if plan is None else plan.raw,
                "strategic_context_snapshot_event": self.strategic_window,
                "task_id": run.task.id,
                "user_uuid": run.session.user_uuid,
                **own,
            },
        )


async def play(run: Run) -> orjson.Fragment | None:
    """Play the turn, save it and return the result of the task, None if the turn failed."""
    turn = _Turn(run)
    shared_before = run.state.current
    try:
        return await _play(turn)
    except PlanningError as error:
        _fail(turn, str(error))
        return None
    except asyncio.CancelledError:
        if not run.task.abandoned:
            _cancel(turn)
        raise
    finally:
        run.state.current = shared_before  # the override restores it, also if another trial changed it since


async def _play(turn: _Turn) -> orjson.Fragment:
    run = turn.run
    run.state.switch(run.profile)
    await run.state.loop.work(_SET_UP_S)
    turn.started = run.clock.seconds
    turn.begin()
    run.require_text()
    script = scripts.limited_plan(scripts.plan_script(run.prompt, run.draw), run.profile.allows)
    run.slow_s = script.slow_s
    turn.knowledge_accessed = announce_knowledge(run)
    turn.cases = await find_cases(run)
    run.session.used_collections.update(case.metadata["collection_id"] for case in turn.cases[:1])
    turn.strategic_window = assemble(run)
    turn.plan = await make_plan(run, script, turn.cases)
    turn.pen = PhasePen(run, turn.plan, script)
    await phases.carry_out(turn.pen)
    result, html = _result(run, turn.pen)
    run.answered(turn.pen.text)
    run.emit("final_answer", result)
    done = {**run.base(), **turn.totals(), "duration_ms": turn.milliseconds(), "success": True}
    run.notify("execution_complete", done)
    if run.session.unnamed:
        await naming.name_session(run)
    run.session.reply(html, turn.pen.text, run.turn, _tool_context(run.trace))
    _save(turn, turn.pen.text)
    return result


def _result(run: Run, pen: PhasePen) -> tuple[orjson.Fragment, str]:
    """Return the result of the task, serialised once, and the answer as HTML."""
    rows = answers.count(pen.results())
    html = answers.report(pen.text, rows or None, pen.observations, pen.results())
    result = {
        "collected_data": {"Plan Results: Ad-hoc": pen.collected},
        "execution_trace": run.trace,
        "final_answer": html,
        "final_answer_text": pen.text,
        "is_session_primer": False,
        "session_id": run.session.id,
        "source": "rest",
        "turn_id": run.turn,
        "turn_input_tokens": run.input_tokens,
        "turn_output_tokens": run.output_tokens,
    }
    return orjson.Fragment(orjson.dumps(result, option=SORTED)), html


def _save(turn: _Turn, text: str) -> None:
    """Save the turn, and store its plan if every tool call succeeded."""
    run = turn.run
    saved = turn.build(
        duration_ms=turn.milliseconds(),
        final_summary=text,
        is_partial=False,
        kg_enrichment_event=None,
        status="success",
        system_events=run.system_events,
        tool_enabled_events=turn.events(complete=True),
    )
    position = turns.save(run, saved)
    if turn.plan is None or not _is_stored(run):
        return
    state, session = run.state, run.session
    target = state.collections.target(state.accounts.user(session.user_uuid), turn.cases[0] if turn.cases else None)
    if target is not None:
        low, high = state.settings.write_delay_s
        drawn = stream(state.settings.seed, "write", run.profile.id, run.prompt).random()
        state.writer.write(target, session, position, saved, turn.plan.entries, low + (high - low) * drawn)


def _is_stored(run: Run) -> bool:
    """Return whether the plan of a successful turn is stored."""
    failed = any(isinstance(entry["result"], dict) and entry["result"].get("status") == "error" for entry in run.trace)
    from_context = any(tool_of(entry) == CONTEXT_TOOL for entry in run.trace)
    learning = run.state.settings.learning and run.state.switches.rag_enabled and NO_WRITE_BACK not in run.hit.kinds
    return learning and not failed and not from_context


def _fail(turn: _Turn, details: str) -> None:
    """End the turn with an error. Its task still ends with the status complete."""
    run = turn.run
    run.log("Unrecoverable Error", "error", details, status="error")
    event = {
        "details": details,
        "error": _UNRECOVERABLE,
        "session_id": run.session.id,
        "step": "Unrecoverable Error",
        "turn_id": run.turn,
        "type": "error",
    }
    run.emit("error", event)
    payload = {**run.base(), **_partial(turn), "error_message": details, "error_stage": "ERROR"}
    run.notify("execution_error", {**payload, "error_type": "system_error", "success": False})
    run.session.reply(f'<span class="error-tag">ERROR</span> {_UNRECOVERABLE}', _UNRECOVERABLE, run.turn)
    _save_partial(turn, status="error", error_details=details, error_message=_UNRECOVERABLE)


def _cancel(turn: _Turn) -> None:
    """End a cancelled turn and save it as partial."""
    run = turn.run
    run.release(flush=False)
    run.log("Execution Stopped", "cancelled", _STOPPED, status="cancelled")
    event = {
        "details": _STOPPED,
        "session_id": run.session.id,
        "step": "Execution Stopped",
        "turn_id": run.turn,
        "type": "cancelled",
    }
    run.emit("cancelled", event)
    run.notify("execution_cancelled", {**run.base(), **_partial(turn), "cancellation_stage": "ERROR"})
    message = "Execution stopped by user"
    run.session.reply(f'<span class="cancelled-tag">CANCELLED</span> {message}', message, run.turn)
    details = "The user cancelled the execution before completion."
    _save_partial(turn, status="cancelled", error_details=details, error_message=message)


def _partial(turn: _Turn) -> dict[str, Any]:
    return {
        "partial_input_tokens": turn.run.input_tokens,
        "partial_output_tokens": turn.run.output_tokens,
        "phases_completed": 0 if turn.pen is None else turn.pen.completed,
    }


def _save_partial(turn: _Turn, **how: Any) -> None:
    saved = turn.build(final_summary=None, is_partial=True, tool_enabled_events=turn.events(complete=False), **how)
    turns.save(turn.run, saved)


def _tool_context(trace: list[dict[str, Any]]) -> str | None:
    """Return a summary of the successful data-tool calls for later prompts, None without one."""
    lines = []
    for entry in trace:
        action, result = entry["action"], entry["result"]
        if tool_of(entry) not in tools.DATA_TOOLS or result.get("status") != "success":
            continue
        rows = result["results"]
        about = next((f": {value}" for value in action["arguments"].values() if isinstance(value, str)), "")
        columns, sample = (list(rows[0]), rows[0]) if rows else ([], {})
        number = f"{len(rows)} row" + ("" if len(rows) == 1 else "s")
        lines.append(f"• {action['tool_name']}{about} → {number}, cols: {columns}, sample: {sample}")
    return "\n".join(["[Tool Execution Summary]", *lines]) if lines else None
