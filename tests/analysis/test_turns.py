"""Arms whose trials were sent at different times have no verdict, since a drift would look like a difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from frames import LATENCY, grid, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.nights import Nights
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.turns import asked_apart

START = datetime(2026, 11, 29, tzinfo=UTC)
ARMS = ("IDEAT", "OPTIM")


def frame(late=0.0, *, server="http://a", ratio=0.7):
    """Return arms that take turns; the first ``late`` of OPTIM's queries were asked again a day later."""

    def sent(query, arm, repeat):
        turn = timedelta(minutes=2 * query + ((arm == "OPTIM") ^ (query % 2)), seconds=repeat)
        return START + turn + timedelta(days=arm == "OPTIM" and query < late * 40)

    return grid(queries=40, repeats=2, value=noisy(ratio=ratio), sent_at=sent, server=server)


def latency(trials, **options):
    """Return the comparison of latency."""
    found = analyse(trials, metrics=(LATENCY,), contrasts=(ARMS,), margins={"latency_s": 0.1}, seed=1, **options)
    return next(each for each in found.comparisons if each.stratum == "all")


@pytest.mark.parametrize("late", [0.0, 0.1])
def test_arms_that_take_turns_have_a_verdict(late):
    """A few trials that were asked again later do not prevent it."""
    found = latency(frame(late))
    assert found.verdict == "better"
    assert not [note for note in found.warnings if "confounded" in note]


def test_what_an_unbalanced_plan_needs_is_the_advice():
    """Other advice, such as more repeats, would leave the comparison without a verdict."""
    found = latency(frame(), confounded={ARMS: "confounded: ask 8 queries"})
    assert (found.verdict, found.advice) == ("inconclusive", "confounded: ask 8 queries")


@pytest.mark.parametrize(("late", "share"), [(0.3, "76%"), (1.0, "100%")])
def test_an_arm_that_was_asked_a_day_later_has_no_verdict(late, share):
    """The server refused the trials of one arm, and ``resume`` asked them again."""
    found = latency(frame(late))
    assert found.verdict == "inconclusive"
    said = f"OPTIM was mostly asked after IDEAT (in {share} of the pairs of their trials"
    assert any(said in note for note in found.warnings)


def test_the_baseline_can_be_the_later_arm():
    """The direction does not matter."""
    swapped = frame(1.0).with_columns(arm=pl.col("arm").replace({"IDEAT": "OPTIM", "OPTIM": "IDEAT"}))
    assert "IDEAT was mostly asked after OPTIM" in asked_apart(measured(swapped), *ARMS)


def test_arms_on_different_servers_need_no_turns():
    """The slower server is asked for longer, and its difference is what is measured."""
    apart = frame(1.0, server=lambda _query, arm, _repeat: f"http://{arm}")
    assert asked_apart(measured(apart), *ARMS) is None
    assert latency(apart).verdict == "better"


def test_two_runs_are_compared_with_the_variation_between_nights():
    """That variation is the allowance for their times, so the check would only repeat it."""
    nights = {("OPTIM", "latency_s"): Nights(spread=0.02, freedom=20, runs=21)}
    assert not [note for note in latency(frame(1.0), nights=nights).warnings if "time of asking" in note]


def test_trials_without_times_are_not_checked():
    """A frame made by hand has none."""
    assert asked_apart(measured(frame(1.0).drop("sent_at")), *ARMS) is None
    unknown = frame(1.0).with_columns(sent_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    assert asked_apart(measured(unknown), *ARMS) is None
