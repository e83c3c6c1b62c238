"""Runs a plan: starts each trial when it is due and has a slot, within a budget, until the plan is done or a stop.

Each server has a lane that works through its windows in order, and through those it inherits
(``pool``). A slot holds one conversation, which mostly has one turn. With isolation ``arm`` a
window holds the trials of one arm. The next window opens when the last of them has ended on the
server, because the server switches process-wide state per profile (docs/reference/measured.md,
"Overlapping arms contaminate each other").
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count, groupby
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from uderia_bench.documents.experiment import SIM, Experiment
from uderia_bench.errors import BenchError, CallFailed, UnknownProfile
from uderia_bench.gateway import directory
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.reading import profile_types
from uderia_bench.runner import exclusion, pacing
from uderia_bench.runner.arrivals import PREPARE_S, Arrivals, Slots, Spacing
from uderia_bench.runner.asking import Asking
from uderia_bench.runner.book import Book
from uderia_bench.runner.budget import Account, Budget
from uderia_bench.runner.clock import Clock, SteadyUtc
from uderia_bench.runner.control import Control
from uderia_bench.runner.following import Follower
from uderia_bench.runner.gauge import Gauge
from uderia_bench.runner.hooks import Hooks
from uderia_bench.runner.lane import Lane
from uderia_bench.runner.memory import Memory
from uderia_bench.runner.patience import CHECK_S, Patience
from uderia_bench.runner.pool import Pool, windows_of
from uderia_bench.runner.stop import InFlight, Stop
from uderia_bench.runs.outage import Outage
from uderia_bench.trace import Trace
from uderia_bench.trial import Serving, Stage, Trial, TrialRecord

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Runs the trials of an experiment on signed-in servers, which ``servers`` holds by name.

    In an open loop there are no slots, so a slow server does not slow the arrivals.
    ``book`` stores the records and ``watch`` receives each settled trial. ``spent`` is what earlier
    sittings spent; ``gauge`` measures this process. ``understand`` reads a record into a trace, at least
    its outcome and totals, for the budget, for rate limits met inside a task and for ``watch``.
    ``outages`` is filled when the run ends. ``hooks`` runs the experiment's commands around each window.
    ``locks`` is the folder by which runs on this machine take turns on a server. ``skips`` says whether
    an arm is not asked any more, because a race has dropped it. ``memory`` brings the server into the
    state that each arm names.
    """

    servers: Mapping[str, Uderia]
    arms: Mapping[str, Serving]
    experiment: Experiment
    book: Book
    watch: Callable[[TrialRecord, Trace], None]
    stop: Stop
    spent: Account = field(default_factory=Account)
    utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    gauge: Gauge = field(default_factory=Gauge)
    understand: Callable[[TrialRecord], Trace] = profile_types.totals
    outages: list[Outage] = field(default_factory=list)
    hooks: Hooks | None = None
    locks: Path | None = None
    control: Control | None = None
    skips: Callable[[str], bool] = lambda _: False
    memory: Memory | None = None

    async def run(self, trials: Iterable[Trial]) -> None:
        """Ask every trial and commit every record; a stop ends the run early without losing a record."""
        clock = Clock(anyio.current_time(), SteadyUtc(self.utc))
        left = list(trials)
        budget = Budget(self.experiment.budget, self.stop, self.spent, left=left)
        starts = Spacing()
        patiences: list[Patience] = []
        try:
            pools = await self._pools(left)
            async with anyio.create_task_group() as group:
                flight = InFlight(self.experiment.grace, self.stop)
                if self.control is not None:
                    self.control.budget, self.control.flight = budget, flight
                    self.control.lanes, self.control.skips = {server: self._arms_on(server) for server in pools}, self.skips
                    group.start_soon(self.control.serve)
                for meanwhile in (flight.guard, self.stop.listen, budget.expire, self.book.keep, self.gauge.watch):
                    group.start_soon(meanwhile)
                async with anyio.create_task_group() as running:
                    for server, pool in pools.items():
                        patiences.append(self._patience(server, pool, clock))
                        lane = Lane(
                            asking=self._asking(server, clock),
                            patience=patiences[-1],
                            arms=self.arms,
                            budget=budget,
                            flight=flight,
                            understand=self.understand,
                            watch=self.watch,
                            after=None if self.memory is None else self.memory.ended,
                        )
                        if self.control is not None:
                            self.control.followers.append(lane.asking.follower)
                        await group.start(lane.asking.follower.run)
                        running.start_soon(self._work_through, lane, server, pool, starts, group)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise first_of(failures) from failures
        finally:
            self.outages.extend(sorted(chain.from_iterable(each.outages for each in patiences), key=lambda one: one.began_at))

    async def _pools(self, trials: Sequence[Trial]) -> dict[str, Pool]:
        """Return the pool of each server that is asked. What is planned on a server that is away goes to the others."""
        lanes: dict[str, list[Trial]] = {server: [] for arm in self.arms.values() for server in arm.servers}
        for trial in trials:
            lanes[self.arms[trial.arm].on(trial.server).server].append(trial)
        known = self.control.plan.values() if self.control is not None else ()
        free = count(1 + max((trial.window for trial in chain(trials, known)), default=0))
        pools: dict[str, Pool] = {}
        for servers in dict.fromkeys(frozenset(arm.servers) for arm in self.arms.values()):
            own = {server: deque(windows_of(lanes[server])) for server in lanes if server in servers}
            pool = Pool(windows=own, free=free, moved=self._moved, worth=2 * self._shape(None).slots)
            for server in own.keys() - self.servers.keys():
                await pool.leave(server, ())
            pool.start()
            pools |= dict.fromkeys(pool.windows, pool)
        return pools

    async def _moved(self, trials: Sequence[Trial]) -> None:
        await self.book.move(trials)
        if self.control is not None:
            self.control.plan.update((trial.trial_id, trial) for trial in trials)

    def _patience(self, server: str, pool: Pool, clock: Clock) -> Patience:
        experiment = self.experiment
        arms = {name: arm.on(server) for name, arm in self.arms.items() if server in arm.servers}
        return Patience(
            uderia=self.servers[server],
            stop=self.stop,
            arms=arms,
            changed=partial(changed, self.servers[server], arms),
            replaceable=partial(pool.has_others, server),
            on_quota=experiment.on_quota,
            outage_s=experiment.outage,
            utc=clock.utc,
            # An embedded server starts with the sitting.
            sure=None if server == SIM else self.book.last_ended(server, arms),
            slots=max(self._shape(level).slots for level in (None, *experiment.load.levels)),
        )

    def _shape(self, level: float | None) -> pacing.Shape:
        return pacing.of(self.experiment.load.at(level), self.experiment.seed)

    def _asking(self, server: str, clock: Clock) -> Asking:
        in_doubt = [left for left in self.book.in_doubt() if left.expected.server == server]
        return Asking(
            uderia=self.servers[server],
            follower=Follower(
                uderia=self.servers[server],
                rng=random.Random(self.experiment.seed),  # noqa: S311 - spreads polls in time; not a secret
                late=self.gauge.poll_late,
                notifications=self.experiment.notifications == "on",
            ),
            clock=clock,
            timeout_s=self.experiment.timeout,
            bare_sessions=not self.experiment.session_carries_profile,
            running={left.task_id: left.trial.arm for left in in_doubt if left.task_id is not None},
            unknown=[left for left in in_doubt if left.task_id is None],
            book=self.book,
            gauge=self.gauge,
            stop=self.stop,
        )

    async def _work_through(self, lane: Lane, server: str, pool: Pool, starts: Spacing, meanwhile: TaskGroup) -> None:
        """Start a server's conversations, window after window, each when it is due and has a slot."""
        caps = {arm.name: Slots(arm.concurrency) for arm in self.experiment.arms if arm.concurrency is not None}
        levels: dict[float | None, Arrivals] = {}
        while (window := await self._next(lane, server, pool)) is not None:
            level = window[0].level
            if level not in levels:
                levels[level] = Arrivals(self._shape(level), ramp_s=self.experiment.load.ramp)
                meanwhile.start_soon(levels[level].ramp)
                if self.control is not None and level is None:
                    self.control.arrivals.append(levels[level])
            arrivals = levels[level]
            asked = [trial for trial in window if not self.skips(trial.arm)]
            if not asked:
                continue
            conversations = [tuple(turns) for _, turns in groupby(asked, key=lambda trial: trial.conversation)]
            arms = {conversation[0].arm for conversation in conversations}
            address = lane.asking.uderia.base_url
            async with AsyncExitStack() as around:
                shared = self.experiment.load.isolation == "none"
                await around.enter_async_context(exclusion.window(self.locks, address, self.stop, shared=shared))
                await self._others_end(lane, arms)
                if self.hooks is not None and not self.stop.soft.is_set():
                    await around.enter_async_context(self.hooks.window(conversations[0][0].window, address, arms))
                if self.memory is not None and not self.stop.soft.is_set():
                    warmup = all(trial.stage is Stage.WARMUP for trial in asked)
                    await around.enter_async_context(self.memory.window(arms, warmup=warmup))
                arrivals.open_window()
                whole = await self._ask_window(lane, conversations, arrivals, caps, starts)
            if lane.patience.gone is not None:
                wanted = () if self.control is None else self.control.take(server)
                await pool.leave(server, dict.fromkeys([*lane.unfinished(conversations), *lane.again, *wanted]))
                break
            if not whole:
                with anyio.move_on_after(CHECK_S):
                    await lane.patience.notice_restart()
                await lane.recall()
                pool.ends(server)
                break
        else:
            pool.ends(server)
        if self.control is not None:
            self.control.leaves(server)

    def _arms_on(self, server: str) -> set[str]:
        return {name for name, arm in self.arms.items() if server in arm.servers}

    async def _next(self, lane: Lane, server: str, pool: Pool) -> list[Trial] | None:
        """Return the next window of a server.

        The trials that a restart has made doubtful come first, then the plan, and then what somebody asked to ask again.
        A server that has asked all of that waits for the others, because somebody may still ask one of its trials again.
        """
        while True:
            await lane.patience.notice_restart()
            await lane.recall()
            pool.windows[server].extendleft(reversed(windows_of(lane.again)))
            lane.again.clear()
            window = await pool.next(server)
            if window is not None or self.control is None:
                return window
            pool.windows[server].extend(windows_of(self.control.take(server)))
            if not pool.windows[server] and not await self.control.goes_on(server):
                return None

    async def _ask_window(
        self,
        lane: Lane,
        conversations: list[tuple[Trial, ...]],
        arrivals: Arrivals,
        caps: Mapping[str, Slots],
        starts: Spacing,
    ) -> bool:
        """Start the conversations of one window and wait for their ends; return whether all were started."""
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
                else:  # an open loop sends on time, however many trials are in flight
                    held = []
                    due_s = send_s = scheduled_s
                    await self.stop.sleep(due_s - PREPARE_S - anyio.current_time())
                free_s, paused_s = anyio.current_time(), self.stop.paused_s
                late_s = free_s - send_s
                if not (await lane.patience.ready() and await lane.budget.admit(conversation)):
                    self.gauge.never_sent(arrivals.overdue(len(conversations) - number - 1))
                    return False
                if scheduled_s is not None:
                    arrivals.postpone(self.stop.paused_s - paused_s)
                    due_s += self.stop.paused_s - paused_s
                    self.gauge.scheduled(lane.asking.uderia.base_url, number, due_s, late_s)
                else:  # the due time moves by a pause for a quota or an outage
                    due_s += anyio.current_time() - free_s
                ready_s = anyio.current_time() - late_s
                group.start_soon(self._converse, lane, conversation, due_s, ready_s, held, name=conversation[0].trial_id)
        return True

    async def _others_end(self, lane: Lane, arms: set[str]) -> None:
        """Wait before a window of one arm until no task of another arm runs on the server."""
        if len(arms) == 1 and not await lane.asking.others_end(*arms):
            log.warning("tasks of another arm still run on the server", server=lane.asking.uderia.base_url, arm=min(arms))
            self.stop.tell(f"{lane.asking.uderia.base_url}: tasks of another arm still run as {min(arms)} begins")

    async def _converse(
        self, lane: Lane, conversation: tuple[Trial, ...], due_s: float, ready_s: float, held: list[Slots]
    ) -> None:
        """Ask every turn of a conversation, then release its concurrency slots.

        The conversation was due at ``due_s``. Since ``ready_s``, only this process delayed it. For one
        that is still early, ``asking`` measures how late it is sent.
        """
        if (late_s := anyio.current_time() - ready_s) >= 0:
            self.gauge.send_late(late_s)
        try:
            await lane.converse(conversation, due_s=lane.asking.clock.since(due_s), scheduled=not held)
        finally:
            lane.budget.landed(conversation)
            for slot in held:
                slot.release()


async def changed(uderia: Uderia, arms: Mapping[str, Serving]) -> str | None:
    """Return why a server that was away does not have the arms any more as the run began with them, or None."""
    try:
        listed = directory.read(await uderia.profiles(), await uderia.llm_configurations())
        for name, began_as in arms.items():
            now = directory.resolve(began_as.profile_id, listed, server=began_as.server)
            if now != began_as:
                models = f"before {', '.join(began_as.models) or 'unknown'}, now {', '.join(now.models) or 'unknown'}"
                return f"the profile of {name} on {uderia.base_url} changed with its restart (models {models}): start a new run"
    except UnknownProfile as unknown:
        return f"{uderia.base_url} is another server since its restart: {unknown}"
    except CallFailed:
        return None  # it is away again, which the next trial finds out
    return None


def first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error to raise of several.

    Several trials often fail for the same reason (signed out, disk full), so one error is enough. An
    error that is not a ``BenchError`` is a programming error and comes first.
    """
    leaves = [first_of(failure) if isinstance(failure, BaseExceptionGroup) else failure for failure in failures.exceptions]
    foreign = [leaf for leaf in leaves if not isinstance(leaf, BenchError)]
    return foreign[0] if foreign else leaves[0]
