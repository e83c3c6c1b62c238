"""The web server of the view: its addresses, as pages and as JSON, and the channel of each page."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from http import HTTPStatus
from importlib import resources
from typing import Any, Protocol
from urllib.parse import parse_qs

import anyio
import orjson
import uvicorn
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from uderia_bench.errors import BenchError, StoreError
from uderia_bench.report.formats.html.document import SCRIPT, STYLE, asset
from uderia_bench.view import comparing, pages, run_page, runs_page, trial_page
from uderia_bench.view.channel import Channel
from uderia_bench.view.connections import Connection
from uderia_bench.view.folder import LIVE, Folder
from uderia_bench.view.guard import Guard
from uderia_bench.view.state import RunRow, RunsState
from uderia_bench.view.watcher import Followed, Topic, Watcher

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_BACKLOG = 128
_LONGEST_SAID = 1024  # bytes of a message from a page: it only tells a number
_LONGEST_REASON = 123  # bytes of the reason for closing a WebSocket


class Source(Protocol):
    """Where the pages come from: a folder of runs, or a recording."""

    def follow(self, topic: Topic) -> Followed:
        """Return what is followed at an address; raises ``BenchError`` where there is nothing."""

    def report(self, run_id: str) -> str | None:
        """Return the body of a finished run's report."""

    def command(self, run_id: str, what: str, about: str) -> None:
        """Give a command to a run."""


