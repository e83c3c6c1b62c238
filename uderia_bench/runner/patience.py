"""Waits while a server is away or its quota is used up, and stops the run when waiting does not help.

A nightly run should outlast a restart of the server and the turn of an hour. It stops, ready for
``resume``, when the server stays away, when the quota returns only next month, or when the server
refuses one trial after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
import structlog

from uderia_bench.gateway.uderia import Uderia
from uderia_bench.runner.stop import Stop
from uderia_bench.trial import Ending, TrialRecord

ASKINGS_A_RUN = 3  # how often one sitting asks a trial without an answer; ``resume`` asks it again
PROBE_EVERY_S = 2.0
FEWEST_IN_VAIN = 10  # refused trials in a row before the run stops; more where more are in flight
IN_VAIN_PER_SLOT = 3
AFTER_THE_TURN_S = 5.0  # allows for a server clock that differs from ours
UNKNOWN_LIMIT_S = 60.0  # pause for a limit whose message names no period
log = structlog.get_logger(__name__)


class Patience:
    """Waits for one server. ``on_quota``: ``pause`` until the quota returns, ``stop``, or ``continue`` with the next trial."""

    def __init__(
        self,
        uderia: Uderia,
        stop: Stop,
        *,
        on_quota: str,
        outage_s: float,
        slots: int,
        utc: Callable[[], datetime],
    ) -> None:
        self._uderia = uderia
        self._stop = stop
        self._on_quota = on_quota
        self._outage_s = outage_s
        self._most_in_vain = max(FEWEST_IN_VAIN, IN_VAIN_PER_SLOT * slots)
        self._utc = utc
        self._probing = anyio.Lock()
        self._paused_until_s = 0.0
        self._in_vain = 0

    async def ready(self) -> bool:
        """Wait until the server can take trials; return False if a stop comes first."""
        if self._probing.locked():
            async with self._probing:  # locked while the server is away
                pass
        while (left_s := self._paused_until_s - anyio.current_time()) > 0:
            if not await self._stop.sleep(left_s):
                return False
        return not self._stop.soft.is_set()

    async def again(self, record: TrialRecord) -> bool:
        """Wait until the reason of a failed trial has passed; return whether to ask the trial again in this run."""
        if record.ending is Ending.UNREACHABLE:
            return await self._returns()
        if record.ending is Ending.RATE_LIMITED:
            return await self._refills(record.detail or "rate limited")
        return False

    def ended(self, record: TrialRecord) -> None:
        """Count a trial's ending; stop the run after many trials in a row that the server did not take."""
        if record.ending not in (Ending.UNREACHABLE, Ending.REFUSED):
            self._in_vain = 0
            return
        self._in_vain += 1
        if self._in_vain >= self._most_in_vain:
            words = f"{self._uderia.base_url} did not accept any of the last {self._in_vain} trials"
            self._stop.because(f"{words} ({record.detail})" if record.detail else words)

    async def _returns(self) -> bool:
        """Wait until the server answers; return False if a stop comes first. One waiting trial probes for all."""
        async with self._probing:
            begun_s = anyio.current_time()
            while not self._stop.soft.is_set():
                if await self._stop.unless(self._uderia.answers):
                    return True
                away_s = anyio.current_time() - begun_s
                if away_s >= self._outage_s:
                    self._stop.because(f"no server answered at {self._uderia.base_url} for {away_s:.0f} s")
                elif away_s < PROBE_EVERY_S:
                    log.warning("server away, waiting", server=self._uderia.base_url, longest_s=self._outage_s)
                    self._stop.tell(f"no server answers at {self._uderia.base_url}: waiting up to {self._outage_s:g} s")
                await self._stop.sleep(PROBE_EVERY_S)
            return False

    async def _refills(self, limit: str) -> bool:
        """Wait for the quota, or stop, as ``on_quota`` says; return whether to ask the trial again."""
        if self._on_quota == "continue":
            return False
        pause_s = seconds_to_refill(limit, self._utc())
        if self._on_quota == "stop" or pause_s is None:
            self._stop.because(limit)
            return False
        now_s = anyio.current_time()
        if self._paused_until_s <= now_s:
            log.warning("quota used up, pausing", limit=limit, seconds=round(pause_s))
            self._stop.tell(f"{limit}: pausing for {pause_s / 60:.0f} min")
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
