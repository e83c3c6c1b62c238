"""Models of who is preferred: strengths of several arms (Bradley and Terry), and a preference at equal length.

Both are logistic. Their errors are clustered by query: repeats and pairs of one query are not
independent. Sources: Bradley and Terry, *Biometrika* 39 (1952). Hunter, *Ann. Statist.* 32 (2004), for
when the estimate exists. Liang and Zeger, *Biometrika* 73 (1986), for clustered errors. Dubois et
al., arXiv:2404.04475 (2024), for the control of length.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from uderia_bench.stats.arrays import ROUNDING, Codes, Floats
from uderia_bench.stats.bootstrap import UNITS_FLOOR
from uderia_bench.stats.estimate import Estimate

_STEPS = 100
_CLOSE = 1e-12  # largest step of a fit that has ended


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strengths:
    """Log-strengths of arms, in their order, with mean 0. ``because`` says why there are none."""

    estimates: tuple[Estimate, ...] = ()
    because: str = ""


def strengths(first: Codes, second: Codes, preference: Floats, clusters: Codes, *, arms: int, level: float) -> Strengths:
    """Fit strengths to preferences for ``second`` (1) over ``first`` (0), ties counting half.

    An arm of strength s is preferred to one of strength t with probability 1 / (1 + exp(t - s)).
    """
    if because := _no_estimate(first, second, preference, arms):
        return Strengths(because=because)
    design = np.zeros((first.size, arms))
    rows = np.arange(first.size)
    design[rows, second] += 1
    design[rows, first] -= 1
    reduced = design[:, 1:]  # the first arm's strength is 0 until the mean is taken out
    found = _fit(reduced, preference)
    centre = np.vstack([np.zeros(arms - 1), np.eye(arms - 1)]) - np.full((arms, arms - 1), 1 / arms)
    errors = np.sqrt(np.diag(centre @ _clustered(reduced, preference, found, clusters) @ centre.T))
    return Strengths(estimates=tuple(_estimates(centre @ found, errors, clusters, level)))


def at_equal_length(preference: Floats, longer: Floats, clusters: Codes, *, level: float) -> Estimate | None:
    """Return the share of preferences for the candidate between answers of equal length.

    ``longer`` is the log of the candidate's length over the baseline's. None where lengths or
    preferences do not vary enough for an estimate.
    """
    design = np.column_stack([np.ones(longer.size), longer])
    if longer.size < 3 or np.ptp(longer) == 0 or np.ptp(preference) == 0 or _separated(preference, longer):
        return None
    found = _fit(design, preference)
    if not np.isfinite(found).all():
        return None
    errors = np.sqrt(np.diag(_clustered(design, preference, found, clusters)))
    (intercept, _) = _estimates(found, errors, clusters, level)
    return intercept.mapped(lambda value: float(1 / (1 + np.exp(-value))))


def _no_estimate(first: Codes, second: Codes, preference: Floats, arms: int) -> str:
    """Return why no finite strengths fit: every arm must win, and lose, some comparison by way of the others."""
    won = np.zeros((arms, arms), dtype=bool)
    np.logical_or.at(won, (second, first), preference > 0)
    np.logical_or.at(won, (first, second), preference < 1)
    reach = won | np.eye(arms, dtype=bool)
    for _ in range(arms):
        reach = reach | (reach.astype(int) @ reach.astype(int) > 0)
    return "" if reach.all() else "an arm has won or lost every comparison, so its strength has no limit"


def _separated(preference: Floats, longer: Floats) -> bool:
    """Whether length alone orders the preferences, so that no finite slope fits."""
    for sign in (1, -1):
        for_candidate, for_baseline = sign * longer[preference > 0], sign * longer[preference < 1]
        if not for_candidate.size or not for_baseline.size or for_candidate.min() >= for_baseline.max():
            return True
    return False


def _fit(design: Floats, preference: Floats) -> Floats:
    """Return the coefficients that maximise the likelihood, by Newton's method with halved steps."""
    found = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        share = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (preference - share)
        information = design.T @ (design * (share * (1 - share))[:, None])
        step = np.linalg.solve(information, gradient)
        before = _log_likelihood(design, preference, found)
        while _log_likelihood(design, preference, found + step) < before - _CLOSE and np.abs(step).max() > _CLOSE:
            step = step / 2
        found = found + step
        if np.abs(step).max() < _CLOSE:
            break
    return found


def _log_likelihood(design: Floats, preference: Floats, coefficients: Floats) -> float:
    linear = design @ coefficients
    return float((preference * linear - np.logaddexp(0, linear)).sum())


def _clustered(design: Floats, preference: Floats, coefficients: Floats, clusters: Codes) -> Floats:
    """Return the covariance of the coefficients, clustered, with the correction for few clusters."""
    share = 1 / (1 + np.exp(-design @ coefficients))
    bread = np.linalg.inv(design.T @ (design * (share * (1 - share))[:, None]))
    names, cluster = np.unique(clusters, return_inverse=True)
    scores = np.zeros((names.size, design.shape[1]))
    np.add.at(scores, cluster, design * (preference - share)[:, None])
    many = names.size / max(names.size - 1, 1)
    covariance: Floats = bread @ (scores.T @ scores * many) @ bread
    return covariance


def _estimates(values: Floats, errors: Floats, clusters: Codes, level: float) -> Iterable[Estimate]:
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy costs start-up time

    count = int(np.unique(clusters).size)
    reach = float(stdtrit(count - 1, (1 + level) / 2)) if count >= UNITS_FLOOR else None
    for value, error in zip(values.tolist(), errors.tolist(), strict=True):
        half = None if reach is None or error <= ROUNDING else reach * error  # all ties have no spread
        yield Estimate(
            value=value,
            lo=None if half is None else value - half,
            hi=None if half is None else value + half,
            level=level,
            n=count,
            method="clustered t",
        )
