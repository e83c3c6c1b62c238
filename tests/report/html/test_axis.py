"""Places and ticks, as one would read them off a ruler."""

import re

import numpy as np
import polars as pl
import pytest
from report.html.pages import kept, page_report, trials

from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.report.formats.html.axis import Axis, difference_axis, linear_axis, log_axis, ratio_axis
from uderia_bench.report.formats.html.distributions import ecdf
from uderia_bench.report.formats.html.queries import queries


def test_places_are_percent_from_the_low_end():
    """Linear and logarithmic; a value outside lies at the end."""
    assert Axis(lo=0.0, hi=10.0).at(2.5) == 25
    assert Axis(lo=1.0, hi=100.0, log=True).at(10.0) == pytest.approx(50)
    assert Axis(lo=0.0, hi=10.0).at(99.0) == 100


def test_ticks_are_round_and_few():
    """Decades where there are some, else steps of 1, 2, 3 and 5; doublings for ratios."""
    assert Axis(lo=0.01, hi=2000.0, log=True).ticks() == pytest.approx((0.01, 0.1, 1.0, 10.0, 100.0, 1000.0))
    assert Axis(lo=7000.0, hi=41_000.0, log=True).ticks() == pytest.approx((10_000.0, 20_000.0, 30_000.0))
    assert Axis(lo=0.0, hi=1.0).ticks() == pytest.approx((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert ratio_axis([5.0], least=1.5).ticks() == (1.0, 2.0, 4.0)


def test_an_axis_holds_its_values_and_what_they_are_measured_from():
    """No value lies outside, and no difference is on the axis even where all values are on one side."""
    ratios = ratio_axis([3.0, 6.0], least=1.5)
    assert ratios.lo < 1 / 1.5
    assert ratios.hi > 6
    points = difference_axis([0.02], least=0.1)
    assert points.lo < -0.1
    assert points.hi > 0.1
    assert log_axis([5.0]).lo < 5.0 < log_axis([5.0]).hi
    assert log_axis([0.0, float("nan")]) is None
    assert linear_axis([]) is None
    assert linear_axis([0.0]).lo < 0 < linear_axis([0.0]).hi


def test_no_axis_has_more_ticks_than_a_reader_counts():
    """Whatever the stretch, between two and six."""
    for hi in (1.5, 3.0, 8.0, 20.0, 500.0, 1e6, 1e9):
        for made in (log_axis([1.0, hi]), linear_axis([0.0, hi]), ratio_axis([hi], least=1.5)):
            assert 1 <= len(made.ticks()) <= 6, (hi, made)


def test_an_axis_of_small_ratios_has_ticks_on_both_sides_of_one():
    """Powers of two alone would leave it with a single label. Where there are too many of them, 1 stays."""
    assert ratio_axis([1.03, 1.1], least=1.5).ticks() == pytest.approx((1 / 1.5, 0.8, 1.0, 1.25, 1.5))
    assert Axis(lo=6.0, hi=9.0, log=True, base=2.0).ticks() == (8.0,)
    assert ratio_axis([2.1], least=1.5).ticks() == (1.0, 2.0)
    assert ratio_axis([0.1, 15.0], least=1.5).ticks() == (0.25, 1.0, 4.0, 16.0)


def test_the_unit_of_an_axis_fits_its_labels():
    """An axis that begins a little below 0.1 s has no label there. 10,000ms does not fit beside a plot on a narrow screen."""
    latency = next(metric for metric in BUILT_IN if metric.name == "latency_s")
    asked = trials(2).with_columns(pl.when(pl.col("query_id") == "q0").then(0.1).otherwise(34.0).alias("latency_s"))
    for drawn in (ecdf(latency, {"OPTIM": np.array([0.1, 34.0])}), queries(page_report(), kept(asked), ["q0", "q1"])):
        assert re.findall(r">([^<>]+)</text>", drawn.rpartition('class="scale"')[2]) == ["0.10s", "1.0s", "10s"]
