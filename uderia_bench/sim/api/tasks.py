"""Routes of tasks: submit a query, poll its task, cancel it.

Source: docs/reference/protocol.md, "Submitting a query" and "Polling a task".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import Handler, state_of, user_of
from uderia_bench.sim.api.sessions import session_of
from uderia_bench.sim.engines.intake import coordinate, submit
from uderia_bench.sim.state import State
from uderia_bench.sim.tasks import Task
from uderia_bench.sim.trouble.faults import POLL_ERROR

_NOT_YOURS = "Access denied: You cannot cancel a task you did not start."


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
    listed = body.get("skills")
    skills = (
        [str(one.get("id") or one.get("name")) if isinstance(one, dict) else str(one) for one in listed or ()]
        if isinstance(listed, list)
        else []
    )
    task = await submit(state, session, body["prompt"], body.get("profile_id"), arrived=arrived, skills=skills)
    return _accepted(task)


async def _coordinate(request: Request) -> Response:
    """Submit a query to a coordinator. Requires a sign-in and a session of a genie profile."""
    state, user = state_of(request), user_of(request)
    arrived = state.clock.seconds
    if user is None:
        return responses.error(401, "Authentication required")
    try:
        body = await responses.read_json(request)
    except responses.MalformedJsonError:
        return responses.page(400)
    if not isinstance(body, dict) or not body.get("prompt"):
        return responses.error(400, "The 'prompt' field is required.")
    session = session_of(request)
    if session is None:
        return responses.error(404, f"Session '{request.path_params['session_id']}' not found.")
    profile = state.book(user).get(session.profile_id)
    if profile is None or profile.profile_type != "genie":
        return responses.error(400, "This session was not created with a genie profile.")
    return _accepted(await coordinate(state, session, body["prompt"], arrived=arrived))


def _accepted(task: Task | None) -> Response:
    if task is None:
        return responses.page(500)
    return responses.json({"status_url": f"/api/v1/tasks/{task.id}", "task_id": task.id}, 202)


def _of_user(handler: Callable[[State, Task], Awaitable[Response]], denied: str) -> Handler:
    """Return a handler for the task of the path; it answers 404 and 403 itself."""

    async def checked(request: Request) -> Response:
        state, task_id = state_of(request), request.path_params["task_id"]
        task = state.tasks.get(task_id)
        if task is None:
            return responses.error(404, f"Task '{task_id}' not found.")
        if task.user_uuid != user_of(request):
            return responses.error(403, denied)
        return await handler(state, task)

    return checked


async def _read(state: State, task: Task) -> Response:
    await state.loop.read()
    task.reads += 1
    if POLL_ERROR in state.faults(task.profile, task.ledger.prompt, task.reads).kinds:
        state.planted[POLL_ERROR] += 1
        return responses.page(500)
    return responses.json(task.body())


async def _cancel(state: State, task: Task) -> Response:
    task.cancel(state.clock.stamp())
    if task.status == "cancelling":
        return responses.json({"message": "Cancellation request sent.", "status": "success"})
    return responses.json({"message": f"Task already finished ({task.status}).", "status": "success"})


ROUTES = [
    Route("/api/v1/sessions/{session_id}/query", _submit, methods=["POST"]),
    Route("/api/v1/sessions/{session_id}/genie-query", _coordinate, methods=["POST"]),
    Route("/api/v1/tasks/{task_id}", _of_user(_read, "Access denied to this task."), methods=["GET"]),
    Route("/api/v1/tasks/{task_id}/cancel", _of_user(_cancel, _NOT_YOURS), methods=["POST"]),
]
