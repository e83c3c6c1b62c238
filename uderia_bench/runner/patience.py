"""Waits while a server is away or its quota is used up, and stops the run when waiting does not help.

A nightly run should outlast a restart of the server and the turn of an hour. It stops, ready for
``resume``, when the server stays away, when the quota returns only next month, or when the server
refuses one trial after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf

import anyio
import structlog

from uderia_bench.gateway.uderia import Presence, Uderia
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.outage import Cause, Outage
from uderia_bench.trial import Ending, Trial, TrialRecord

ASKINGS_A_RUN = 3  # how often one sitting asks a trial without an answer, outages aside; ``resume`` asks it again
PROBE_EVERY_S = 2.0
SHUTDOWN_S = 45.0  # a server took 10 to 28 s to shut down (docs/reference/measured.md, "Retention and restarts")
CANCELLED_THERE = "cancelled on the server"
CHECK_EVERY = 8  # trials that end between two looks for a restart; as many as are in flight, if these are more
CHECK_S = 5.0  # longest wait for such a look when the run stops
ENDED = frozenset({Ending.SETTLED, Ending.TIMED_OUT})  # endings that count for an arm
FEWEST_IN_VAIN = 10  # refused trials in a row before the run stops; more where more are in flight
IN_VAIN_PER_SLOT = 3
AFTER_THE_TURN_S = 5.0  # allows for a server clock that differs from ours
UNKNOWN_LIMIT_S = 60.0  # pause for a limit whose message names no period
log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Patience:
    """Waits for one server, and finds out whether it was restarted.

    ``on_quota``: ``pause`` until the quota returns, ``stop``, or ``continue`` with the next trial.
    ``arms`` are those of the server. ``changed`` returns why the server is not the one the run began
    with, or None; it is asked after every outage. ``replaceable`` says whether other servers can take
    over its trials. Then it is ``gone``, with the reason, where the run would stop without them.

    A task lives in the memory of the server's process. So the server was not restarted between the end of
    the trial ``sure`` and a moment at which it still knows that trial's task. Trials that ended since the
    last such moment are *unsure*. A restart makes them ``doubtful``, because a new server may have
    answered them.
    """

    uderia: Uderia
    stop: Stop
    arms: Collection[str]
    on_quota: str
    outage_s: float
    slots: int
    utc: Callable[[], datetime]
    changed: Callable[[], Awaitable[str | None]]
    replaceable: Callable[[], bool] = lambda: False
    gone: str | None = None
    outages: list[Outage] = field(default_factory=list)
    sure: TrialRecord | None = None
    doubtful: list[TrialRecord] = field(default_factory=list)
    _probing: anyio.Lock = field(default_factory=anyio.Lock)
    _paused_until_s: float = 0.0
    _in_vain: int = 0
    _unsure: list[TrialRecord] = field(default_factory=list)
    _looking: anyio.Lock = field(default_factory=anyio.Lock)
    _back_s: float = -inf
    _same: bool = False  # the server of the last outage was not restarted
    _cold: set[str] = field(default_factory=set)
    _warming: dict[str, anyio.Event] = field(default_factory=dict)

    async def ready(self) -> bool:
        """Wait until the server can take trials; return False if a stop comes first, or the server is gone.

        Trials in flight may find during a pause that the server is away, or that the quota is used up.
        """
        if not await self.stop.released():
            return False
        if self._probing.locked():
            async with self._probing:  # locked while the server is away
                pass
        while (left_s := self._paused_until_s - anyio.current_time()) > 0:
            if not await self.stop.sleep(left_s):
                return False
        return await self.stop.released() and self.gone is None

    async def notice_restart(self) -> None:
        """Ask for an earlier task, and note a restart if the server has forgotten it. Otherwise, trials until now are sure."""
        async with self._looking:
            noted, ended = len(self.outages), len(self._unsure)
            known = None if self._earlier is None else await self._knows(self._earlier)
            if len(self.outages) > noted:  # another trial has noticed it meanwhile
                return
            if known is False:
                await self._restarted()
            elif known and ended:
                self.sure = self._unsure[ended - 1]
                del self._unsure[:ended]

    @property
    def _earlier(self) -> TrialRecord | None:
        """A trial whose task the server had at the last look, or the first one that ended."""
        return self.sure or next(iter(self._unsure), None)

    async def _knows(self, record: TrialRecord) -> bool | None:
        return None if record.task_id is None else await self.uderia.knows(record.task_id)

    async def counts(self, records: Sequence[TrialRecord], *, cold: bool = False) -> None:
        """Take the records of a conversation as unsure, or as doubtful if it met a ``cold`` server.

        Looks for a restart once ``CHECK_EVERY`` trials are unsure.
        """
        bare = [
            replace(record, task=None, session=None, children=(), decoded=())
            for record in records
            if record.ending in ENDED and record.task is not None
        ]
        if len(bare) < len(records):  # ``resume`` asks it whole
            return
        if cold:
            self._doubt(bare)
        elif not any(map(self.is_before_return, bare)):
            self._unsure += bare
            if len(self._unsure) >= max(CHECK_EVERY, self.slots) and not self._looking.locked():
                await self.notice_restart()

    def _doubt(self, records: Sequence[TrialRecord]) -> None:
        self.doubtful += records
        for record in records:
            self._concern(record)

    async def warms_up(self, arm: str) -> bool:
        """Return whether a trial of this arm is the first after a restart; the arm's other trials wait for its end."""
        while arm in self._cold and self._goes_on:
            if arm not in self._warming:
                self._warming[arm] = anyio.Event()
                return True
            await self._warming[arm].wait()
        return False

    def is_before_return(self, record: TrialRecord) -> bool:
        """Whether a trial was sent before the last return of the server was noticed."""
        ended_at = self.outages[-1].ended_at if self.outages else None
        return ended_at is not None and record.sent_at is not None and record.sent_at <= ended_at

    def met_cold(self, record: TrialRecord) -> bool:
        """Whether a trial may have been sent to a server that had started again before the run noticed it.

        Which of the two servers answered a trial that was in flight then, or whose query was tried again until a
        server took it, is not known.
        """
        return self.is_before_return(record) and record.task is not None and not self._same

    def warmed_up(self, trial: Trial, *, answered: bool) -> None:
        """Note the end of a trial that ``warms_up`` chose; if the server answered, the arm is warm."""
        if answered:
            self._cold.discard(trial.arm)
            last = self.outages[-1]
            self.outages[-1] = replace(last, warmups=(*last.warmups, trial.trial_id))
        self._warming.pop(trial.arm).set()

    async def again(self, record: TrialRecord) -> bool:
        """Wait until the reason of a failed trial has passed; return whether to ask the trial again in this run."""
        if record.ending is Ending.UNREACHABLE:
            return await self._returns(record)
        if record.ending is Ending.RATE_LIMITED:
            return await self._refills(record.detail or "rate limited")
        if record.ending in (Ending.REFUSED, Ending.LOST) and await self.uderia.presence() is not Presence.UDERIA:
            return await self._returns(record)
        if record.ending is Ending.LOST:
            await self._forgot(record)
            self._concern(record)
            return await self.ready()
        if record.ending is Ending.SETTLED and record.task is None:  # it was read from its session alone
            await self._forgot(record)
        if record.ending is Ending.CANCELLED and record.detail is not None and record.detail.startswith(CANCELLED_THERE):
            return await self._shuts_down(record)
        return False

    def explains(self, record: TrialRecord) -> bool:
        """Whether an outage took a trial without an end: it was sent before the end of one."""
        if record.ending not in (Ending.UNREACHABLE, Ending.LOST, Ending.CANCELLED) or record.sent_at is None:
            return False
        return any(outage.ended_at is None or record.sent_at <= outage.ended_at for outage in self.outages)

    def ended(self, record: TrialRecord) -> None:
        """Count a trial's ending; stop the run after many trials in a row that the server did not take."""
        if record.ending not in (Ending.UNREACHABLE, Ending.REFUSED):
            self._in_vain = 0
            return
        self._in_vain += 1
        if self._in_vain >= max(FEWEST_IN_VAIN, IN_VAIN_PER_SLOT * self.slots):
            words = f"{self.uderia.base_url} did not accept any of the last {self._in_vain} trials"
            self._give_up(f"{words} ({record.detail})" if record.detail else words)

    @property
    def _goes_on(self) -> bool:
        return self.gone is None and not self.stop.soft.is_set()

    def _give_up(self, reason: str) -> None:
        """Leave the server to the others of its pool, or stop the run where there is none."""
        if self.gone is None and not self.replaceable():
            self.stop.because(reason)
        elif self.gone is None:
            self.gone = reason
            log.warning("server gone", server=self.uderia.base_url, reason=reason)
            self.stop.tell(f"{reason}: its trials go to the other servers")

    async def _returns(self, record: TrialRecord) -> bool:
        """Wait until the server answers; return False if a stop comes first. One waiting trial probes for all."""
        async with self._probing:
            begun_s, began_at, cause = anyio.current_time(), self.utc(), None
            while self._goes_on:
                found = await self.stop.unless(self.uderia.presence)
                if found is Presence.UDERIA:
                    await self._is_back(began_at, cause)
                    self._concern(record)
                    return self._goes_on
                cause = Cause.OTHER if found is Presence.ANOTHER else cause or Cause.AWAY
                away_s = anyio.current_time() - begun_s
                who = "another program answers" if cause is Cause.OTHER else "no server answers"
                if away_s >= self.outage_s:
                    self._give_up(f"{who} at {self.uderia.base_url} for {away_s:.0f} s")
                    break
                if away_s < PROBE_EVERY_S:
                    log.warning("server away, waiting", server=self.uderia.base_url, longest_s=self.outage_s)
                    self.stop.tell(f"{who} at {self.uderia.base_url}: waiting up to {self.outage_s:g} s")
                await self.stop.sleep(PROBE_EVERY_S)
            if cause is not None:
                self._note(Outage(server=self.uderia.base_url, cause=cause, began_at=began_at))
                self._concern(record)
            return False

    async def _shuts_down(self, record: TrialRecord) -> bool:
        """Wait for the end of a server that cancels its tasks, and for its return.

        It cancels new tasks too, so no trial is sent meanwhile. A server that stays and still knows the task
        was not shut down: another client cancelled the task, which is asked again.
        """
        begun_s = anyio.current_time()
        async with self._probing:
            while anyio.current_time() < begun_s + SHUTDOWN_S:
                if self._back_s > begun_s:  # another trial has seen it leave and return
                    break
                if await self.stop.unless(self.uderia.presence) is not Presence.UDERIA:
                    break
                if record.task_id is not None and await self.uderia.knows(record.task_id) is False:
                    await self._restarted()
                    break
                if not await self.stop.sleep(PROBE_EVERY_S):
                    return False
            else:
                return True
        if self._back_s > begun_s:
            self._concern(record)
            return await self.ready()
        return await self._returns(record)

    async def _is_back(self, began_at: datetime, cause: Cause | None) -> None:
        """Note an outage that has ended. Without ``cause`` the server answered at once, so only a request broke."""
        if cause is None:
            await self.notice_restart()
            return
        self._note(Outage(server=self.uderia.base_url, cause=cause, began_at=began_at, ended_at=self.utc()))
        await self._starts_anew(same=await self._stayed(began_at))

    async def _stayed(self, since: datetime) -> bool:
        """Whether only the network was away: the server still knows the task of a trial that had ended before."""
        earlier = self._earlier
        if earlier is None or earlier.done_at is None or earlier.done_at >= since:
            return False
        return await self._knows(earlier) is True

    async def _forgot(self, record: TrialRecord) -> None:
        """Note a restart where the server has forgotten the task of a trial.

        None is noted if the server still knows the task of a trial that was sent earlier, or if the trial was
        sent before the end of an outage that is known already.
        """
        known = self.outages[-1].ended_at if self.outages else None
        if known is not None and record.sent_at is not None and record.sent_at <= known:
            return
        noted, earlier = len(self.outages), self._earlier
        was_before = earlier is not None and (not (earlier.sent_at and record.sent_at) or earlier.sent_at < record.sent_at)
        if earlier is not None and was_before and await self._knows(earlier) is not False:
            return
        if len(self.outages) == noted:  # otherwise, another trial has noticed it meanwhile
            await self._restarted()

    async def _restarted(self) -> None:
        now = self.utc()
        self._note(Outage(server=self.uderia.base_url, cause=Cause.RESTART, began_at=now, ended_at=now))
        await self._starts_anew(same=False)

    async def _starts_anew(self, *, same: bool) -> None:
        """Let the first trial of every arm warm the server up, and stop the run if it is another server now."""
        self._back_s = anyio.current_time()
        self._same = same
        if not same:
            self._doubt(self._unsure)
            self.sure, self._unsure = None, []
        self._cold |= set(self.arms)
        if (reason := await self.changed()) is not None:
            self._give_up(reason)

    def _note(self, outage: Outage) -> None:
        log.warning("outage", server=outage.server, cause=outage.cause.value, began=outage.began_at, ended=outage.ended_at)
        self.outages.append(outage)

    def _concern(self, record: TrialRecord) -> None:
        """Count a trial as affected by the last outage."""
        if self.outages:
            last = self.outages[-1]
            self.outages[-1] = replace(last, asked_again=tuple(dict.fromkeys((*last.asked_again, record.trial.trial_id))))

    async def _refills(self, limit: str) -> bool:
        """Wait for the quota, or stop, as ``on_quota`` says; return whether to ask the trial again."""
        if self.on_quota == "continue":
            return False
        pause_s = seconds_to_refill(limit, self.utc())
        if self.on_quota == "stop":
            self.stop.because(limit)
            return False
        if pause_s is None:
            self._give_up(limit)
            return False
        now_s = anyio.current_time()
        if self._paused_until_s <= now_s:
            log.warning("quota used up, pausing", limit=limit, seconds=round(pause_s))
            self.stop.tell(f"{limit}: pausing for {pause_s / 60:.0f} min")
        self._paused_until_s = max(self._paused_until_s, now_s + pause_s)
        return await self.ready()


def seconds_to_refill(limit: str, now: datetime) -> float | None:
    """Return the seconds until a quota returns, by the server's message; None for a monthly quota.

    Source: docs/reference/protocol.md, "Quotas".
    """
    if "Token quota exceeded" in limit:
        return None
    hour = now.replace(minute=0, second=0, microsecond=0)
    if "Hourly limit" in limit:
        return (hour + timedelta(hours=1) - now).total_seconds() + AFTER_THE_TURN_S
    if "Daily limit" in limit:
        return (hour.replace(hour=0) + timedelta(days=1) - now).total_seconds() + AFTER_THE_TURN_S
    return UNKNOWN_LIMIT_S
