"""Asking, following and cancelling: a query makes a task, a task is polled whole, and may be stopped (protocol.md §4, §5)."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim import responses
from uderia_bench.sim.api_auth import state_of, user_of
from uderia_bench.sim.api_sessions import session_of, switch_seconds
from uderia_bench.sim.execution import execute
from uderia_bench.sim.faults import POLL_ERROR, SUBMIT_ERROR, SUBMIT_LOST
from uderia_bench.sim.profiles import BY_ID, BY_TAG, OPTIM, Profile
from uderia_bench.sim.run import Run
from uderia_bench.sim.sessions import Session
from uderia_bench.sim.state import State, new_id
from uderia_bench.sim.tasks import Task
from uderia_bench.sim.truth import Ledger


async def _submit(request: Request) -> Response:
    state = state_of(request)
    arrived = state.clock.seconds
    try:
        body = await responses.read_json(request)
    except responses.MalformedJsonError:
        return responses.page(400)
    if not isinstance(body, dict):
        return responses.page(500)
    if not body.get("prompt"):
        return responses.error(400, "The 'prompt' field is required.")
    session = session_of(request)
    if session is None:
        return responses.error(404, f"Session '{request.path_params['session_id']}' not found.")
    task = await _start(state, session, body, arrived)
    return (
        responses.page(500)
        if task is None
        else responses.json({"status_url": f"/api/v1/tasks/{task.id}", "task_id": task.id}, 202)
    )


async def _start(state: State, session: Session, body: dict[str, Any], arrived: float) -> Task | None:
    """Start the task of a query, on the default profile where it names none or an unknown one; None where a fault hides it."""
    wanted = body.get("profile_id")
    named = BY_ID.get(wanted) if isinstance(wanted, str) else None
    profile: Profile = named or state.default or OPTIM
    await state.clock.sleep(switch_seconds(state))
    if named is not None or not wanted:
        state.switch(profile)
    if not wanted:
        session.profile_id = profile.id
        named = profile
    draw, hit = state.draw(profile, str(body["prompt"]))
    if SUBMIT_ERROR in hit.kinds:
        return None
    ledger = Ledger(
        session_id=session.id,
        task_id=f"task-{new_id()}",
        profile_tag=profile.tag,
        model=profile.llm.label,
        prompt=body["prompt"],
        submit_s=state.clock.seconds - arrived,
    )
    task = Task(
        task_id=ledger.task_id,
        user_uuid=session.user_uuid,
        session_id=session.id,
        profile_id_override=wanted,
        ledger=ledger,
        now=state.clock.stamp(),
    )
    state.tasks[task.id] = task
    run = Run(
        state=state, task=task, session=session, profile=profile, prompt=body["prompt"], draw=draw, hit=hit, arrived=arrived
    )
    task.job = asyncio.create_task(execute(run, named))
    return None if SUBMIT_LOST in hit.kinds else task


async def _read(request: Request) -> Response:
    state = state_of(request)
    task = state.tasks.get(request.path_params["task_id"])
    if task is None:
        return responses.error(404, f"Task '{request.path_params['task_id']}' not found.")
    if task.user_uuid != user_of(request):
        return responses.error(403, "Access denied to this task.")
    task.reads += 1
    if POLL_ERROR in state.faults(BY_TAG[task.ledger.profile_tag], task.ledger.prompt, task.reads).kinds:
        return responses.page(500)
    return responses.json(task.body())


async def _cancel(request: Request) -> Response:
    state = state_of(request)
    task = state.tasks.get(request.path_params["task_id"])
    if task is None:
        return responses.error(404, f"Task '{request.path_params['task_id']}' not found.")
    if task.user_uuid != user_of(request):
        return responses.error(403, "Access denied: You cannot cancel a task you did not start.")
    if task.status == "processing" and task.job is not None:
        task.set_status("cancelling", state.clock.stamp())
        task.job.cancel()
    if task.status == "cancelling":
        return responses.json({"message": "Cancellation request sent.", "status": "success"})
    return responses.json({"message": f"Task already finished ({task.status}).", "status": "success"})


ROUTES = [
    Route("/api/v1/sessions/{session_id}/query", _submit, methods=["POST"]),
    Route("/api/v1/tasks/{task_id}", _read, methods=["GET"]),
    Route("/api/v1/tasks/{task_id}/cancel", _cancel, methods=["POST"]),
]
