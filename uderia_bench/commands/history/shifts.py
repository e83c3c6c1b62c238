"""Steps, ramps, odd nights and a weekly rhythm in a series of nights, told apart from each other and from noise.

The series is read night by night, as its user reads it. Each reading asks ``fits`` of every step,
ramp and odd night of the last four weeks how likely noise alone makes it. A change that is certain
is kept, and every later reading looks for changes beside it. For four weeks its kind, its first night
and its size follow the newer nights: what looked like a step may turn out to be a ramp.

A false alarm must stay unlikely over all readings together. So the p-value of reading n is
multiplied by n^1.5 / ``_READINGS``: the chances of all readings have a finite sum, and early readings,
which have few nights to judge by, get the larger part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import log

import numpy as np
import numpy.typing as npt

from uderia_bench.commands.history.fits import fit
from uderia_bench.stats.arrays import Floats

FALSE_ALARMS = 0.05  # probability that a series without a change has one announced in any of its readings
FEWEST = 7  # nights: with fewer, no change can be told from noise or from a weekend
WINDOW = 56  # nights that a reading fits: what was eight weeks ago says little of tonight
_RECENT = 28  # nights in which a change may have begun
_BEFORE = 3  # nights before a change
_SHORTEST = 2  # nights of a step: one odd night is no step
_SHORTEST_RAMP = 7  # nights: a shorter ramp is a step to everybody who acts on it
_RAMP_ODDS = 10.0  # of a ramp against a step: only clearly better evidence makes a rise a step
_WEEK = 7
_RHYTHMS = [(day, length) for length in (1, 2) for day in range(_WEEK)]  # first day and number of neighbouring days
_WEEKLY_NIGHTS = 14  # nights in which every day of the week comes twice
_WEEKLY_SURE = 0.01
_CORRELATED_NIGHTS = 14  # with fewer, a correlation cannot be estimated
MOST_CORRELATED = 0.6  # an estimate above: the true correlation may be more than the p-values allow for


class Kind(StrEnum):
    """How a series changed: to another level, a little more every night, or for one night."""

    STEP = "step"
    RAMP = "ramp"
    ODD = "odd night"


# What p * n^1.5 is divided by, found by simulation of nights with a correlation of .5
# (tests/calibration/nights.py). Odd nights are clear where they matter, so they get the smaller part.
_READINGS = {Kind.STEP: 0.6, Kind.RAMP: 0.6, Kind.ODD: 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A change that began on night ``at`` (0-based).

    ``size`` is on the scale of the levels: the height of a step or an odd night, or what a ramp adds
    every night. ``p`` is adjusted for all readings of the series.
    """

    kind: Kind
    at: int
    size: float
    p: float

    def total(self, nights: int) -> float:
        """Return by how much the level has changed when the series has ``nights`` nights."""
        return self.size * (nights - self.at) if self.kind is Kind.RAMP else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Neighbouring days of the week (0 is Monday) whose nights lie ``size`` above the other days'."""

    days: tuple[int, ...]
    size: float
    p: float


_Candidate = tuple[Kind, int]


def shifts(values: Floats, errors: Floats, *, least: float, weekdays: Sequence[int] | None = None) -> tuple[Shift, ...]:
    """Return the changes of at least ``least`` in a series of nightly levels, in the order they were found.

    ``errors`` are the levels' standard errors within their nights, the least that the noise can be.
    Nights without a level (NaN) are passed over. ``weekdays`` (0 is Monday) are by default those of
    consecutive nights.
    """
    known = np.flatnonzero(np.isfinite(values))
    levels, noise, days = values[known], np.nan_to_num(errors[known]), _days(values.size, weekdays)[known]
    found: list[Shift] = []
    for now in range(FEWEST, known.size + 1):
        part = slice(max(0, now - WINDOW), now)
        reading = _Reading(levels=levels[part], errors=noise[part], weekdays=days[part], now=now, least=least)
        if found and now - found[-1].at <= _RECENT:
            found[-1] = reading.again(found)
        while (new := reading.first(found)) is not None:
            found.append(new)
    sized = _sized(found, levels, noise, days)
    return tuple(replace(shift, at=int(known[shift.at])) for shift in sized)


