"""Frames of trials and metrics for tests of the analysis: everything has a default, nothing hides a number that matters."""

from functools import cache

import numpy as np
import polars as pl

from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric

BASELINE, CANDIDATE = "IDEAT", "OPTIM"


def metric(name, *, assumption=Assumption.POSITIVE, direction=Direction.LOWER, family="time", across=Across.TESTED, **fields):
    """Define a metric; latency-like unless said otherwise."""
    return Metric(
        name=name,
        family=family,
        doc="for tests",
        unit="s",
        kind=float,
        direction=direction,
        assumption=assumption,
        read=lambda _: None,
        across=across,
        **fields,
    )


LATENCY = metric("latency_s")
TOKENS = metric("total_tokens", family="tokens")
COST = metric("cost_usd", family="cost", judged_unless="price_fallback")
ANSWERED = metric("answered", assumption=Assumption.RATE, direction=Direction.HIGHER, family="answer", needs_answer=False)
QUALITY = metric("checks_passed_ratio", assumption=Assumption.RATE, direction=Direction.HIGHER, family="answer")
FASTPATH = metric("fastpath_rate", assumption=Assumption.RATE, direction=Direction.HIGHER, family="planning")


def trial(query, arm, repeat=1, *, outcome="answered", **columns):
    """Make one row of a frame of trials."""
    return {"query_id": query, "arm": arm, "repeat": repeat, "outcome": outcome, **columns}


def grid(*, queries, value, repeats=1, arms=(BASELINE, CANDIDATE), column="latency_s", **columns):
    """Make a full frame; ``value(query, arm, repeat)`` fills ``column``, as callables in ``columns`` fill theirs."""
    return pl.DataFrame(
        [
            trial(
                f"q{query:03}",
                arm,
                repeat,
                **{column: value(query, arm, repeat)},
                **{name: fill(query, arm, repeat) if callable(fill) else fill for name, fill in columns.items()},
            )
            for query in range(queries)
            for arm in arms
            for repeat in range(1, repeats + 1)
        ],
        infer_schema_length=None,
    )


@cache
def _normal(*seeds):
    return np.random.default_rng(seeds).standard_normal()


def noisy(*, ratio=1.0, seed=0, spread=0.8, noise=0.3, interaction=0.15):
    """Make a value function: log-normal latencies with the recipe's variances, the candidate ``ratio`` times as slow.

    ``interaction`` is the standard deviation of a query's own difference between the arms, so each arm has its half.
    """

    def value(query, arm, repeat):
        level = spread * _normal(seed, query, 0)
        cell = interaction / 2**0.5 * _normal(seed, query, arm == CANDIDATE, 1)
        own = noise * _normal(seed, query, arm == CANDIDATE, repeat, 2)
        return float(5 * np.exp(level + cell + own) * (ratio if arm == CANDIDATE else 1.0))

    return value
