"""Trials that are not ideal, planned by the product and judged by the product: what share of runs is wrong.

Each condition is a function from a random generator to what one run came to. The plan is the
runner's, so turns and time windows are those of a real run; the judgement is ``analysis.compare``.
Time is the place of a trial in the plan: as if each trial took as long as any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from calibration import looks
from calibration.designs import BETWEEN, INTERACTION, WITHIN
from experiments import built, queries
from scipy.signal import lfilter

from uderia_bench.analysis.notebook import compare
from uderia_bench.runner import plan
from uderia_bench.trial import Stage

MARGIN = 0.10
POINTS = 0.05  # the margin of a rate
LOG_MARGIN = float(np.log1p(MARGIN))
TIME_CONSTANT = 1 / 16  # of the run
DRIFT_WORDS = ("time windows", "drifts on", "correlated")
LATENCY, ANSWERED = "latency_s", "answered"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planned:
    """The trials of a plan as a frame without values, and for each its query and repeat, arm and place."""

    frame: pl.DataFrame
    query: np.ndarray
    repeat: np.ndarray
    candidate: np.ndarray
    place: np.ndarray
    shape: tuple[int, int]

    def values(self, first, second):
        """Return both sides ``(queries, repeats)`` in the order of the plan."""
        return np.where(self.candidate, second[self.query, self.repeat], first[self.query, self.repeat])


@lru_cache(maxsize=64)
def planned(asked, repeats, concurrency, seed):
    """Plan an A/A run of two arms on one server."""
    experiment = built(queries(asked), repeats=repeats, warmup=0, seed=seed, load={"concurrency": concurrency})
    trials = [trial for trial in plan.build(experiment, experiment.queries) if trial.stage is Stage.MEASURED]
    frame = pl.DataFrame(
        {
            "query_id": [trial.query_id for trial in trials],
            "arm": [trial.arm for trial in trials],
            "repeat": [trial.repeat for trial in trials],
            "window": [trial.window for trial in trials],
            "seq": [trial.seq for trial in trials],
            "outcome": ["answered"] * len(trials),
        }
    )
    return Planned(
        frame=frame,
        query=np.array([int(trial.query_id[1:]) for trial in trials]),
        repeat=np.array([trial.repeat - 1 for trial in trials]),
        candidate=np.array([trial.arm == "B" for trial in trials]),
        place=np.arange(len(trials)),
        shape=(asked, repeats),
    )


def a_plan(rng, asked, repeats, *, concurrency=8):
    """Draw one of eight plans: another seed, another order."""
    return planned(asked, repeats, concurrency, int(rng.integers(8)))


def log_sides(rng, shape, *, effect=0.0, own=None, within=WITHIN):
    """Draw the logs of both sides; ``own`` is each query's difference between the arms."""
    level = rng.normal(0, BETWEEN, (shape[0], 1))
    own = rng.normal(0, INTERACTION, (shape[0], 1)) if own is None else own
    return level + rng.normal(0, within, shape), level + own + effect + rng.normal(0, within, shape)


def drift(rng, trials, spread):
    """Draw the provider's mood at each trial: AR(1) with a time constant of a sixteenth of the run."""
    rho = np.exp(-1 / (TIME_CONSTANT * trials))
    steps = rng.normal(0, 1, trials)
    steps[0] /= np.sqrt(1 - rho**2)
    return spread * np.sqrt(1 - rho**2) * lfilter([1], [1, -rho], steps)


def judged(frame, metrics=(LATENCY,), *, margins=None, seed=0):
    """Compare the arms with the usual margins."""
    limits = {name: POINTS if name == ANSWERED else MARGIN for name in metrics} if margins is None else margins
    return compare(frame, baseline="A", candidate="B", metrics=metrics, margins=limits, seed=seed)


def _latency(run, logs, **columns):
    return run.frame.with_columns(pl.Series(LATENCY, 8 * np.exp(logs)), **columns)


