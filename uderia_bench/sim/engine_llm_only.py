"""llm_only through the conversation agent: choose a tool, call it, choose again, answer. Names the session before it answers.

Plain llm_only, without an agent, is not played: the server takes that way only where every action component is off.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from uderia_bench.sim import answers, naming, scripts, tools, turns
from uderia_bench.sim.run import Completion, Run, size
from uderia_bench.sim.state import new_id
from uderia_bench.sim.tasks import SORTED

_SET_UP_S = 0.25  # loading the tools into the agent
_PROFILE_TYPE = "conversation_with_tools"
_QUERY_SHOWN, _PREVIEW_SHOWN = 200, 5000
_AGENT_DOWN = "The model is overloaded. Please try again later."


class _Conversation:
    """The agent's side of one turn: its own event list beside the task's."""

    def __init__(self, run: Run, script: scripts.AgentScript) -> None:
        self.run = run
        self.script = script
        self.events: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.started = run.clock.seconds
        self.cost_usd = 0.0

    def note(self, kind: str, payload: dict[str, Any]) -> None:
        """Append one agent event, to the task and to the turn."""
        self.events.append({"payload": payload, "timestamp": self.run.clock.epoch, "type": kind})
        self.run.notify(kind, payload)

    async def think(self, number: int, *, last: bool) -> Completion:
        """Make one LLM step; the first and only one of a plain chat is already the answer."""
        run = self.run
        run.indicate("llm", "busy")
        seen = sum(size(result) for result in self.results)
        completion = await run.ask_llm("agent_answer" if last else "agent_step", more_input=seen)
        run.indicate("llm", "idle")
        name = "Response Generation" if last else "Tool Selection" if number == 1 else f"Tool Selection #{number}"
        self.cost_usd += completion.cost_usd
        self.note(
            "conversation_llm_step",
            {
                **completion.tokens(),
                "duration_ms": completion.duration_ms,
                "model": run.llm.model,
                "provider": run.llm.provider,
                "session_id": run.session.id,
                "step_name": name,
                "step_number": number,
            },
        )
        run.token_update(completion)
        return completion

    async def use(self, use: scripts.Use) -> None:
        """Call one tool; the server reports success even where the tool's own answer is an error."""
        run = self.run
        run.indicate("db", "busy")
        shown = use.bad_arguments if use.failures else use.arguments
        invoked = {"arguments": shown, "session_id": run.session.id, "tool_name": use.tool}
        self.note("conversation_tool_invoked", invoked)
        began = run.clock.seconds
        _, result = await run.call_tool(use, 1)
        took = round((run.clock.seconds - began) * 1000)
        run.indicate("db", "idle")
        self.results.append(result)
        self.note(
            "conversation_tool_completed",
            {
                "duration_ms": took,
                "result_preview": _preview(use.tool, result, run),
                "session_id": run.session.id,
                "success": True,
                "tool_name": use.tool,
            },
        )

    def tools_used(self) -> list[str]:
        """Return the tools called, each once."""
        return list(dict.fromkeys(result["metadata"]["tool_name"] for result in self.results))


def _preview(tool: str, result: dict[str, Any], run: Run) -> str:
    """Return the message object of the agent's library as text, cut where the server cuts it."""
    text = json.dumps(result)
    lc_id, call_id = (run.task.id.removeprefix("task-") + f"-{len(text)}", run.task.id[-20:].replace("-", ""))
    content = [{"type": "text", "text": text, "id": f"lc_{lc_id}"}]
    artifact = {"structured_content": {"result": text}}
    return f"content={content!r} name={tool!r} tool_call_id='call_{call_id}' artifact={artifact!r}"[:_PREVIEW_SHOWN]


