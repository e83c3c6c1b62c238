"""Calibration of ``history`` and of gates against a baseline, on nights made by a model: the second part of ``make calibrate``.

A night's level is a draw with a standard deviation, correlated with the night before. History cells
call ``shifts`` with these levels, as a reading of ``history`` does. Baseline cells draw all trials of
ten nights of history and of a run, and call the functions that ``diff`` calls. The table goes into
``nights.md``, which the docs show.
"""

import argparse
from functools import partial
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from frames import LATENCY

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.values import Verdict
from uderia_bench.commands.history.shifts import Kind, shifts
from uderia_bench.commands.history.variation import between_nights

MARGIN = float(np.log(1.05))  # the least change that is announced
WITHIN = 0.013  # standard error of a level within its night: 100 queries x 5
STEP = float(np.log(1.15))
WEEKEND, RAMP = 0.10, 0.01
QUERIES, REPEATS, HISTORY = 50, 3, 10
BETWEEN, NOISE = 0.8, 0.3  # standard deviations of logs between queries and within
ARM, AGAIN = "baseline", "run"
SEED = 20261129
SOON = (2, 7)  # nights of a step at which it is looked for
ASKED_LAG, ASKED_SPREAD, ASKED_BEFORE = 0.5, 0.02, 14
LAGS = (0.0, 0.5)

QUIET: dict[str, dict[str, Any]] = {
    "correlation .5, 14 nights": {"nights": 14},
    "correlation .5, 30 nights": {"nights": 30},
    "correlation .5, 45 nightly readings": {"nights": 45},
    "no correlation, 45 nightly readings": {"nights": 45, "lag": 0.0},
    "weekends 10 % slower, 14 nights": {"nights": 14, "lag": 0.0, "weekend": WEEKEND},
    "weekends 10 % slower, 30 nights": {"nights": 30, "lag": 0.0, "weekend": WEEKEND},
    "weekends 10 % slower, correlation .5, 30 nights": {"nights": 30, "weekend": WEEKEND},
    "correlation .8, 45 nightly readings": {"nights": 45, "lag": 0.8},
}
STEPS = [(0.02, 0.0, 7), *((spread, lag, before) for spread in (0.02, 0.03, 0.04) for lag in LAGS for before in (14, 28))]
BASELINES: dict[str, dict[str, Any]] = {
    "ten nights of history": {},
    "ten nights of history, correlation .5": {"lag": 0.5},
    "no history": {"history": 1},
}
HEAD = """Shares in per cent, with the Monte-Carlo error (one standard error). Nights have a standard deviation of 4 % unless a
row gives another, and a standard error of 1.3 % within a night. A change is announced from 5 % on.

| nights | counted | share | asked | series |
|---|---|---:|---|---:|
"""


def series(rng, nights, *, spread=0.04, lag=0.5, weekend=0.0, step_at=None, ramp=0.0):
    """Draw the levels of one series."""
    levels = rng.normal(0, spread, nights)
    for night in range(1, nights):
        levels[night] = lag * levels[night - 1] + (1 - lag**2) ** 0.5 * levels[night]
    number = np.arange(nights)
    levels += rng.normal(0, WITHIN, nights) + weekend * np.isin(number % 7, (5, 6)) + ramp * number
    return levels if step_at is None else levels + STEP * (number >= step_at)


def found(levels):
    """Return the changes that ``history`` reports of one series."""
    return shifts(levels, np.full(levels.size, WITHIN), least=MARGIN)


def false_alarms(name, rng, size):
    """Yield the share of series without a change in which a step or a ramp, and in which any change, is announced."""
    given = QUIET[name]
    kinds = [{shift.kind for shift in found(series(rng, **given))} for _ in range(size)]
    asked = "at most 6" if given.get("lag", 0.5) <= ASKED_LAG else ""
    yield name, "a step or ramp is announced", np.mean([bool(seen & {Kind.STEP, Kind.RAMP}) for seen in kinds]), asked, size
    yield name, "any change, odd nights included", np.mean([bool(seen) for seen in kinds]), asked, size


def step_name(spread, lag, before):
    """Name a step by the nights around it."""
    return f"step of 15 %, sd {100 * spread:g} %, correlation {lag:g}, after {before} nights"


def steps(step, rng, size):
    """Yield the share of +15 % steps that are found within two nights of their place, some nights after they began."""
    spread, lag, before = step
    counts = np.zeros(len(SOON))
    for _ in range(size):
        levels = series(rng, before + SOON[-1], spread=spread, lag=lag, step_at=before)
        told = [found(levels[: before + nights]) for nights in SOON]
        counts += [any(shift.kind is Kind.STEP and abs(shift.at - before) <= 2 for shift in one) for one in told]
    asked = "at least 85" if spread <= ASKED_SPREAD and before >= ASKED_BEFORE else ""
    for nights, share in zip(SOON, counts / size, strict=True):
        yield step_name(*step), f"is found on its night {nights}", share, asked if nights == SOON[0] else "", size


def ramp_name(lag):
    """Name a ramp by the nights around it."""
    return f"ramp of 1 % a night, 30 nights, sd 3 %, correlation {lag:g}"


