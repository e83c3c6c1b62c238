"""Creating sessions and submitting queries, for REST clients and for coordinators."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uderia_bench.sim.agent.draw import stream
from uderia_bench.sim.agent.profiles import OPTIM, Profile
from uderia_bench.sim.engines.execution import execute
from uderia_bench.sim.engines.run import Run
from uderia_bench.sim.sessions import Parent, Session
from uderia_bench.sim.state import State, new_id
from uderia_bench.sim.tasks import COORDINATION, QUERY, Form, Task
from uderia_bench.sim.trouble.faults import SUBMIT_ERROR, SUBMIT_LOST
from uderia_bench.sim.truth import Ledger

# Switching the profile context takes 40 to 110 ms on an idle server. Most of it is the health check
# of the tool server, during which the loop serves other requests.
# Source: docs/reference/measured.md, "Endpoints".
_HEALTH_CHECK_S = (0.01, 0.08)
_SWITCH_WORK_S = 0.03
_CHILD_POLL_S = 1.0  # a coordinator's poll interval


async def _check_tools(state: State) -> None:
    """Wait for as long as a switch of the profile context takes."""
    low, high = _HEALTH_CHECK_S
    drawn = stream(state.settings.seed, "switch", len(state.sessions), len(state.tasks)).random()
    await state.clock.sleep(low + (high - low) * drawn)
    await state.loop.answer(_SWITCH_WORK_S)


async def open_session(state: State, user: str, profile: Profile, parent: Parent | None = None) -> Session:
    """Create a session of the profile.

    This switches the process-wide LLM first, so this profile's model writes every report until the
    next switch (docs/reference/measured.md, "Overlapping arms contaminate each other").
    """
    state.switch(profile)
    await _check_tools(state)
    session = Session(session_id=new_id(), user_uuid=user, profile=profile, now=state.clock.local_stamp(), parent=parent)
    state.sessions[session.id] = session
    state.notifications.publish(user, "session_model_update", session.models())
    state.notifications.publish(user, "new_session_created", session.announcement(profile.profile_type))
    return session


async def submit(
    state: State,
    session: Session,
    prompt: Any,
    wanted: Any,
    *,
    arrived: float,
    form: Form = QUERY,
    within: str = "",
    skills: list[str] | None = None,
) -> Task | None:
    """Start the task of a query and return it, or None if a planted fault hides it from the client.

    The default profile serves a query with an unknown or missing profile id.
    """
    book = state.book(session.user_uuid)
    named = book.get(wanted)
    profile: Profile = named or book.default or OPTIM
    unwritten = len(state.writer.unwritten)
    await _check_tools(state)
    if named is not None or not wanted:
        state.switch(profile)
    session.is_coordinator = profile.profile_type == "genie"
    session.is_dual = profile.strategic is not None or profile.tactical is not None
    if not wanted:
        session.profile_id = profile.id
        named = profile
    draw, hit = state.draw(profile, str(prompt), within=within)
    if SUBMIT_ERROR in hit.kinds:
        state.planted[SUBMIT_ERROR] += 1
        return None
    ledger = Ledger(
        session_id=session.id,
        task_id=f"task-{new_id()}",
        profile_tag=profile.tag,
        model=profile.llm.label,
        prompt=prompt,
        arrived_at=state.clock.epoch - (state.clock.seconds - arrived),
        submit_s=state.clock.seconds - arrived,
        unwritten_cases=unwritten,
    )
    task = Task(
        task_id=ledger.task_id,
        user_uuid=session.user_uuid,
        session_id=session.id,
        profile=profile,
        profile_id_override=wanted,
        ledger=ledger,
        now=state.clock.stamp(),
        form=form,
    )
    state.tasks[task.id] = task
    run = Run(
        state=state,
        task=task,
        session=session,
        profile=profile,
        prompt=prompt,
        draw=draw,
        hit=hit,
        arrived=arrived,
        consult=_consult,
        skills=skills,
    )
    task.job = asyncio.create_task(execute(run, named))
    await asyncio.sleep(0)  # a task that is cancelled before its first step would never end
    return None if SUBMIT_LOST in hit.kinds else task


async def _consult(run: Run, expert: Profile, number: int, started: Callable[[Session], None]) -> tuple[Session, Task]:
    """Ask an expert in a new session and poll its task, which survives a cancel of the run."""
    state, arrived = run.state, run.clock.seconds
    parent = Parent(session_id=run.session.id, profile_id=expert.id, number=number)
    session = await open_session(state, run.session.user_uuid, expert, parent)
    task = await submit(state, session, run.prompt, expert.id, arrived=arrived, within=run.profile.tag)
    if task is None:
        raise ConnectionError(f"Error from @{expert.tag}: the query was not accepted.")
    started(session)
    while task.running:
        await run.clock.sleep(_CHILD_POLL_S)
    return session, task


async def coordinate(state: State, session: Session, prompt: Any, *, arrived: float) -> Task | None:
    """Start a task of the genie-query endpoint, whose tasks have another form."""
    return await submit(state, session, prompt, session.profile_id, arrived=arrived, form=COORDINATION)
