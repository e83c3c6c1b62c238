"""Routes of the embedded server only, without a sign-in: truth, faults, restart, OpenAPI."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import openapi, responses
from uderia_bench.sim.api.auth import state_of


async def _truth(request: Request) -> Response:
    """Return the true values of the finished tasks as a list, in the order of their ends."""
    return responses.json([ledger.document() for ledger in state_of(request).truth])


async def _faults(request: Request) -> Response:
    """Return the counts of planted faults by kind, requests by call, and queries."""
    state = state_of(request)
    return responses.json({"asked": state.asked(), "calls": dict(state.calls), "planted": dict(state.planted)})


async def _restart(request: Request) -> Response:
    """Forget the tasks, as a restart does. Sessions and tokens stay."""
    state = state_of(request)
    lost = len(state.tasks)
    state.restart()
    return responses.json({"status": "success", "tasks_lost": lost})


async def _describe(_: Request) -> Response:
    return responses.json(openapi.DOCUMENT)


ROUTES = [
    Route("/sim/truth", _truth, methods=["GET"]),
    Route("/sim/faults", _faults, methods=["GET"]),
    Route("/sim/restart", _restart, methods=["POST"]),
    Route("/sim/openapi.json", _describe, methods=["GET"]),
]