def ramps(lag, rng, size):
    """Yield what kind a rise of 1 % a night is called after 30 nights of sd 3 %."""
    kinds = [{shift.kind for shift in found(series(rng, 30, spread=0.03, lag=lag, ramp=RAMP))} for _ in range(size)]
    yield ramp_name(lag), "is called a ramp", np.mean([Kind.RAMP in seen for seen in kinds]), "", size
    yield (
        ramp_name(lag),
        "is called a step only",
        np.mean([seen & {Kind.RAMP, Kind.STEP} == {Kind.STEP} for seen in kinds]),
        "",
        size,
    )


def baseline_name(name):
    """Name a comparison with an earlier night by its history."""
    return f"no change, sd 5 %, {name}"


def baseline(name, rng, size):
    """Yield how often a run without a change differs from, and is worse than, the last night before it."""
    counts = np.sum([without_change(rng, **BASELINES[name]) for _ in range(size)], axis=0)
    asked = "at most 6" if BASELINES[name].get("lag", 0.0) == 0 else ""
    said = ("has p < .05", "is worse at a margin of 10 %", "is worse at 5 %")
    for counted, share in zip(said, counts / size, strict=True):
        yield baseline_name(name), counted, share, asked, size


def without_change(rng, *, spread=0.05, lag=0.0, history=HISTORY):
    """Compare a run with the last of the nights before it; return whether p < .05 and whether it is worse at 10 and 5 %."""
    frame = trials(rng, history + 1, spread=spread, lag=lag)
    before = frame.filter(pl.col("night") < history)
    seen = between_nights(before, range(history), (ARM,), (LATENCY,), judged={"latency_s"})
    known = {(AGAIN, metric): nights for (_, metric), nights in seen.items()}
    pair = frame.filter(pl.col("night") >= history - 1).with_columns(
        pl.when(pl.col("night") == history).then(pl.lit(AGAIN)).otherwise(pl.lit(ARM)).alias("arm")
    )
    verdicts = [compared(pair, known, margin=margin) for margin in (0.10, 0.05)]
    return [verdicts[0].p < 0.05, *(verdict.verdict is Verdict.WORSE for verdict in verdicts)]


def compared(pair, nights, *, margin):
    """Compare two nights as ``diff`` does, with what is known of nights."""
    analysis = analyse(
        pair, metrics=(LATENCY,), contrasts=((ARM, AGAIN),), margins={"latency_s": margin}, seed=1, nights=nights
    )
    return next(one for one in analysis.comparisons if one.stratum == "all")


def trials(rng, nights, *, spread, lag):
    """Draw the trials of one arm on nights that differ by ``spread``."""
    levels = rng.normal(0, spread, nights)
    for night in range(1, nights):
        levels[night] = lag * levels[night - 1] + (1 - lag**2) ** 0.5 * levels[night]
    shape = (nights, QUERIES, REPEATS)
    logs = rng.normal(0, BETWEEN, QUERIES)[:, None] + rng.normal(0, NOISE, shape) + levels[:, None, None]
    night, query, repeat = (part.ravel() for part in np.indices(shape))
    return pl.DataFrame({
        "night": night,
        "query_id": [f"q{number}" for number in query],
        "arm": ARM,
        "repeat": repeat + 1,
        "outcome": "answered",
        "latency_s": np.exp(logs).ravel(),
    })  # fmt: skip


def cells():
    """Yield the name of everything that is measured, how it is, and the share of the replications that it takes."""
    yield from ((name, partial(false_alarms, name), 1) for name in QUIET)
    yield from ((step_name(*step), partial(steps, step), 2) for step in STEPS)
    yield from ((ramp_name(lag), partial(ramps, lag), 4) for lag in LAGS)
    yield from ((baseline_name(name), partial(baseline, name), 2) for name in BASELINES)


def study(size, only=()):
    """Yield the rows of the table: what the nights are, what is counted, its share, what is asked of it, and of how many."""
    for number, (name, measure, part) in enumerate(cells()):
        if not only or any(word in name for word in only):
            yield from measure(np.random.default_rng([SEED, number]), size // part)


def renewed(rows, stored):
    """Return the rows that are stored with those measured now in their places."""
    measured = {key(row): row for row in rows}
    return [measured.pop(key(row), row) for row in stored] + list(measured.values())


def key(row):
    """Return what a row is about."""
    return tuple(row.split(" | ")[:2])


def as_row(name, counted, share, asked, size):
    """Write a row with the Monte-Carlo error (one standard error) of its share."""
    return f"| {name} | {counted} | {100 * share:.1f} ± {100 * sqrt(share * (1 - share) / size):.1f} | {asked} | {size} |"


def main():
    """Measure what is chosen, and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--replications", type=int, default=1_000)
    options.add_argument(
        "--only", nargs="+", default=[], metavar="WORDS", help="measure cells with one of the words in their name"
    )
    options.add_argument("--output", type=Path, default=Path(__file__).parent / "nights.md")
    asked = options.parse_args()
    lines = []
    for row in study(asked.replications, asked.only):
        lines.append(as_row(*row))
        print(lines[-1], flush=True)  # noqa: T201
    if asked.only:
        lines = renewed(lines, [line for line in asked.output.read_text(encoding="utf-8").splitlines() if "±" in line])
    asked.output.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
