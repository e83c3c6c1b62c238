"""Following tasks to their end: one scheduler of polls for all trials of a server. It reads no answer and ends no trial.

A heap of due times in one task, on a grid, so that one wake-up of the event loop serves every poll of a tick. A trial waits for
its turn and then polls in its own task, where it may be cancelled and where a poll's errors belong. When to look is
``poll_times``'s; what a poll saw goes to the trial.

A poll that starts late says that this process is busy. Then intervals widen, up to twice, until it has caught up: asking
more than can be asked would make every clock here wrong.

Where the notification stream is listened to, what it says brings a poll forward and a slow poll remains the authority. The
stream is believed while it is open and no ``UNTOLD`` ends in a row were found without it; failures are never told of.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

import anyio
import structlog
from anyio.abc import TaskStatus

from uderia_bench.errors import CallFailed, Refused, Throttled
from uderia_bench.gateway.uderia import TaskState, Uderia
from uderia_bench.runner.poll_times import History

SPREAD = (1.0, 1.1)  # a trial's phase, times its waits: polls of trials sent together spread, none before it is worth a look
THROTTLED_WAIT_S = 5.0  # between polls, where the server asks for less of them and does not say when
GRID_S = 0.02  # of 1,000 trials in flight some six polls share a tick; no trial's clock depends on when it is polled
LATE_S = 0.25  # mean lateness at which intervals widen: a look that late is a quarter of what a first one waits
LATE_MEMORY = 0.05  # weight of the newest poll in the mean lateness: it forgets within some twenty polls
SLOW_S = (5.0, 10.0)  # between polls of a task whose end we should be told of (docs/reference/protocol.md, "Push channels")
UNTOLD = 3  # ends in a row that the stream did not tell of, before it is not relied on; one that it tells of puts that right
MOST_HINTS = 2  # that are acted on for one task: a second for one that came a moment too soon, and no more for a liar
KEPT_HINTS = 1000  # for tasks that nobody follows yet: a short one may end before its submit has returned
SUBSCRIBE_S = 5.0  # what a subscription may take before trials are sent without it
AGAIN_S = 5.0  # from a stream's end to its next opening
HTTP_SERVER_ERROR = 500  # from here on a refusal may pass
WIDEST = 2.0  # times as long, at most: a process that others starve must not hold its slots for ever
log = structlog.get_logger(__name__)


class Follower:
    """The polls of one server. ``late`` is told of every poll how many seconds after its due time it started.

    ``notifications``: listen to the server's stream and look when it says that a task has ended.
    """

    def __init__(
        self, uderia: Uderia, *, rng: random.Random, late: Callable[[float], None], notifications: bool = False
    ) -> None:
        self._uderia = uderia
        self._rng = rng
        self._late = late
        self._late_s = 0.0
        self._widened = False
        self._due: list[tuple[float, int, _Followed]] = []
        self._number = count()
        self._woken = anyio.Event()
        self._wakes_s = math.inf
        self._begun_s = anyio.current_time()
        self._arms: defaultdict[str, History] = defaultdict(History)
        self._followed: dict[str, _Followed] = {}
        self._notifications = notifications
        self._listening = False
        self._untold = 0
        self._hinted: dict[str, None] = {}  # tasks nobody follows yet, the newest last

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Start polls when they are due, until cancelled."""
        async with anyio.create_task_group() as group:
            if self._notifications:
                settled = anyio.Event()
                group.start_soon(self._listen, settled)
                with anyio.move_on_after(SUBSCRIBE_S):
                    await settled.wait()
            task_status.started()
            while True:
                now_s = anyio.current_time()
                while self._due and self._due[0][0] <= now_s:
                    due_s, _, followed = heappop(self._due)
                    if followed.due_s == due_s:  # or it was brought forward, or is followed no more
                        followed.due_s = math.inf
                        followed.turn_s = due_s
                        followed.turn.set()
                self._woken = anyio.Event()
                self._wakes_s = self._due[0][0] if self._due else math.inf
                with anyio.CancelScope(deadline=self._wakes_s):
                    await self._woken.wait()

    async def follow(self, task_id: str, arm: str, saw: Callable[[TaskState], bool], *, at_once: bool = False) -> None:
        """Poll a task until ``saw`` says that it is over; raises what a poll raised, but for being asked to wait.

        ``at_once``: it may long have ended, so the first look is now.
        """
        history = self._arms[arm]
        followed = _Followed(task_id, history, saw, phase=self._rng.uniform(*SPREAD))
        self._followed[task_id] = followed
        followed.hinted = task_id in self._hinted
        try:
            pause_s: float | None = 0.0 if at_once or followed.hinted else self._pause_s(followed)
            while pause_s is not None:
                self._schedule(followed, pause_s)
                await followed.turn.wait()
                pause_s = await self._poll(followed)
        finally:
            followed.due_s = math.nan
            self._followed.pop(task_id, None)
            history.running -= 1

    def learn(self, arm: str, took_s: float) -> None:
        """Take in how long a task of an arm took on the server's clock."""
        self._arms[arm].learn(took_s)

    def _pause_s(self, followed: _Followed) -> float:
        elapsed_s = anyio.current_time() - followed.begun_s
        if self._listening and self._untold < UNTOLD:
            shortest_s, longest_s = SLOW_S
            wait_s = min(max(elapsed_s, shortest_s), longest_s)
        else:
            wait_s = followed.history.wait_s(elapsed_s, followed.first_s)
        wider = min(max(self._late_s / LATE_S, 1.0), WIDEST)
        return wait_s * followed.phase * wider

    def _schedule(self, followed: _Followed, pause_s: float) -> None:
        ticks = math.ceil((anyio.current_time() + pause_s - self._begun_s) / GRID_S)
        followed.due_s = self._begun_s + ticks * GRID_S
        heappush(self._due, (followed.due_s, next(self._number), followed))
        if followed.due_s < self._wakes_s:
            self._woken.set()

    async def _poll(self, followed: _Followed) -> float | None:
        """Look at a task; return how long to wait before the next look, None where it is over."""
        self._note(anyio.current_time() - followed.turn_s)
        followed.turn = anyio.Event()
        told, followed.hinted = followed.hinted, False
        try:
            state = await self._uderia.task(followed.task_id)
        except Throttled as error:
            return error.retry_after_s or THROTTLED_WAIT_S
        if not followed.saw(state):
            return 0.0 if followed.hinted else self._pause_s(followed)
        self._untold = 0 if told or followed.hinted else self._untold + 1
        return None

    async def _listen(self, settled: anyio.Event) -> None:
        """Listen to the stream, opening it again when it ends, until the server says that it has none.

        ``settled`` is set when it is open, or will not be.
        """

        def opened() -> None:
            self._listening = True
            settled.set()

        while True:
            try:
                await self._uderia.listen(opened, self._hint)
            except Refused as error:
                if error.status < HTTP_SERVER_ERROR:
                    log.warning("no notifications from this server: polling alone", reason=str(error))
                    break
            except CallFailed as error:
                log.info("notifications broke off", reason=str(error))
            finally:
                self._listening = False
            settled.set()
            await anyio.sleep(AGAIN_S)
        settled.set()

    def _hint(self, task_id: str) -> None:
        """Look now at a task that is said to have ended."""
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
        """Pass a poll's lateness on and keep the mean; say once that intervals widen."""
        self._late(late_s)
        self._late_s += (late_s - self._late_s) * LATE_MEMORY
        if self._late_s > LATE_S and not self._widened:
            self._widened = True
            log.warning(
                "polls start late: this process is busy, intervals widen until it has caught up",
                server=self._uderia.base_url,
                late_ms=round(1000 * self._late_s),
            )


class _Followed:
    """A task that somebody waits for. ``due_s`` is infinite while a poll is out, and no time when nobody waits any more.

    ``turn`` is set when a poll is due, which was to be at ``turn_s``.
    ``hinted``: its end was told of since the last poll began.
    """

    __slots__ = (
        "begun_s",
        "due_s",
        "first_s",
        "hinted",
        "hints",
        "history",
        "phase",
        "saw",
        "task_id",
        "turn",
        "turn_s",
    )

    def __init__(self, task_id: str, history: History, saw: Callable[[TaskState], bool], *, phase: float) -> None:
        self.task_id = task_id
        self.history = history
        self.saw = saw
        self.begun_s = anyio.current_time()
        self.first_s = history.begin()
        self.due_s = math.inf
        self.turn = anyio.Event()
        self.turn_s = math.nan
        self.phase = phase
        self.hints = 0
        self.hinted = False
