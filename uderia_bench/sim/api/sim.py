"""What only the embedded server has: the truth, a restart on request, and the description of what it serves. No sign-in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import openapi, responses
from uderia_bench.sim.api.auth import state_of


async def _truth(request: Request) -> Response:
    """Tell what really happened, a bare list, the tasks that ended in that order."""
    return responses.json([ledger.document() for ledger in state_of(request).truth])


async def _faults(request: Request) -> Response:
    """Count the faults of the wire by kind, the requests by the call they were, and the queries that arrived."""
    state = state_of(request)
    return responses.json({"asked": state.asked(), "calls": dict(state.calls), "planted": dict(state.planted)})


async def _restart(request: Request) -> Response:
    """Forget the tasks, as a restart does; sessions and tokens stay."""
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