class View:
    """The pages over a source."""

    def __init__(self, source: Source, watcher: Watcher, *, control: bool = False) -> None:
        self._source = source
        self._folder = source if isinstance(source, Folder) else None
        self._control = control
        self._watcher = watcher
        self._static = {name: asset(name) for name in (STYLE, SCRIPT)} | {
            each.name: each.read_text(encoding="utf-8") for each in (resources.files(__package__) / "static").iterdir()
        }

    def app(self) -> Starlette:
        """Return the application, without its guard."""
        return Starlette(
            routes=[
                Route("/", lambda _: RedirectResponse("/runs")),
                Route("/static/{name}", self.static),
                Route("/runs", self.runs),
                WebSocketRoute("/runs/live", self.live_runs),
                Route("/runs/{run}", self.run),
                WebSocketRoute("/runs/{run}/live", self.live),
                Route("/runs/{run}/report", self.report),
                Route("/runs/{run}/answers", self.answers),
                Route("/runs/{run}/labels", self.labels),
                WebSocketRoute("/runs/{run}/trials/{trial:path}/live", self.live),
                Route("/runs/{run}/trials/{trial:path}", self.trial),
                *([Route("/runs/{run}/control", self.control, methods=["POST"])] if self._control else []),
                Route("/diff", self.diff),
                Route("/history", self.history),
            ],
            exception_handlers={BenchError: _told, HTTPException: _told},
            lifespan=self._watching,
            max_body_size=_LONGEST_SAID,
        )

    @contextlib.asynccontextmanager
    async def _watching(self, _: Starlette) -> AsyncGenerator[None]:
        self._watcher.start()
        try:
            yield
        finally:
            self._watcher.stop()

    async def static(self, request: Request) -> Response:
        """Return a style, script or icon of this package."""
        name = request.path_params["name"]
        if name not in self._static:
            raise HTTPException(404)
        kind = _TYPES[name[name.rindex(".") :]]
        return Response(self._static[name], media_type=kind)

    async def runs(self, request: Request) -> Response:
        """Return the runs of the folder, filtered and sorted as asked."""
        channel = await self._watcher.channel(())
        asked = _asked(request.query_params)
        state = chosen(channel.state, asked)
        if _wants_json(request):
            return _json(state)
        return HTMLResponse(runs_page.page(state, asked, channel.seq))

    async def run(self, request: Request) -> Response:
        """Return a run: in progress, or its report."""
        run_id = request.path_params["run"]
        if not _wants_json(request) and (body := await to_thread.run_sync(self._source.report, run_id)) is not None:
            return HTMLResponse(pages.report_page(run_id, body, recorded=self._folder is None))
        channel = await self._watcher.channel((run_id,))
        if _wants_json(request):
            return _json(channel.state)
        return HTMLResponse(run_page.page(channel.state, channel.parts, channel.seq, control=self._control))

    async def control(self, request: Request) -> Response:
        """Give a command to a run, as ``uderia-bench ctl`` does, and go back to its page."""
        said = parse_qs((await request.body()).decode(errors="replace"))
        what, about = ((said.get(name) or [""])[0] for name in ("do", "about"))
        run_id = request.path_params["run"]
        await to_thread.run_sync(self._source.command, run_id, what, about if what in ("set", "cancel", "requeue") else "")
        return RedirectResponse(f"/runs/{run_id}", status_code=303)

    async def report(self, request: Request) -> Response:
        """Return the body of a run's report, which its page puts in its place when the run has ended."""
        body = await to_thread.run_sync(self._source.report, request.path_params["run"])
        if body is None:
            raise HTTPException(404, "the run has no report yet")
        return HTMLResponse(pages.report(request.path_params["run"], body, recorded=self._folder is None))

    async def trial(self, request: Request) -> Response:
        """Return a trial."""
        channel = await self._watcher.channel((request.path_params["run"], request.path_params["trial"]))
        if _wants_json(request):
            return _json(channel.state)
        return HTMLResponse(trial_page.page(channel.state, channel.parts["trial"], channel.seq, control=self._control))

    async def answers(self, request: Request) -> Response:
        """Return the answers of all arms, or of two, to a query."""
        return await self._slowly(comparing.answers, request.path_params["run"], dict(request.query_params))

    async def labels(self, request: Request) -> Response:
        """Return the form for raters as a file to save, because it is to work without this program."""
        run = request.path_params["run"]
        form = await self._slowly(comparing.labels, run)
        form.headers["content-disposition"] = f'attachment; filename="labels-{run}.html"'
        return form

    async def diff(self, request: Request) -> Response:
        """Return the comparison of two runs."""
        return await self._slowly(comparing.diff, dict(request.query_params))

    async def history(self, request: Request) -> Response:
        """Return the history of an experiment."""
        return await self._slowly(comparing.history, dict(request.query_params))

    async def _slowly(self, make: Callable[..., str], *asked: Any) -> Response:
        if self._folder is None:
            raise StoreError("a recording has only the page of its run")
        return HTMLResponse(await to_thread.run_sync(make, self._folder, *asked))

    async def live(self, websocket: WebSocket) -> None:
        """Send what changes at an address."""
        topic = tuple(websocket.path_params[name] for name in ("run", "trial") if name in websocket.path_params)
        await self._send_changes(websocket, topic, lambda channel, seq: channel.since(seq))

    async def live_runs(self, websocket: WebSocket) -> None:
        """Send the runs of the folder, filtered and sorted as asked, when they change."""
        asked = _asked(websocket.query_params)

        def message(channel: Channel, seq: int | None) -> str:
            state = chosen(channel.state, asked)
            drawn = {"runs": str(runs_page.draw(state, filtered="q" in asked))}
            kind = "snapshot" if seq is None else "delta"
            return orjson.dumps({"seq": channel.seq, "kind": kind, "since": seq, "state": state, "parts": drawn}).decode()

        await self._send_changes(websocket, (), message)

    async def _send_changes(self, websocket: WebSocket, topic: Topic, message: Callable[[Channel, int | None], str]) -> None:
        """Send a snapshot, or what changed since the number the page has; then each change, of several at once the newest.

        A page that finds a gap says ``{"from": n}`` and gets all since that number again. Where there is nothing to show, the
        channel is closed with the reason.
        """
        try:
            channel = await self._watcher.channel(topic)
        except BenchError as error:
            await websocket.accept()
            await _close(websocket, str(error))
            return
        await websocket.accept()
        sent = _number(websocket.query_params.get("from"))
        if sent is not None and not channel.first <= sent <= channel.seq:
            sent = None

        async def listen() -> None:
            nonlocal sent
            with contextlib.suppress(WebSocketDisconnect):
                while (said := await websocket.receive())["type"] == "websocket.receive":
                    with contextlib.suppress(ValueError, TypeError, AttributeError):
                        sent = int(orjson.loads(said.get("text", "")).get("from"))
                        channel.wake()
            group.cancel_scope.cancel()

        with self._watcher.listening(channel), contextlib.suppress(WebSocketDisconnect):
            async with anyio.create_task_group() as group:
                group.start_soon(listen)
                while channel.error is None:
                    if sent != channel.seq:
                        seq, text = channel.seq, message(channel, sent)
                        sent = seq
                        await websocket.send_text(text)  # waits for a slow page, whose next message has the newest state
                        continue
                    await channel.change()
                await _close(websocket, channel.error)
                group.cancel_scope.cancel()


async def _close(websocket: WebSocket, why: str) -> None:
    await websocket.close(1008, why.encode()[:_LONGEST_REASON].decode(errors="ignore"))


