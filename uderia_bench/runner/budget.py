"""What a run may spend in all its sittings: trials, tokens, dollars, time. It counts, and stops the run before it is too much.

What the next trial will take is not known, so it is taken for as large as the largest of its arm so far; the first of an arm is
asked alone, so that no more than one trial an arm is spent unforeseen. What was spent is an ``Account``, which the ledger keeps
from sitting to sitting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio
import orjson

from uderia_bench.errors import StoreError
from uderia_bench.runner.stop import Stop
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Trial, TrialRecord

UNTOLD = frozenset({Ending.TIMED_OUT, Ending.LOST, Ending.CANCELLED})
"""Endings of a query that was sent, after which nobody is asked any more what it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that may be spent; None for no limit. ``time_s`` is seconds of work, summed over sittings."""

    trials: int | None = None
    tokens: int | None = None
    usd: float | None = None
    time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent, or what a trial may take."""

    trials: int = 0
    tokens: int = 0
    usd: float = 0.0
    time_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What was spent so far, and the largest trial of each arm in tokens, dollars and seconds.

    A trial that is asked again is one trial, and what each asking took.
    """

    spent: Spent = field(default_factory=Spent)
    largest: Mapping[str, Spent] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return it as the ledger keeps it."""
        return orjson.dumps(self).decode()

    @classmethod
    def carried(cls, text: str | None, *, trials: int) -> Account:
        """Return what earlier sittings spent, by what the ledger kept, if anything; ``trials`` are those not asked again.

        Raises ``StoreError`` where what it kept is damaged.
        """
        if text is None:
            return cls(spent=Spent(trials=trials))
        try:
            said = orjson.loads(text)
            spent = replace(Spent(**said["spent"]), trials=trials)
            return cls(spent=spent, largest={arm: Spent(**most) for arm, most in said["largest"].items()})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise StoreError(f"what the run has spent cannot be read from its ledger: {error}") from error


class Budget:
    """Admits trials as long as the limits allow one more. ``before`` is what earlier sittings spent."""

    def __init__(self, limits: Limits, stop: Stop, before: Account | None = None) -> None:
        self._limits = limits
        self._limited = limits != Limits()  # most runs are not, and the sums below take a trial's time
        self._stop = stop
        self._begun_s = anyio.current_time()
        before = before or Account()
        self._spent = before.spent
        self._largest = dict(before.largest)
        self._in_flight: Counter[str] = Counter()
        self._landed = anyio.Event()

    @property
    def account(self) -> Account:
        """What was spent until now, this sitting's time included."""
        return Account(spent=replace(self._spent, time_s=self._elapsed_s), largest=dict(self._largest))

    async def admit(self, conversation: Sequence[Trial]) -> bool:
        """Reserve what a conversation may take; False, and the run is told to stop, where that would be too much."""
        arm, turns = conversation[0].arm, len(conversation)
        while not self._stop.soft.is_set():
            if not self._limited or self._has_room(arm, turns):
                self._in_flight[arm] += turns
                self._spent = replace(self._spent, trials=self._spent.trials + turns)
                return True
            if not self._stop.soft.is_set():
                await self._landed.wait()
        return False

    def count(self, record: TrialRecord, trace: Trace) -> None:
        """Count what an asking took, session naming included; what nobody will tell counts as the largest of its arm."""
        arm, tokens, timing = record.trial.arm, trace.tokens, trace.timing
        seen = self._largest.get(arm, Spent())
        if tokens.input is None and record.sent_at is not None and record.ending in UNTOLD:
            self._spent = _sum([self._spent, replace(seen, time_s=0.0)])
            return
        took = Spent(
            tokens=sum(n or 0 for n in (tokens.input, tokens.output, tokens.naming_input, tokens.naming_output)),
            usd=(tokens.cost_usd or 0.0) + (tokens.naming_cost_usd or 0.0),
        )
        self._spent = _sum([self._spent, took])
        if tokens.input is None and record.ending is not Ending.SETTLED:
            return  # an arm of which nothing ran is as unknown as before
        self._largest[arm] = Spent(
            tokens=max(seen.tokens, took.tokens),
            usd=max(seen.usd, took.usd),
            time_s=max(seen.time_s, timing.terminal_s or timing.seen_hi_s or 0.0),
        )

    def landed(self, conversation: Sequence[Trial]) -> None:
        """Give back what was reserved."""
        self._in_flight[conversation[0].arm] -= len(conversation)
        if self._limited:  # else nobody waits for it
            self._landed.set()
            self._landed = anyio.Event()

    async def expire(self) -> None:
        """End the sitting when the run's time is over: what is in flight then is cancelled."""
        if self._limits.time_s is not None:
            await anyio.sleep(self._limits.time_s - self._elapsed_s)
            self._stop.because(f"the budget of {self._limits.time_s:g} s is used up: {_raised('time')}")
            self._stop.hard.set()

    @property
    def _elapsed_s(self) -> float:
        """Seconds of work in all sittings."""
        return self._spent.time_s + anyio.current_time() - self._begun_s

    def _has_room(self, arm: str, turns: int) -> bool:
        """Whether the limits allow a conversation now; the run is told to stop where they never will."""
        if self._is_unknown(arm) and self._in_flight[arm]:
            return False
        largest = self._largest.get(arm, Spent())
        next_one = replace(self._foreseen(arm, turns), trials=turns, time_s=turns * largest.time_s)
        in_flight = [self._foreseen(other, count) for other, count in self._in_flight.items() if count]
        if (limit := self._exceeded(next_one)) and not in_flight:  # else a stop would cut short what is paid for
            self._stop.because(limit)
            return False
        return self._exceeded(_sum([next_one, *in_flight])) is None

    def _is_unknown(self, arm: str) -> bool:
        return arm not in self._largest and not (self._limits.tokens is None and self._limits.usd is None)

    def _foreseen(self, arm: str, turns: int) -> Spent:
        """Return the tokens and dollars that some turns of an arm may take."""
        largest = self._largest.get(arm, Spent())
        return Spent(tokens=turns * largest.tokens, usd=turns * largest.usd)

    def _exceeded(self, wanted: Spent) -> str | None:
        """Say which limit would be passed."""
        spent = replace(self._spent, time_s=self._elapsed_s)
        for what, key, unit in _UNITS:
            limit = getattr(self._limits, what)
            already = getattr(spent, what)
            # Nothing left is no room either, whatever is known of the next one.
            if limit is not None and (already >= limit or already + getattr(wanted, what) > limit):
                return (
                    f"the budget of {limit:g} {unit} has no room for another trial ({already:.6g} {unit} spent): {_raised(key)}"
                )
        return None


_UNITS = (("trials", "trials", "trials"), ("tokens", "tokens", "tokens"), ("usd", "usd", "USD"), ("time_s", "time", "s"))
"""Each limit here, its key in an experiment, its unit."""


def _raised(key: str) -> str:
    return f"'resume --set budget.{key}=' raises it"


def _sum(parts: Sequence[Spent]) -> Spent:
    return Spent(
        trials=sum(part.trials for part in parts),
        tokens=sum(part.tokens for part in parts),
        usd=sum(part.usd for part in parts),
        time_s=sum(part.time_s for part in parts),
    )
