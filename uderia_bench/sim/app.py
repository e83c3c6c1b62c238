"""The embedded Uderia as one ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from uderia_bench.sim.api import (
    admin,
    auth,
    cases,
    collections,
    context_windows,
    dashboard,
    knowledge,
    marketplace,
    models,
    notifications,
    profiles,
    prompts,
    responses,
    sessions,
    sim,
    tasks,
    turns,
)
from uderia_bench.sim.config import Settings
from uderia_bench.sim.state import State


async def _page(_: Request, failure: Exception) -> Response:
    return responses.page(failure.status_code if isinstance(failure, HTTPException) else 500)


def create(settings: Settings) -> Starlette:
    """Create the application of one server with a separate state."""
    app = Starlette(
        routes=[
            *auth.ROUTES,
            *profiles.ROUTES,
            *models.ROUTES,
            *dashboard.ROUTES,
            *sessions.ROUTES,
            *tasks.ROUTES,
            *turns.ROUTES,
            *collections.ROUTES,
            *marketplace.ROUTES,
            *cases.ROUTES,
            *knowledge.ROUTES,
            *prompts.ROUTES,
            *context_windows.ROUTES,
            *admin.ROUTES,
            *notifications.ROUTES,
            *sim.ROUTES,
        ],
        exception_handlers={404: _page, 405: _page, 500: _page},
    )
    app.state.uderia = State(settings)
    return app
