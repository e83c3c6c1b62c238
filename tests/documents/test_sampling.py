"""Samples and shards of the queries: in proportion, disjoint, complete, and the same tomorrow."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import experiments
import pytest
from experiments import query
from hypothesis import given, settings
from hypothesis import strategies as st

from uderia_bench.documents import sampling
from uderia_bench.runner import plan
from uderia_bench.trial import Stage

LABELS = ["simple", "complex", "edge", None]


def queries(labels):
    """Return queries of these complexities."""
    return tuple(experiments.query(f"q{number}", complexity=label) for number, label in enumerate(labels))


def test_a_sample_has_the_proportions_of_the_whole():
    """60 simple, 30 complex, 10 edge: a sample of 20 by complexity has 12, 6 and 2."""
    whole = queries(["simple"] * 60 + ["complex"] * 30 + ["edge"] * 10)
    drawn = sampling.sample(whole, 20, seed=7, by_complexity=True)
    assert Counter(query.complexity for query in drawn) == {"simple": 12, "complex": 6, "edge": 2}


@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=60), st.integers(1, 70), st.integers(0, 5))
def test_a_sample_is_of_the_size_asked_for_and_leaves_no_stratum_out(labels, n, seed):
    """As many as asked or all there are, in the order written; every label is there where there is room for it."""
    whole = queries(labels)
    drawn = sampling.sample(whole, n, seed=seed, by_complexity=True)
    assert len(drawn) == min(n, len(whole))
    assert list(drawn) == [query for query in whole if query in drawn]
    if n >= len(set(labels)):
        assert {query.complexity for query in drawn} == set(labels)


def test_the_seed_draws_and_the_order_in_the_file_does_not():
    """Another seed, another sample; the corpus turned round, the same one."""
    whole = queries(["simple"] * 40)
    drawn = {query.id for query in sampling.sample(whole, 10, seed=1)}
    assert drawn == {query.id for query in sampling.sample(whole[::-1], 10, seed=1)}
    assert drawn != {query.id for query in sampling.sample(whole, 10, seed=2)}


@given(st.integers(1, 50), st.integers(1, 9))
def test_shards_are_disjoint_complete_and_level(count, of):
    """Every query in one shard, sizes equal up to one."""
    whole = experiments.queries(count)
    shards = [sampling.shard(whole, index, of) for index in range(1, of + 1)]
    assert Counter(query.id for each in shards for query in each) == Counter(query.id for query in whole)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_the_union_of_the_shards_is_the_plan_each_trial_once():
    """By trial id, whatever order each shard sends them in; warm-ups are each process's own."""
    asked = experiments.queries(11)
    whole = experiments.built(asked, repeats=3)
    parts = [experiments.built(asked, repeats=3, shard=f"{index}/3") for index in (1, 2, 3)]
    planned = [
        Counter(trial.trial_id for trial in plan.build(each, each.queries) if trial.stage is Stage.MEASURED)
        for each in (whole, *parts)
    ]
    assert sum(planned[1:], Counter()) == planned[0]
    assert set(planned[0].values()) == {1}


def test_an_experiment_takes_the_sample_of_what_the_filter_keeps_and_the_shard_of_the_sample():
    """Filter, then sample by the experiment's own seed where it names none, then shard."""
    asked = queries(["simple"] * 20 + ["edge"] * 20)
    said = {"filter": {"complexity": "simple"}, "sample": {"n": 10}, "seed": 3}
    drawn = experiments.built(asked, **said).queries
    assert drawn == sampling.sample(asked[:20], 10, seed=3)
    halves = [experiments.built(asked, **said, shard=f"{index}/2").queries for index in (1, 2)]
    assert {query.id for half in halves for query in half} == {query.id for query in drawn}


def costly(count=400):
    """Return queries whose expected tokens double from class to class, and the tokens by id."""
    asked = tuple(query(f"q{number}", complexity=("simple", "complex", "edge")[number % 3]) for number in range(count))
    return asked, {one.id: 1000.0 * 4 ** (number % 3) for number, one in enumerate(asked)}


def test_a_sample_by_cost_prefers_cheap_queries_and_counts_them_less():
    """Four times the tokens is half the chance, and twice the count; together they stand for the whole corpus."""
    asked, tokens = costly()
    drawn = sampling.by_cost(asked, 70, seed=3, tokens=tokens, traffic=False)
    assert len(drawn) == 70
    counts = {one.complexity: one.counts for one in drawn}
    assert counts["complex"] / counts["simple"] == pytest.approx(2)
    assert counts["edge"] / counts["simple"] == pytest.approx(4)
    assert sum(one.counts for one in drawn) == pytest.approx(400, rel=0.05)
    assert Counter(one.complexity for one in drawn).most_common() == [("simple", 40), ("complex", 20), ("edge", 10)]
    assert sampling.by_cost(asked, 70, seed=3, tokens=tokens, traffic=False) == drawn


def test_no_probability_is_above_one():
    """A query so cheap that it is certain counts once, and the others share the rest of the sample."""
    asked, tokens = costly(30)
    drawn = sampling.by_cost(asked, 20, seed=1, tokens=tokens | {"q0": 0.01, "q1": 0.01}, traffic=False)
    assert len(drawn) == 20
    assert {one.counts for one in drawn if one.id in ("q0", "q1")} == {1.0}
    assert {one.counts for one in sampling.by_cost(asked, 99, seed=1, tokens=tokens, traffic=False)} == {1.0}


def test_traffic_draws_frequent_queries_more_often():
    """A query that users ask a hundred times as often is certain."""
    asked, tokens = costly(100)
    often = tuple(replace(one, weight=100.0) if one.id == "q5" else one for one in asked)
    drawn = sampling.by_cost(often, 10, seed=2, tokens=tokens, traffic=True)
    assert "q5" in {one.id for one in drawn}


def test_expected_tokens_are_known_or_guessed_on_the_same_scale():
    """A guess is scaled to what earlier runs had; a longer or complex question and a conversation are expected to need more."""
    short, long, talk = query("a", complexity="simple"), query("b", turns=("x" * 800,)), query("c", turns=("x", "y", "z"))
    hard = query("d", complexity="complex")
    found = sampling.expected_tokens((short, long, talk, hard), {"a": 500.0})
    assert found["a"] == 500.0
    assert found["b"] > 2 * found["a"]
    assert found["c"] == pytest.approx(6 * found["a"], rel=0.02)
    assert found["d"] == pytest.approx(2 * found["a"], rel=0.02)
    assert sampling.expected_tokens((short,), {})["a"] > 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(("simple", "complex", "edge", None)), min_size=8, max_size=80), st.integers(0, 3))
def test_every_first_part_of_a_balanced_order_has_the_mix_of_the_whole(labels, seed):
    """No class is ever more than three queries away from its share."""
    asked = tuple(query(f"q{number}", complexity=label) for number, label in enumerate(labels))
    order = sampling.balanced(asked, seed=seed, purpose="first")
    assert sorted(one.id for one in order) == sorted(one.id for one in asked)
    for place in range(1, len(order) + 1):
        for label in set(labels):
            share = labels.count(label) / len(labels)
            assert abs(sum(one.complexity == label for one in order[:place]) - place * share) <= 3


def test_tags_are_balanced_too():
    """A tag that half of the queries have is on about half of the first ten."""
    asked = tuple(query(f"q{number}", tags=("sql",) if number < 20 else ("space",)) for number in range(40))
    first = sampling.balanced(asked, seed=1, purpose="first")[:10]
    assert 4 <= sum("sql" in one.tags for one in first) <= 6
