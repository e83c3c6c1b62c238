"""Engine of llm_only: the conversation agent, or ``direct`` without tools and components.

The agent names the session before it answers.
"""

from __future__ import annotations

from typing import Any

import orjson

from uderia_bench.sim.agent import answers, scripts, tools
from uderia_bench.sim.engines import direct, naming, turns
from uderia_bench.sim.engines.conversation import ALL_TOOLS, Conversation
from uderia_bench.sim.engines.run import Run

_LOADING_S, _SET_UP_S = 0.13, 0.12  # fetching the tools; building the agent
_PROFILE_TYPE = "conversation_with_tools"


async def play(run: Run) -> orjson.Fragment:
    """Play the turn, save it and return the result of the task."""
    run.require_text()
    if not run.profile.has_agent:
        return await direct.play(run)
    script = scripts.limited_agent(scripts.agent_script(run.prompt, run.draw), run.profile.allows)
    run.slow_s = script.slow_s
    if run.found is not None:
        run.notify("knowledge_retrieval_start", run.found.start(run.session.id, len(run.found.chunks), by_id=True))
        run.notify("knowledge_retrieval_complete", run.found.complete(by_id=True))
    await run.clock.sleep(_LOADING_S)
    await run.state.loop.work(_SET_UP_S)
    run.apply_skills()
    known = 0 if run.found is None else run.found.tokens
    talk = Conversation(run, script, _PROFILE_TYPE, more_input=run.system_tokens + known)
    talk.begin(tuple(tool for tool in ALL_TOOLS if run.profile.allows(tool) or tool in tools.COMPONENT_TOOLS))
    text = await talk.converse()
    talk.complete()
    if run.turn == 1:
        await naming.name_session(run)
    fragment = run.answer(text, counts=not script.agent_fails)
    _save(talk, text)
    return fragment


def _save(talk: Conversation, text: str) -> None:
    run = talk.run
    known: dict[str, Any] = {} if run.found is None else run.found.complete(by_id=True)
    turn = turns.build(
        run,
        {
            "context_window_snapshot_event": run.window,
            "conversation_agent_events": talk.events,
            "duration_ms": talk.duration_ms,
            "execution_trace": [],
            "final_summary_html": answers.card(text),
            "final_summary_text": text,
            "kg_enrichment_event": None,
            "knowledge_accessed": known.get("collections", []),
            "knowledge_chunks_ui": known.get("chunks", []),
            "knowledge_retrieval_event": known or None,
            "profile_type": _PROFILE_TYPE,
            "status": "failed" if talk.script.agent_fails else "success",
            "system_events": run.system_events,
            "tools_used": talk.tools_used(),
        },
    )
    turns.save(run, turn)
