"""Polls the tasks of one server until they end, with one schedule for all trials in flight.

One task holds a heap of due times on a grid, so that one wake-up of the event loop starts every poll of
a tick. A trial waits for its turn and polls in its own task, where it can be cancelled and where it
handles the poll's errors. ``poll_times`` decides when to poll.

A poll that starts late means that this process is busy. Intervals then widen to at most twice their
length until the process has caught up, because overload would make every measured time wrong.

If the notification stream is on, a notification brings a poll forward, and slow polls continue. The
stream is trusted while it is open and fewer than ``UNTOLD`` ends in a row came without a notification.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count

import anyio
import structlog
from anyio.abc import TaskStatus

from uderia_bench.errors import CallFailed, Refused, Throttled
from uderia_bench.gateway.uderia import TaskState, Uderia
from uderia_bench.runner.poll_times import History

SPREAD = (1.0, 1.06)  # factor on a trial's waits, so that trials sent together are not polled together
THROTTLED_WAIT_S = 5.0  # between polls after an HTTP 429 without Retry-After
LONGEST_THROTTLED_S = 120.0  # longest Retry-After that a poll waits for, since the slot is occupied meanwhile
GRID_S = 0.02  # with 1,000 trials in flight some six polls share a tick; latency does not depend on poll times
LATE_S = 0.25  # mean lateness at which intervals widen: a quarter of the first wait
LATE_MEMORY = 0.05  # weight of the newest poll in the mean lateness, which forgets within some 20 polls
# Between polls while notifications are trusted (docs/reference/protocol.md, "Push channels").
SLOW_S = (5.0, 10.0)
UNTOLD = 3  # ends in a row without a notification before the stream is not trusted; the next notification resets this
MOST_HINTS = 2  # notifications acted on per task: a second one for one that came too soon
KEPT_HINTS = 1000  # notifications kept for tasks that are not followed yet: a short task can end before its 202 is read
SUBSCRIBE_S = 5.0  # how long a subscription may take before trials are sent without it
AGAIN_S = 5.0  # between the end of a stream and its next opening
HTTP_SERVER_ERROR = 500  # a refusal with this status or above may be temporary
WIDEST = 2.0  # largest factor on intervals, so that a starved process still frees its slots
log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Follower:
    """The polls of one server.

    ``late`` receives the seconds between the due time and the start of every poll. ``notifications``:
    listen to the server's stream and poll when it reports the end of a task. ``shown`` has the last body of
    each task that somebody looks at.
    """

    uderia: Uderia
    rng: random.Random
    late: Callable[[float], None]
    notifications: bool
    shown: dict[str, bytes] = field(default_factory=dict)
    _late_s: float = 0.0
    _widened: bool = False
    _due: list[tuple[float, int, _Followed]] = field(default_factory=list)
    _number: Iterator[int] = field(default_factory=count)
    _woken: anyio.Event = field(default_factory=anyio.Event)
    _wakes_s: float = math.inf
    _begun_s: float = field(default_factory=anyio.current_time)
    _arms: defaultdict[str, History] = field(default_factory=lambda: defaultdict(History))
    _followed: dict[str, _Followed] = field(default_factory=dict)
    _listening: bool = False
    _untold: int = 0
    _hinted: dict[str, None] = field(default_factory=dict)  # tasks not followed yet, the newest last

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Start polls when they are due, until cancelled."""
        async with anyio.create_task_group() as group:
            if self.notifications:
                settled = anyio.Event()
                group.start_soon(self._listen, settled)
                with anyio.move_on_after(SUBSCRIBE_S):
                    await settled.wait()
            task_status.started()
            while True:
                now_s = anyio.current_time()
                while self._due and self._due[0][0] <= now_s:
                    due_s, _, followed = heappop(self._due)
                    if followed.due_s == due_s:  # otherwise the poll was moved, or the trial has left
                        followed.due_s = math.inf
                        followed.turn_s = due_s
                        followed.turn.set()
                self._woken = anyio.Event()
                self._wakes_s = self._due[0][0] if self._due else math.inf
                with anyio.CancelScope(deadline=self._wakes_s):
                    await self._woken.wait()

    async def follow(
        self, task_id: str, arm: str, query: str, saw: Callable[[TaskState], bool], *, at_once: bool = False
    ) -> None:
        """Poll a task until ``saw`` returns True; raise the error of a failed poll, except HTTP 429.

        ``at_once``: poll now, because the task may have ended long ago.
        """
        history = self._arms[arm]
        followed = self._followed[task_id] = _Followed(
            task_id=task_id,
            saw=saw,
            wait_s=history.begin(query),
            phase=self.rng.uniform(*SPREAD),
            hinted=task_id in self._hinted,
        )
        try:
            pause_s: float | None = 0.0 if at_once or followed.hinted else self._pause_s(followed)
            while pause_s is not None:
                self._schedule(followed, pause_s)
                await followed.turn.wait()
                pause_s = await self._poll(followed)
        finally:
            followed.due_s = math.nan
            self._followed.pop(task_id, None)
            self.shown.pop(task_id, None)
            history.running -= 1

    def show(self, task_id: str) -> bytes | None:
        """Return the body of the last poll of a task, and keep later ones; empty before a poll, None if it is not followed."""
        return self.shown.setdefault(task_id, b"") if task_id in self._followed else None

    def learn(self, arm: str, query: str, took_s: float) -> None:
        """Add the duration of an ended task of a query on an arm."""
        self._arms[arm].learn(query, took_s)

    def _pause_s(self, followed: _Followed) -> float:
        elapsed_s = anyio.current_time() - followed.begun_s
        if self._listening and self._untold < UNTOLD:
            shortest_s, longest_s = SLOW_S
            pause_s = min(max(elapsed_s, shortest_s), longest_s)
        else:
            pause_s = followed.wait_s(elapsed_s)
        wider = min(max(self._late_s / LATE_S, 1.0), WIDEST)
        return pause_s * followed.phase * wider

    def _schedule(self, followed: _Followed, pause_s: float) -> None:
        ticks = math.ceil((anyio.current_time() + pause_s - self._begun_s) / GRID_S)
        followed.due_s = self._begun_s + ticks * GRID_S
        heappush(self._due, (followed.due_s, next(self._number), followed))
        if followed.due_s < self._wakes_s:
            self._woken.set()

    async def _poll(self, followed: _Followed) -> float | None:
        """Poll a task; return the wait before the next poll, or None at its end."""
        self._note(anyio.current_time() - followed.turn_s)
        followed.turn = anyio.Event()
        told, followed.hinted = followed.hinted, False
        try:
            state = await self.uderia.task(followed.task_id)
        except Throttled as error:
            return min(error.retry_after_s or THROTTLED_WAIT_S, LONGEST_THROTTLED_S)
        if followed.task_id in self.shown:
            self.shown[followed.task_id] = state.body
        if not followed.saw(state):
            return 0.0 if followed.hinted else self._pause_s(followed)
        self._untold = 0 if told or followed.hinted else self._untold + 1
        return None

    async def _listen(self, settled: anyio.Event) -> None:
        """Listen to the stream and reopen it when it ends, unless the server has no stream.

        ``settled`` is set once the stream is open or has failed.
        """

        def opened() -> None:
            self._listening = True
            settled.set()

        while True:
            try:
                await self.uderia.listen(opened, self._hint)
            except Refused as error:
                if error.status < HTTP_SERVER_ERROR:
                    log.warning("this server has no notifications: polling only", reason=str(error))
                    break
            except CallFailed as error:
                log.info("the notification stream ended", reason=str(error))
            finally:
                self._listening = False
            settled.set()
            await anyio.sleep(AGAIN_S)
        settled.set()

    def _hint(self, task_id: str) -> None:
        """Poll a task now because a notification reported its end."""
        followed = self._followed.get(task_id)
        if followed is None:
            self._hinted[task_id] = None
            if len(self._hinted) > KEPT_HINTS:
                del self._hinted[next(iter(self._hinted))]
        elif followed.hints < MOST_HINTS:
            followed.hints += 1
            followed.hinted = True
            if followed.due_s != math.inf:
                self._schedule(followed, 0.0)

    def _note(self, late_s: float) -> None:
        """Record a poll's lateness; warn once when intervals widen."""
        self.late(late_s)
        self._late_s += (late_s - self._late_s) * LATE_MEMORY
        if self._late_s > LATE_S and not self._widened:
            self._widened = True
            log.warning(
                "polls start late because this process is busy: intervals widen until it has caught up",
                server=self.uderia.base_url,
                late_ms=round(1000 * self._late_s),
            )


@dataclass(slots=True, kw_only=True, eq=False)
class _Followed:
    """A task that a trial waits for.

    ``wait_s`` maps the time since ``begun_s`` to the wait before the next poll. ``due_s`` is infinite
    during a poll, and NaN after the trial has left. ``turn`` is set when a poll is due; ``turn_s`` is
    its due time. ``hinted``: a notification came since the last poll began.
    """

    task_id: str
    saw: Callable[[TaskState], bool]
    wait_s: Callable[[float], float]
    phase: float
    begun_s: float = field(default_factory=anyio.current_time)
    due_s: float = math.inf
    turn: anyio.Event = field(default_factory=anyio.Event)
    turn_s: float = math.nan
    hints: int = 0
    hinted: bool = False
