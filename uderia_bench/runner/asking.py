"""One trial from its slot to its record: session, query, deadline, session again. When to poll is ``following``'s.

No answer is interpreted. Whatever the server does becomes an ending in the record; only programming errors and a lost sign-in
get out.

A trial is committed before its query is sent and again when it was accepted. Whatever dies in between, the next process knows
where to look: by the task's id, else in the session, and only where that shows nothing is the query sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import anyio
import structlog

from uderia_bench.errors import CallFailed, Gone, NoAnswer, Refused
from uderia_bench.gateway import task_file
from uderia_bench.gateway.uderia import TaskState, Uderia
from uderia_bench.runner import poll_times
from uderia_bench.runner.following import Follower
from uderia_bench.runner.held import Held, endings
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import PICKED_UP, Ending, Serving, Trial, TrialRecord

CANCEL_WAIT_S = (
    # a cancelled task ends in under 0.4 s on an idle server (docs/reference/measured.md,
    # "Endpoints"); a loaded one needs longer
    10.0
)
CANCEL_LOOK_S = 0.05  # between looks at a task that was told to stop
LOOK_UP_S = 10.0  # how long after its sending a query may still turn up in its session: a prompt is written as its task begins
# a session file is whole before its task turns terminal (docs/reference/seed.md, "Session file"); a
# late one gets this many looks
LATE_READS = 3
LATE_WAIT_S = 0.5
# what a bare session is refused with where the user has no default profile
# (docs/reference/protocol.md, "Creating a session")
NO_DEFAULT = 400
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Clock:
    """The run's clock: monotonic seconds since its start, and ``utc`` beside it for people; that one may be set meanwhile."""

    start_s: float
    utc: Callable[[], datetime]

    def now_s(self) -> float:
        """Return seconds since the run began, on anyio's clock."""
        return anyio.current_time() - self.start_s

    def since(self, moment_s: float) -> float:
        """Place a moment of anyio's clock on the run's."""
        return moment_s - self.start_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How trials of one server are asked.

    ``bare_sessions``: without ``profile_id``, as docs/reference/seed.md, "Best practices" advises
    for one trial at a time. ``mark_sending`` and ``mark_asked`` commit a record before its query is
    sent and when it was accepted. ``sent_late`` is told how many seconds after its moment a
    scheduled query was handed over, for want of this process's time, ``sent`` how many after it was
    due any was, whatever kept it; ``stalled_s`` says for how long this process stood still between
    two moments of anyio's clock.
    """

    uderia: Uderia
    follower: Follower
    clock: Clock
    timeout_s: float
    bare_sessions: bool
    mark_sending: Callable[[TrialRecord], Awaitable[None]]
    mark_asked: Callable[[TrialRecord], Awaitable[None]]
    stop: Stop
    sent_late: Callable[[float], None]
    sent: Callable[[float], None]
    stalled_s: Callable[[float, float], float]

    async def ask(
        self, trial: Trial, expected: Serving, *, attempts: int, session_id: str | None = None, due_s: float | None = None
    ) -> TrialRecord:
        """Ask one trial, in a fresh session or in that of the turn before, and follow it to its end.

        ``due_s`` is when it should be sent, on the run's clock; without one it is due when it is asked. Where that is still to
        come, all but the query is done before, so that the query is sent to the millisecond.
        """
        now_s = self.clock.now_s()
        due_s = now_s if due_s is None else due_s
        record = TrialRecord(
            trial=trial,
            expected=expected,
            ending=Ending.CANCELLED,
            detail="stopped before it was sent",
            attempts=attempts,
            session_id=session_id,
            due_s=due_s,
            due_at=self.clock.utc() + timedelta(seconds=due_s - now_s),
        )
        async with endings(record) as held:
            if session_id is None:
                await self._create_session(held)
            held.set(sent_s=self.clock.now_s(), sent_at=self.clock.utc(), detail="stopped while it was being sent")
            await self.mark_sending(held.record)
            if await self._due(held):
                await self._submit(held)
                await self._follow(held)
        self._note_stall(held)
        return held.record

    async def pick_up(self, record: TrialRecord) -> TrialRecord | None:
        """Follow a trial that was sent before, by its task or by its session; None where the server never had its query."""
        async with endings(record, picked_up=True) as held:
            if record.task_id is None:
                held.note(f"looked up in its session {PICKED_UP}")
                if not await self._look_up(held):
                    return None
            else:
                held.note(f"picked up by its task id {PICKED_UP}")
            await self._follow(held)
        return held.record

    async def _create_session(self, held: Held) -> None:
        profile_id = held.record.expected.profile_id
        try:
            session_id = await self.uderia.create_session(None if self.bare_sessions else profile_id)
        except Refused as error:
            if not self.bare_sessions or error.status != NO_DEFAULT:
                raise
            session_id = await self.uderia.create_session(profile_id)
            held.note("session made with the arm's profile: the user has no default profile")
        held.set(session_id=session_id)

    async def _due(self, held: Held) -> bool:
        """Wait for a query's moment where it is still to come; False where the run is told to stop before."""
        due_s = held.record.due_s
        assert due_s is not None, "a trial is due when it is asked, or later"
        if due_s > self.clock.now_s():
            if not await self.stop.until(self.clock.start_s + due_s):
                held.set(sent_s=None, sent_at=None, detail="stopped before it was sent")
                return False
            self.sent_late(self.clock.now_s() - due_s)
        now_s = self.clock.now_s()
        self.sent(now_s - due_s)
        held.set(sent_s=now_s, sent_at=self.clock.utc())
        return True

    async def _submit(self, held: Held) -> None:
        session_id = held.get("session_id")
        assert session_id is not None, "a session is made before a query is sent"
        trial, expected = held.get("trial"), held.get("expected")
        try:
            accepted = await self.uderia.submit(session_id, trial.prompt, expected.profile_id)
        except NoAnswer as error:
            if not error.arrived:
                held.set(sent_s=None, sent_at=None)
                raise
            log.warning("query in an unknown state, looking it up", trial=trial.trial_id, error=str(error))
            held.note("nobody said whether the query was taken; it was looked up in its session, not sent again")
            if not await self._look_up(held):
                held.set(sent_s=None, sent_at=None)
                raise NoAnswer(f"{error}; the session shows no trace of the query", arrived=False) from error
            return
        held.set(
            task_id=accepted.task_id,
            sent_s=self.clock.since(accepted.sent_s),
            accepted_s=self.clock.since(accepted.accepted_s),
            accepted_at=self.clock.utc(),
            detail="stopped while the agent was working",
        )
        await self.mark_asked(held.record)

    async def _look_up(self, held: Held) -> bool:
        """Watch a query's session until its turn is there; False where the session shows no trace of it.

        Only the turn names the task, and it is written at the end: until then there is nothing to poll, or to cancel.
        """
        assert held.record.session_id is not None, "a query is sent in a session"
        number = held.record.trial.turn
        begun_s = anyio.current_time()
        while True:
            try:
                file = await self.uderia.session(held.record.session_id)
            except Gone:
                return False
            except Refused as error:
                raise NoAnswer(str(error), arrived=True) from error
            if (turn := file.turn_of(None, number)) is not None:
                task_id = turn.get("task_id")
                held.set(task_id=task_id if isinstance(task_id, str) else None, session=file.body)
                return True
            age_s = self._age_s(held)
            if file.prompts() < number and age_s > LOOK_UP_S:
                return False
            if age_s > self.timeout_s:
                detail = f"no end within {self.timeout_s:g} s; its task is not known, so it could not be cancelled"
                held.set(ending=Ending.TIMED_OUT, detail=detail, session=file.body)
                return True
            await anyio.sleep(poll_times.growing(anyio.current_time() - begun_s, poll_times.SCOUT_FIRST_S))

    async def _follow(self, held: Held) -> None:
        """Poll the task to its end or the deadline, then read the session."""
        if held.record.ending is Ending.TIMED_OUT:
            return  # while it was looked up
        task_id = held.record.task_id
        if task_id is not None:
            # One that was sent long ago may long have ended: it is looked at before its deadline counts.
            least_s = LOOK_UP_S if held.picked_up else 0.0
            try:
                with anyio.move_on_after(max(self.timeout_s - self._age_s(held), least_s)) as deadline:
                    arm = held.record.trial.arm
                    await self.follower.follow(task_id, arm, partial(self._saw, held), at_once=held.picked_up)
                ended = not deadline.cancelled_caught or await self._ended_unseen(held, task_id)
            except Gone as error:
                await self._recover(held, error)
                return  # with the session it went by
            if ended:
                held.set(ending=Ending.SETTLED, detail=None)
            else:
                held.set(ending=Ending.TIMED_OUT, detail=f"no end within {self.timeout_s:g} s; cancelled on the server")
                await self._cancel(held, task_id)
        else:
            held.set(ending=Ending.SETTLED, detail=None, done_at=self.clock.utc())
        if (session_id := held.get("session_id")) is not None:
            await self._read_session(held, session_id)
        if task_id is not None and held.get("ending") is Ending.SETTLED:
            await self._decode(held, task_id)

    async def _decode(self, held: Held, task_id: str) -> None:
        """Decode an ended task, and learn from it; it is read again where its body turns out to be no JSON.

        Not before the session is there: whatever else runs while that is read drives what was decoded out of the processor's
        cache, and getting it back took a tenth of a trial's CPU (1,000 in flight).
        """
        if (data := task_file.decode(held.get("task"))) is None:
            if not self._saw(held, await self.uderia.task(task_id, whole=True)):
                raise NoAnswer("task: it had ended by a body that is no JSON, and was running again", arrived=True)
            data = task_file.decode(held.get("task"))
        held.set(decoded=(*held.get("decoded"), (held.get("task"), data)))
        if data is not None and (took_s := task_file.took_s(data)) is not None:
            self.follower.learn(held.get("trial").arm, took_s)

    async def _ended_unseen(self, held: Held, task_id: str) -> bool:
        """Look once more at the deadline: what ended while polls were held up, as by a sign-in, did not time out."""
        with anyio.move_on_after(CANCEL_WAIT_S):
            try:
                state = await self.uderia.task(task_id)
            except Gone:
                raise
            except CallFailed:
                return False
            return self._saw(held, state)
        return False

    def _saw(self, held: Held, state: TaskState) -> bool:
        """Take one poll into the record; True where the task is over."""
        sent_s = None if held.picked_up else held.get("sent_s")
        seen_s = None if sent_s is None else self.clock.now_s() - sent_s
        polls = held.get("polls") + 1
        if not state.terminal:
            held.set(polls=polls, task=state.body, seen_lo_s=seen_s)
            return False
        held.set(polls=polls, task=state.body, seen_hi_s=seen_s, done_at=self.clock.utc())
        return True

    async def _recover(self, held: Held, gone: Gone) -> None:
        """Read what the session kept of a task the server has forgotten (tasks live in memory, sessions on disk)."""
        record = held.record
        assert record.session_id is not None, "a task belongs to a session"
        for look in range(LATE_READS):  # the agent may be writing its turn at this moment, forgotten or not
            if look:
                await anyio.sleep(LATE_WAIT_S)
            try:
                file = await self.uderia.session(record.session_id)
            except Gone:
                held.set(ending=Ending.LOST, detail=f"{gone}; its session is gone too")
                return
            if file.turn_of(record.task_id, record.trial.turn) is not None:
                # What the last poll saw is no end: kept, it would say that the task never ended.
                held.set(ending=Ending.SETTLED, detail=None, task=None, session=file.body, done_at=self.clock.utc())
                held.note("the server forgot the task; read from the session alone")
                return
            held.set(ending=Ending.LOST, detail=f"{gone}; its session has no turn of it", session=file.body)

    async def _cancel(self, held: Held, task_id: str) -> None:
        """Stop a task on the server and wait for it, so that it does not run on under the next arm's trials."""
        with anyio.move_on_after(CANCEL_WAIT_S):
            try:
                await self.uderia.cancel(task_id)
                while not self._saw(held, await self.uderia.task(task_id)):  # noqa: ASYNC110 - the event is on the server
                    await anyio.sleep(CANCEL_LOOK_S)
            except CallFailed as error:
                held.note(f"not cancelled on the server: {error}")
            return
        held.note(f"the task did not stop within {CANCEL_WAIT_S:g} s of its cancellation")

    async def _read_session(self, held: Held, session_id: str) -> None:
        """Read the session's file, again where a task that came to its end is not in it yet; without it the task is enough."""
        trial, task_id, settled = held.get("trial"), held.get("task_id"), held.get("ending") is Ending.SETTLED
        for look in range(LATE_READS):
            if look:
                await anyio.sleep(LATE_WAIT_S)
            try:
                file = await self.uderia.session(session_id)
            except Gone as error:
                missing = f"no session file: {error}"
                continue
            except CallFailed as error:
                missing = f"no session file: {error}"
                break
            held.set(session=file.body, decoded=(*held.get("decoded"), (file.body, file.data)))
            if not settled or file.turn_of(task_id, trial.turn) is not None:
                return
            missing = "the session file has no turn of the task"
        held.note(missing)

    async def give_up(self, record: TrialRecord) -> None:
        """Cancel on the server what a stopping run leaves behind; whether that works changes nothing in the record."""
        if record.task_id is not None:
            try:
                await self.uderia.cancel(record.task_id)
            except CallFailed as error:
                log.warning("could not cancel on the server", trial=record.trial.trial_id, error=str(error))

    def _note_stall(self, held: Held) -> None:
        """Note for how long our event loop stood still inside the round trip; by now a stall at its end is known of."""
        sent_s, accepted_s = held.get("sent_s"), held.get("accepted_s")
        if sent_s is not None and accepted_s is not None:
            held.set(stall_s=self.stalled_s(self.clock.start_s + sent_s, self.clock.start_s + accepted_s))

    def _age_s(self, held: Held) -> float:
        """Return how long ago the query was sent: on our clock, or by UTC where another process sent it.

        UTC may be set while nobody looks: a query from the future was sent when its picking up began.
        """
        record = held.record
        if record.sent_s is None or record.sent_at is None:
            return 0.0
        if not held.picked_up:
            return self.clock.now_s() - record.sent_s
        return max((self.clock.utc() - record.sent_at).total_seconds(), anyio.current_time() - held.begun_s)
