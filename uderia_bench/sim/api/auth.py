"""Sign-in, tokens and the user: ``/api/v1/auth`` (docs/reference/protocol.md, "Signing in")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.accounts import User, prefix
from uderia_bench.sim.api import responses
from uderia_bench.sim.state import State

_LONGEST_NAME = 100
_LOGIN_REQUIRED = {"message": "Authentication required. Please login.", "status": "error"}
Handler = Callable[[Request], Awaitable[Response]]


def state_of(request: Request) -> State:
    """Return the state of the server."""
    state: State = request.app.state.uderia
    return state


def account_of(request: Request) -> User | None:
    """Return the signed-in user, None without a valid token."""
    if not hasattr(request.state, "account"):  # a token counts one use per request
        request.state.account = state_of(request).accounts.user_of(request.headers.get("authorization"))
    user: User | None = request.state.account
    return user


def user_of(request: Request) -> str | None:
    """Return the uuid of the signed-in user, None without a valid token."""
    user = account_of(request)
    return None if user is None else user.uuid


def signed_in_user(request: Request) -> User:
    """Return the user of a request that was checked by ``signed_in``."""
    user = account_of(request)
    if user is None:
        raise LookupError("the route is not behind signed_in")
    return user


def signed_in(handler: Handler) -> Handler:
    """Return a handler that answers 401 without a valid token."""

    async def checked(request: Request) -> Response:
        return responses.json(_LOGIN_REQUIRED, 401) if user_of(request) is None else await handler(request)

    return checked


def _token(request: Request) -> str:
    return request.headers["authorization"].removeprefix("Bearer ")


def _address(request: Request) -> str:
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    peer = request.client.host if request.client else "unknown"
    return forwarded or request.headers.get("x-real-ip") or peer


async def _log_in(request: Request) -> Response:
    body = await responses.lenient_json(request)
    answer = state_of(request).accounts.log_in(_address(request), body)
    return responses.json(answer.body, answer.status)


async def _log_out(request: Request) -> Response:
    state_of(request).accounts.revoke(_token(request))
    return responses.json({"message": "Logout successful", "status": "success"})


async def _refresh(request: Request) -> Response:
    answer = state_of(request).accounts.refresh(_token(request))
    return responses.json(answer.body, answer.status)


async def _me(request: Request) -> Response:
    return responses.json({"status": "success", "user": state_of(request).accounts.me(signed_in_user(request))})


async def _create_token(request: Request) -> Response:
    body = await responses.lenient_json(request)
    asked = body if isinstance(body, dict) else {}
    name, days = asked.get("name"), asked.get("expires_in_days")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _LONGEST_NAME:
        return responses.json({"message": "Token name is required (at most 100 characters)", "status": "error"}, 400)
    if days is not None and (not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= 36_500):
        return responses.json({"message": "expires_in_days must be a positive integer", "status": "error"}, 400)
    made = state_of(request).accounts.create_access_token(signed_in_user(request), name.strip(), days)
    body = {
        "created_at": made.created_at,
        "expires_at": made.expires_at,
        "name": made.name,
        "status": "success",
        "token": made.token,
        "token_id": made.token_id,
        "token_prefix": prefix(made.token),
    }
    return responses.json(body, 201)


async def _list_tokens(request: Request) -> Response:
    return responses.json({"status": "success", "tokens": state_of(request).accounts.access_tokens(signed_in_user(request))})


async def _delete_token(request: Request) -> Response:
    if not state_of(request).accounts.revoke_access_token(request.path_params["token_id"]):
        return responses.json({"message": "Token not found", "status": "error"}, 404)
    return responses.json({"message": "Token revoked successfully", "status": "success"})


async def _quota(request: Request) -> Response:
    return responses.json({"quota": state_of(request).meter.status(), "status": "success"})


ROUTES = [
    Route("/api/v1/auth/login", _log_in, methods=["POST"]),
    Route("/api/v1/auth/logout", signed_in(_log_out), methods=["POST"]),
    Route("/api/v1/auth/refresh", signed_in(_refresh), methods=["POST"]),
    Route("/api/v1/auth/me", signed_in(_me), methods=["GET"]),
    Route("/api/v1/auth/tokens", signed_in(_create_token), methods=["POST"]),
    Route("/api/v1/auth/tokens", signed_in(_list_tokens), methods=["GET"]),
    Route("/api/v1/auth/tokens/{token_id}", signed_in(_delete_token), methods=["DELETE"]),
    Route("/api/v1/auth/user/quota-status", signed_in(_quota), methods=["GET"]),
]
