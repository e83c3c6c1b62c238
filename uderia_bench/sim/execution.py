"""Executing a task from its first event to its terminal status, whichever engine plays it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from uderia_bench.sim import engine_llm_only, engine_refusing, engine_tool_enabled, snapshots
from uderia_bench.sim.faults import AGENT_KINDS, LOST, STALL
from uderia_bench.sim.profiles import Profile
from uderia_bench.sim.run import BadPromptError, Run

Engine = Callable[[Run, dict[str, Any]], Awaitable[orjson.Fragment | None]]

ENGINES: dict[str, Engine] = {
    "llm_only": engine_llm_only.play,
    "tool_enabled": engine_tool_enabled.play,
    "rag_focused": engine_refusing.play,
    "genie": engine_refusing.play,
}
_ASSEMBLY_S = 0.014  # putting the context window together
_CANCELLING_S = 0.015  # between the cancelled event and the cancelled status


async def execute(run: Run, named: Profile | None) -> None:
    """Execute the task. ``named`` is the profile the query asked for, None where it asked for one nobody knows.

    Whatever happens in an engine, the task ends: a mistake of ours in one ends it as the real server ends a task that raised.
    """
    task, clock = run.task, run.clock
    try:
        for kind in sorted(run.hit.kinds - AGENT_KINDS.keys()):
            run.fault(kind)
        result = await _execute(run, named)
        task.set_status("complete", clock.stamp(), result)
    except asyncio.CancelledError:
        if task.abandoned:
            return
        run.fault("cancelled")
        await clock.sleep(_CANCELLING_S)
        task.set_status("cancelled", clock.stamp(), {"message": "Task cancelled by user."})
    except BadPromptError as error:
        run.fault("bad_prompt")
        run.emit("error", {"error": str(error)})
        task.set_status("error", clock.stamp(), {"error": str(error)})
    except Exception as error:
        # A mistake of ours, in no script: stderr says where it was made.
        logging.getLogger(__name__).exception("task %s failed", task.id)
        run.fault("internal_error")
        task.set_status("error", clock.stamp(), {"error": str(error) or type(error).__name__})
    run.ended()
    run.state.truth.append(run.truth)
    if LOST in run.hit.kinds:
        run.state.tasks.pop(task.id, None)


async def _execute(run: Run, named: Profile | None) -> orjson.Fragment | None:
    session, profile = run.session, run.profile
    updated = {
        "last_updated": session.last_updated,
        "models_used": session.models_used,
        "profile_tags_used": session.profile_tags_used,
        "session_id": session.id,
    }
    run.emit("session_model_update", updated)
    session.ask(run.prompt, run.turn, named, run.clock.local_stamp())
    if named is not None:
        run.notify("user_message_profile_tag", {"is_session_primer": False, "profile_tag": profile.tag})
    await run.clock.sleep(_ASSEMBLY_S)
    window = snapshots.window(
        profile_type=profile.profile_type,
        profile_id=profile.id,
        provider=profile.llm.provider,
        prompt=str(run.prompt),
        session_id=session.id,
        turn=run.turn,
    )
    run.step("Context Window Assembly", "context_window_snapshot", snapshots.summary(window), payload=window)
    if STALL in run.hit.kinds:
        await asyncio.Event().wait()
    return await ENGINES[profile.profile_type](run, window)