def _seen(found, truth=0.0):
    """Return what a comparison came to, for a ratio whose log is ``truth``."""
    low, high = found.effect.lo, found.effect.hi
    return {
        "rejects": found.p < 0.05,
        "covers": low is not None and low <= np.exp(truth) <= high,
        "equivalent": found.verdict == "equivalent",
        "better": found.verdict == "better",
        "warns": any(word in note for note in found.warnings for word in (*DRIFT_WORDS, "one repeat")),
        "names": any(word in note for note in found.warnings for word in DRIFT_WORDS),
        "disagrees": found.verdict in {"better", "worse"} and low is not None and low <= 1 <= high,
        "decided": found.verdict in {"better", "worse"},
    }


def drifting(asked, repeats, spread, *, effect=0.0, concurrency=8):
    """Return a condition: the provider drifts, and the arms differ by ``effect``."""

    def run(rng):
        run = a_plan(rng, asked, repeats, concurrency=concurrency)
        logs = run.values(*log_sides(rng, run.shape, effect=effect))
        if spread:
            logs = logs + drift(rng, logs.size, spread)[run.place]
        return _seen(judged(_latency(run, logs), seed=int(rng.integers(2**31)))[0], effect)

    return run


def price_of_windows(asked, repeats):
    """Return a condition: no drift and a power of .8; what the test over queries finds may be lost to time windows."""
    effect = 2.8 * float(np.sqrt((INTERACTION**2 + 2 * WITHIN**2 / repeats) / asked))

    def run(rng):
        run = a_plan(rng, asked, repeats)
        frame = _latency(run, run.values(*log_sides(rng, run.shape, effect=effect)))
        ours, queries_only = (judged(one, seed=1)[0].p < 0.05 for one in (frame, frame.drop("window")))
        return {"lost": queries_only and not ours, "found": queries_only}

    return run


def outage(asked, repeats, length, *, effect=0.0, chance=0.97):
    """Return a condition: success with one outage of ``length`` trials in a row; ``effect`` in points."""

    def run(rng):
        run = a_plan(rng, asked, repeats)
        hard = rng.beta(chance * 20, (1 - chance) * 20, run.shape[0])[:, None] * np.ones(run.shape)
        right = rng.random(run.query.size) < run.values(hard, np.clip(hard + effect, 0, 1))
        if length:
            start = rng.integers(run.query.size - length)
            right[start : start + length] = False
        frame = run.frame.with_columns(outcome=pl.Series(np.where(right, "answered", "failed")))
        (found,) = judged(frame, (ANSWERED,), seed=int(rng.integers(2**31)))
        return {"rejects": found.p < 0.05, "equivalent": found.verdict == "equivalent"}

    return run


def templates(groups, size, *, effect=0.0, repeats=5):
    """Return a condition: queries made from templates, which the arms differ on as a whole."""

    def run(rng):
        run = a_plan(rng, groups * size, repeats)
        level, own = (np.repeat(rng.normal(0, sd, groups), size)[:, None] for sd in (BETWEEN, INTERACTION))
        first = level + rng.normal(0, WITHIN, run.shape)
        second = level + own + effect + rng.normal(0, WITHIN, run.shape)
        group = pl.Series("group", [f"t{query // size}" for query in run.query])
        frame = _latency(run, run.values(first, second)).with_columns(group)
        return _seen(judged(frame, seed=int(rng.integers(2**31)))[0], effect)

    return run


def hanging(share, *, rest, asked=100, repeats=5):
    """Return a condition: a share of the candidate's trials takes five times as long, the others ``rest`` times."""

    def run(rng):
        run = a_plan(rng, asked, repeats)
        first, second = log_sides(rng, run.shape, own=rng.normal(0, INTERACTION, (asked, 1)))
        second = second + np.log(rest) + np.where(rng.random(run.shape) < share, np.log(5), 0)
        return _seen(judged(_latency(run, run.values(first, second)), seed=int(rng.integers(2**31)))[0])

    return run


