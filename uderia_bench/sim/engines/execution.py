"""Execution of a task from its first event to its terminal status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import orjson

from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.engines import genie, llm_only, rag_focused, snapshots, tool_enabled
from uderia_bench.sim.engines.run import BadProfileError, BadPromptError, Run
from uderia_bench.sim.memory import knowledge
from uderia_bench.sim.quotas import CALLS_PER_HOUR, OVER_THE_HOUR, QuotaExceededError
from uderia_bench.sim.trouble.faults import AGENT_KINDS, LOST, QUOTA, STALL, STUCK

Engine = Callable[[Run], Awaitable[orjson.Fragment | None]]

ENGINES: dict[str, Engine] = {
    "llm_only": llm_only.play,
    "tool_enabled": tool_enabled.play,
    "rag_focused": rag_focused.play,
    "genie": genie.play,
}
_FAULTS: dict[type[Exception], str] = {
    BadPromptError: "bad_prompt",
    BadProfileError: "bad_profile",
    QuotaExceededError: "quota",
}
_ASSEMBLY_S = 0.014  # assembling the context window
_CANCELLING_S = 0.015  # between the cancelled event and the cancelled status


async def execute(run: Run, named: Profile | None) -> None:
    """Execute the task.

    ``named`` is the profile that the query asked for, None if its id is unknown. A task always
    ends: an exception in an engine gives it the status error, as on the real server.
    """
    task, clock = run.task, run.clock
    try:
        for kind in sorted(run.hit.kinds - AGENT_KINDS.keys()):
            run.fault(kind)
        result = await _execute(run, named)
        task.set_status("complete", clock.stamp(), result)
        if result is not None:
            _publish(run, result)
    except asyncio.CancelledError:
        if task.abandoned or STUCK in run.hit.kinds:
            return
        run.fault("cancelled")
        await clock.sleep(_CANCELLING_S)
        task.set_status("cancelled", clock.stamp(), {"message": "Task cancelled by user."})
    except (BadPromptError, BadProfileError, QuotaExceededError) as error:
        run.fault(_FAULTS[type(error)])
        run.emit("error", {"error": str(error)})
        task.set_status("error", clock.stamp(), {"error": str(error)})
    except Exception as error:
        # A bug in an engine. The traceback goes to stderr.
        logging.getLogger(__name__).exception("task %s failed", task.id)
        run.fault("internal_error")
        task.set_status("error", clock.stamp(), {"error": str(error) or type(error).__name__})
    run.ended()
    run.state.truth.append(run.truth)
    if LOST in run.hit.kinds:
        run.state.tasks.pop(task.id, None)


def _publish(run: Run, result: orjson.Fragment) -> None:
    """Notify the listeners of a result. The server does not notify them of errors and cancels."""
    if not run.state.notifications.heard_by(run.session.user_uuid):
        return
    payload = {
        "extension_specs": None,
        "final_answer": orjson.loads(orjson.dumps(result))["final_answer"],
        "profile_tag": run.session.profile_tag,
        "session_id": run.session.id,
        "skill_specs": None,
        "task_id": run.task.id,
        "turn_id": run.turn,
        "user_input": run.prompt,
    }
    run.state.notifications.publish(run.session.user_uuid, "rest_task_complete", payload)


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
    warm_up_s = run.state.warm_up()
    run.truth.cold = warm_up_s > 0
    await run.state.loop.work(_ASSEMBLY_S + warm_up_s)
    if STALL in run.hit.kinds:
        await asyncio.Event().wait()
    if QUOTA in run.hit.kinds:
        raise QuotaExceededError(OVER_THE_HOUR.format(CALLS_PER_HOUR))
    if not profile.llm_found:
        raise BadProfileError("LLM configuration for profile not found.")
    if profile.profile_type not in ENGINES:
        raise BadProfileError(f"Unknown profile type '{profile.profile_type}'.")
    if profile.profile_type != "genie":  # only the children of a coordinator are metered
        run.state.meter.require()
    await _assemble(run)
    return await ENGINES[profile.profile_type](run)


async def _assemble(run: Run) -> None:
    """Assemble the context window, with retrieved knowledge if the profile has it switched on."""
    profile, state = run.profile, run.state
    config = profile.section("knowledgeConfig")
    searched = knowledge.configured(state.collections, config)
    if config.get("enabled") and searched and state.switches.rag_enabled and run.is_text:
        await state.loop.work(knowledge.SEARCH_S)
        run.found = knowledge.search(searched, config, run.prompt, duration_ms=round(1000 * knowledge.SEARCH_S))
    run.window = snapshots.window(
        profile=profile,
        window=run.book.window(profile),
        prompt=str(run.prompt),
        session_id=run.session.id,
        turn=run.turn,
        found=run.found,
    )
    message, kind = "Context Window Assembly", "context_window_snapshot"
    if profile.profile_type == "genie":
        run.notify(kind, run.window, details=snapshots.summary(run.window), step=message)
    else:
        run.step(message, kind, snapshots.summary(run.window), payload=run.window)
