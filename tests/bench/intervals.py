"""Speed of the statistics: 500 queries x 10 repeats x 2 arms x 15 metrics, compared with scipy.stats.bootstrap.

``python -m bench.intervals`` prints one line per measurement. ``--quick`` uses a tenth of the queries. scipy computes
the same intervals on the same data: it resamples the numbers of the queries, vectorised, and its statistic takes all
repeats of a drawn query. It does so for the mean (9,999 resamples; BCa, as it has no bootstrap-t) and for p50, p90,
p95 and p99 at once (2,000 resamples, BCa). The number of resamples that it keeps in memory (``batch``) changes its
speed threefold, so all of ``BATCHES`` are tried and the best one counts. All of it uses one core: OPENBLAS_NUM_THREADS
is set before numpy loads.
"""

import argparse
import os
import resource
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import polars as pl
from bench import figures
from bench.figures import Figure
from scipy.stats import bootstrap

from uderia_bench.analysis.analyse import analyse
from uderia_bench.reading.metrics.metric import Across, Assumption, Direction, Metric
from uderia_bench.stats.bootstrap import MEAN_DRAWS, QUANTILE_DRAWS, resample_counts
from uderia_bench.stats.mean import cluster_mean
from uderia_bench.stats.percentile import PERCENTS, percentiles

METRICS, REPEATS, ARMS = 15, 10, ("IDEAT", "OPTIM")
BATCHES = (None, 10, 25, 50, 100, 200, 400, 1_000)  # resamples that scipy holds at a time; None is its default, all of them
ROUNDS = 5  # the quickest of this many rounds counts, so other work on the machine has less influence


def trials(queries):
    """Draw log-normal trials with the spreads of docs/explanation/statistics.md, every metric by itself."""
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


def scipys(values, queries):
    """Return the two calls that make the same for one metric and arm with scipy, each taking its batch."""
    by_query = values.reshape(queries, -1)

    def whole(drawn):
        """Return the observations of the queries drawn, side by side."""
        return by_query[drawn.astype(np.intp)].reshape(*drawn.shape[:-1], -1)

    def mean(drawn, axis):
        """Return the mean of every resample."""
        return whole(drawn).mean(axis=axis)

    def ranks(drawn, axis):
        """Return the percentiles of every resample, in one sort."""
        return np.percentile(whole(drawn), PERCENTS, axis=axis)

    numbers, options = (np.arange(queries),), {"vectorized": True, "method": "BCa", "rng": 1}
    return {
        "mean": lambda batch: bootstrap(numbers, mean, n_resamples=MEAN_DRAWS, batch=batch, **options),
        "percentiles": lambda batch: bootstrap(numbers, ranks, n_resamples=QUANTILE_DRAWS, batch=batch, **options),
    }


def quickest(calls, rounds):
    """Return how many seconds the quickest of ``rounds`` takes of each call by its name, the calls taking turns."""
    took = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            took[name].append(timed(call))
    return {name: min(seconds) for name, seconds in took.items()}


def timed(call):
    """Return how many seconds of processor a call takes: those of the clock where nothing else runs, and fair where it does."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main():
    """Measure, and tell beside what is aimed at."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    queries = 50 if options.parse_args().quick else 500
    frame = trials(queries)
    units = np.repeat(np.arange(queries), REPEATS)
    values = [frame.filter(pl.col("arm") == arm)[f"m{number:02}"].to_numpy() for number in range(METRICS) for arm in ARMS]
    ours(values[:1], units)  # scipy is imported, caches are filled and thrown away
    resample_counts.cache_clear()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    everything = timed(
        lambda: analyse(frame, metrics=definitions(), contrasts=(ARMS,), margins={"m00": 0.1, "m01": 0.1, "m02": 0.1}, seed=7)
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    def fresh():
        """Compute our intervals with new draws. An analysis draws once."""
        resample_counts.cache_clear()
        ours(values, units)

    theirs = scipys(values[0], queries)
    took = quickest(
        {"ours": fresh}
        | {(name, batch): lambda call=call, batch=batch: call(batch) for name, call in theirs.items() for batch in BATCHES},
        ROUNDS,
    )
    best = {name: min(BATCHES, key=lambda batch: took[name, batch]) for name in theirs}
    scipy_s = len(values) * sum(took[name, batch] for name, batch in best.items())
    by_default = len(values) * sum(took[name, None] for name in theirs)
    size = f"{queries} queries x {REPEATS} repeats x {len(ARMS)} arms x {METRICS} metrics, one core"
    draws = f"{MEAN_DRAWS:,} resamples for means, {QUANTILE_DRAWS:,} for percentiles"
    settings = ", ".join(f"batch={batch} for the {name}" for name, batch in best.items())
    figures.tell(
        "intervals",
        (
            Figure(
                name="intervals of every mean and percentile",
                value=took["ours"],
                unit="s",
                asked="under 1 s",
                conditions=f"{size}; {draws}",
            ),
            Figure(
                name="the whole analysis",
                value=everything,
                unit="s",
                asked="under 3 s",
                conditions="the same trials, with permutations, Wilcoxon, Hodges-Lehmann and strata",
            ),
            Figure(
                name="its memory",
                value=peak - base,
                unit="MB",
                asked="under 250 MB",
                conditions=f"peak resident size above the {base:.0f} MB before it",
            ),
            Figure(
                name="the intervals by scipy.stats.bootstrap / ours",
                value=scipy_s / took["ours"],
                unit="times",
                asked="at least 20",
                conditions=f"vectorised, BCa, the best of its batches ({settings}): {scipy_s:.1f} s, of one column in "
                f"{len(values)}; quickest of {ROUNDS}, in turns",
            ),
            Figure(
                name="the same with its default batch",
                value=by_default / took["ours"],
                unit="times",
                conditions=f"{by_default:.1f} s",
            ),
        ),
    )


if __name__ == "__main__":
    main()
