"""Percentiles by group: numpy's numbers over what a report would count, whatever is missing."""

import numpy as np
import polars as pl
import pytest
from frames import trial
from hypothesis import given
from hypothesis import strategies as st

import uderia_bench as ub
from uderia_bench.analysis.percentiles import percentiles
from uderia_bench.analysis.summary import summarise
from uderia_bench.analysis.trials import measured
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.stats.percentile import PERCENTS

NUMBERS = st.none() | st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(st.sampled_from("ABC"), NUMBERS, NUMBERS), min_size=1, max_size=60))
def test_every_group_has_numpys_percentiles(rows):
    """Whatever the values, their ties and their gaps: linear interpolation over what is there, null over nothing."""
    frame = pl.DataFrame(rows, schema={"arm": pl.String, "x": pl.Float64, "y": pl.Float64}, orient="row")
    found = percentiles(frame, ["y", "x"])
    assert found["metric"].to_list() == ["y"] * len({row[0] for row in rows}) + ["x"] * len({row[0] for row in rows})
    for row in found.iter_rows(named=True):
        column = [one[2 if row["metric"] == "y" else 1] for one in rows if one[0] == row["arm"]]
        values = [value for value in column if value is not None]
        assert (row["n"], row["missing"]) == (len(values), len(column) - len(values))
        points = [row[f"p{percent}"] for percent in PERCENTS]
        if values:
            assert points == np.percentile(values, PERCENTS).tolist()
        else:
            assert points == [None] * len(PERCENTS)


def test_they_are_the_reports():
    """Warm-ups are left out; a trial without an answer has no latency, and has a wait for its slot all the same.

    A trial with another profile's tools is left out. A latency of 0 and a share in percent are missing.
    """
    frame = pl.DataFrame(
        [
            trial("q1", "A", 1, latency_s=1.0, queue_s=0.0, stage="measured"),
            trial("q1", "A", 2, latency_s=2.0, queue_s=1.0, stage="measured"),
            trial("q2", "A", 1, latency_s=None, queue_s=2.0, stage="measured", outcome="timed_out"),
            trial("q2", "A", 2, latency_s=9.0, queue_s=9.0, stage="measured", outcome="failed"),
            trial("q3", "A", 1, latency_s=7.0, queue_s=7.0, stage="warmup"),
            trial("q4", "A", 1, latency_s=5.0, queue_s=5.0, stage="measured", foreign_tools=True),
            trial("q4", "A", 2, latency_s=6.0, queue_s=6.0, stage="measured", foreign_tools=True, outcome="misrouted"),
            trial("q5", "A", 1, latency_s=0.0, queue_s=3.0, stage="measured", checks_passed_ratio=50.0),
        ],
        infer_schema_length=None,
    )
    names = ("latency_s", "queue_s", "checks_passed_ratio")
    metrics = tuple(metric for metric in BUILT_IN if metric.name in names)
    report = summarise(measured(frame), "A", metrics=metrics, confidence=0.95, seed=1)
    for row in percentiles(frame.lazy(), names).iter_rows(named=True):
        summary = report.metrics[row["metric"]]
        assert (row["n"], row["missing"]) == (summary.n, summary.missing)
        assert [row[f"p{percent}"] for percent in PERCENTS] == [summary.percentiles[percent].value for percent in PERCENTS]


def test_a_trial_counts_as_its_query_does():
    """The percentiles are a report's also with weights. Equal weights change nothing."""
    rng = np.random.default_rng(1)
    rows = [
        trial(f"q{query}", arm, repeat, latency_s=float(rng.lognormal()), weight=(5.0, 1.0, None)[query % 3])
        for query in range(12)
        for arm in "AB"
        for repeat in range(1, 4)
    ]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    (latency,) = (metric for metric in BUILT_IN if metric.name == "latency_s")
    for row in percentiles(frame, "latency_s").iter_rows(named=True):
        summary = summarise(measured(frame), row["arm"], metrics=(latency,), confidence=0.95, seed=1).metrics["latency_s"]
        assert row["n"] == summary.n == 36
        assert [row[f"p{percent}"] for percent in PERCENTS] == [summary.percentiles[percent].value for percent in PERCENTS]
    plain = percentiles(frame.drop("weight"), "latency_s")
    assert not plain.equals(percentiles(frame, "latency_s"))
    assert plain.equals(percentiles(frame.with_columns(weight=pl.lit(3.0)), "latency_s"))
    assert percentiles(frame, "latency_s", by="query_id").equals(percentiles(frame.drop("weight"), "latency_s", by="query_id"))
    with pytest.raises(UsageError, match="column 'weight' must hold positive numbers"):
        percentiles(frame.with_columns(weight=pl.lit(0.0)), "latency_s")


def test_a_group_without_an_answer_is_a_row():
    """What never answered has trials, none of them with a value."""
    frame = pl.DataFrame([trial("q1", "A", latency_s=1.0), trial("q1", "B", latency_s=9.0, outcome="failed")])
    found = percentiles(frame, ["latency_s"])
    assert found.select("arm", "n", "missing", "p50").rows() == [("A", 1, 0, 1.0), ("B", 0, 1, None)]


def test_groups_and_percents_are_the_callers():
    """Any columns, any percents; booleans and whole numbers count as numbers, a column of nulls has no percentile."""
    frame = pl.DataFrame(
        {"arm": ["A", "A", "B"], "run_id": ["r", "r", "s"], "n": [1, 2, 3], "ok": [True, False, True], "no": [None] * 3}
    )
    found = ub.percentiles(frame, ["n", "ok", "no"], by=["run_id", "arm"], percents=[50, 99.9])
    assert found.columns == ["run_id", "arm", "metric", "n", "missing", "p50", "p99.9"]
    assert found["p50"].to_list() == [1.5, 3.0, 0.5, 1.0, None, None]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"metrics": ["latency"]}, "did you mean 'latency_s'"),
        ({"metrics": ["latency_s"], "by": "arn"}, "no column 'arn'"),
        ({"metrics": []}, "name one"),
        ({"metrics": ["arm"]}, "holds String, not numbers"),
        ({"metrics": ["latency_s"], "percents": [101]}, "percents go from 0 to 100"),
    ],
)
def test_what_cannot_be_is_said(asked, words):
    """A misspelt column, a text column and an invalid percent are errors."""
    frame = pl.DataFrame([trial("q1", "A", latency_s=1.0)])
    with pytest.raises(UsageError, match=words):
        percentiles(frame, **asked)
