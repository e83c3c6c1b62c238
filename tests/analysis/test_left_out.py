"""Trials that are left out of comparisons for what the reading found, and the notes that count them."""

from __future__ import annotations

import polars as pl
import pytest
from frames import LATENCY, TOKENS, trial

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.trials import measured


def frame(**of_the_first):
    """Return ten trials of each of two arms; the first of OPTIM has these columns."""
    rows = [
        trial(f"q{number}", arm, latency_s=1.0, total_tokens=100, foreign_tools=False, lower_bound=None)
        for arm in ("IDEAT", "OPTIM")
        for number in range(10)
    ]
    rows[10] |= of_the_first
    return pl.DataFrame(rows, schema_overrides={"lower_bound": pl.Boolean})


def warnings(trials):
    """Return what the analysis warns of."""
    return analyse(trials, metrics=(LATENCY, TOKENS), contrasts=(), margins={}, seed=1).warnings


def test_a_trial_with_foreign_tools_is_in_no_comparison():
    """Its value would make a difference, so it is gone, and the note says how many are."""
    trials = frame(foreign_tools=True, latency_s=1e6)
    found = analyse(trials, metrics=(LATENCY,), contrasts=(), margins={}, seed=1)
    (optim,) = [arm for arm in found.arms if arm.arm == "OPTIM"]
    assert (optim.trials, optim.metrics["latency_s"].mean.value) == (9, 1.0)
    assert [each for each in found.warnings if each.startswith("excludes 1 trial of OPTIM, ")]


def test_a_misrouted_one_stays_counted_as_misrouted():
    """It is quarantined by its outcome, which counts against the contrast."""
    trials = frame(foreign_tools=True, outcome="misrouted")
    assert measured(trials).frame.height == 20
    assert not [each for each in warnings(trials) if "left out" in each]


@pytest.mark.parametrize("column", ["foreign_tools", "lower_bound"])
def test_frames_without_the_columns_are_as_good(column):
    """A frame made by hand, or of an older run, has no such column."""
    assert not [each for each in warnings(frame().drop(column)) if "left out" in each or "consulted" in each]


def test_a_lower_bound_is_counted():
    """Its tokens are empty, and the note says why."""
    found = warnings(frame(lower_bound=True, total_tokens=None))
    assert [each for each in found if each.startswith("1 trial of OPTIM without tokens, cost, calls and tools, ")]