def weekly(
    values: Floats, errors: Floats, found: Sequence[Shift], *, least: float, weekdays: Sequence[int] | None = None
) -> Weekly | None:
    """Return the weekly rhythm of the last eight weeks, beside the changes ``found``; None where none is certain."""
    known = np.flatnonzero(np.isfinite(values))[-WINDOW:]
    if known.size < _WEEKLY_NIGHTS:
        return None
    base = _base(_seen_from(found, int(known[0])), known - known[0])
    seen = fit(
        values[known],
        np.nan_to_num(errors[known]),
        candidates=_rhythms(_days(values.size, weekdays)[known]),
        base=base,
        rhythms=np.empty((known.size, 0)),
    )
    if seen is None:
        return None
    best = int(seen.evidence.argmax())
    size, p = float(seen.size[best]), min(1.0, float(seen.p[best]) * len(_RHYTHMS))
    first, length = _RHYTHMS[best]
    days = tuple((first + more) % _WEEK for more in range(length))
    return Weekly(days=days, size=size, p=p) if p < _WEEKLY_SURE and abs(size) >= least else None


def left_over(values: Floats, found: Sequence[Shift]) -> tuple[Floats, int]:
    """Return the last eight weeks without their level and the changes ``found``, and the degrees of freedom that are left."""
    known = np.flatnonzero(np.isfinite(values))[-WINDOW:]
    base = _base(_seen_from(found, int(known[0])), known - known[0])
    fitted, _, rank, _ = np.linalg.lstsq(base, values[known])
    return values[known] - base @ fitted, known.size - int(rank)


