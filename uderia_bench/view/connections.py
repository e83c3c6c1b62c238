"""HTTP connections with a limit on their number and on the time until a request is complete.

Without them, anyone who reaches the port could hold all file descriptors of the view, without its token. Then it could not
open a ledger. The embedded server keeps a copy of its own (docs/decisions, 22).
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 10.0  # until the headers of a request are complete
MOST = 256  # with the WebSockets of open pages


class Connection(H11Protocol):
    """A connection that is closed if it does not send a complete request in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time of the first request, or close the connection if there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        else:
            self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the time."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Stop the time when a request begins."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Stop the time, because the connection has become a WebSocket."""
        self._stop()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Start the time of the next request."""
        super().on_response_complete()
        if self.cycle.response_complete:  # otherwise a pipelined request has begun
            self._start()

    def _start(self) -> None:
        self._stop()
        self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
