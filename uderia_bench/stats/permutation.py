"""The paired sign-flip test: under no difference, every unit's difference could as well have had the other sign.

Exact up to ``EXACT_UNITS`` units, else Monte Carlo with the +1 correction that keeps the p-value valid and never 0
(Phipson & Smyth, *Stat. Appl. Genet. Mol. Biol.* 9(1), 2010). Fisher, *The Design of Experiments* (1935), 21.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from uderia_bench.stats.arrays import ROUNDING, Floats

EXACT_UNITS = 14  # 2^14 sign patterns: where counting them all costs no more than drawing (statistics.md)
DRAWS = 9_999
_CHUNK = 1_024


@lru_cache(maxsize=4)
def _signs(units: int, seed: int, draws: int) -> npt.NDArray[np.int8]:
    """Return sign patterns, ``(patterns, units)`` of ±1: all of them, or drawn. Read-only, shared by metrics."""
    if units <= EXACT_UNITS:
        negative = (np.arange(2**units)[:, None] >> np.arange(units)) & 1 == 1
    else:
        packed = np.random.default_rng([seed, units, draws]).bytes(draws * -(-units // 8))
        bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8).reshape(draws, -1), axis=1)
        negative = bits[:, :units] == 1
    signs = np.where(negative, np.int8(-1), np.int8(1))
    signs.setflags(write=False)
    return signs


def sign_flip_p(differences: Floats, *, seed: int) -> float:
    """Return the two-sided p of the mean difference (shape ``(units,)``, at least 1) against 0."""
    return float(sign_flip_ps(differences[:, None], seed=seed)[0])


def sign_flip_ps(differences: Floats, *, seed: int, draws: int = DRAWS) -> Floats:
    """Return the two-sided p of several mean differences over the same units, a column each: shape ``(units, k)``."""
    signs = _signs(differences.shape[0], seed, draws)
    slack = ROUNDING * np.abs(differences).sum(axis=0)  # an equal sum reached in another order of addition is equal
    observed = np.abs(differences.sum(axis=0)) - slack
    extreme = np.zeros(differences.shape[1])
    for start in range(0, signs.shape[0], _CHUNK):
        flipped = signs[start : start + _CHUNK].astype(np.float64) @ differences
        extreme += np.count_nonzero(np.abs(flipped) >= observed, axis=0)
    drawn = differences.shape[0] > EXACT_UNITS
    p: Floats = (extreme + drawn) / (signs.shape[0] + drawn)
    return p
