"""Routes of the embedded server only, without a sign-in: truth, faults, restart, OpenAPI."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import openapi, responses
from uderia_bench.sim.api.auth import state_of

_LONGEST_S = 600
_LEAVING_S = 0.01  # so that the response arrives before the connections break


async def _truth(request: Request) -> Response:
    """Return the true values of the finished tasks as a list, in the order of their ends."""
    return responses.json([ledger.document() for ledger in state_of(request).truth])


async def _faults(request: Request) -> Response:
    """Return the counts of planted faults by kind, requests by call, and queries."""
    state = state_of(request)
    return responses.json({"asked": state.asked(), "calls": dict(state.calls), "planted": dict(state.planted)})


async def _restart(request: Request) -> Response:
    """Forget the tasks, as a restart does. Sessions and tokens stay.

    ``shutdown`` are seconds of a shutdown before it, as after SIGTERM: tasks are cancelled. ``away`` are
    seconds after it in which connections are refused.
    """
    state = state_of(request)
    try:
        shutdown_s, away_s = (float(request.query_params.get(name, "0")) for name in ("shutdown", "away"))
    except ValueError:
        shutdown_s = away_s = -1.0
    if not (0 <= shutdown_s <= _LONGEST_S and 0 <= away_s <= _LONGEST_S):
        return responses.error(400, f"'shutdown' and 'away' are seconds from 0 to {_LONGEST_S}.")
    await state.shut_down(shutdown_s)
    lost = len(state.tasks)
    state.restart()
    if away_s:
        asyncio.get_running_loop().call_later(_LEAVING_S, state.leave, away_s)
    return responses.json({"status": "success", "tasks_lost": lost})


async def _describe(_: Request) -> Response:
    return responses.json(openapi.DOCUMENT)


ROUTES = [
    Route("/sim/truth", _truth, methods=["GET"]),
    Route("/sim/faults", _faults, methods=["GET"]),
    Route("/sim/restart", _restart, methods=["POST"]),
    Route("/sim/openapi.json", _describe, methods=["GET"]),
]
