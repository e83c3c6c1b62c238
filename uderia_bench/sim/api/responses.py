"""Responses as JSON with sorted keys or as HTML error pages, and parsing of requests."""

from __future__ import annotations

import re
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from uderia_bench.sim.tasks import SORTED

_PAGES = {
    400: ("Bad Request", "The browser (or proxy) sent a request that this server could not understand."),
    404: (
        "Not Found",
        (
            "The requested URL was not found on the server. "
            "If you entered the URL manually please check your spelling and try again."
        ),
    ),
    405: ("Method Not Allowed", "The method is not allowed for the requested URL."),
    500: (
        "Internal Server Error",
        (
            "The server encountered an internal error and was unable to complete your request. "
            "Either the server is overloaded or there is an error in the application."
        ),
    ),
}


_WHOLE = re.compile(r"[0-9]{1,9}")


class MalformedJsonError(Exception):
    """The body has the content type JSON but is not valid JSON."""


def json(body: Any, status: int = 200) -> Response:
    """Return a JSON response. Bytes are sent unchanged."""
    content = body if isinstance(body, bytes) else orjson.dumps(body, option=SORTED)
    return Response(content + b"\n", status, media_type="application/json")


def error(status: int, text: str) -> Response:
    """Return an error of the form ``{"error": text}``."""
    return json({"error": text}, status)


def failure(status: int, message: str, **more: Any) -> Response:
    """Return an error of the form ``{"message": text, "status": "error"}``."""
    return json({"message": message, "status": "error", **more}, status)


def success(message: str, **more: Any) -> Response:
    """Return a success with a message."""
    return json({"message": message, "status": "success", **more})


def created(message: str, **more: Any) -> Response:
    """Return the status 201 with a message."""
    return json({"message": message, "status": "success", **more}, 201)


def page(status: int) -> Response:
    """Return an HTML error page of the server's framework."""
    title, text = _PAGES[status]
    heading = f"{status} {title}"
    html = f"<!doctype html>\n<html lang=en>\n<title>{heading}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n"
    return Response(html, status, media_type="text/html")


async def read_json(request: Request) -> Any:
    """Return the body as JSON, None for another content type. Raises ``MalformedJsonError``."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        return None
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as failure:
        raise MalformedJsonError from failure


async def lenient_json(request: Request) -> Any:
    """Return the body as JSON, None for a missing or broken body."""
    try:
        return await read_json(request)
    except MalformedJsonError:
        return None


def number(request: Request, name: str, default: int) -> int:
    """Return an integer of the query string, or the default if it is missing or not a number."""
    text = request.query_params.get(name, "")
    return int(text) if _WHOLE.fullmatch(text) else default
