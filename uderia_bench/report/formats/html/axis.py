"""Axes: the place of a value in percent of the plot, and round ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_PADDING = 0.03  # share of the length added at both ends, so that no mark is cut
_MOST_TICKS = 6
_STEPS = (1.0, 2.0, 3.0, 5.0)  # round numbers of a decade
_NEAR_ONE = (0.5, 1 / 1.5, 0.8, 1.0, 1.25, 1.5, 2.0)  # round ratios, where few powers of two are inside the axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A range of numbers, logarithmic or linear.

    ``lo`` < ``hi``, both positive on a logarithmic axis.
    """

    lo: float
    hi: float
    log: bool = False
    base: float = 10.0  # of the ticks: 2 for ratios, which double and halve

    def at(self, value: float) -> float:
        """Return the place of a value in percent from the low end.

        Values outside the axis are at its ends.
        """
        lo, hi, here = (self._scaled(each) for each in (self.lo, self.hi, min(max(value, self.lo), self.hi)))
        return 100 * (here - lo) / (hi - lo)

    def ticks(self) -> tuple[float, ...]:
        """Return up to six round values inside the axis."""
        if self.log and self.base == 2:
            powers = range(math.ceil(math.log2(self.lo)), math.floor(math.log2(self.hi)) + 1)
            if len(powers) < 2 and (near := tuple(ratio for ratio in _NEAR_ONE if self.lo <= ratio <= self.hi)):
                return near
            every = math.ceil(len(powers) / _MOST_TICKS)
            return tuple(2.0**n for n in powers if n % every == 0)  # with a tick at 1
        return tuple(_thinned(_log_ticks(self.lo, self.hi) if self.log else _linear_ticks(self.lo, self.hi)))

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.log else value


def log_axis(values: Iterable[float]) -> Axis | None:
    """Return a logarithmic axis for all positive values, None where there is none."""
    known = [value for value in values if value > 0 and math.isfinite(value)]
    if not known:
        return None
    lo, hi = min(known), max(known)
    if hi / lo < 1.5:  # a single value needs a range around it
        lo, hi = lo / 1.25, hi * 1.25
    return _padded(lo, hi, log=True)


def linear_axis(values: Iterable[float]) -> Axis | None:
    """Return a linear axis for all finite values, None where there is none."""
    known = [value for value in values if math.isfinite(value)]
    return _padded(min(known), max(known)) if known else None


def ratio_axis(values: Iterable[float], *, least: float) -> Axis:
    """Return a logarithmic axis of ratios around 1 that reaches at least the factor ``least`` to both sides."""
    ends = [value for value in values if value > 0 and math.isfinite(value)]
    return _padded(min([1 / least, *ends]), max([least, *ends]), log=True, base=2.0)


def difference_axis(values: Iterable[float], *, least: float) -> Axis:
    """Return a linear axis of differences around 0 that reaches at least ``least`` to both sides."""
    ends = [value for value in values if math.isfinite(value)]
    return _padded(min([-least, *ends]), max([least, *ends]))


def _padded(lo: float, hi: float, *, log: bool = False, base: float = 10.0) -> Axis:
    """Return an axis that reaches a little beyond both ends."""
    if log:
        grow = (hi / lo) ** _PADDING
        return Axis(lo=lo / grow, hi=hi * grow, log=True, base=base)
    grow = (hi - lo) * _PADDING or abs(hi) or 1.0
    return Axis(lo=lo - grow, hi=hi + grow)


def _log_ticks(lo: float, hi: float) -> list[float]:
    decades = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    found: list[float] = []
    for steps in ((1.0,), (1.0, 3.0), _STEPS):
        found = [step * 10.0**decade for decade in decades for step in steps if lo <= step * 10.0**decade <= hi]
        if len(found) > 2:
            return found
    return found if len(found) > 1 else _linear_ticks(lo, hi)


def _linear_ticks(lo: float, hi: float) -> list[float]:
    rough = (hi - lo) / (_MOST_TICKS - 1)
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next((s * decade for s in (1.0, 2.0, 5.0) if s * decade >= rough), 10 * decade)
    return [step * n for n in range(math.ceil(lo / step), math.floor(hi / step) + 1)]


def _thinned(ticks: list[float]) -> list[float]:
    return ticks[:: math.ceil(len(ticks) / _MOST_TICKS)] if len(ticks) > _MOST_TICKS else ticks


Label = Callable[[float], str]