def timing_out(share, *, rest, asked=100, repeats=5):
    """Return a condition: a share of the candidate's trials times out, the others take ``rest`` times as long."""

    def run(rng):
        run = a_plan(rng, asked, repeats)
        first, second = log_sides(rng, run.shape, own=rng.normal(0, INTERACTION / 3, (asked, 1)))
        logs = run.values(first, second + np.log(rest))
        late = run.candidate & (rng.random(logs.size) < share)
        frame = _latency(run, np.where(late, np.nan, logs)).with_columns(
            pl.col(LATENCY).fill_nan(None), outcome=pl.Series(np.where(late, "timed_out", "answered"))
        )
        found = judged(frame, margins={LATENCY: 0.05}, seed=int(rng.integers(2**31)))[0]
        return _seen(found) | {"noted": any("timed-out" in note for note in found.warnings)}

    return run


def few(asked, *, effect=0.4, repeats=3):
    """Return a condition: few queries and a large difference, so that most runs are decided."""

    def run(rng):
        run = a_plan(rng, asked, repeats)
        logs = run.values(*log_sides(rng, run.shape, effect=effect, own=rng.exponential(0.3, (asked, 1)) - 0.3))
        return _seen(judged(_latency(run, logs), seed=int(rng.integers(2**31)))[0], effect)

    return run


def three_at_the_margin(asked=100, repeats=5):
    """Return a condition: three independent metrics differ by just their margin; any called equivalent is wrong."""
    names = (LATENCY, "total_tokens", "cost_usd")

    def run(rng):
        run = a_plan(rng, asked, repeats)
        drawn = [run.values(*log_sides(rng, run.shape, effect=LOG_MARGIN)) for _ in names]
        frame = run.frame.with_columns(pl.Series(name, np.exp(logs)) for name, logs in zip(names, drawn, strict=True))
        found = judged(frame, names, seed=int(rng.integers(2**31)))
        return {"equivalent": any(one.verdict == "equivalent" for one in found)}

    return run


@lru_cache(maxsize=64)
def _with_looks(number, seed):
    """Plan a run of one of ``looks.IN_FLIGHT``."""
    experiment = looks.experiment_of(looks.IN_FLIGHT[number], seed)
    return plan.build(experiment, experiment.queries), looks.declared_of(experiment)