def correlation(values: Floats, found: Sequence[Shift]) -> float | None:
    """Return the lag-1 correlation of the last eight weeks beside the changes ``found``; None where there are too few nights.

    What a fit leaves over is less correlated than the nights are, so the usual correction for a mean
    is added (Marriott & Pope, *Biometrika* 41, 1954).
    """
    if np.isfinite(values).sum() < _CORRELATED_NIGHTS:
        return None
    left, _ = left_over(values, found)
    squares = float(left @ left)
    if squares <= 0:
        return None
    seen = float(left[1:] @ left[:-1]) / squares
    return min(1.0, seen + (1 + 3 * seen) / left.size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Reading:
    """The nights that one reading of a series fits, oldest first; ``now`` counts all nights up to it."""

    levels: Floats
    errors: Floats
    weekdays: npt.NDArray[np.intp]
    now: int
    least: float

    @property
    def start(self) -> int:
        """The number of the first night that is fitted."""
        return self.now - self.levels.size

    def first(self, found: Sequence[Shift]) -> Shift | None:
        """Return the change that this reading adds to those ``found``, if the likeliest one is certain and large enough."""
        candidates = self._fitted(found)
        if not candidates:
            return None
        best = _likeliest(candidates)
        return best if best.p < FALSE_ALARMS and abs(best.total(self.now)) >= self.least else None

    def again(self, found: Sequence[Shift]) -> Shift:
        """Return the last change as the newer nights show it."""
        *before, last = found
        best = _likeliest(self._fitted(before))
        return replace(best, p=min(last.p, best.p))

    def _fitted(self, before: Sequence[Shift]) -> list[tuple[Shift, float]]:
        """Return every change that may be added to those before it, with its log evidence."""
        nights = np.arange(self.levels.size)
        known, candidates = _seen_from(before, self.start), _candidates(nights.size)
        found = fit(
            self.levels,
            self.errors,
            candidates=_columns(candidates, nights),
            base=_base(known, nights),
            rhythms=_rhythms(self.weekdays),
        )
        if found is None:
            return []
        p = np.minimum(found.p * self.now**1.5 / [_READINGS[kind] for kind, _ in candidates], 1.0)
        evidence = found.evidence + _log_odds(candidates)
        after = max((at for kind, at in known if kind is not Kind.ODD), default=-_SHORTEST) + _SHORTEST
        return [
            (Shift(kind=kind, at=at + self.start, size=float(size), p=float(chance)), float(weight))
            for (kind, at), size, chance, weight in zip(candidates, found.size, p, evidence, strict=True)
            if at >= after
        ]


def _sized(found: Sequence[Shift], levels: Floats, errors: Floats, weekdays: npt.NDArray[np.intp]) -> Iterator[Shift]:
    """Estimate the size of every change beside the others, from all nights."""
    nights = np.arange(levels.size)
    for shift in found:
        others = [(other.kind, other.at) for other in found if other is not shift]
        change = _columns([(shift.kind, shift.at)], nights)
        seen = fit(levels, errors, candidates=change, base=_base(others, nights), rhythms=_rhythms(weekdays))
        yield shift if seen is None else replace(shift, size=float(seen.size[0]))


def _likeliest(candidates: Sequence[tuple[Shift, float]]) -> Shift:
    """Return the most likely change of the kind that is most likely altogether."""
    by_kind: dict[Kind, list[tuple[Shift, float]]] = {}
    for shift, evidence in candidates:
        by_kind.setdefault(shift.kind, []).append((shift, evidence))
    altogether = {kind: float(np.logaddexp.reduce([evidence for _, evidence in of])) for kind, of in by_kind.items()}
    return max(by_kind[max(altogether, key=lambda kind: altogether[kind])], key=lambda one: one[1])[0]


def _log_odds(candidates: Sequence[_Candidate]) -> Floats:
    """Return the prior log odds of every change: a kind shares its own equally among its first nights.

    A ramp that has lasted all along has as much as all later ones. Without this, the best of many
    first nights of a step would beat the one line that a steady ramp is.
    """
    counts = Counter((kind, at == 0) for kind, at in candidates)
    return np.array([
        (log(_RAMP_ODDS / 2) if kind is Kind.RAMP else 0.0) - log(counts[kind, at == 0]) for kind, at in candidates
    ])  # fmt: skip


def _candidates(nights: int) -> tuple[_Candidate, ...]:
    """Return the changes that may have begun in the last weeks of so many nights, and a ramp all along."""
    oldest = max(_BEFORE, nights - _RECENT)
    return (
        *((Kind.STEP, at) for at in range(oldest, nights - _SHORTEST + 1)),
        (Kind.RAMP, 0),
        *((Kind.RAMP, at) for at in range(oldest, nights - _SHORTEST_RAMP + 1)),
        *((Kind.ODD, at) for at in range(oldest, nights - 1)),  # tonight may be the first of many
    )


def _columns(changes: Sequence[_Candidate], nights: npt.NDArray[np.intp]) -> Floats:
    """Return what one unit of each change adds to the level of every night, shape (nights, changes)."""
    since = nights[:, None] - np.array([at for _, at in changes]) + 1.0
    ramps, odd = (np.array([kind is one for kind, _ in changes]) for one in (Kind.RAMP, Kind.ODD))
    columns: Floats = np.where(ramps, np.maximum(since, 0.0), np.where(odd, since == 1.0, since > 0.0))
    return columns


def _seen_from(found: Sequence[Shift], start: int) -> tuple[_Candidate, ...]:
    """Return the changes that can be seen in the nights from ``start`` on, counted from there."""
    return tuple(
        (shift.kind, shift.at - start)
        for shift in found
        if shift.kind is Kind.RAMP or shift.at > start or (shift.kind is Kind.ODD and shift.at == start)
    )


def _base(before: Sequence[_Candidate], nights: npt.NDArray[np.intp]) -> Floats:
    return np.column_stack([np.ones(nights.size), _columns(before, nights)]) if before else np.ones((nights.size, 1))


def _rhythms(weekdays: npt.NDArray[np.intp]) -> Floats:
    """Return a column for each of ``_RHYTHMS``, shape (nights, rhythms)."""
    first, length = np.array(_RHYTHMS).T
    return np.asarray((weekdays[:, None] - first) % _WEEK < length, dtype=float)


def _days(nights: int, weekdays: Sequence[int] | None) -> npt.NDArray[np.intp]:
    return np.arange(nights) % _WEEK if weekdays is None else np.asarray(weekdays)
