"""The socket that takes a run's commands, when its clients or the system misbehave."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from uderia_bench.runner import control as tested
from uderia_bench.runner.control import SOCKET, Control
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.actions import Action

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """Return the backend of the product, whose listener calls ``socket.accept``."""
    return "asyncio"


def listens(path: Path) -> bool:
    """Tell whether the socket takes connections; it is in its place a moment earlier."""
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


@asynccontextmanager
async def served(directory: Path, book: Any = None) -> AsyncIterator[Path]:
    """Serve the commands of a run that has no trials; give the socket's path."""
    control = Control(directory=directory, stop=Stop(), book=book, plan={}, utc=lambda: datetime.now(UTC))
    async with anyio.create_task_group() as group:
        group.start_soon(control.serve)
        with anyio.fail_after(60):
            while not listens(path := directory / SOCKET):  # noqa: ASYNC110 - nothing tells of it
                await anyio.sleep(0.01)
        yield path
        group.cancel_scope.cancel()


async def answer(path: Path, **said: Any) -> dict:
    """Return the answer to a command."""
    async with await anyio.connect_unix(path) as stream:
        await stream.send(json.dumps(said).encode() + b"\n")
        return json.loads(await stream.receive())


async def status(path: Path) -> dict:
    """Return the answer to ``status``."""
    return await answer(path, do="status")


async def test_a_client_that_says_nothing_is_left(tmp_path, monkeypatch):
    """Its connection is closed after a while, and the run goes on."""
    async with served(tmp_path) as path:
        with monkeypatch.context() as patch:
            patch.setattr(tested, "PATIENCE_S", 0.02)
            async with await anyio.connect_unix(path) as silent:
                with pytest.raises(anyio.EndOfStream):
                    await silent.receive()
        assert "error" not in await status(path)


async def test_commands_are_taken_again_when_descriptors_are_free_again(tmp_path, monkeypatch):
    """Accepting fails while the process has none left, which neither ends the run nor closes its socket."""
    monkeypatch.setattr(tested, "_AGAIN_S", 0.02)
    accept, failures = socket.socket.accept, iter(range(3))

    def full(self):
        if next(failures, None) is not None:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", full)
    async with served(tmp_path) as path:
        with anyio.fail_after(60):
            assert "error" not in await status(path)
    assert next(failures, None) is None


class Book:
    """Keeps actions, or fails as no book should."""

    def __init__(self, error: Exception | None = None):
        self.actions: list[Action] = []
        self._error = error

    async def act(self, action: Action) -> None:
        """Keep an action."""
        if self._error is not None:
            raise self._error
        self.actions.append(action)


async def test_a_stop_that_ends_the_run_at_once_is_answered(tmp_path):
    """As while the run is paused and nothing is in flight. It looked like a command that failed."""

    class Slow(Book):
        async def act(self, action: Action) -> None:
            await anyio.sleep(0.05)
            await super().act(action)

    stop, book = Stop(), Slow()
    control = Control(directory=tmp_path, stop=stop, book=book, plan={}, utc=lambda: datetime.now(UTC))

    async def run() -> None:
        async with anyio.create_task_group() as inner:
            inner.start_soon(control.serve)
            await stop.soft.wait()
            inner.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        with anyio.fail_after(60):
            while not listens(path := tmp_path / SOCKET):  # noqa: ASYNC110 - nothing tells of it
                await anyio.sleep(0.01)
        assert (await answer(path, do="stop"))["state"] == "stopping"
    assert [each.what for each in book.actions] == ["stop"]


@pytest.mark.parametrize("error", [OSError("no user"), RuntimeError("a mistake")])
async def test_a_command_that_fails_ends_only_itself(tmp_path, error):
    """Its client gets the reason, and the run takes the next command."""
    async with served(tmp_path, Book(error)) as path:
        assert await answer(path, do="pause") == {"error": f"the command failed: {type(error).__name__}"}
        assert (await status(path))["state"] == "paused"


async def test_what_is_kept_of_a_command_cannot_control_a_terminal(tmp_path):
    """Its author needs no name, and a word that it has no use for is not kept."""
    book = Book()
    async with served(tmp_path, book) as path:
        await answer(path, do="pause", about="\x1b[2J")
        await answer(path, do="resume", who="\x1b]0;x\x07")
    assert [(each.what, each.who, each.about) for each in book.actions] == [
        ("pause", "somebody", ""),
        ("resume", "\\x1b]0;x\\x07", ""),
    ]
