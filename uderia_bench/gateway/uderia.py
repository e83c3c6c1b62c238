"""The calls of Uderia's REST API that a benchmark needs, with retries where they are safe.

tenacity retries the calls that can be repeated without harm, such as polls. A query is sent again only if it certainly
did not arrive. If that is unknown, ``NoAnswer.arrived`` is True and the caller looks the query up.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import anyio
import httpx
import tenacity

from uderia_bench.errors import CallFailed, Gone, NoAnswer, NotSignedIn, Refused, Throttled
from uderia_bench.gateway import notifications, task_file
from uderia_bench.gateway.blame import unreachable
from uderia_bench.gateway.session_file import SessionFile
from uderia_bench.gateway.signin import SignIn
from uderia_bench.gateway.wire import Reply, Wire, refuse

TRIES = 5  # with the waits below, a server may be away for about 10 s before a call fails
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
LONGEST_RETRY_AFTER_S = 60.0  # for a longer pause the trial is settled, so that its slot is free
PASSING = frozenset({408, 500, 502, 503, 504})  # answers of a proxy or of a server that restarts
# the server's ids are UUIDs, with "task-" before those of tasks (docs/reference/protocol.md,
# "Creating a session" and "Submitting a query")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
SUSPECT = frozenset({401, 403, 404})  # possible answers to an expired token (docs/reference/protocol.md, "Expired tokens")

on_429: ContextVar[Callable[[], None]] = ContextVar("on_429", default=lambda: None)
"""Function to call at each answer HTTP 429 to a request of the present task, also if the request is sent again."""

T = TypeVar("T")


class Presence(Enum):
    """Who answers at a server's address."""

    UDERIA = "Uderia"
    ANOTHER = "another program"
    NOBODY = "no program, or a proxy without its server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A query that the server accepted, with the client's times around its POST."""

    task_id: str
    sent_s: float
    accepted_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """A task at one poll. ``status`` is the server's word for it; unknown words count as running.

    Source: docs/reference/protocol.md, "Task statuses".

    The status is read from the end of the body if possible, so the rest may not be JSON.
    """

    status: str
    body: bytes

    @property
    def terminal(self) -> bool:
        """Whether the task has ended."""
        return self.status in task_file.TERMINAL


