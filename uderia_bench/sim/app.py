"""The embedded Uderia as one ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim import api_auth, api_profiles, api_sessions, api_tasks, responses
from uderia_bench.sim.config import Settings
from uderia_bench.sim.state import State


async def _truth(request: Request) -> Response:
    """Tell what really happened, a bare list, the tasks that ended in that order; for tests, so without sign-in."""
    return responses.json([ledger.document() for ledger in api_auth.state_of(request).truth])


async def _page(_: Request, failure: Exception) -> Response:
    return responses.page(failure.status_code if isinstance(failure, HTTPException) else 500)


def create(settings: Settings) -> Starlette:
    """Return a server of its own: two of them share nothing."""
    app = Starlette(
        routes=[
            *api_auth.ROUTES,
            *api_profiles.ROUTES,
            *api_sessions.ROUTES,
            *api_tasks.ROUTES,
            Route("/sim/truth", _truth, methods=["GET"]),
        ],
        exception_handlers={404: _page, 405: _page, 500: _page},
    )
    app.state.uderia = State(settings)
    return app
