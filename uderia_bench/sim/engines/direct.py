"""Engine of llm_only without an agent: one LLM call, then the session is named.

As on the real server, a provider error gives an empty answer without tokens and with the status
success (docs/reference/protocol.md, "Direct LLM events").
"""

from __future__ import annotations

from typing import Any

import orjson

from uderia_bench.sim.agent import answers, scripts
from uderia_bench.sim.engines import naming, turns
from uderia_bench.sim.engines.run import Run

_SET_UP_S = 0.02
_STEP = "Calling LLM for Execution"


async def play(run: Run) -> orjson.Fragment:
    """Play the turn, save it and return the result of the task."""
    script = scripts.agent_script(run.prompt, run.draw)
    run.slow_s = script.slow_s
    await run.state.loop.work(_SET_UP_S)
    begin = {"history_length": 2 * (run.turn - 1), "knowledge_collections": 0, "knowledge_enabled": False, "query": run.prompt}
    run.notify("execution_start", {**run.base(), **begin})
    _announce(run)
    run.indicate("llm", "busy")
    text, spent = await _answer(run, script)
    run.indicate("llm", "idle")
    run.served()
    fragment = run.answer(text, counts=bool(text), **{name: spent[name] for name in ("input_tokens", "output_tokens")})
    if run.session.unnamed:
        await naming.name_session(run, announced=False)
    run.notify("session_model_update", run.session.models())
    done = {"knowledge_accessed": False, "success": True, **run.spent()}
    run.notify("execution_complete", {**run.base(), **done})
    _save(run, text)
    return fragment


def _announce(run: Run) -> None:
    details = {
        "history_length": 2 * (run.turn - 1),
        "knowledge_collections": 0,
        "knowledge_enabled": False,
        "model": run.llm.label,
        "profile_name": run.profile.name,
        "profile_tag": run.profile.tag,
        "session_id": run.session.id,
        "turn_number": run.turn,
        "user_message": run.prompt,
    }
    run.emit("llm_execution", {"details": details, "step": _STEP, "type": "llm_execution"})


async def _answer(run: Run, script: scripts.AgentScript) -> tuple[str, dict[str, Any]]:
    """Make the LLM call and return its text and tokens; both are empty if the call fails."""
    completion = await run.ask_llm("direct")
    if script.agent_fails:
        run.fault("agent_failure")
        run.input_tokens = run.output_tokens = 0  # a call that failed reports no usage
        text, spent = "", {"cost_usd": 0.0, "input_tokens": 0, "output_tokens": 0}
    else:
        text, spent = answers.GREETING if script.chat else answers.NO_TOOL, completion.tokens()
    details = {
        **spent,
        "knowledge_used": False,
        "model": run.llm.label,
        "model_name": run.llm.model,
        "provider": run.llm.provider,
        "response_length": len(text),
        "response_text": text,
        "session_id": run.session.id,
        "summary": f"Generated {len(text)} characters",
    }
    event = {"details": details, "step": "LLM Execution Complete", "type": "llm_execution_complete"}
    run.emit("llm_execution_complete", event)
    if not script.agent_fails:
        run.token_update(completion)
    return text, spent


def _save(run: Run, text: str) -> None:
    turn = turns.build(
        run,
        {
            "context_window_snapshot_event": run.window,
            "execution_trace": [],
            "final_summary_text": text,
            "kg_enrichment_event": None,
            "knowledge_accessed": [],
            "knowledge_events": [],
            "knowledge_retrieval_event": {"document_count": 0, "enabled": False, "retrieved": False},
            "original_plan": None,
            "profile_type": "llm_only",
            "raw_llm_plan": None,
            "status": "success",
            "system_events": run.system_events,
            "task_id": run.task.id,
        },
    )
    turns.save(run, turn)
