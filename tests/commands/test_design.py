"""``power EXPERIMENT``: designs that reach a verdict before the first trial, from earlier runs or stated defaults."""

import json

import polars as pl
import pytest
from experiments import built, queries, query
from frames import grid, noisy
from runs import saved

from uderia_bench import plugins
from uderia_bench.commands import design
from uderia_bench.errors import UsageError
from uderia_bench.report.design import as_dict, to_text

ARMS = ("IDEAT", "OPTIM")
LATENCY_ALONE = 36  # queries that find 20 % less in 80 % of runs, where no look ends a run as equivalent


@pytest.fixture(scope="module")
def installed():
    """Return the built-in metrics."""
    return plugins.load()


def experiment(count=400, **fields):
    """Return an experiment on latency with a margin of 10 %."""
    return built(queries(count), arms=ARMS, **{"margins": {"latency_s": 0.1}, "warmup": 1} | fields)


@pytest.fixture(scope="module")
def unknown(installed, tmp_path_factory):
    """Plan without any earlier run."""
    return design.study(experiment(), installed, tmp_path_factory.mktemp("none"), effect=0.2)


def test_stated_defaults_give_the_designs_of_the_documentation(unknown):
    """With sd .15 and .3, about 250 queries end with a verdict in 80 % of runs, and 340 in 95 %; repeats need more trials."""
    once = {one.chance: one for one in unknown.designs if one.repeats == 1}
    assert once[0.8].queries == pytest.approx(250, rel=0.1)
    assert once[0.95].queries == pytest.approx(340, rel=0.1)
    assert once[0.95].found > 0.99
    assert once[0.95].equivalent == pytest.approx(0.95, abs=0.01)
    assert once[0.95].worst.trials == 2 * once[0.95].queries + 2
    assert once[0.95].expected[0].trials < once[0.95].expected[1].trials < once[0.95].worst.trials
    four = next(one for one in unknown.designs if one.repeats == 4 and one.chance == 0.95)
    assert four.queries < once[0.95].queries
    assert four.worst.trials > once[0.95].worst.trials
    assert [one.queries for one in unknown.best] == [once[chance].queries for chance in (0.8, 0.95)]
    assert {one.source for one in unknown.assumptions} == {"stated default"}


def test_the_text_has_what_to_paste(unknown):
    """The lines of the cheapest design are an experiment, and the text says what it is based on."""
    text = to_text(unknown)
    assert max(map(len, text.splitlines())) <= 110  # YAML is not wrapped
    assert "# a verdict in 95% of runs\nrepeats: 1\nsample: {n: " in text
    assert "stated default" in text
    best = next(one for one in as_dict(unknown)["designs"] if one["recommended"])
    lines = dict(line.split(": ", 1) for line in best["yaml"].splitlines())
    assert lines["stop"] == "{metrics: [latency_s], looks: 10, boundary: wang-tsiatis, for: [difference, equivalence]}"
    assert json.dumps(as_dict(unknown))


def test_spread_and_price_come_from_an_earlier_run(installed, tmp_path):
    """Half the spread needs a quarter of the queries; tokens, dollars and minutes are the run's own."""
    frame = grid(
        queries=60,
        repeats=2,
        value=noisy(noise=0.15, interaction=0.075),
        total_tokens=lambda _, arm, __: 1000 if arm == "IDEAT" else 3000,
        cost_usd=lambda *_: 0.01,
    )
    saved(tmp_path, "before", frame.with_columns(pl.lit("measured").alias("stage")))
    found = design.study(experiment(warmup=0), installed, tmp_path, effect=0.2)
    once = next(one for one in found.designs if (one.chance, one.repeats, one.by_cost) == (0.95, 1, False))
    assert once.queries == pytest.approx(340 / 4, rel=0.35)
    assert found.assumptions[0].source == "60 queries of before"
    assert once.worst.tokens == pytest.approx(2000 * once.worst.trials)
    assert once.worst.usd == pytest.approx(0.01 * once.worst.trials)
    assert found.price.source == "before"


def test_a_sweep_shows_the_spread_at_its_lowest_level(installed, tmp_path):
    """At a higher level trials wait for each other: its times would make the arms look ten times as different."""
    value = noisy(noise=0.15, interaction=0.075)
    frame = grid(queries=60, repeats=2, value=value, total_tokens=1000, cost_usd=0.01).with_columns(
        pl.lit("measured").alias("stage"), pl.when(pl.col("repeat") == 1).then(1.0).otherwise(16.0).alias("level")
    )
    slow = (pl.col("level") == 16) & (pl.col("arm") == "OPTIM") & (pl.col("query_id") < "q030")
    frame = frame.with_columns(pl.when(slow).then(10 * pl.col("latency_s")).otherwise(pl.col("latency_s")).alias("latency_s"))
    saved(tmp_path, "sweep", frame)
    found = design.study(experiment(warmup=0), installed, tmp_path, effect=0.2)
    once = next(one for one in found.designs if (one.chance, one.repeats, one.by_cost) == (0.95, 1, False))
    assert once.queries < 340


def test_a_corpus_of_unequal_questions_is_drawn_by_cost(installed, tmp_path):
    """Where some questions need many times the tokens, a draw by cost asks more queries for fewer tokens."""
    asked = tuple(query(f"q{number}", turns=("word " * 4 ** (number % 5),)) for number in range(900))
    plan = built(asked, arms=ARMS, margins={"latency_s": 0.1}, warmup=0)
    found = design.study(plan, installed, tmp_path, effect=0.2)
    plain, drawn = (next(one for one in found.designs if one.by_cost is by and one.repeats == 1) for by in (False, True))
    assert drawn.queries > plain.queries
    assert drawn.worst.tokens < plain.worst.tokens
    assert found.best[0].by_cost
    assert "by: cost" in to_text(found)


def test_a_corpus_that_is_too_small_gets_repeats_or_a_note(installed, tmp_path):
    """120 queries reach 80 % with repeats; 20 queries never do, and the text says how many are needed."""
    assert design.study(experiment(120), installed, tmp_path, effect=0.2).best[0].repeats > 1
    assert "The corpus has 20 queries, and" in to_text(design.study(experiment(20), installed, tmp_path, effect=0.2))


def test_two_metrics_and_looks_of_the_experiment_are_planned_for(installed, tmp_path):
    """Both must have a verdict, which needs more queries; an amount without an earlier run is left out."""
    two = experiment(margins={"latency_s": 0.1, "total_tokens": 0.1, "tool_calls": 0.1}, stop={"looks": 5, "for": "difference"})
    found = design.study(two, installed, tmp_path, effect=0.2)
    assert found.left_out == ("tool_calls: without an earlier run of both arms, the spread of an amount is not known",)
    assert {one.equivalent for one in found.designs} == {None}
    assert "looks: 5, boundary: wang-tsiatis, for: [difference]" in to_text(found)
    assert found.designs[0].queries > 1.1 * LATENCY_ALONE


@pytest.mark.parametrize(
    ("fields", "options", "words"),
    [
        ({"arms": ("A",)}, {}, "compares no arms"),
        ({}, {"metrics": ("latncy_s",)}, "no metric latncy_s"),
        ({}, {"metrics": ("cost_usd",)}, "cost_usd has no margin"),
        ({"margins": {}}, {}, "has no margins"),
    ],
)
def test_what_cannot_be_planned_is_an_error(installed, tmp_path, fields, options, words):
    """Each names what is missing."""
    asked = built(queries(30), **{"arms": ARMS, "margins": {"latency_s": 0.1}} | fields)
    with pytest.raises(UsageError, match=words):
        design.study(asked, installed, tmp_path, **options)
