"""Arms that share servers are paired within them, and the server is a stratum."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from frames import LATENCY, grid, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.drift import drift
from uderia_bench.analysis.pairs import pair, side
from uderia_bench.analysis.trials import measured

SERVERS = ("http://a", "http://b")


def frame(slow=4.0, *, of=lambda query, _arm, repeat: (query + repeat) % 2, queries=40):
    """Return trials on two servers, of which the second is ``slow`` times as slow, and the arms do not differ."""
    value = noisy()
    return grid(
        queries=queries,
        repeats=4,
        value=lambda *cell: value(*cell) * slow ** of(*cell),
        server=lambda *cell: SERVERS[of(*cell)],
    )


def effect(trials):
    """Return the ratio of latency between the arms."""
    found = analyse(trials, metrics=(LATENCY,), contrasts=(("IDEAT", "OPTIM"),), margins={"latency_s": 0.1}, seed=1)
    return next(each for each in found.comparisons if each.stratum == "all"), {each.stratum for each in found.comparisons}


def test_the_server_is_a_stratum():
    """A run on one server has no such stratum."""
    _, strata = effect(frame())
    assert {"server=http://a", "server=http://b"} < strata
    _, strata = effect(frame(of=lambda *_: 0))
    assert not [name for name in strata if name.startswith("server")]


def test_trials_of_a_query_on_a_server_without_the_other_arm_are_left_out():
    """Half the blocks of OPTIM were asked elsewhere after a server was gone: its slowness must not count for one arm."""

    def of(query, arm, repeat):
        return 0 if arm == "OPTIM" and query < 20 else (query + repeat) % 2

    found, _ = effect(frame(slow=10.0, of=of))
    assert found.effect.lo < 1 < found.effect.hi
    assert "40 trials are left out: the other arm has no value for the query on the same server" in found.warnings
    without, _ = effect(frame(slow=10.0, of=of).drop("server"))
    assert without.effect.hi < 1


def test_a_failed_trial_of_a_pool_is_a_missing_value_of_its_arm():
    """Both arms were asked on the same server, and one did not answer: no trial is said to be absent."""
    trials = frame().with_columns(
        outcome=pl.when((pl.col("arm") == "OPTIM") & (pl.col("query_id") < "q010")).then(pl.lit("failed")).otherwise("outcome")
    )
    found, _ = effect(trials)
    assert "40 trials are left out: the other arm has no value for the query on the same server" in found.warnings
    assert "compares 30 of 40 queries: 10 on OPTIM without a value" in found.warnings


def test_queries_that_the_arms_answered_on_different_servers_are_counted():
    """No arm lacks a value there."""

    def of(query, arm, repeat):
        return int(arm == "OPTIM") if query < 5 else (query + repeat) % 2

    found, _ = effect(frame(of=of))
    assert "compares 35 of 40 queries: 5 with values at different levels or servers" in found.warnings


def test_arms_on_different_servers_are_compared_with_these():
    """An A/B of two servers is meant to see their difference."""
    found, _ = effect(frame(slow=2.0, of=lambda _query, arm, _repeat: int(arm == "OPTIM")))
    assert found.effect.lo > 1.5
    assert not [note for note in found.warnings if "left out" in note]


def test_one_server_and_none_are_the_same():
    """Frames of older runs have no such column."""
    trials = frame(of=lambda *_: 0)
    pairs = [
        pair(*(side(all_, LATENCY, arm, where=all_.asked) for arm in ("IDEAT", "OPTIM")), LATENCY)
        for all_ in (measured(trials), measured(trials.drop("server")))
    ]
    assert np.array_equal(pairs[0].differences, pairs[1].differences)


@pytest.mark.parametrize("slow", [1.0, 8.0])
def test_a_slow_server_is_no_drift(slow):
    """The repeats of a query visit the servers in turn, so without its server a trial would look late."""
    trials = frame(slow=slow).with_columns(seq=pl.int_range(pl.len()).shuffle(3))
    assert drift(measured(trials), LATENCY, "IDEAT") == ()
