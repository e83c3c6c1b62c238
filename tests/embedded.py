"""An embedded server in this process, with the client's own connection and a recording of every request."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import httpx
from pydantic import SecretStr

from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.sim.app import create
from uderia_bench.sim.config import Settings

URL = "http://127.0.0.1:5050"
OPTIM = "profile-1764006444002-z0hdduce9"
ADMIN = Credentials(username="admin", password=SecretStr("admin"))
READS = ("/auth/login", "/sessions", "/query", "/cancel", "/archive")
"""Ends of the paths to which a run without managed state may post."""


@dataclass
class Embedded:
    """A server and what was asked of it."""

    app: object
    asked: list[tuple[str, str]] = field(default_factory=list)
    before: object = None  # called with each request before it is answered
    after: object = None  # called with each request after its effect, before its answer is heard

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return the transport to give to the client."""
        inner = httpx.ASGITransport(app=self.app)

        class Recorded(httpx.AsyncBaseTransport):
            async def handle_async_request(_, request: httpx.Request) -> httpx.Response:  # noqa: N805 - self is the server
                self.asked.append((request.method, request.url.path))
                if self.before is not None:
                    await self.before(request)
                answer = await inner.handle_async_request(request)
                if self.after is not None:
                    await self.after(request)
                return answer

        return Recorded()

    @contextlib.asynccontextmanager
    async def connected(self):
        """Sign in as the administrator."""
        async with connect(URL, ADMIN, transport=self.transport()) as uderia:
            yield uderia

    @property
    def state(self):
        """The state of the server."""
        return self.app.state.uderia

    @property
    def changes(self) -> list[tuple[str, str]]:
        """What was asked that is neither a read nor a trial."""
        return [(method, path) for method, path in self.asked if method != "GET" and not path.endswith(READS)]


def embedded(**settings: object) -> Embedded:
    """Return a fast server without a sign-in limit."""
    return Embedded(create(Settings(**{"speed": 5000.0, "login_limit": 0, "cold_start": False, **settings})))


async def state_of(uderia: Uderia) -> list[object]:
    """Return all that a run may change: profiles, collections, and the cases in each."""
    profiles = await uderia.profiles()
    collections = (await uderia.send("GET", "/api/v1/rag/collections", "collections")).json()
    rows = [
        (await uderia.send("GET", f"/api/v1/rag/collections/{one['id']}/rows?limit=1000", "rows")).json()
        for one in collections["collections"]
    ]
    return [profiles, collections, rows]
