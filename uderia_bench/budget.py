"""What one sitting of a run may spend: trials, tokens, dollars, time. It counts, and stops the run before that is exceeded.

What the next trial will take is not known, so it is taken for as large as the largest of its arm so far; the first of an arm is
asked alone, so that no more than one trial an arm is spent unforeseen. A ``resume`` is a new sitting with the same budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import anyio

from uderia_bench.stop import Stop
from uderia_bench.trace import Trace
from uderia_bench.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that may be spent; None for no limit. ``time_s`` is wall-clock seconds of the sitting."""

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


class Budget:
    """Admits trials as long as the limits allow one more."""

    def __init__(self, limits: Limits, stop: Stop) -> None:
        self._limits = limits
        self._stop = stop
        self._begun_s = anyio.current_time()
        self._spent = Spent()
        self._largest: dict[str, Spent] = {}
        self._longest_s: dict[str, float] = {}
        self._in_flight: Counter[str] = Counter()
        self._landed = anyio.Event()

    async def admit(self, conversation: Sequence[Trial]) -> bool:
        """Reserve what a conversation may take; False, and the run is told to stop, where that would be too much."""
        arm, turns = conversation[0].arm, len(conversation)
        while not self._stop.soft.is_set():
            if not (self._is_unknown(arm) and self._in_flight[arm]):
                next_one = replace(self._foreseen(arm, turns), trials=turns, time_s=self._longest_s.get(arm, 0.0))
                if exceeded := self._exceeded(next_one):
                    self._stop.because(exceeded)
                    return False
                in_flight = [self._foreseen(other, count) for other, count in self._in_flight.items()]
                if self._exceeded(_sum([next_one, *in_flight])) is None:
                    self._in_flight[arm] += turns
                    self._spent = _sum([self._spent, Spent(trials=turns)])
                    return True
            await self._landed.wait()
        return False

    def count(self, arm: str, trace: Trace) -> None:
        """Count what an asking of an arm's trial took, session naming included."""
        tokens, timing = trace.tokens, trace.timing
        took = Spent(
            tokens=sum(n or 0 for n in (tokens.input, tokens.output, tokens.naming_input, tokens.naming_output)),
            usd=(tokens.cost_usd or 0.0) + (tokens.naming_cost_usd or 0.0),
        )
        seen = self._largest.get(arm, Spent())
        self._spent = _sum([self._spent, took])
        self._largest[arm] = Spent(tokens=max(seen.tokens, took.tokens), usd=max(seen.usd, took.usd))
        self._longest_s[arm] = max(self._longest_s.get(arm, 0.0), timing.terminal_s or timing.seen_hi_s or 0.0)

    def landed(self, conversation: Sequence[Trial]) -> None:
        """Give back what was reserved."""
        self._in_flight[conversation[0].arm] -= len(conversation)
        self._landed.set()
        self._landed = anyio.Event()

    async def expire(self) -> None:
        """End the sitting when its time is over: what is in flight then is cancelled."""
        if self._limits.time_s is not None:
            await anyio.sleep(self._limits.time_s - (anyio.current_time() - self._begun_s))
            self._stop.because(f"the budget of {self._limits.time_s:g} s is used up")
            self._stop.hard.set()

    def _is_unknown(self, arm: str) -> bool:
        return arm not in self._largest and not (self._limits.tokens is None and self._limits.usd is None)

    def _foreseen(self, arm: str, turns: int) -> Spent:
        """Return the tokens and dollars that some turns of an arm may take."""
        largest = self._largest.get(arm, Spent())
        return Spent(tokens=turns * largest.tokens, usd=turns * largest.usd)

    def _exceeded(self, wanted: Spent) -> str | None:
        """Say which limit would be passed."""
        elapsed_s = anyio.current_time() - self._begun_s
        for what, spent, more, unit in (
            ("trials", self._spent.trials, wanted.trials, "trials"),
            ("tokens", self._spent.tokens, wanted.tokens, "tokens"),
            ("usd", self._spent.usd, wanted.usd, "USD"),
            ("time_s", elapsed_s, wanted.time_s, "s"),
        ):
            limit = getattr(self._limits, what)
            if limit is not None and spent + more > limit:
                return f"the budget of {limit:g} {unit} has no room for another trial ({spent:.6g} {unit} spent)"
        return None


def _sum(parts: Sequence[Spent]) -> Spent:
    return Spent(**{field.name: sum(getattr(part, field.name) for part in parts) for field in fields(Spent)})
