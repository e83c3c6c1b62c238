"""Counts what a run spends over all its sittings (trials, tokens, dollars, time) and stops it at its limits.

The cost of the next trial is unknown, so the budget assumes the largest trial of its arm so far. The
first trial of an arm runs alone, so that at most one trial per arm can exceed the limit. The ledger
keeps the ``Account`` from sitting to sitting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

import anyio
import orjson

from uderia_bench.documents import experiment_parts
from uderia_bench.errors import StoreError
from uderia_bench.reading import paid
from uderia_bench.runner.stop import Stop
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Trial, TrialRecord

UNTOLD = frozenset({Ending.TIMED_OUT, Ending.LOST, Ending.CANCELLED})
"""Endings after which the tokens of a query that was sent stay unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Spending so far, or the spending that a trial may cause."""

    trials: int = 0
    tokens: int = 0
    usd: float = 0.0
    time_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Spending so far, and the largest trial of each arm in tokens, dollars and seconds.

    A trial that is asked again counts as one trial, with the tokens of every time it was asked.
    """

    spent: Spent = field(default_factory=Spent)
    largest: Mapping[str, Spent] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the account as the ledger stores it."""
        return orjson.dumps(self).decode()

    @classmethod
    def carried(cls, text: str | None, *, trials: int) -> Account:
        """Read the account of earlier sittings from the ledger; ``trials`` counts those not asked again.

        Raises ``StoreError`` if the stored account is damaged.
        """
        if text is None:
            return cls(spent=Spent(trials=trials))
        try:
            said = orjson.loads(text)
            spent = replace(Spent(**said["spent"]), trials=trials)
            return cls(spent=spent, largest={arm: Spent(**most) for arm, most in said["largest"].items()})
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise StoreError(f"the ledger's account of the run's spending is damaged: {error}") from error


class Budget:
    """Admits trials while the limits allow one more.

    ``before`` is the account of earlier sittings, whose time counts too, and ``left`` are the trials that it does not count.
    """

    def __init__(
        self, limits: experiment_parts.Budget, stop: Stop, before: Account | None = None, *, left: Iterable[Trial]
    ) -> None:
        self._limits = limits
        self._changed = anyio.Event()
        self._stop = stop
        self._begun_s = anyio.current_time()
        before = before or Account()
        self._spent = before.spent
        self._largest = dict(before.largest)
        self._in_flight: Counter[str] = Counter()
        self._uncounted = {trial.trial_id for trial in left}
        self._landed = anyio.Event()

    @property
    def limits(self) -> experiment_parts.Budget:
        """The limits in force."""
        return self._limits

    def change(self, limits: experiment_parts.Budget) -> None:
        """Set other limits. They hold at once, for trials that wait for room and for the time that is left."""
        self._limits = limits
        self._changed.set()
        self._changed = anyio.Event()
        self._tell()

    @property
    def limited(self) -> bool:
        """Whether there is a limit; most runs have none and skip the sums below."""
        return self.limits != experiment_parts.Budget()

    @property
    def account(self) -> Account:
        """Spending until now, including the time of this sitting."""
        return Account(spent=replace(self._spent, time_s=self._elapsed_s), largest=dict(self._largest))

    async def admit(self, conversation: Sequence[Trial]) -> bool:
        """Reserve what a conversation may spend; if that exceeds a limit, stop the run and return False.

        A trial counts once, however often it is asked.
        """
        arm, turns = conversation[0].arm, len(conversation)
        new = self._uncounted.intersection(trial.trial_id for trial in conversation)
        while not self._stop.soft.is_set():
            if not self.limited or self._has_room(arm, turns, new=len(new)):
                self._in_flight[arm] += turns
                self._uncounted -= new
                self._spent = replace(self._spent, trials=self._spent.trials + len(new))
                return True
            if not self._stop.soft.is_set():
                await self._landed.wait()
        return False

    def count(self, record: TrialRecord, trace: Trace) -> None:
        """Add what a trial spent, session naming included; unknown spending counts as the largest of its arm."""
        arm, tokens, timing = record.trial.arm, trace.tokens, trace.timing
        seen = self._largest.get(arm, Spent())
        if tokens.input is None and record.sent_at is not None and record.ending in UNTOLD:
            self._spent = _sum([self._spent, replace(seen, time_s=0.0)])
            return
        took = Spent(tokens=paid.tokens(tokens), usd=paid.usd(tokens))
        self._spent = _sum([self._spent, took])
        if tokens.input is None and record.ending is not Ending.SETTLED:
            return  # no task ran, so the arm's cost is still unknown
        self._largest[arm] = Spent(
            tokens=max(seen.tokens, took.tokens),
            usd=max(seen.usd, took.usd),
            time_s=max(seen.time_s, timing.terminal_s or timing.seen_hi_s or 0.0),
        )

    def landed(self, conversation: Sequence[Trial]) -> None:
        """Release the reservation of a conversation."""
        self._in_flight[conversation[0].arm] -= len(conversation)
        if self.limited:  # otherwise no trial waits for room
            self._tell()

    async def expire(self) -> None:
        """Stop the run when its time is used up, and cancel the trials in flight."""
        while (limit_s := inf if self.limits.time is None else self.limits.time) > self._elapsed_s:
            with anyio.move_on_after(limit_s - self._elapsed_s):
                await self._changed.wait()
        self._stop.because(f"the budget of {limit_s:g} s is used up: {_raised('time')}")
        self._stop.hard.set()

    def _tell(self) -> None:
        """Let the trials that wait for room look again."""
        self._landed.set()
        self._landed = anyio.Event()

    @property
    def _elapsed_s(self) -> float:
        """Seconds of work in all sittings."""
        return self._spent.time_s + anyio.current_time() - self._begun_s

    def _has_room(self, arm: str, turns: int, *, new: int) -> bool:
        """Whether the limits allow a conversation now, with so many ``new`` trials; stop the run if they never will."""
        if self._is_unknown(arm) and self._in_flight[arm]:
            return False
        largest = self._largest.get(arm, Spent())
        next_one = replace(self._foreseen(arm, turns), trials=new, time_s=turns * largest.time_s)
        in_flight = [self._foreseen(other, count) for other, count in self._in_flight.items() if count]
        if (limit := self._exceeded(next_one)) and not in_flight:  # with trials in flight, wait: their real cost may leave room
            self._stop.because(limit)
            return False
        return self._exceeded(_sum([next_one, *in_flight])) is None

    def _is_unknown(self, arm: str) -> bool:
        return arm not in self._largest and not (self.limits.tokens is None and self.limits.usd is None)

    def _foreseen(self, arm: str, turns: int) -> Spent:
        """Return the tokens and dollars that ``turns`` turns of an arm may cost."""
        largest = self._largest.get(arm, Spent())
        return Spent(tokens=turns * largest.tokens, usd=turns * largest.usd)

    def _exceeded(self, wanted: Spent) -> str | None:
        """Return the message for the limit that ``wanted`` would exceed, or None."""
        spent = replace(self._spent, time_s=self._elapsed_s)
        for what, key, unit in _UNITS:
            limit = getattr(self.limits, key)
            already = getattr(spent, what)
            # A used-up budget has no room, even for a trial of unknown cost.
            # A trial that was counted before needs no further one.
            needs = what != "trials" or wanted.trials > 0
            if limit is not None and needs and (already >= limit or already + getattr(wanted, what) > limit):
                return (
                    f"the budget of {_number(limit)} {unit} has no room for another trial ({_number(already)} {unit} spent):"
                    f" {_raised(key)}"
                )
        return None


_UNITS = (("trials", "trials", "trials"), ("tokens", "tokens", "tokens"), ("usd", "usd", "USD"), ("time_s", "time", "s"))
"""Each limit: the field of what was spent, the key in an experiment and the unit."""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.6g}"


def _raised(key: str) -> str:
    return f"'resume --set budget.{key}=' raises it"


def _sum(parts: Sequence[Spent]) -> Spent:
    return Spent(
        trials=sum(part.trials for part in parts),
        tokens=sum(part.tokens for part in parts),
        usd=sum(part.usd for part in parts),
        time_s=sum(part.time_s for part in parts),
    )
