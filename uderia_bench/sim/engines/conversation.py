"""Conversation agent of llm_only and of rag_focused with components: tool calls, then an answer."""

from __future__ import annotations

import json
from typing import Any

from uderia_bench.sim.agent import answers, tools
from uderia_bench.sim.agent.scripts import AgentScript, Use
from uderia_bench.sim.engines.run import Completion, Run, size
from uderia_bench.sim.state import new_id

_QUERY_SHOWN, _PREVIEW_SHOWN = 200, 5000
_AGENT_DOWN = "The model is overloaded. Please try again later."


class Conversation:
    """One turn of the agent, with the events that the turn stores.

    ``more_input`` is the number of tokens that every prompt of the turn has in addition.
    """

    def __init__(self, run: Run, script: AgentScript, profile_type: str, *, more_input: int = 0) -> None:
        self.run = run
        self.script = script
        self.events: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.duration_ms = 0
        self._profile_type = profile_type
        self._more_input = more_input
        self._started = run.clock.seconds
        self._cost_usd = 0.0

    def begin(self, available: tuple[str, ...]) -> None:
        """Announce the agent and the tools it may choose from."""
        run = self.run
        begin = {
            "available_tools": list(available),
            "profile_tag": run.profile.tag,
            "profile_type": self._profile_type,
            "query": run.prompt[:_QUERY_SHOWN],
            "session_id": run.session.id,
            "turn_id": run.turn,
        }
        self._note("conversation_agent_start", begin)

    async def converse(self, text: str | None = None) -> str:
        """Call the tools of the script, then return the answer: ``text`` where it is given.

        An agent that fails returns an error text instead.
        """
        script, run = self.script, self.run
        for number, use in enumerate(script.uses, start=1):
            await self._think(number, last=False)
            await self._use(use)
        if script.agent_fails:
            run.fault("agent_failure")
            return answers.AGENT_ERROR + _AGENT_DOWN
        completion = await self._think(len(script.uses) + 1, last=True)
        if script.chat:
            text = answers.GREETING
        elif text is None and not script.uses:
            text = answers.NO_TOOL
        elif text is None:
            text = answers.sentence(self.results, wrong=script.wrong_answer, as_json=script.as_json)
        said = {
            **completion.tokens(),
            "response_length": len(text),
            "response_preview": text[:_PREVIEW_SHOWN],
            "session_id": run.session.id,
        }
        self._note("conversation_llm_complete", said)
        return text

    def complete(self, call_id: str | None = None) -> None:
        """Announce the end of the agent, and the tokens of the whole turn in a token update.

        A failed agent reports no tokens.
        """
        run = self.run
        self.duration_ms = round((run.clock.seconds - self._started) * 1000)
        done: dict[str, Any] = {
            "profile_tag": run.profile.tag,
            "profile_type": self._profile_type,
            "session_id": run.session.id,
            "success": not self.script.agent_fails,
            "tools_used": self.tools_used(),
            "total_duration_ms": self.duration_ms,
        }
        run.served()
        if self.script.agent_fails:
            self._note("conversation_agent_complete", {**done, "error": _AGENT_DOWN})
            run.input_tokens = run.output_tokens = 0  # the turn loses them; the session's totals keep them
            return
        spent = {"cost_usd": self._cost_usd, "input_tokens": run.input_tokens, "output_tokens": run.output_tokens}
        self._note("conversation_agent_complete", {**done, **spent})
        if run.profile.profile_type == "rag_focused":
            run.session.spend(run.input_tokens, run.output_tokens)  # in addition to each step
            run.indicate("llm", "idle")
        whole = Completion(
            call_id=call_id or new_id(),
            input_tokens=run.input_tokens,
            output_tokens=run.output_tokens,
            cost_usd=self._cost_usd,
            duration_ms=self.duration_ms,
        )
        run.token_update(whole)

    def tools_used(self) -> list[str]:
        """Return the names of the called tools, each once."""
        return list(dict.fromkeys(result["metadata"]["tool_name"] for result in self.results))

    def _note(self, kind: str, payload: dict[str, Any]) -> None:
        """Append an agent event to the task and to the turn."""
        self.events.append({"payload": payload, "timestamp": self.run.clock.epoch, "type": kind})
        self.run.notify(kind, payload)

    async def _think(self, number: int, *, last: bool) -> Completion:
        """Make one LLM step. The last one writes the answer."""
        run = self.run
        run.indicate("llm", "busy")
        seen = self._more_input + sum(size(result) for result in self.results)
        completion = await run.ask_llm("agent_answer" if last else "agent_step", more_input=seen)
        run.indicate("llm", "idle")
        name = "Response Generation" if last else "Tool Selection" if number == 1 else f"Tool Selection #{number}"
        self._cost_usd += completion.cost_usd
        self._note(
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

    async def _use(self, use: Use) -> None:
        """Call a tool. The event reports success even if the tool's result is an error."""
        run = self.run
        run.indicate("db", "busy")
        shown = use.bad_arguments if use.failures else use.arguments
        invoked = {"arguments": shown, "session_id": run.session.id, "tool_name": use.tool}
        self._note("conversation_tool_invoked", invoked)
        began = run.clock.seconds
        result = await run.call_tool(use, 1)
        took = round((run.clock.seconds - began) * 1000)
        run.indicate("db", "idle")
        self.results.append(result)
        self._note(
            "conversation_tool_completed",
            {
                "duration_ms": took,
                "result_preview": _preview(use.tool, result, run),
                "session_id": run.session.id,
                "success": True,
                "tool_name": use.tool,
            },
        )


def _preview(tool: str, result: dict[str, Any], run: Run) -> str:
    """Return the agent library's message object as text, cut to the server's length."""
    text = json.dumps(result)
    lc_id, call_id = (run.task.id.removeprefix("task-") + f"-{len(text)}", run.task.id[-20:].replace("-", ""))
    content = [{"type": "text", "text": text, "id": f"lc_{lc_id}"}]
    artifact = {"structured_content": {"result": text}}
    return f"content={content!r} name={tool!r} tool_call_id='call_{call_id}' artifact={artifact!r}"[:_PREVIEW_SHOWN]


ALL_TOOLS = (*tools.DATA_TOOLS, *tools.COMPONENT_TOOLS)