async def play(run: Run, window: dict[str, Any]) -> orjson.Fragment:
    """Play the turn and save it; return the result of the task. ``window`` is the snapshot taken at its start."""
    run.require_text()
    script = scripts.agent_script(run.prompt, run.draw)
    run.slow_s = script.slow_s
    await run.clock.sleep(_SET_UP_S)
    talk = _Conversation(run, script)
    begin = {
        "available_tools": [*tools.DATA_TOOLS, *tools.COMPONENT_TOOLS],
        "profile_tag": run.profile.tag,
        "profile_type": _PROFILE_TYPE,
        "query": run.prompt[:_QUERY_SHOWN],
        "session_id": run.session.id,
        "turn_id": run.turn,
    }
    talk.note("conversation_agent_start", begin)
    text = await _converse(talk)
    duration_ms = round((run.clock.seconds - talk.started) * 1000)
    succeeded = not script.agent_fails
    run.session.served_by(run.profile)
    _complete(talk, duration_ms)
    if run.turn == 1:
        await naming.name_session(run)
    html = answers.card(text)
    result = {
        "final_answer": html,
        "final_answer_text": text,
        "is_session_primer": False,
        "session_id": run.session.id,
        "source": "rest",
        "step": "Finished",
        "turn_id": run.turn,
    }
    fragment = orjson.Fragment(orjson.dumps(result, option=SORTED))
    if succeeded:
        run.answered()
    run.emit("final_answer", fragment)
    run.session.reply(html, text, run.turn, run.profile.tag)
    _save(talk, window, text, html, duration_ms)
    return fragment


async def _converse(talk: _Conversation) -> str:
    """Let the agent choose and call its tools, then answer; a failing agent gives up at its last step."""
    script, run = talk.script, talk.run
    for number, use in enumerate(script.uses, start=1):
        await talk.think(number, last=False)
        await talk.use(use)
    if script.agent_fails:
        run.fault("agent_failure")
        return answers.AGENT_ERROR + _AGENT_DOWN
    completion = await talk.think(len(script.uses) + 1, last=True)
    if script.chat:
        text = answers.GREETING
    elif not script.uses:
        text = answers.NO_TOOL
    else:
        text = answers.sentence(talk.results, wrong=script.wrong_answer, as_json=script.as_json)
    said = {
        **completion.tokens(),
        "response_length": len(text),
        "response_preview": text[:_PREVIEW_SHOWN],
        "session_id": run.session.id,
    }
    talk.note("conversation_llm_complete", said)
    return text


def _complete(talk: _Conversation, duration_ms: int) -> None:
    """Close the agent: with the whole turn once more as one token update, or without tokens where it failed."""
    run = talk.run
    done: dict[str, Any] = {
        "profile_tag": run.profile.tag,
        "profile_type": _PROFILE_TYPE,
        "session_id": run.session.id,
        "success": not talk.script.agent_fails,
        "tools_used": talk.tools_used(),
        "total_duration_ms": duration_ms,
    }
    if talk.script.agent_fails:
        talk.note("conversation_agent_complete", {**done, "error": _AGENT_DOWN})
        run.input_tokens = run.output_tokens = 0  # the server loses what a failed agent used; the session's totals keep it
        return
    spent = {"cost_usd": talk.cost_usd, "input_tokens": run.input_tokens, "output_tokens": run.output_tokens}
    talk.note("conversation_agent_complete", {**done, **spent})
    whole = Completion(
        call_id=new_id(),
        input_tokens=run.input_tokens,
        output_tokens=run.output_tokens,
        cost_usd=talk.cost_usd,
        duration_ms=duration_ms,
    )
    run.token_update(whole)


def _save(talk: _Conversation, window: dict[str, Any], text: str, html: str, duration_ms: int) -> None:
    run = talk.run
    turn = turns.build(
        run,
        {
            "context_window_snapshot_event": window,
            "conversation_agent_events": talk.events,
            "duration_ms": duration_ms,
            "execution_trace": [],
            "final_summary_html": html,
            "final_summary_text": text,
            "kg_enrichment_event": None,
            "knowledge_accessed": [],
            "knowledge_chunks_ui": [],
            "knowledge_retrieval_event": None,
            "profile_type": _PROFILE_TYPE,
            "status": "failed" if talk.script.agent_fails else "success",
            "system_events": run.system_events,
            "tools_used": talk.tools_used(),
        },
    )
    turns.save(run, turn)
