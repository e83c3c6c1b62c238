"""The embedded Uderia as one ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from uderia_bench.sim import api_auth, api_notifications, api_profiles, api_sessions, api_sim, api_tasks, api_turns, responses
from uderia_bench.sim.config import Settings
from uderia_bench.sim.state import State


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
            *api_turns.ROUTES,
            *api_notifications.ROUTES,
            *api_sim.ROUTES,
        ],
        exception_handlers={404: _page, 405: _page, 500: _page},
    )
    app.state.uderia = State(settings)
    return app