class Uderia:
    """The signed-in connection to one server."""

    def __init__(self, wire: Wire, sign_in: SignIn, stream: Wire | None = None) -> None:
        self._wire = wire
        self._stream = stream or wire
        self._sign_in = sign_in

    @property
    def base_url(self) -> str:
        """The server's address, which every trial records."""
        return self._wire.base_url

    async def sign_in(self) -> str:
        """Check the credentials before a run is planned; return the token. Raises ``NotSignedIn`` or ``Unreachable``."""
        try:
            return await self._sign_in.token()
        except NoAnswer as error:
            raise unreachable(self.base_url, error) from error
        except Throttled as limit:
            raise NotSignedIn(f"{limit}: too many sign-ins, try again later") from limit

    async def presence(self) -> Presence:
        """Return who answers at the address: one try, without the token, so that frequent calls need no sign-in.

        Uderia answers 401 then, with an error in JSON (docs/reference/protocol.md, "Signing in").
        """
        try:
            reply = await self._wire.exchange("GET", "/api/v1/auth/me")
        except CallFailed:
            return Presence.NOBODY
        if reply.status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return Presence.NOBODY
        known = reply.status == httpx.codes.UNAUTHORIZED and isinstance(reply.json(), dict)
        return Presence.UDERIA if known else Presence.ANOTHER

    async def knows(self, task_id: str) -> bool | None:
        """Whether the server still has a task in its memory; None if it does not say."""
        try:
            await self.task(task_id)
        except Gone:
            return False
        except CallFailed:
            return None
        return True

    async def profiles(self) -> dict[str, Any]:
        """Return the body of the profile list: ``profiles`` and ``default_profile_id``."""
        return (await self._read("/api/v1/profiles", "profiles"))[1]

    async def llm_configurations(self) -> list[Any]:
        """Return the LLM configurations without their credentials, so that these are never logged or stored."""
        found = (await self._read("/api/v1/llm/configurations", "LLM configurations"))[1].get("configurations")
        if not isinstance(found, list):
            return []
        wanted = ("id", "name", "provider", "model")
        return [{key: item.get(key) for key in wanted} for item in found if isinstance(item, dict)]

    async def costs(self) -> list[Any]:
        """Return the server's price table; empty if the user may not read it.

        Source: admin tier, docs/reference/protocol.md, "Costs".
        """
        try:
            found = (await self._read("/api/v1/costs/models?include_fallback=true", "price table"))[1].get("costs")
        except Refused:
            return []
        return found if isinstance(found, list) else []

    async def listen(self, opened: Callable[[], None], told: Callable[[str], None]) -> None:
        """Call ``told`` for each task that the server reports as ended, until the stream ends; raises ``CallFailed``.

        ``opened`` is called once no task can be missed any more. A report may be wrong.
        """
        reply, data = await self._read("/api/v1/auth/me", "user")
        user = data.get("user")
        user_uuid = _named(user, "user_uuid", "user", reply.status)
        await notifications.listen(self._stream, user_uuid, opened, told)

    async def create_session(self, profile_id: str | None) -> str:
        """Create a session for a profile, or for the server's default one, and return its id."""
        body = {} if profile_id is None else {"profile_id": profile_id}
        reply = await self._patiently(
            lambda: self._call("POST", "/api/v1/sessions", "create session", body=body), repeatable=False
        )
        try:
            return _named(reply.json(), "session_id", "create session", reply.status)
        except Refused as error:  # one more empty session does no harm
            raise NoAnswer(str(error), arrived=True) from error

    async def submit(
        self, session_id: str, prompt: str, profile_id: str, *, before: Callable[[], None] = lambda: None
    ) -> Accepted:
        """Send a query. ``sent_s`` is the time right before it is sent, ``accepted_s`` when the answer was read.

        ``before`` is called right before each try, and may raise.

        Raises ``NoAnswer`` with ``arrived`` also for a server error or an unreadable answer, because the server
        may have accepted the query.
        """
        body = {"prompt": prompt, "profile_id": profile_id}
        path = f"/api/v1/sessions/{session_id}/query"
        try:
            reply = await self._patiently(lambda: self._call("POST", path, "query", body=body, before=before), repeatable=False)
            task_id = _named(reply.json(), "task_id", "query", reply.status)
        except Refused as error:
            if error.status < httpx.codes.BAD_REQUEST or error.status in PASSING:
                raise NoAnswer(str(error), arrived=True) from error
            raise
        return Accepted(task_id=task_id, sent_s=reply.sent_s, accepted_s=reply.read_s)

    async def task(self, task_id: str, *, whole: bool = False) -> TaskState:
        """Read a task. With ``whole``, read it again if it is not valid JSON."""

        async def once() -> TaskState:
            reply = await self._call("GET", f"/api/v1/tasks/{task_id}", "task")
            status = None if whole else task_file.status(reply.body)
            if status is None:
                status = _object(reply, "task").get("status")
                if not isinstance(status, str):  # another program answers
                    raise NoAnswer("task: the answer has no status", arrived=True)
            return TaskState(status=status, body=reply.body)

        return await self._patiently(once)

    async def cancel(self, task_id: str) -> None:
        """Ask the server to cancel a task. A task that has ended is not an error."""
        await self._patiently(lambda: self._call("POST", f"/api/v1/tasks/{task_id}/cancel", "cancel"))

    async def session(self, session_id: str) -> SessionFile:
        """Read the file of a session, which the server writes before a task becomes terminal.

        Source: docs/reference/protocol.md, "When a turn is saved".
        """
        reply, data = await self._read(f"/api/v1/sessions/{session_id}/details", "session details")
        return SessionFile(body=reply.body, data=data)

    async def archive(self, session_id: str) -> None:
        """Archive a session. One that is already archived is not an error."""
        path = f"/api/v1/sessions/{session_id}/archive"
        try:
            await self._patiently(lambda: self._call("PUT", path, "archive", body={"archived_reason": "uderia-bench"}))
        except Refused as error:
            if error.status != httpx.codes.BAD_REQUEST:
                raise

    async def send(self, method: str, path: str, what: str, *, body: Any = None, repeatable: bool = True) -> Reply:
        """Make another call of the API (``gateway.managing``); raises ``CallFailed``.

        A call that is not ``repeatable`` is sent again only if it certainly did not arrive.
        """
        return await self._patiently(lambda: self._call(method, path, what, body=body), repeatable=repeatable)

    async def _read(self, path: str, what: str) -> tuple[Reply, dict[str, Any]]:
        """Read a JSON object; read it again if the answer is something else."""

        async def once() -> tuple[Reply, dict[str, Any]]:
            reply = await self._call("GET", path, what)
            return reply, _object(reply, what)

        return await self._patiently(once)

    async def _call(
        self, method: str, path: str, what: str, *, body: Any = None, before: Callable[[], None] = lambda: None
    ) -> Reply:
        """Send once, and again if the token has expired. Raises an error for an error status."""
        token = await self._sign_in.token()
        before()
        reply = await self._wire.exchange(method, path, token=token, body=body)
        if reply.status in SUSPECT and await self._sign_in.renew_if_expired(token):
            token = await self._sign_in.token()
            before()
            reply = await self._wire.exchange(method, path, token=token, body=body)
        if reply.status == httpx.codes.TOO_MANY_REQUESTS:
            on_429.get()()
        if reply.status >= httpx.codes.MULTIPLE_CHOICES:
            raise refuse(reply, what)
        return reply

    async def _patiently(self, call: Callable[[], Awaitable[T]], *, repeatable: bool = True) -> T:
        """Retry passing errors. Without ``repeatable``, only if the request certainly had no effect.

        tenacity comes in after the first try has failed, because it costs 20 µs, a tenth of a request.
        """

        def may_pass(error: BaseException) -> bool:
            if isinstance(error, NoAnswer):
                return repeatable or not error.arrived
            if isinstance(error, Throttled):
                return error.retry_after_s is None or error.retry_after_s <= LONGEST_RETRY_AFTER_S
            return repeatable and isinstance(error, Refused) and error.status in PASSING

        try:
            return await call()
        except CallFailed as error:
            failed: CallFailed | None = error

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(may_pass),
            stop=tenacity.stop_after_attempt(TRIES),
            wait=_wait,
            sleep=anyio.sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                if failed is not None:  # its first try is the one that was already made
                    first, failed = failed, None
                    raise first
                return await call()
        raise AssertionError("the last attempt returns or raises")


def _object(reply: Reply, what: str) -> dict[str, Any]:
    """Decode a JSON object. Anything else (a proxy's page, half an answer) counts as no answer."""
    data = reply.json()
    if not isinstance(data, dict):
        raise NoAnswer(f"{what}: {len(reply.body)} bytes that are not a JSON object", arrived=True)
    return data


def _named(data: Any, key: str, what: str, status: int) -> str:
    """Return an id of the server for use in paths: only letters, digits, dashes and underscores are accepted."""
    value = data.get(key) if isinstance(data, dict) else None
    if not isinstance(value, str) or not ID.fullmatch(value):
        raise Refused(f"{what}: the answer names no usable {key}", status=status)
    return value


_backoff = tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)


def _wait(state: tenacity.RetryCallState) -> float:
    """Wait as long as the server asked, else a random, growing time."""
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Throttled) and error.retry_after_s is not None:
        return error.retry_after_s
    return _backoff(state)
