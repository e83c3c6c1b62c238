"""The windows that the servers of one pool have left, and what happens to those of a server that is gone.

Each server works through its own windows. Blocks that a server has not finished when it is gone are dealt
out to the others, each with all arms that are left of it, so that the arms still meet on one server. A
trial that was in flight is asked again there. A server that has finished takes half of the blocks that a
slower server has not begun. Without any, it waits until no other one works, because it may still inherit some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, groupby

import anyio

from uderia_bench.trial import Trial

Window = list[Trial]


@dataclass(slots=True, kw_only=True, eq=False)
class Pool:
    """The servers that share blocks, with the windows each has left, in order.

    ``free`` gives window numbers that no trial has. ``moved`` commits trials that change their server.
    ``worth`` is how many blocks a slower server must have left before it gives some away.
    """

    windows: dict[str, deque[Window]]
    free: count[int]
    moved: Callable[[Sequence[Trial]], Awaitable[None]]
    worth: int = 1
    _begun: set[int] = field(default_factory=set)
    _working: set[str] = field(default_factory=set)
    _change: anyio.Event = field(default_factory=anyio.Event)

    def start(self) -> None:
        """Count every server as working, until it asks for a window and there is none."""
        self._working = set(self.windows)

    async def next(self, server: str) -> Window | None:
        """Return the next window of a server; None if it has none left and cannot inherit any."""
        while not self.windows[server]:
            if taken := self._half_of_the_slowest(server):
                await self.moved(taken)
                self.windows[server].extend(windows_of(taken))
                break
            self._working.discard(server)
            if not self._working:
                self._tell()
                return None
            await self._change.wait()
        self._working.add(server)
        window = self.windows[server].popleft()
        self._begun.update(trial.block for trial in window)
        return window

    def _half_of_the_slowest(self, server: str) -> list[Trial]:
        """Take the later half of the blocks that the server with most of them has not begun, for this server."""
        waiting = {
            name: sorted({trial.block for window in windows for trial in window if trial.level is None} - self._begun)
            for name, windows in self.windows.items()
        }
        slowest = max(waiting, key=lambda name: len(waiting[name]))
        if len(waiting[slowest]) <= self.worth:
            return []
        blocks = set(waiting[slowest][len(waiting[slowest]) // 2 :])
        taken = [trial for window in self.windows[slowest] for trial in window if trial.block in blocks]
        left = ([trial for trial in window if trial.block not in blocks] for window in self.windows[slowest])
        self.windows[slowest] = deque(filter(None, left))
        return handed_over(taken, (server,), self.free)

    def ends(self, server: str) -> None:
        """Note that a server asks nothing more."""
        self._working.discard(server)
        self._tell()

    def has_others(self, server: str) -> bool:
        """Whether another server of the pool can take over the blocks of this one."""
        return bool(self.windows.keys() - {server})

    async def leave(self, server: str, unfinished: Iterable[Trial]) -> None:
        """Hand over what a server has not finished; raises nothing where no server is left, and ``resume`` asks it."""
        left = [*unfinished, *(trial for window in self.windows.pop(server) for trial in window)]
        if self.windows and left:
            given = handed_over(left, tuple(self.windows), self.free)
            await self.moved(given)
            for name, windows in self.windows.items():
                windows.extendleft(reversed(windows_of(trial for trial in given if trial.server == name)))
        self.ends(server)

    def _tell(self) -> None:
        self._change.set()
        self._change = anyio.Event()


def windows_of(trials: Iterable[Trial]) -> list[Window]:
    """Return the trials of one server by window, in the order of asking."""
    ordered = sorted(trials, key=lambda trial: (trial.window, trial.seq))
    return [list(window) for _, window in groupby(ordered, key=lambda trial: (trial.level, trial.window))]


def handed_over(trials: Sequence[Trial], servers: Sequence[str], free: count[int]) -> list[Trial]:
    """Give each server an equal stretch of the blocks, in windows with the same order of the arms as before."""
    ordered = sorted(trials, key=lambda trial: (trial.window, trial.seq))
    blocks = list(dict.fromkeys(trial.block for trial in ordered))
    server_of = {block: servers[place * len(servers) // len(blocks)] for place, block in enumerate(blocks)}
    numbers: dict[tuple[str, int], int] = {}
    given = []
    for trial in ordered:
        server = server_of[trial.block]
        key = server, trial.window
        if key not in numbers:
            numbers[key] = next(free)
        given.append(replace(trial, server=server, window=numbers[key]))
    return given
