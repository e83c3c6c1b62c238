"""The p-value and the size of a change in a series of nights, by generalised least squares.

A model has a lag-1 correlation of neighbouring nights and at most one weekly rhythm. Every model is
fitted with every candidate column, one at a time. The p-value of a candidate is the average over the
models, weighted by how well each explains the nights. A rhythm that cannot be told from the candidate
has p = 1 and explains the nights as well, so a change does not count if a weekly rhythm explains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uderia_bench.stats.arrays import Floats

CORRELATIONS = (0.0, 0.25, 0.5, 0.75)  # between neighbouring nights
RHYTHM = 0.9  # prior probability of a weekly rhythm: times and loads of most providers have one
_INDISTINCT = 1e-6  # a column that keeps no more than this share beside the others cannot be told from them
_EXACT = 1e-12  # share of the variation that counts as none
_FREEDOM = 2  # degrees of freedom of the noise, at least


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """One number a candidate: its p-value, its log evidence (up to a constant) and its size, averaged over the models."""

    p: Floats
    evidence: Floats
    size: Floats


def fit(levels: Floats, errors: Floats, *, candidates: Floats, base: Floats, rhythms: Floats) -> Fitted | None:
    """Fit each column of ``candidates`` beside ``base`` and at most one column of ``rhythms``; None where nights are too few.

    All of them have a row a night. ``errors`` are the levels' standard errors within the nights, the
    least that the noise can be.
    """
    from scipy.special import stdtr  # noqa: PLC0415 - scipy costs start-up time

    rhythms = np.column_stack([np.zeros(levels.size), rhythms])  # the first stands for no rhythm
    freedom = levels.size - base.shape[1] - 1.0 - np.any(rhythms, axis=0)[:, None]
    if freedom.min() < _FREEDOM:
        return None
    models = [_fits(levels, errors, candidates, base, rhythms, correlation) for correlation in CORRELATIONS]
    size, information, left, within, prior = (np.array(part) for part in zip(*models, strict=True))
    told = information > 0
    known = np.where(told, information, np.inf)
    error = np.sqrt(np.maximum(left / freedom / known, within / known**2))
    p = np.where(told, 2 * stdtr(freedom, -np.abs(size) / np.where(told, error, 1.0)), 1.0)
    height = np.abs(candidates).max(axis=0)
    odds = np.full(rhythms.shape[1], RHYTHM / max(rhythms.shape[1] - 1, 1))
    odds[0] = 1 - RHYTHM
    evidence = prior - np.log(np.where(height > 0, height, 1.0)) - 0.5 * freedom * np.log(left) + np.log(odds)[:, None]
    p, size, evidence = (part.reshape(-1, candidates.shape[1]) for part in (p, size, evidence))
    return Fitted(p=_average(p, evidence), evidence=np.logaddexp.reduce(evidence, axis=0), size=_average(size, evidence))


def _fits(
    levels: Floats, errors: Floats, candidates: Floats, base: Floats, rhythms: Floats, correlation: float
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Fit every rhythm with every candidate, shape (rhythms, candidates), at one correlation.

    Returns five arrays:

    - the size of the candidate,
    - its information: 1 / variance of the size in units of the noise, 0 where rhythm and candidate
      cannot be told apart,
    - the sum of squares that is left over,
    - the variance of size x information by the nights' own errors,
    - the part of the evidence that depends on the design alone.

    All pairs cost one matrix product, because what base, rhythm and candidate explain one after the
    other follows from sums of products (Frisch-Waugh-Lovell).
    """
    nights, number = candidates.shape
    whiten, scale = _whitening(nights, correlation)
    q, r = np.linalg.qr(whiten @ base)
    whole = whiten @ np.column_stack([candidates, rhythms, levels])
    rest = whole - q @ (q.T @ whole)
    own = errors[:, None] * (whiten.T @ rest)
    products, noise = rest.T @ rest, own.T @ own
    change, week = slice(number), slice(number, -1)
    squares, least = np.diag(products), _INDISTINCT * (whole**2).sum(axis=0)
    weekly = np.where(squares[week] > least[week], squares[week], np.inf)[:, None]
    share = products[week, change] / weekly  # of the rhythm in the candidate
    information = squares[change] - share * products[week, change]
    information = np.where(information > least[change], information, 0.0)
    product = products[change, -1] - share * products[week, -1:]
    size = product / np.where(information > 0, information, np.inf)
    left = products[-1, -1] - products[week, -1:] ** 2 / weekly - product * size
    within = np.diag(noise)[change] - 2 * share * noise[week, change] + share**2 * np.diag(noise)[week, None]
    prior = -(nights - 1) * np.log(scale) - np.log(np.abs(np.diag(r))).sum()
    prior = prior - 0.5 * (
        np.log(np.where(np.isfinite(weekly), weekly, 1.0)) + np.log(np.where(information > 0, information, 1.0))
    )
    return size, information, np.maximum(left, _EXACT * products[-1, -1] + _EXACT**2), np.maximum(within, 0.0), prior


def _whitening(nights: int, correlation: float) -> tuple[Floats, float]:
    """Return the matrix that makes nights of a lag-1 correlation independent, and the scale of their innovations."""
    scale = (1 - correlation**2) ** 0.5
    matrix = (np.eye(nights) - correlation * np.eye(nights, k=-1)) / scale
    matrix[0, 0] = 1.0
    return matrix, scale


def _average(values: Floats, evidence: Floats) -> Floats:
    """Average over the models (first axis), weighted by their evidence."""
    weights = np.exp(evidence - evidence.max(axis=0))
    return np.asarray((weights * values).sum(axis=0) / weights.sum(axis=0))