def looking(number):
    """Return a condition: no difference, and interim looks while slow answers are in flight."""

    def run(rng):
        trials, declared = _with_looks(number, int(rng.integers(8)))
        setting = looks.IN_FLIGHT[number]
        found = looks.run(setting, trials, declared, looks.durations(setting, trials, 1.0, rng))
        stops = found.stopped and (setting.stop is looks.OLD or found.comparison.verdict != "equivalent")
        return {"wrong": stops or found.comparison.p < 0.05}

    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One row of the table: what is drawn, which share is counted, and the most (or the least) that is asked."""

    name: str
    draw: Callable
    counts: str
    asked: tuple[float, float]
    of: str | None = None
    runs: int = 1_000


def _at_most(most):
    return (0.0, most)


CONDITIONS = (
    *(
        Condition(
            name=f"looks, {setting.name}, {setting.median_s:g} s: A/A stops for a difference or rejects",
            draw=looking(number),
            counts="wrong",
            asked=_at_most(0.06),
        )
        for number, setting in enumerate(looks.IN_FLIGHT)
    ),
    *(
        Condition(name=f"no drift, {q} x {r}: A/A rejects", draw=drifting(q, r, 0), counts="rejects", asked=(0.04, 0.06))
        for q, r in ((31, 3), (100, 5), (310, 2), (100, 1))
    ),
    *(
        Condition(
            name=f"no drift, {q} x {r}, of what queries alone find: lost to time windows",
            draw=price_of_windows(q, r),
            counts="lost",
            of="found",
            asked=_at_most(0.05),
        )
        for q, r in ((31, 3), (100, 5), (310, 2), (100, 1))
    ),
    Condition(
        name="no drift, 100 x 5: covers",
        draw=drifting(100, 5, 0, effect=LOG_MARGIN),
        counts="covers",
        asked=(0.94, 0.96),
    ),
    Condition(
        name="no drift, 100 x 5: finds -10 %",
        draw=drifting(100, 5, 0, effect=float(np.log(0.9))),
        counts="rejects",
        asked=(0.95, 1.0),
    ),
    *(
        Condition(
            name=f"drift of sd {sd:.2f}, {q} x {r}: A/A rejects",
            draw=drifting(q, r, sd),
            counts="rejects",
            asked=_at_most({0.10: 0.07, 0.15: 0.10}.get(sd, 1.0)),
            runs=2_000 if sd == 0.10 else 1_000,  # close to what is asked
        )
        for sd in (0.10, 0.15, 0.30)
        for q, r in ((31, 3), (100, 5), (310, 2))
    ),
    *(
        Condition(name=f"drift of sd 0.30, {q} x {r}: warns", draw=drifting(q, r, 0.3), counts="warns", asked=(0.95, 1.0))
        for q, r in ((31, 3), (100, 5), (310, 2), (100, 1), (310, 1))
    ),
    *(
        Condition(
            name=f"drift of sd 0.30, {q} x 1: says that the provider drifted",
            draw=drifting(q, 1, 0.3),
            counts="names",
            asked=asked,
        )
        for q, asked in ((100, (0.0, 1.0)), (310, (0.95, 1.0)))
    ),
    Condition(
        name="outage of 30 trials, 100 x 5: A/A rejects", draw=outage(100, 5, 30), counts="rejects", asked=_at_most(0.07)
    ),
    Condition(
        name="outage of 30 trials, 100 x 5: wrongly equivalent",
        draw=outage(100, 5, 30, effect=-POINTS),
        counts="equivalent",
        asked=_at_most(0.06),
    ),
    *(
        Condition(
            name=f"{groups} templates x {size}: {what}",
            draw=templates(groups, size, effect=effect),
            counts=counts,
            asked=_at_most(most),
        )
        for groups, size in ((20, 5), (10, 10))
        for what, counts, effect, most in (
            ("A/A rejects", "rejects", 0.0, 0.065),
            ("wrongly equivalent", "equivalent", LOG_MARGIN, 0.06),
        )
    ),
    Condition(
        name="6 % hang, the rest 7 % faster: equivalent",
        draw=hanging(0.06, rest=0.93),
        counts="equivalent",
        asked=_at_most(0.02),
    ),
    Condition(name="no tail: equivalent", draw=hanging(0.0, rest=1.0), counts="equivalent", asked=(0.9, 1.0)),
    *(
        Condition(
            name=f"{share:.0%} time out, the rest 15 % faster: better",
            draw=timing_out(share, rest=0.85),
            counts="better",
            asked=_at_most(0.0),
        )
        for share in (0.08, 0.04)
    ),
    *(
        Condition(
            name=f"{q} queries, of the decided: interval holds no change",
            draw=few(q),
            counts="disagrees",
            of="decided",
            asked=_at_most(0.0),
        )
        for q in (6, 8, 20)
    ),
    Condition(
        name="three metrics at their margin: any equivalent",
        draw=three_at_the_margin(),
        counts="equivalent",
        asked=_at_most(0.06),
    ),
)


def measure(condition, rng, *, replications):
    """Return the share of runs that a condition counts, with its Monte-Carlo error and how many runs it is of."""
    seen = [condition.draw(rng) for _ in range(replications)]
    counted = [one[condition.counts] for one in seen if condition.of is None or one[condition.of]]
    share = float(np.mean(counted)) if counted else None
    error = None if share is None else float(np.sqrt(share * (1 - share) / len(counted)))
    return {"share": share, "error": error, "of": len(counted)}
