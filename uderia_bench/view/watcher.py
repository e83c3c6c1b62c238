"""The one thread that looks at the run directories, for all pages of the process.

It looks only at what a page shows. It asks SQLite for ``data_version`` several times a second, which costs
microseconds, and reads when a commit came. After a change was published it waits a moment before it reads again, and what
no reader can follow at that rate is published less often, so a busy run costs little more than a quiet one.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from math import inf
from types import MappingProxyType
from typing import Any, Protocol

import anyio

from uderia_bench.errors import BenchError, StoreError
from uderia_bench.view.channel import Channel

LOOK_EVERY_S = 0.1
PUBLISH_EVERY_S = 0.4  # a change is on its way to the pages after at most this and one look
SLOW_S: Mapping[str, float] = MappingProxyType({"load": 1.0, "spending": 1.0, "issues": 2.0})
"""Least seconds between two changes of a field. A list that changes with each trial costs much to draw in the browser."""
FORGET_S = 30.0  # after the last page has left
LEFT_S = 1.0  # from the answer with a page to its WebSocket
MOST_LEFT = 20  # addresses without a page that are followed for that time: each has files open
RETRY_S = 1.0  # between two attempts to read what could not be read
FIRST_S = 10.0  # longest wait for the first state

Topic = tuple[str, ...]


class Followed(Protocol):
    """What is shown at one address. All methods are called from the watcher's thread."""

    def look(self) -> bool:
        """Read what is new; return whether anything is."""

    def state(self) -> Any:
        """Return the state as of the last look."""

    def parts(self, state: Any, changed: Collection[str]) -> Mapping[str, str]:
        """Return the parts of the page that show one of the changed fields, as HTML."""

    def close(self) -> None:
        """Close the files."""


@dataclass(slots=True)
class _Watched:
    """An address that pages show, and what was last sent to them."""

    channel: Channel
    followed: Followed | None = None
    dirty: bool = True
    failed: bool = False
    published_s: float = 0.0
    fields: dict[str, Any] = field(default_factory=dict)
    changed_s: dict[str, float] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)


class Watcher:
    """Follows addresses. ``follow`` opens one; it raises a ``BenchError`` where there is nothing.

    ``heard`` receives every change of an address's fields, for a recording. ``always`` is an address that is followed without
    a page too.
    """

    def __init__(
        self,
        follow: Callable[[Topic], Followed],
        heard: Callable[[Topic, Mapping[str, Any]], None] | None = None,
        always: Topic | None = None,
    ) -> None:
        self._follow = follow
        self._heard = heard
        self._watched: dict[Topic, _Watched] = {}
        self._ended = threading.Event()
        self._always = always

    @property
    def listeners(self) -> int:
        """The number of open pages."""
        return sum(each.channel.listeners for each in self._watched.values())

    def start(self) -> None:
        """Begin to look, for the running event loop."""
        self._loop = asyncio.get_running_loop()
        if self._always is not None:
            self._watched[self._always] = _Watched(Channel(pinned=True))
        threading.Thread(target=self._work, name="watcher", daemon=True).start()

    def stop(self) -> None:
        """Stop looking."""
        self._ended.set()

    async def channel(self, topic: Topic) -> Channel:
        """Return the channel of an address when it has something to show; raises ``BenchError`` where it has not."""
        channel = self._watched.setdefault(topic, _Watched(Channel())).channel
        channel.left_s = time.monotonic()
        with anyio.move_on_after(FIRST_S):
            while not channel.ready:
                await channel.change()
        if channel.error is not None:
            if not channel.pinned:  # a recording goes on when the run can be read again
                self._watched.pop(topic, None)
            raise StoreError(channel.error)
        if not channel.ready:
            raise StoreError("still being read: load the page again in some seconds")
        channel.left_s = time.monotonic()
        return channel

    @contextmanager
    def listening(self, channel: Channel) -> Iterator[None]:
        """Keep following an address while a page is open."""
        channel.listeners += 1
        try:
            yield
        finally:
            channel.listeners -= 1
            channel.left_s = time.monotonic()

    def _work(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            for topic, watched in list(self._watched.items()):
                now_s = time.monotonic()
                if not (watched.channel.listeners or watched.channel.pinned) and now_s - watched.channel.left_s > FORGET_S:
                    self._watched.pop(topic, None)
                    self._close(watched)
                    continue
                self._look(topic, watched, now_s)
            for topic, watched in self._long_left()[:-MOST_LEFT]:
                self._watched.pop(topic, None)
                self._close(watched)
        for watched in list(self._watched.values()):
            self._close(watched)

    def _long_left(self) -> list[tuple[Topic, _Watched]]:
        """Return the addresses without a page, the one that was left first at the beginning. A page may still be on its way."""
        until_s = time.monotonic() - LEFT_S
        left = [(topic, each) for topic, each in list(self._watched.items())
                if each.channel.ready and not each.channel.listeners and not each.channel.pinned
                and each.channel.left_s < until_s]  # fmt: skip
        return sorted(left, key=lambda each: each[1].channel.left_s)

    def _look(self, topic: Topic, watched: _Watched, now_s: float) -> None:
        if now_s - watched.published_s < (RETRY_S if watched.failed else PUBLISH_EVERY_S):
            return
        try:
            self._publish(topic, watched, now_s)
        except Exception as error:  # noqa: BLE001 - one page that cannot be shown must not stop the others
            if not isinstance(error, BenchError):
                traceback.print_exc()
            self._close(watched)
            watched.failed, watched.published_s = True, now_s
            watched.fields.clear()  # the next state is published even if nothing in it has changed
            watched.changed_s.clear()
            self._tell(watched.channel.fail, str(error))

    def _publish(self, topic: Topic, watched: _Watched, now_s: float) -> None:
        """Read what is new at an address, draw it and send it to its pages."""
        watched.followed = watched.followed or self._follow(topic)
        if not watched.followed.look() and not watched.dirty:
            return
        state = watched.followed.state()
        watched.failed, watched.published_s = False, now_s
        now = {each.name: getattr(state, each.name) for each in fields(state)}
        differs = [name for name, value in now.items() if watched.fields.get(name, self) != value]
        due = [name for name in differs if now_s - watched.changed_s.get(name, -inf) >= SLOW_S.get(name, 0.0)]
        watched.dirty = len(due) < len(differs)
        changed = {name: now[name] for name in due}
        state = replace(state, **{name: watched.fields[name] for name in differs if name not in changed})
        drawn = watched.followed.parts(state, changed)
        new = {name: part for name, part in drawn.items() if watched.parts.get(name) != part}
        if self._heard is not None and (changed or new):
            self._heard(topic, changed)
        watched.changed_s |= dict.fromkeys(due, now_s)
        watched.fields |= changed
        watched.parts |= new
        if changed or new:
            self._tell(watched.channel.publish, state, changed, new)

    @staticmethod
    def _close(watched: _Watched) -> None:
        if watched.followed is not None:
            watched.followed.close()
            watched.followed = None

    def _tell(self, change: Callable[..., None], *values: object) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(change, *values)
