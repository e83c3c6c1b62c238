"""The calls of Uderia's REST API that a benchmark needs, each with the retries its nature allows.

Retry the poll, never the question: tenacity stands around calls that can be repeated without harm. A query is sent again only
where it surely never arrived; where that is unknown, ``NoAnswer.arrived`` says so and the caller looks it up.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import httpx
import tenacity

from uderia_bench.errors import CallFailed, NoAnswer, NotSignedIn, Refused, Throttled
from uderia_bench.gateway import notifications, task_file
from uderia_bench.gateway.session_file import SessionFile
from uderia_bench.gateway.signin import SignIn, unreachable
from uderia_bench.gateway.wire import Reply, Wire, refuse

TRIES = 5  # with the waits below a server may be away for about ten seconds before a call is given up
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
LONGEST_RETRY_AFTER_S = 60.0  # a server that wants a longer pause gets a settled trial instead of a held slot
PASSING = frozenset({408, 500, 502, 503, 504})  # what a proxy, a restarting or a stumbling server answers
# the server's are UUIDs, with "task-" before a task's (docs/reference/protocol.md, "Creating a
# session" and "Submitting a query")
ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
SUSPECT = frozenset({401, 403, 404})  # how an expired token shows itself (docs/reference/protocol.md, "Expired tokens")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A query the server took, with the client's clock around its POST."""

    task_id: str
    sent_s: float
    accepted_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """A task as one poll saw it. ``status`` is the server's word; unknown words count as running.

    Source: docs/reference/protocol.md, "Task statuses".

    A status is read from the end of the body where that says it, so whether the rest is JSON is still to be seen.
    """

    status: str | None
    body: bytes

    @property
    def terminal(self) -> bool:
        """Whether nothing more will come."""
        return self.status in task_file.TERMINAL


