"""Naming a session with an LLM call in its first turn."""

from __future__ import annotations

import re

from uderia_bench.sim.engines.run import Run

_WORDS = 4


def title(prompt: str) -> str:
    """Return a name for the session: the first words of the prompt."""
    words = re.findall(r"[A-Za-z0-9]+", prompt)[:_WORDS]
    return " ".join(word.capitalize() for word in words) or "Conversation"


async def name_session(
    run: Run, *, call_id: str = "session_name_generation", in_turn: bool = True, announced: bool = True
) -> None:
    """Name the session and emit the events.

    ``in_turn`` adds the tokens to the turn. ``announced`` sends a last event with the new name, as
    every engine except ``direct`` does.
    """
    session_id, started = run.session.id, run.clock.seconds
    begin = {
        "details": {"session_id": session_id, "summary": "Using LLM to generate descriptive session title"},
        "step": "Generating Session Name",
        "type": "session_name_generation_start",
    }
    run.emit("session_name_generation_start", begin)
    completion = await run.ask_for_name(call_id, in_turn=in_turn)
    name = title(run.prompt)
    cost = completion.cost_usd
    summary = f"Generated name: '{name}' ({completion.input_tokens} in / {completion.output_tokens} out, ${cost:.6f})"
    details = {**completion.tokens(), "session_id": session_id, "session_name": name, "summary": summary}
    done = {"details": details, "step": "Session Name Generated", "type": "session_name_generation_complete"}
    run.emit("session_name_generation_complete", done)
    run.token_update(completion)
    run.session.name = name
    if announced:
        update = {"newName": name, "session_id": session_id}
        run.state.notifications.publish(run.session.user_uuid, "session_name_update", update)
        run.emit("session_name_update", update)
    run.system_events = [{"payload": event, "type": event["type"]} for event in (begin, done)]
    run.naming_s += run.clock.seconds - started
