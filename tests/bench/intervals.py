"""How fast the statistics are: 500 queries x 10 repeats x 2 arms x 15 metrics, beside scipy.stats.bootstrap on the same data.

``python tests/bench/intervals.py`` prints one line a measurement; ``--quick`` is a tenth of the queries. scipy is asked for the
intervals that we make: it resamples the numbers of queries, vectorised, and its statistic takes every drawn query's repeats
along: the mean (9,999 resamples; BCa, as it has no bootstrap-t) and p50, p90, p95 and p99 at once (2,000 resamples, BCa); in
its default of one batch, and in batches of 100, where it was fastest here. One core: the BLAS is told so before numpy loads.
"""

import argparse
import os
import resource
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import polars as pl
from scipy.stats import bootstrap

from uderia_bench.analysis import analyse
from uderia_bench.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.stats.bootstrap import MEAN_DRAWS, QUANTILE_DRAWS, resample_counts
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.percentile import PERCENTS, percentiles

METRICS, REPEATS, ARMS = 15, 10, ("IDEAT", "OPTIM")
BATCHES = (None, 100)  # resamples that scipy holds at a time
LIMITS = {"intervals": 1.0, "everything": 3.0, "memory": 250.0, "times scipy": 20.0}  # issue 5, Done when


def trials(queries):
    """Draw log-normal trials with statistics.md's spreads, every metric by itself."""
    rng = np.random.default_rng(1)
    shape = (queries, len(ARMS), REPEATS)
    columns = {
        f"m{number:02}": np.exp(
            rng.normal(0, 0.8, (queries, 1, 1)) + rng.normal(0, 0.1, (*shape[:2], 1)) + rng.normal(0, 0.3, shape)
        ).ravel()
        for number in range(METRICS)
    }
    query, arm, repeat = (axis.ravel() for axis in np.indices(shape))
    identity = {
        "query_id": [f"q{code:03}" for code in query],
        "arm": [ARMS[code] for code in arm],
        "repeat": repeat + 1,
        "outcome": ["answered"] * query.size,
        "complexity": ["simple" if code % 2 else "complex" for code in query],
    }
    return pl.DataFrame(identity | columns)


def definitions():
    """Define the metrics as times."""
    return tuple(
        Metric(
            name=f"m{number:02}",
            family="time",
            doc="for the bench",
            unit="s",
            kind=float,
            direction=Direction.LOWER,
            assumption=Assumption.POSITIVE,
            read=lambda _: None,
            across=Across.TESTED,
        )
        for number in range(METRICS)
    )


def ours(values, units):
    """Make every interval of every metric and arm."""
    for column in values:
        cluster_mean(column, units, bounded=False, level=0.95, seed=7)
        percentiles(column, units, level=0.95, seed=7)


def scipys(values, queries, batch):
    """Make the same for one metric and arm with scipy."""
    by_query = values.reshape(queries, -1)

    def whole(drawn):
        """Return the observations of the queries drawn, side by side."""
        return by_query[drawn.astype(np.intp)].reshape(*drawn.shape[:-1], -1)

    numbers = (np.arange(queries),)
    options = {"vectorized": True, "batch": batch, "method": "BCa", "rng": 1}
    bootstrap(numbers, lambda drawn, axis: whole(drawn).mean(axis=axis), n_resamples=MEAN_DRAWS, **options)
    bootstrap(
        numbers, lambda drawn, axis: np.percentile(whole(drawn), PERCENTS, axis=axis), n_resamples=QUANTILE_DRAWS, **options
    )


def timed(call):
    """Return how many seconds a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    """Measure and print, a line each, with what is asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    queries = 50 if options.parse_args().quick else 500
    frame = trials(queries)
    units = np.repeat(np.arange(queries), REPEATS)
    values = [frame.filter(pl.col("arm") == arm)[f"m{number:02}"].to_numpy() for number in range(METRICS) for arm in ARMS]
    ours(values[:1], units)  # scipy is imported, caches are filled and thrown away
    resample_counts.cache_clear()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    intervals = timed(lambda: ours(values, units))
    everything = timed(
        lambda: analyse(frame, metrics=definitions(), contrasts=(ARMS,), margins={"m00": 0.1, "m01": 0.1, "m02": 0.1}, seed=7)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    theirs = [timed(lambda batch=batch: scipys(values[0], queries, batch)) * len(values) for batch in BATCHES]
    found = {
        "intervals": (intervals, "s, every mean and percentile of every metric and arm"),
        "everything": (everything, "s, with permutations, Wilcoxon, Hodges-Lehmann, strata"),
        "memory": (peak - base, f"MB above {base:.0f} before"),
        "times scipy": (theirs[0] / intervals, f"scipy {theirs[0]:.1f} s in one batch, from one of {len(values)} columns"),
    }
    for name, (number, words) in found.items():
        print(f"{name:12} {number:8.2f} (asked: {LIMITS[name]:g}) {words}")
    print(f"{'':12} {theirs[1] / intervals:8.2f} scipy {theirs[1]:.1f} s in batches of {BATCHES[1]}")


if __name__ == "__main__":
    main()
