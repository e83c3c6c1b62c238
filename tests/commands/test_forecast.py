"""Forecasts: by the means of an earlier run, and of an earlier sweep by those of its lightest load."""

import json

import polars as pl
import pytest
from experiments import built, queries, query
from frames import grid
from runs import saved

from uderia_bench.cli.run import show_plan
from uderia_bench.commands.forecast import duration_s, forecast, knowing_tokens
from uderia_bench.runner import plan
from uderia_bench.runner.outline import describe


@pytest.mark.parametrize(("levels", "seconds"), [(None, 12.0), ((1.0, 4.0), 4.0)])
def test_a_sweep_is_forecast_from_at_its_lowest_level(tmp_path, levels, seconds):
    """Trials of 1 s alone and of 5 s in a crowd: one after the other, four take 4 s."""
    means = {"value": lambda _query, _arm, repeat: 1.0 if repeat == 1 else 5.0, "cost_usd": lambda *_: 0.4}
    frame = grid(queries=2, repeats=2, naming_cost_usd=0.1, **means)
    if levels is not None:
        frame = frame.with_columns(pl.when(pl.col("repeat") == 1).then(levels[0]).otherwise(levels[1]).alias("level"))
    saved(tmp_path, "before", frame)
    experiment = built(queries(2), arms=("IDEAT", "OPTIM"), repeats=2, warmup=0)
    outline = describe(plan.build(experiment, experiment.queries), experiment)
    for arm in forecast(experiment, outline, tmp_path):
        assert (arm.planned, arm.seconds, arm.cost_usd) == (4, seconds, pytest.approx(2.0))


def test_a_dry_run_lists_its_load_levels(tmp_path, capsys):
    """On a separate line with their unit, and in JSON."""
    closed = built(queries(3), repeats=2, load={"sweep": [1, 2, 16]})
    show_plan(closed, tmp_path, as_json=False)
    assert "  levels of load, lowest first: 1, 2, 16 in flight\n  A: 18 trials and 1 for warm-up" in capsys.readouterr().out
    show_plan(built(queries(3), load={"arrivals": "poisson", "sweep": ["30/min", "2/s"]}), tmp_path, as_json=False)
    assert "  levels of load, lowest first: 0.5, 2 per second\n" in capsys.readouterr().out
    show_plan(closed, tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out)["levels"] == [1, 2, 16]
    show_plan(built(queries(3)), tmp_path, as_json=False)
    assert "each at" not in capsys.readouterr().out


def test_a_sample_by_cost_knows_the_tokens_of_earlier_runs(tmp_path):
    """Query 1 needed a hundred times the tokens of the others, so a draw of most queries leaves it out and counts it more."""
    tokens = grid(queries=6, repeats=2, value=lambda query, *_: 100_000 if query == 1 else 1_000, column="total_tokens")
    saved(tmp_path, "before", tokens.with_columns(pl.lit("measured").alias("stage")))
    asked = tuple(query(f"q{number:03}") for number in range(6))
    drawn = [
        knowing_tokens(built(asked, arms=("IDEAT", "OPTIM"), sample={"n": 4, "by": "cost", "seed": seed}), tmp_path).queries
        for seed in range(20)
    ]
    counts = {one.id: one.counts for sample in drawn for one in sample}
    assert sum("q001" in {one.id for one in sample} for sample in drawn) <= 6
    assert counts["q000"] < 2
    assert counts.get("q001", 9.0) > 5
    unknown = built(asked, arms=("X", "Y"), sample={"n": 4, "by": "cost"})
    assert len({one.counts for one in knowing_tokens(unknown, tmp_path).queries}) == 1
    plain = built(asked, arms=("IDEAT", "OPTIM"))
    assert knowing_tokens(plain, tmp_path) is plain


def test_traffic_is_what_queries_count():
    """The plan carries the weight of each query, and none where all count the same."""
    asked = (query("a", weight=3.0), query("b"))
    for weights, expected in (("traffic", {"a": 3.0, "b": 1.0}), ("equal", {"a": None, "b": None})):
        experiment = built(asked, weights=weights)
        assert {trial.query_id: trial.weight for trial in plan.build(experiment, experiment.queries)} == expected
    assert built(asked).content_hash == built((query("a"), query("b"))).content_hash


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        ({"concurrency": 4, "isolation": "none"}, 2 * (12 / 4 + 3 * 3 / 4)),
        ({"isolation": "trial"}, 2 * 12),
        ({"concurrency": 8, "isolation": "arm"}, None),
        ({"arrivals": "constant", "rate": "2/s"}, 2 * 4 / 2),
        ({"arrivals": "constant", "sweep": ["1/s", "2/s"]}, 2 * 4 / 1 + 2 * 4 / 2),
        ({"sweep": [1, 2]}, None),
    ],
)
def test_the_duration_is_that_of_all_windows(tmp_path, load, seconds):
    """Two arms of four trials of 3 s. The last trials of a window leave slots empty."""
    frame = grid(queries=2, repeats=2, value=lambda _query, _arm, repeat: 1.0 if repeat == 1 else 5.0)
    saved(tmp_path, "before", frame)
    experiment = built(queries(2), arms=("IDEAT", "OPTIM"), repeats=2, warmup=0, load=load)
    outline = describe(plan.build(experiment, experiment.queries), experiment)
    if load.get("isolation") == "arm":  # a turn has fewer trials than slots
        slots = outline.arms[0].longest
        assert slots < 8
        seconds = sum(12 / slots + 3 * share.windows * (1 - 1 / slots) for share in outline.arms)
    found = duration_s(experiment, outline, forecast(experiment, outline, tmp_path))
    assert found == (None if seconds is None else pytest.approx(seconds))
    if load.get("arrivals", "closed") == "closed":
        assert duration_s(experiment, outline, ()) is None


def test_a_dry_run_fits_80_columns(tmp_path, capsys):
    """It has the mean latency of a trial, and the duration of the run apart."""
    saved(tmp_path, "before-the-change-of-the-model-on-the-test-server", grid(queries=3, repeats=2, value=lambda *_: 30.0))
    planned = built(queries(3), arms=("IDEAT", "OPTIM"), repeats=2)
    show_plan(planned, tmp_path, as_json=False)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert "30 s per trial (mean of 6 trials of run before-the-change" in " ".join(said.split())
    assert "  estimated duration of the run: " in said
    show_plan(planned, tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out)["duration_s"] > 30
