"""Nights made by hand: a folder of runs in which one thing happens, or nothing."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from runs import saved

FIRST = datetime(2026, 11, 1, 2, 0, 0, tzinfo=UTC)


def frame(night, *, seed, queries=100, repeats=5, factor=1.0, arm="OPTIM", wander=0.02):
    """Make a night of log-normal latencies: every query its own level, repeats its noise, the server a mood of the night."""
    level = np.random.default_rng([seed, 0]).normal(0, 0.8, queries)
    own = np.random.default_rng([seed, night + 1])
    mood = own.normal(0, wander)
    latency = 5 * factor * np.exp(np.repeat(level, repeats) + own.normal(0, 0.3, queries * repeats) + mood)
    return pl.DataFrame({
        "query_id": [f"q{query:03}" for query in range(queries) for _ in range(repeats)],
        "arm": arm,
        "repeat": [repeat for _ in range(queries) for repeat in range(1, repeats + 1)],
        "outcome": "answered",
        "latency_s": latency,
    })  # fmt: skip


def series_of(nights, *, seed, step_at=None, factor=1.15, **given):
    """Return the trials of all nights with their number; from ``step_at`` (0-based) on ``factor`` times as slow."""
    frames = [
        frame(night, seed=seed, factor=factor if step_at is not None and night >= step_at else 1.0, **given).with_columns(
            pl.lit(night).alias("night")
        )
        for night in range(nights)
    ]
    return pl.concat(frames)


def correlated(nights, *, seed, spread, lag=0.5):
    """Return levels with a standard deviation of ``spread``, each correlated by ``lag`` with the night before."""
    draws = np.random.default_rng(seed).normal(0, spread, nights)
    for night in range(1, nights):
        draws[night] = lag * draws[night - 1] + (1 - lag**2) ** 0.5 * draws[night]
    return draws


def folder(output, nights, *, step_at=None, growth=0.0, slow=None, models=("Beta/one",), then=("Beta/two",), **given):
    """Save nights as runs: a step of 30 % that comes with another model, a growth every night, factors of single nights."""
    for night in range(nights):
        moved = step_at is not None and night >= step_at
        factor = (1.3 if moved else 1.0) * (1 + growth) ** night * (slow or {}).get(night, 1.0)
        made = frame(night, seed=3, queries=40, repeats=2, factor=factor, **given)
        started = (FIRST + timedelta(days=night)).isoformat()
        saved(output, f"night-{night:02}", made, started=started, models=then if moved else models)