class Uderia:
    """One server, signed in."""

    def __init__(self, wire: Wire, sign_in: SignIn, stream: Wire | None = None) -> None:
        self._wire = wire
        self._stream = stream or wire
        self._sign_in = sign_in

    @property
    def base_url(self) -> str:
        """The server's address, as every trial of it records."""
        return self._wire.base_url

    async def sign_in(self) -> None:
        """Make sure of the credentials before anything is planned; raises ``NotSignedIn`` or ``Unreachable``."""
        try:
            await self._sign_in.token()
        except NoAnswer as error:
            raise unreachable(self.base_url, error) from error
        except Throttled as limit:
            raise NotSignedIn(f"{limit}: too many sign-ins, try again later") from limit

    async def answers(self) -> bool:
        """Whether anybody is there: one try, without the token, so that asking often costs no sign-in."""
        try:
            reply = await self._wire.exchange("GET", "/api/v1/auth/me")
        except CallFailed:
            return False
        return reply.status < httpx.codes.INTERNAL_SERVER_ERROR

    async def profiles(self) -> dict[str, Any]:
        """Return the body of the profile list: ``profiles`` and ``default_profile_id``."""
        return (await self._read("/api/v1/profiles", "profiles"))[1]

    async def llm_configurations(self) -> list[Any]:
        """Return the LLM configurations; their credentials are left behind here, so that nothing can log or store them."""
        found = (await self._read("/api/v1/llm/configurations", "LLM configurations"))[1].get("configurations")
        if not isinstance(found, list):
            return []
        wanted = ("id", "name", "provider", "model")
        return [{key: item.get(key) for key in wanted} for item in found if isinstance(item, dict)]

    async def costs(self) -> list[Any]:
        """Return the server's price table; empty where the user may not read it.

        Source: admin tier, docs/reference/protocol.md, "Costs".
        """
        try:
            found = (await self._read("/api/v1/costs/models?include_fallback=true", "price table"))[1].get("costs")
        except Refused:
            return []
        return found if isinstance(found, list) else []

    async def listen(self, opened: Callable[[], None], told: Callable[[str], None]) -> None:
        """Be told, until the stream ends, of tasks the server says have ended; it may lie. Raises ``CallFailed``.

        ``opened`` is called when nothing is missed any more.
        """
        reply, data = await self._read("/api/v1/auth/me", "user")
        user = data.get("user")
        user_uuid = _named(user, "user_uuid", "user", reply.status)
        await notifications.listen(self._stream, user_uuid, opened, told)

    async def create_session(self, profile_id: str | None) -> str:
        """Create a session, with the profile's state or with the server's default, and return its id."""
        body = {} if profile_id is None else {"profile_id": profile_id}
        reply = await self._patiently(
            lambda: self._call("POST", "/api/v1/sessions", "create session", body=body), repeatable=False
        )
        try:
            return _named(reply.json(), "session_id", "create session", reply.status)
        except Refused as error:  # one more empty session does no harm
            raise NoAnswer(str(error), arrived=True) from error

    async def submit(self, session_id: str, prompt: str, profile_id: str) -> Accepted:
        """Ask. ``sent_s`` is stamped right before the transport is awaited, ``accepted_s`` when the answer was read.

        Raises ``NoAnswer`` with ``arrived`` also where the server stumbled or its answer cannot be read: it may have taken the
        query all the same.
        """
        body = {"prompt": prompt, "profile_id": profile_id}
        path = f"/api/v1/sessions/{session_id}/query"
        try:
            reply = await self._patiently(lambda: self._call("POST", path, "query", body=body), repeatable=False)
            task_id = _named(reply.json(), "task_id", "query", reply.status)
        except Refused as error:
            if error.status < httpx.codes.BAD_REQUEST or error.status in PASSING:
                raise NoAnswer(str(error), arrived=True) from error
            raise
        return Accepted(task_id=task_id, sent_s=reply.sent_s, accepted_s=reply.read_s)

    async def task(self, task_id: str, *, whole: bool = False) -> TaskState:
        """Read a task; ``whole``: again where not all of it is JSON."""

        async def once() -> TaskState:
            reply = await self._call("GET", f"/api/v1/tasks/{task_id}", "task")
            status = None if whole else task_file.status(reply.body)
            if status is None:
                said = _object(reply, "task").get("status")
                status = said if isinstance(said, str) else None
            return TaskState(status=status, body=reply.body)

        return await self._patiently(once)

    async def cancel(self, task_id: str) -> None:
        """Ask the server to stop a task; a task that is over is no error."""
        await self._patiently(lambda: self._call("POST", f"/api/v1/tasks/{task_id}/cancel", "cancel"))

    async def session(self, session_id: str) -> SessionFile:
        """Read a session's file: the server writes it before a task turns terminal.

        Source: docs/reference/protocol.md, "When a turn is saved".
        """
        reply, data = await self._read(f"/api/v1/sessions/{session_id}/details", "session details")
        return SessionFile(body=reply.body, data=data)

    async def archive(self, session_id: str) -> None:
        """Put a session away; one that is away already is no error."""
        path = f"/api/v1/sessions/{session_id}/archive"
        try:
            await self._patiently(lambda: self._call("PUT", path, "archive", body={"archived_reason": "uderia-bench"}))
        except Refused as error:
            if error.status != httpx.codes.BAD_REQUEST:
                raise

    async def _read(self, path: str, what: str) -> tuple[Reply, dict[str, Any]]:
        """Read a JSON object, again where it is none."""

        async def once() -> tuple[Reply, dict[str, Any]]:
            reply = await self._call("GET", path, what)
            return reply, _object(reply, what)

        return await self._patiently(once)

    async def _call(self, method: str, path: str, what: str, *, body: Any = None) -> Reply:
        """Send once, and once more where the token turns out to have expired; an error status is an error of ours."""
        token = await self._sign_in.token()
        reply = await self._wire.exchange(method, path, token=token, body=body)
        if reply.status in SUSPECT and await self._sign_in.renew_if_expired(token):
            reply = await self._wire.exchange(method, path, token=await self._sign_in.token(), body=body)
        if reply.status >= httpx.codes.BAD_REQUEST:
            raise refuse(reply, what)
        return reply

    async def _patiently(self, call: Callable[[], Awaitable[T]], *, repeatable: bool = True) -> T:
        """Retry what may pass. Not ``repeatable``: only where the request surely did not take effect.

        tenacity is asked when the first try has failed: its machinery costs 20 µs, a tenth of a request.
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
                if failed is not None:  # the first of its tries is the one that was made
                    first, failed = failed, None
                    raise first
                return await call()
        raise AssertionError("the last attempt returns or raises")


def _object(reply: Reply, what: str) -> dict[str, Any]:
    """Decode a JSON object; what is none (a proxy's page, half an answer) is as good as no answer."""
    data = reply.json()
    if not isinstance(data, dict):
        raise NoAnswer(f"{what}: {len(reply.body)} bytes that are no JSON object", arrived=True)
    return data


def _named(data: Any, key: str, what: str, status: int) -> str:
    """Return an id of the server's, which goes into paths of ours: nothing but letters, digits and dashes gets through."""
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
