"""Asks one trial: makes the session, sends the query, follows the task until it ends, and reads the session.

Answers are stored as bytes and not interpreted here. Whatever the server does becomes an ending in
the record. Only programming errors and a lost sign-in raise. ``following`` decides when to poll.

A trial is committed before its query is sent and again when the query was accepted. If this process
dies in between, the next one finds the query by its task id, or else in its session. It sends the
query again only where the session shows no trace of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial

import anyio
import structlog

from uderia_bench.errors import CallFailed, Gone, NoAnswer, Refused
from uderia_bench.gateway import task_file
from uderia_bench.gateway.uderia import TaskState, Uderia
from uderia_bench.runner import poll_times
from uderia_bench.runner.book import Book
from uderia_bench.runner.clock import Clock
from uderia_bench.runner.draft import Draft, drafted
from uderia_bench.runner.following import Follower
from uderia_bench.runner.gauge import Gauge
from uderia_bench.runner.session_files import LATE_READS, LATE_WAIT_S, read_children, read_session
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import PICKED_UP, Ending, Serving, Trial, TrialRecord

# A cancelled task ends in under 0.4 s on an idle server (docs/reference/measured.md, "Endpoints"); a
# loaded one needs longer.
CANCEL_WAIT_S = 10.0
CANCEL_LOOK_S = 0.05  # between two polls of a task that was cancelled
IDLE_WAIT_S = 120.0  # how long a window waits for tasks of other arms that still run
IDLE_LOOK_S = 1.0
LOOK_UP_S = 10.0  # how long after its sending a query may still appear in its session
# Status of a session without a profile where the user has no default profile
# (docs/reference/protocol.md, "Creating a session").
NO_DEFAULT = 400
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Asks the trials of one server.

    ``bare_sessions``: create sessions without ``profile_id``, as docs/reference/seed.md, "Best
    practices" advises for one trial at a time. ``running`` has the tasks whose end was not seen yet,
    with their arms. ``unknown`` are the trials of an earlier sitting that may run under an unknown task.
    """

    uderia: Uderia
    follower: Follower
    clock: Clock
    timeout_s: float
    bare_sessions: bool
    book: Book
    gauge: Gauge
    stop: Stop
    running: dict[str, str] = field(default_factory=dict)
    unknown: list[TrialRecord] = field(default_factory=list)

    async def ask(
        self, trial: Trial, expected: Serving, *, attempts: int, session_id: str | None = None, due_s: float | None = None
    ) -> TrialRecord:
        """Ask one trial and follow it to its end.

        ``session_id`` is the session of the turn before; without it, the trial gets a new session.
        ``due_s`` is when the query should be sent, on the run's clock; without it, now. A due time in
        the future leaves time to create the session, so that the query is sent to the millisecond.
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
        async with drafted(record) as draft:
            if session_id is None:
                await self._create_session(draft)
            draft.record = replace(
                draft.record,
                sent_s=self.clock.now_s(),
                sent_at=self.clock.utc(),
                detail="stopped while it was being sent",
            )
            await self.book.mark_sending(draft.record)
            if await self._due(draft):
                await self._submit(draft)
                await self._follow(draft)
        return self._with_stall(draft.record)

    async def pick_up(self, record: TrialRecord) -> TrialRecord | None:
        """Follow a trial that another process sent; return None where the server never received its query."""
        async with drafted(record, picked_up=True) as draft:
            if record.task_id is None:
                draft.note(f"looked up in its session {PICKED_UP}")
                if not await self._look_up(draft):
                    return None
            else:
                draft.note(f"picked up by its task id {PICKED_UP}")
            await self._follow(draft)
        return draft.record

    async def _create_session(self, draft: Draft) -> None:
        profile_id = draft.record.expected.profile_id
        try:
            session_id = await self.uderia.create_session(None if self.bare_sessions else profile_id)
        except Refused as error:
            if not self.bare_sessions or error.status != NO_DEFAULT:
                raise
            session_id = await self.uderia.create_session(profile_id)
            draft.note("session made with the arm's profile: the user has no default profile")
        draft.record = replace(draft.record, session_id=session_id)

    async def _due(self, draft: Draft) -> bool:
        """Wait until a query is due; return False if a stop comes first."""
        due_s = draft.record.due_s
        assert due_s is not None, "a trial is due when it is asked, or later"
        if due_s > self.clock.now_s():
            if not await self.stop.until(self.clock.start_s + due_s):
                draft.unsent("stopped before it was sent")
                return False
            self.gauge.send_late(self.clock.now_s() - due_s)
        if self.stop.paused:
            if not await self.stop.released():
                draft.unsent("stopped before it was sent")
                return False
            due_s = self.clock.now_s()
            draft.record = replace(draft.record, due_s=due_s, due_at=self.clock.utc())
        now_s = self.clock.now_s()
        self.gauge.sent(now_s - due_s)
        draft.record = replace(draft.record, sent_s=now_s, sent_at=self.clock.utc())
        return True

    async def _submit(self, draft: Draft) -> None:
        session_id = draft.record.session_id
        assert session_id is not None, "a session is made before a query is sent"
        trial, expected = draft.record.trial, draft.record.expected
        try:
            accepted = await self.uderia.submit(session_id, trial.prompt, expected.profile_id, before=self.book.may_send)
        except NoAnswer as error:
            if not error.arrived:
                draft.unsent()
                raise
            log.warning("query in an unknown state, looking it up", trial=trial.trial_id, error=str(error))
            draft.note("no reply said whether the query was accepted; it was looked up in its session, not sent again")
            if not await self._look_up(draft):
                draft.unsent()
                raise NoAnswer(f"{error}; the session shows no trace of the query", arrived=False) from error
            return
        draft.record = replace(
            draft.record,
            task_id=accepted.task_id,
            sent_s=self.clock.since(accepted.sent_s),
            accepted_s=self.clock.since(accepted.accepted_s),
            accepted_at=self.clock.utc(),
            detail="stopped while the agent was working",
        )
        self.running[accepted.task_id] = trial.arm
        await self.book.mark_asked(draft.record)

    async def _look_up(self, draft: Draft) -> bool:
        """Read a query's session until it holds the turn; return False if the query never arrived.

        Only the turn names the task, and the server writes the turn when the task ends. Until then
        there is no task to poll or to cancel.
        """
        assert draft.record.session_id is not None, "a query is sent in a session"
        number = draft.record.trial.turn
        begun_s = anyio.current_time()
        while True:
            try:
                file = await self.uderia.session(draft.record.session_id)
            except Gone:
                return False
            except Refused as error:
                raise NoAnswer(str(error), arrived=True) from error
            if (turn := file.turn_of(None, number)) is not None:
                task_id = turn.get("task_id")
                draft.record = replace(draft.record, task_id=task_id if isinstance(task_id, str) else None, session=file.body)
                return True
            age_s = self._age_s(draft)
            if file.prompts() < number and age_s > LOOK_UP_S:
                return False
            if age_s > self.timeout_s:
                detail = f"no end within {self.timeout_s:g} s; its task is not known, so it could not be cancelled"
                draft.record = replace(draft.record, ending=Ending.TIMED_OUT, detail=detail, session=file.body)
                return True
            await anyio.sleep(poll_times.growing(anyio.current_time() - begun_s, poll_times.SCOUT_FIRST_S))

    async def _follow(self, draft: Draft) -> None:
        """Poll the task to its end or the deadline, then read the session."""
        if draft.record.ending is Ending.TIMED_OUT:
            return  # the deadline passed during the look-up
        task_id = draft.record.task_id
        if task_id is not None:
            # A trial of another process may have ended long ago: poll it before its deadline counts.
            least_s = LOOK_UP_S if draft.picked_up else 0.0
            try:
                with anyio.move_on_after(max(self.timeout_s - self._age_s(draft), least_s)) as deadline:
                    trial = draft.record.trial
                    saw = partial(self._saw, draft)
                    await self.follower.follow(task_id, trial.arm, trial.query_id, saw, at_once=draft.picked_up)
                ended = not deadline.cancelled_caught or await self._ended_unseen(draft, task_id)
            except Gone as error:
                await self._recover(draft, error)
                await read_children(self.uderia, draft)
                return  # the session is read already
            if ended:
                draft.record = replace(draft.record, ending=Ending.SETTLED, detail=None)
            else:
                detail = f"no end within {self.timeout_s:g} s; cancelled on the server"
                draft.record = replace(draft.record, ending=Ending.TIMED_OUT, detail=detail)
                await self._cancel(draft, task_id)
        else:
            draft.record = replace(draft.record, ending=Ending.SETTLED, detail=None, done_at=self.clock.utc())
        if (session_id := draft.record.session_id) is not None:
            await read_session(self.uderia, draft, session_id)
        if task_id is not None and draft.record.ending is Ending.SETTLED:
            await self._decode(draft, task_id)
        await read_children(self.uderia, draft)

    async def _decode(self, draft: Draft, task_id: str) -> None:
        """Decode an ended task and learn its duration; read the task again where its body is not JSON.

        This runs after the session is read. Other trials run during that read, and would push the
        decoded task out of the processor's cache (a tenth of a trial's CPU time at 1,000 in flight).
        """
        body = draft.record.task
        assert body is not None, "a poll saw the task's end"
        if (data := task_file.decode(body)) is None:
            state = await self.uderia.task(task_id, whole=True)
            if not self._saw(draft, state):
                raise NoAnswer("task: it ended with a body that is not JSON, and then ran again", arrived=True)
            body, data = state.body, task_file.decode(state.body)
        draft.record = replace(draft.record, decoded=(*draft.record.decoded, (body, data)))
        if data is not None and (took_s := task_file.took_s(data)) is not None:
            trial = draft.record.trial
            self.follower.learn(trial.arm, trial.query_id, _within(took_s, draft.record))

    async def _ended_unseen(self, draft: Draft, task_id: str) -> bool:
        """Poll once more at the deadline; return True for a task that ended while polls were delayed."""
        with anyio.move_on_after(CANCEL_WAIT_S):
            try:
                state = await self.uderia.task(task_id)
            except Gone:
                raise
            except CallFailed:
                return False
            return self._saw(draft, state)
        return False

    def _saw(self, draft: Draft, state: TaskState) -> bool:
        """Add one poll to the record; return True when the task has ended."""
        sent_s = None if draft.picked_up else draft.record.sent_s
        seen_s = None if sent_s is None else self.clock.now_s() - sent_s
        polls = draft.record.polls + 1
        if not state.terminal:
            draft.record = replace(draft.record, polls=polls, task=state.body, seen_lo_s=seen_s)
            return False
        draft.record = replace(draft.record, polls=polls, task=state.body, seen_hi_s=seen_s, done_at=self.clock.utc())
        if draft.record.task_id is not None:
            self.running.pop(draft.record.task_id, None)
        return True

    async def _recover(self, draft: Draft, gone: Gone) -> None:
        """Read the session of a task that the server forgot: tasks live in memory, sessions on disk."""
        record = draft.record
        assert record.session_id is not None, "a task belongs to a session"
        if record.task_id is not None:
            self.running.pop(record.task_id, None)
        for look in range(LATE_READS):  # the agent may still be writing its turn
            if look:
                await anyio.sleep(LATE_WAIT_S)
            try:
                file = await self.uderia.session(record.session_id)
            except Gone:
                draft.record = replace(draft.record, ending=Ending.LOST, detail=f"{gone}; its session is gone too")
                return
            if file.turn_of(record.task_id, record.trial.turn) is not None:
                # The last poll saw a running task; keeping its body would say that the task never ended.
                draft.record = replace(
                    draft.record,
                    ending=Ending.SETTLED,
                    detail=None,
                    task=None,
                    session=file.body,
                    done_at=self.clock.utc(),
                )
                draft.note("the server forgot the task; read from the session alone")
                return
            detail = f"{gone}; its session has no turn of it"
            draft.record = replace(draft.record, ending=Ending.LOST, detail=detail, session=file.body)

    async def _cancel(self, draft: Draft, task_id: str) -> None:
        """Cancel a task and wait until it ends, so that it does not run on during the next arm's trials."""
        with anyio.move_on_after(CANCEL_WAIT_S):
            try:
                await self.uderia.cancel(task_id)
                while not self._saw(draft, await self.uderia.task(task_id)):  # noqa: ASYNC110 - the event is on the server
                    await anyio.sleep(CANCEL_LOOK_S)
            except CallFailed as error:
                draft.note(f"not cancelled on the server: {error}")
            return
        draft.note(f"the task did not stop within {CANCEL_WAIT_S:g} s of its cancellation")

    async def others_end(self, arm: str) -> bool:
        """Wait until no task of another arm runs on the server; return False if some still run after ``IDLE_WAIT_S``.

        Such tasks are left over from a cancellation that takes long, or from an interrupted sitting. No later
        window waits for those again: the state of some cannot be read.
        """
        with anyio.move_on_after(IDLE_WAIT_S) as waited:
            for record in [each for each in self.unknown if each.trial.arm != arm]:
                async with drafted(record, picked_up=True) as draft:
                    await self._look_up(draft)
                self.unknown.remove(record)
            while left := [task_id for task_id, other in self.running.items() if other != arm]:
                for task_id in left:
                    try:
                        ended = (await self.uderia.task(task_id)).terminal
                    except Gone:
                        ended = True
                    except CallFailed:
                        ended = False
                    if ended:
                        self.running.pop(task_id, None)
                    elif not await self.stop.sleep(IDLE_LOOK_S):
                        return True
        if waited.cancelled_caught:
            for task_id in [task_id for task_id, other in self.running.items() if other != arm]:
                del self.running[task_id]
        return not waited.cancelled_caught

    async def give_up(self, record: TrialRecord) -> None:
        """Cancel a trial's task on the server when the run stops; a failure is only logged."""
        if record.task_id is not None:
            try:
                await self.uderia.cancel(record.task_id)
            except CallFailed as error:
                log.warning("could not cancel on the server", trial=record.trial.trial_id, error=str(error))

    def _with_stall(self, record: TrialRecord) -> TrialRecord:
        """Add for how long our event loop stood still between sending the query and reading its 202.

        Called at the end of a trial, when a stall at the end of the round trip has been measured.
        """
        if record.sent_s is None or record.accepted_s is None:
            return record
        start_s = self.clock.start_s
        return replace(record, stall_s=self.gauge.stalled_s(start_s + record.sent_s, start_s + record.accepted_s))

    def _age_s(self, draft: Draft) -> float:
        """Return how long ago the query was sent, by UTC where another process sent it.

        UTC can jump between two processes. The age is at least the time since the trial was picked up.
        """
        record = draft.record
        if record.sent_s is None or record.sent_at is None:
            return 0.0
        if not draft.picked_up:
            return self.clock.now_s() - record.sent_s
        return max((self.clock.utc() - record.sent_at).total_seconds(), anyio.current_time() - draft.begun_s)


def _within(took_s: float, record: TrialRecord) -> float:
    """Bound a duration on the server's clock by what our polls saw, since a clock may jump."""
    lo_s, hi_s = record.seen_lo_s or 0.0, record.seen_hi_s
    return took_s if hi_s is None else min(max(took_s, lo_s - (record.accepted_s or 0.0) + (record.sent_s or 0.0)), hi_s)
