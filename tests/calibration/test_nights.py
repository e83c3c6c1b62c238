"""Tests of the calibration of nights: its models are what their names say, and its table has every row."""

from pathlib import Path

import numpy as np
import pytest
from calibration import nights

HERE = Path(__file__).parent


def test_the_levels_are_drawn_as_described():
    """Standard deviation and lag-1 correlation of many nights, the weekend, the ramp and the step."""
    rng = np.random.default_rng(1)
    levels = nights.series(rng, 20_000, spread=0.04, lag=0.5)
    noise = nights.WITHIN**2
    assert levels.var() == pytest.approx(0.04**2 + noise, rel=0.06)
    assert np.cov(levels[1:], levels[:-1])[0, 1] == pytest.approx(0.5 * 0.04**2, rel=0.1)
    shaped = nights.series(rng, 20_000, spread=0.01, lag=0.0, weekend=0.1, step_at=10_000)
    weekend = np.isin(np.arange(20_000) % 7, (5, 6))
    assert shaped[weekend].mean() - shaped[~weekend].mean() == pytest.approx(0.1, abs=0.005)
    assert shaped[10_000:].mean() - shaped[:10_000].mean() == pytest.approx(nights.STEP, abs=0.005)
    assert np.diff(nights.series(rng, 2_000, spread=0.01, ramp=0.01)).mean() == pytest.approx(0.01, abs=0.001)


def test_a_run_after_steady_nights_is_not_worse():
    """Nights that differ by a thousandth give a known variation of about 0, and a level night passes."""
    drawn = nights.without_change(np.random.default_rng(3), spread=0.001)
    assert drawn[1:] == [False, False]


def test_every_row_is_in_the_table():
    """The stored table has the rows that a new measurement would write, in their order."""
    stored = [line.split(" | ")[0] for line in (HERE / "nights.md").read_text(encoding="utf-8").splitlines() if "±" in line]
    assert list(dict.fromkeys(stored)) == [f"| {name}" for name, _, _ in nights.cells()]


def test_a_row_that_is_measured_again_keeps_its_place():
    """One of two rows is renewed, and a new one comes last."""
    rows = ("| a | x | 1 |", "| b | x | 1 |", "| b | y | 1 |")
    assert nights.renewed(["| b | x | 2 |", "| c | x | 2 |"], rows) == [rows[0], "| b | x | 2 |", rows[2], "| c | x | 2 |"]


def test_every_cell_is_measured():
    """One replication of a series, a step, a ramp and a comparison with an earlier night has its rows."""
    rng = np.random.default_rng(1)
    chosen = {name: measure for name, measure, _ in nights.cells()}
    for name, rows in (("correlation .5, 14 nights", 2), (nights.step_name(0.02, 0.5, 14), 2), (nights.ramp_name(0.5), 2)):
        found = list(chosen[name](rng, 1))
        assert [row[0] for row in found] == [name] * rows
        assert all(0 <= row[2] <= 1 for row in found)


def test_a_share_has_its_monte_carlo_error():
    """5 % of 400 has a standard error of 1.1 points."""
    assert nights.as_row("n", "c", 0.05, "at most 6", 400) == "| n | c | 5.0 ± 1.1 | at most 6 | 400 |"
