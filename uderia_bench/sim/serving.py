"""Serving the embedded Uderia on a port. One JSON line on stdout shows the URL."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Collection
from typing import Any

import orjson
import uvicorn

from uderia_bench.sim import app
from uderia_bench.sim.config import Settings
from uderia_bench.sim.connections import Connection
from uderia_bench.sim.guard import Guard
from uderia_bench.sim.trouble.wire_faults import WireFaults

_BACKLOG = 2048
KEEP_ALIVE_S = 5  # idle time after which the real server's Hypercorn closes a connection
_CHUNK = 4096


class _Server(uvicorn.Server):
    """uvicorn server that leaves signals to this module and can stop listening for some seconds."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 - uvicorn's signature changes between versions
        """Install no signal handlers."""
        yield

    def leave(self, seconds: float) -> None:
        """Abort all connections and refuse new ones for some seconds."""
        for server in self.servers:
            address, family = server.sockets[0].getsockname(), server.sockets[0].family
            server.close()
            asyncio.get_running_loop().call_later(seconds, self._return, family, address)
        self.servers = []
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def _return(self, family: int, address: tuple[Any, ...]) -> None:
        self._returning = asyncio.ensure_future(self.startup([listening(family, address)]))


def listening(family: int, address: tuple[Any, ...]) -> socket.socket:
    """Return a socket that listens at an address. Raises OSError if the address is in use."""
    # asyncio switches Nagle's algorithm off only if the protocol is named. With it, every response
    # takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    exit_with_parent: bool = False,
    keep_alive_s: int = KEEP_ALIVE_S,
    allowed_hosts: Collection[str] = (),
) -> None:
    """Serve until SIGTERM or SIGINT, or with ``exit_with_parent`` until stdin closes.

    ``allowed_hosts`` are host names that clients may use besides ``host`` and localhost. Raises
    OSError if the port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with listening(family, (host, port)) as listener:
        asyncio.run(
            _serve(settings, listener, (host, *allowed_hosts), exit_with_parent=exit_with_parent, keep_alive_s=keep_alive_s)
        )


async def _serve(
    settings: Settings, listener: socket.socket, hosts: tuple[str, ...], *, exit_with_parent: bool, keep_alive_s: int
) -> None:
    served = app.create(settings)
    config = uvicorn.Config(
        Guard(WireFaults(served, served.state.uderia), hosts),
        http=Connection,
        ws="none",
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        headers=[("server", "uderia-bench-sim")],
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=1,
    )
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if exit_with_parent:
        _when_stdin_ends(loop, ended.set)
    server = _Server(config)
    served.state.uderia.leave = server.leave
    serving = asyncio.create_task(server.serve([listener]))
    shown_host = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0]
    line = {"url": f"http://{shown_host}:{listener.getsockname()[1]}", "seed": settings.seed, "speed": settings.speed}
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()
    stopping = asyncio.create_task(ended.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    logging.getLogger("uvicorn.error").disabled = True  # requests cut short by the exit are expected
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _when_stdin_ends(loop: asyncio.AbstractEventLoop, ended: Callable[[], None]) -> None:
    """Call ``ended`` when stdin closes, which happens when the parent exits."""

    def readable() -> None:
        if not os.read(sys.stdin.fileno(), _CHUNK):
            loop.remove_reader(sys.stdin)
            ended()

    loop.add_reader(sys.stdin, readable)
