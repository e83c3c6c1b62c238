"""The run: plan in, records out, through slots, isolation, a budget and a stop that keeps what came back. It asks nobody.

A lane a server, its windows one after the other, a slot a conversation (mostly of one turn): with isolation ``arm`` a window
holds one arm's trials, and the next begins when the last of them has ended on the server, because the server switches
process-wide state per profile (docs/reference/measured.md, "Overlapping arms contaminate each other").
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

import anyio
from anyio.abc import TaskGroup

from uderia_bench.errors import BenchError
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.reading import profile_types
from uderia_bench.runner import pacing
from uderia_bench.runner.arrivals import PREPARE_S, Arrivals
from uderia_bench.runner.asking import Asking, Clock
from uderia_bench.runner.budget import Account, Budget, Limits
from uderia_bench.runner.following import Follower
from uderia_bench.runner.gauge import Gauge
from uderia_bench.runner.in_flight import InFlight
from uderia_bench.runner.lane import Book, Lane
from uderia_bench.runner.patience import Patience
from uderia_bench.runner.spacing import Spacing
from uderia_bench.runner.stop import Stop
from uderia_bench.trace import Trace
from uderia_bench.trial import Serving, Trial, TrialRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """Under what load trials run, and what ends them early. ``concurrency`` is per server; ``caps`` bounds arms below it.

    ``pacer`` says when trial n is due; an open loop has no slots, so that a slow server does not slow the asking. The slots
    of a closed one open over ``ramp_s``. ``levels`` are the loads of a sweep, which stand in for both.
    ``grace_s`` is what trials in flight get when the run is told to stop, ``outage_s`` how long a server may be away.
    """

    concurrency: int
    timeout_s: float
    bare_sessions: bool
    seed: int
    pacer: pacing.Pacer = pacing.closed
    ramp_s: float = 0.0
    levels: Mapping[float, pacing.Shape] = field(default_factory=dict)
    caps: Mapping[str, int] = field(default_factory=dict)
    grace_s: float = 30.0
    outage_s: float = 120.0
    on_quota: str = "pause"
    limits: Limits = field(default_factory=Limits)
    notifications: bool = False

    def shape(self, level: float | None) -> pacing.Shape:
        """Return the load of a trial's level."""
        return pacing.Shape(slots=self.concurrency, pacer=self.pacer) if level is None else self.levels[level]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Everything a run needs besides its trials: signed-in servers by address, arms, where records go and who watches.

    ``spent`` is what earlier sittings of the run did; ``gauge`` measures this process while it asks. ``understand`` reads what
    came of a trial, at least as far as its outcome and totals: for the budget, for limits met inside a task, and for ``watch``.
    """

    servers: Mapping[str, Uderia]
    arms: Mapping[str, Serving]
    conditions: LoadPlan
    book: Book
    watch: Callable[[TrialRecord, Trace], None]
    stop: Stop
    spent: Account = field(default_factory=Account)
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    gauge: Gauge = field(default_factory=Gauge)
    understand: Callable[[TrialRecord], Trace] = profile_types.totals

    async def run(self, trials: Iterable[Trial]) -> None:
        """Ask every trial and commit every record; returns early, with nothing lost, when told to stop."""
        clock = Clock(anyio.current_time(), self.utc)
        budget = Budget(self.conditions.limits, self.stop, self.spent)
        starts = Spacing()
        lanes: dict[str, list[Trial]] = {}
        for trial in sorted(trials, key=lambda trial: trial.seq):
            lanes.setdefault(self.arms[trial.arm].server, []).append(trial)
        try:
            async with anyio.create_task_group() as group:
                flight = InFlight(self.conditions.grace_s, self.stop)
                for meanwhile in (flight.guard, self.stop.listen, budget.expire, self.book.keep, self.gauge.watch):
                    group.start_soon(meanwhile)
                async with anyio.create_task_group() as running:
                    for server, planned in lanes.items():
                        lane = Lane(
                            asking=self._asking(server, clock),
                            patience=self._patience(server),
                            arms=self.arms,
                            book=self.book,
                            budget=budget,
                            flight=flight,
                            gauge=self.gauge,
                            stop=self.stop,
                            understand=self.understand,
                            watch=self.watch,
                        )
                        await group.start(lane.asking.follower.run)
                        running.start_soon(self._work_through, lane, planned, starts, group)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise _first(failures) from failures

    def _patience(self, server: str) -> Patience:
        conditions = self.conditions
        return Patience(
            self.servers[server],
            self.stop,
            on_quota=conditions.on_quota,
            outage_s=conditions.outage_s,
            utc=self.utc,
            slots=max(shape.slots for shape in (conditions.shape(None), *conditions.levels.values())),
        )

    def _asking(self, server: str, clock: Clock) -> Asking:
        return Asking(
            uderia=self.servers[server],
            follower=Follower(
                self.servers[server],
                rng=random.Random(self.conditions.seed),  # noqa: S311 - spreads polls in time, hides nothing
                late=self.gauge.poll_late,
                notifications=self.conditions.notifications,
            ),
            clock=clock,
            timeout_s=self.conditions.timeout_s,
            bare_sessions=self.conditions.bare_sessions,
            mark_sending=self.book.mark_sending,
            mark_asked=self.book.mark_asked,
            stop=self.stop,
            sent_late=self.gauge.send_late,
            sent=self.gauge.sent,
            stalled_s=self.gauge.stalled_s,
        )

    async def _work_through(self, lane: Lane, planned: list[Trial], starts: Spacing, meanwhile: TaskGroup) -> None:
        """Start a server's conversations, window after window, each when it is due or, in a closed loop, has a slot."""
        caps = {arm: anyio.Semaphore(cap) for arm, cap in self.conditions.caps.items()}
        levels: dict[float | None, Arrivals] = {}
        for (level, _), window in groupby(planned, key=lambda trial: (trial.level, trial.window)):
            if level not in levels:
                levels[level] = Arrivals(self.conditions.shape(level), ramp_s=self.conditions.ramp_s)
                meanwhile.start_soon(levels[level].ramp)
            arrivals = levels[level]
            arrivals.open_window()
            conversations = [tuple(turns) for _, turns in groupby(window, key=lambda trial: trial.conversation)]
            async with anyio.create_task_group() as group:
                for number, conversation in enumerate(conversations):
                    arm, scheduled_s = conversation[0].arm, arrivals.next_due_s()
                    if scheduled_s is None:
                        held = [arrivals.slots, *([caps[arm]] if arm in caps else [])]
                        for slot in held:
                            await slot.acquire()
                        due_s = anyio.current_time()
                        if (send_s := starts.take(due_s)) > due_s:
                            await anyio.sleep_until(send_s)
                    else:  # an open loop sends when it is time, however many are in flight
                        held = []
                        due_s = send_s = scheduled_s
                        await self.stop.sleep(due_s - PREPARE_S - anyio.current_time())
                    free_s = anyio.current_time()
                    late_s = free_s - send_s
                    if not (await lane.patience.ready() and await lane.budget.admit(conversation)):
                        self.gauge.never_sent(arrivals.overdue(len(conversations) - number - 1))
                        return
                    if scheduled_s is not None:
                        self.gauge.scheduled(lane.asking.uderia.base_url, number, due_s, late_s)
                    else:  # a pause over a quota, or for a server that is away, is no wait for a slot
                        due_s += anyio.current_time() - free_s
                    ready_s = anyio.current_time() - late_s
                    group.start_soon(self._converse, lane, conversation, due_s, ready_s, held, name=conversation[0].trial_id)

    async def _converse(
        self, lane: Lane, conversation: tuple[Trial, ...], due_s: float, ready_s: float, held: list[anyio.Semaphore]
    ) -> None:
        """Have a conversation and give back what it holds.

        It was due at ``due_s`` and nothing but this process's time has kept it since ``ready_s``. One that is still early is
        prepared, and its asking says how late it was sent in the end.
        """
        if (late_s := anyio.current_time() - ready_s) >= 0:
            self.gauge.send_late(late_s)
        try:
            await lane.converse(conversation, due_s=lane.asking.clock.since(due_s), scheduled=not held)
        finally:
            lane.budget.landed(conversation)
            for slot in held:
                slot.release()


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error a caller should meet: a reason of ours (signed out, disk full) where there is one.

    Several trials meet the same trouble at once; anything that is not ours is a programming error and goes up as it is.
    """
    leaves = [_first(failure) if isinstance(failure, BaseExceptionGroup) else failure for failure in failures.exceptions]
    foreign = [leaf for leaf in leaves if not isinstance(leaf, BenchError)]
    return foreign[0] if foreign else leaves[0]