def _number(said: str | None) -> int | None:
    with contextlib.suppress(ValueError):  # of no number, and of one with thousands of digits
        return int(said or "")
    return None


def chosen(state: RunsState, asked: dict[str, str]) -> RunsState:
    """Return the runs that a filter leaves, in the order asked for; those in progress stay first."""
    words = asked.get("q", "").lower().split()
    text = {
        each.run_id: f"{each.run_id} {each.experiment} {each.state} {' '.join(each.headline)}".lower() for each in state.runs
    }
    rows = [each for each in state.runs if all(word in text[each.run_id] for word in words)]
    key: Callable[[RunRow], Any] | None = {
        "experiment": lambda row: row.experiment,
        "cost": lambda row: -(row.cost_usd or 0.0),
        "state": lambda row: row.state,
    }.get(asked.get("sort", ""))
    if key is not None:
        rows.sort(key=key)
        rows.sort(key=lambda row: row.state not in LIVE)
    return RunsState(folder=state.folder, runs=tuple(rows))


class _Server(uvicorn.Server):
    """uvicorn server that ends on a signal as if that were its usual end, which it is."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - uvicorn's signature changes between versions
        """Install no signal handlers."""
        yield

    def leave(self) -> None:
        """End soon."""
        self.should_exit = True


def serve(
    source: Source,
    listener: socket.socket,
    *,
    host: str,
    key: bytes,
    control: bool = False,
    recorded: tuple[str, Callable[[Topic, Mapping[str, Any]], None]] | None = None,
    started: Callable[[str], None],
    idle_s: float | None = None,
) -> None:
    """Serve until a signal. ``started`` receives the address with its token.

    ``recorded`` is a run that is followed without a page too, with what receives its changes.

    With ``idle_s``, also end when stdin has closed and no page was open for so long: then the run that started the
    view is over.
    """
    watcher = Watcher(source.follow, *(() if recorded is None else (recorded[1], (recorded[0],))))
    guard = Guard(View(source, watcher, control=control).app(), host=host, port=listener.getsockname()[1], key=key)
    shown = f"[{host}]" if ":" in host else host
    server = _Server(
        uvicorn.Config(
            guard,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            http=Connection,
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_max_size=_LONGEST_SAID,
            timeout_graceful_shutdown=1,
            lifespan="on",
        )
    )

    async def go() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, server.leave)
        started(f"http://{shown}:{listener.getsockname()[1]}/?token={guard.token}")
        ending = asyncio.create_task(_end_when_idle(server, watcher, idle_s)) if idle_s is not None else None
        await server.serve([listener])
        if ending is not None:
            ending.cancel()

    asyncio.run(go())


async def _end_when_idle(server: _Server, watcher: Watcher, idle_s: float) -> None:
    """End the server when stdin has closed and no page was open for some time."""
    await to_thread.run_sync(_read_stdin, abandon_on_cancel=True)
    last_s = time.monotonic()
    while time.monotonic() - last_s < idle_s:
        await asyncio.sleep(0.5)
        last_s = time.monotonic() if watcher.listeners else last_s
    server.leave()


def _read_stdin() -> None:
    while sys.stdin.buffer.read(1):
        pass


def listening(host: str, port: int | None, default: int) -> socket.socket:
    """Return a socket that listens at a port; without one at ``default``, or at a free port where that is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for each in (default, 0) if port is None else (port,):
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, each))
            except (OverflowError, TypeError, UnicodeError) as error:  # a port above 65535, or a name that no host has
                raise OSError(str(error)) from error
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            if port is not None or each == 0:
                raise
        else:
            return listener
    raise AssertionError("a free port was refused")


def _asked(given: Any) -> dict[str, str]:
    return {name: given[name][:200] for name in ("q", "sort") if given.get(name)}


def _wants_json(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def _json(state: Any) -> Response:
    return Response(orjson.dumps(state), media_type="application/json")


async def _told(request: Request, error: Exception) -> Response:
    """Answer what cannot be shown, with the reason."""
    status = error.status_code if isinstance(error, HTTPException) else 404 if isinstance(error, StoreError) else 409
    said = error.detail if isinstance(error, HTTPException) else str(error)
    said = "there is no such page" if said == HTTPStatus.NOT_FOUND.phrase else said
    if _wants_json(request):
        return Response(orjson.dumps({"error": said}), status_code=status, media_type="application/json")
    return HTMLResponse(pages.plain_page("Cannot be shown" if status == 404 else "Not possible", lead=said), status_code=status)
