"""Fixtures of the embedded server's tests, which run on asyncio at a high speed."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from types import SimpleNamespace

import anyio
import httpx
import pytest
from jumping import JumpingLoop

from uderia_bench.sim import clock
from uderia_bench.sim.app import create
from uderia_bench.sim.config import Settings
from uderia_bench.sim.state import State

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
TERMINAL = {"complete", "completed", "error", "failed", "cancelled"}


@pytest.fixture
def anyio_backend(monkeypatch):
    """Run async tests on asyncio, with a loop whose time is that of the server's clock and jumps to the next timer.

    It is noon: quotas are those of an hour, a day and a month, which may end during a test.
    """

    def seconds() -> float:
        return asyncio.get_running_loop().time()

    monkeypatch.setattr(clock, "time", SimpleNamespace(time=lambda: NOON, perf_counter=seconds))
    return "asyncio", {"loop_factory": JumpingLoop}


class Client:
    """A signed-in client of a server in this process."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.profiles: dict[str, str] = {}

    async def sign_in(self) -> None:
        """Sign in as admin and read the profile ids."""
        login = await self.http.post("/api/v1/auth/login", json={"username": "admin", "password": "admin"})
        self.http.headers["authorization"] = f"Bearer {login.json()['token']}"
        listed = (await self.http.get("/api/v1/profiles")).json()["profiles"]
        self.profiles = {profile["tag"]: profile["id"] for profile in listed}

    async def session(self, tag: str | None = None) -> str:
        """Create a session, of the profile if a tag is given."""
        body = {} if tag is None else {"profile_id": self.profiles[tag]}
        return (await self.http.post("/api/v1/sessions", json=body)).json()["session_id"]

    async def submit(self, session: str, prompt: object, **body: object) -> str:
        """Submit a query and return the task id."""
        answer = await self.http.post(f"/api/v1/sessions/{session}/query", json={"prompt": prompt, **body})
        assert answer.status_code == 202, answer.text
        return answer.json()["task_id"]

    async def task(self, task_id: str) -> dict:
        """Read a task."""
        return (await self.http.get(f"/api/v1/tasks/{task_id}")).json()

    async def follow(self, task_id: str) -> dict:
        """Read a task until it ends."""
        wait = 0.003
        with anyio.fail_after(100):
            while True:
                task = await self.task(task_id)
                if task["status"] in TERMINAL:
                    return task
                await anyio.sleep(wait)
                wait = min(0.05, 1.3 * wait)

    async def details(self, session: str) -> dict:
        """Read the details of a session."""
        return (await self.http.get(f"/api/v1/sessions/{session}/details")).json()

    async def ask(self, tag: str, prompt: object, *, session_tag: str | None = None) -> tuple[dict, dict]:
        """Ask in a new session and return the finished task and the session details."""
        session = await self.session(session_tag or tag)
        task = await self.follow(await self.submit(session, prompt, profile_id=self.profiles[tag]))
        await self.written()
        return task, await self.details(session)

    @property
    def state(self) -> State:
        """The state of the server."""
        return self.http._transport.app.state.uderia

    async def written(self) -> None:
        """Wait until every case is written."""
        with anyio.fail_after(60):
            while self.state.writer.pending:  # noqa: ASYNC110 - there is no event for it
                await anyio.sleep(0.001)

    async def truth(self) -> list[dict]:
        """Read ``/sim/truth``."""
        return (await self.http.get("/sim/truth", headers={"authorization": ""})).json()


@contextlib.asynccontextmanager
async def running(**settings: object):
    """Run a fast server without a sign-in limit in this process, and yield a signed-in client."""
    app = create(Settings(**{"speed": 500.0, "login_limit": 0, "cold_start": False, **settings}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sim") as http:
        client = Client(http)
        await client.sign_in()
        yield client


@pytest.fixture
def serve():
    """Return the function that runs a server."""
    return running


def kinds(task: dict) -> list[str]:
    """Return the kind of every event in order (docs/reference/protocol.md, "Event kinds")."""
    return [
        event["event_data"].get("type") if event["event_type"] in (None, "notification") else event["event_type"]
        for event in task["events"]
    ]


@pytest.fixture(name="kinds")
def kinds_of():
    """Return the function that reads the event kinds of a task."""
    return kinds
