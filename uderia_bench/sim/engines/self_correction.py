"""Self-correction of a failed tool call: up to two LLM calls for better arguments."""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.agent.scripts import ATTEMPTS, Use
from uderia_bench.sim.engines.run import Run
from uderia_bench.sim.state import new_id


async def correct(run: Run, use: Use, attempt: int, result: dict[str, Any]) -> None:
    """Correct the call after its failed ``attempt`` (from 1), or give up after the last attempt."""
    if attempt == ATTEMPTS:
        summary = f"Tool '{use.tool}' failed after {ATTEMPTS} attempts."
        run.show("Persistent Failure", "error", {"details": result, "summary": summary})
        return
    summary = f"Tool failed. Attempting self-correction ({attempt}/{ATTEMPTS - 1})."
    run.step("System Self-Correction", "workaround", {"details": result, "summary": summary})
    asked = {"call_id": new_id(), "summary": f"Generic self-correction for failed tool call: {use.tool}"}
    completion = await run.ask_llm("correct", call_id=asked["call_id"])
    run.called(run.llm, None, run.profile.tag)
    run.truth.corrections += 1
    # The server announces the call after it ended, once without and once with its tokens.
    run.step("Calling LLM for Self-Correction", "system_message", asked)
    run.indicate("llm", "busy")
    run.indicate("llm", "idle")
    run.step("Calling LLM for Self-Correction", "system_message", {**asked, **completion.tokens()})
    run.token_update(completion)
    proposed = {"arguments": use.bad_arguments if attempt < use.failures else use.arguments, "tool_name": use.tool}
    summary = f"LLM proposed retrying with tool '{use.tool}'."
    run.step("System Self-Correction", "workaround", {"details": proposed, "summary": summary})
