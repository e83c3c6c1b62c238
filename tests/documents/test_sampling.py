"""Samples and shards of the queries: in proportion, disjoint, complete, and the same tomorrow."""

from __future__ import annotations

from collections import Counter

import experiments
from hypothesis import given
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
