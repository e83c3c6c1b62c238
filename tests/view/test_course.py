"""A run over time: its parts, what is counted in each, and how the page draws it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from view.live_runs import ZERO, running

from uderia_bench import plugins
from uderia_bench.runs.actions import Action
from uderia_bench.trial import Ending
from uderia_bench.view import run_page
from uderia_bench.view.course import BREAK_S, PARTS, Ended, course
from uderia_bench.view.following import Following


def ended(*trials):
    """Return trials from (sent, ended, latency, arm) in seconds; without a latency it met a rate limit."""
    sent, back, latency, arm = (np.array(each) for each in zip(*trials, strict=True)) if trials else [np.array([])] * 4
    latency = latency.astype(float)
    return Ended(
        sent_s=sent.astype(float), ended_s=back.astype(float), latency_s=latency, arm=arm.astype(int),
        answered=~np.isnan(latency), rate_limited=np.isnan(latency), unreachable=np.zeros(len(sent), dtype=bool),
    )  # fmt: skip


def made(trials, *, flights=(), began_s=0.0, now_s=None, arms=("A", "B")):
    """Return the course of trials."""
    return course(trials, flights, arms=arms, began_s=began_s, now_s=now_s)


def test_a_trial_is_counted_where_it_ended_and_is_in_flight_until_then():
    """Two trials in 4 s, each 2 s in flight, and a third that is still in flight after 1 s."""
    found = made(ended((0.0, 2.0, 1.9, 0), (1.0, 3.0, np.nan, 1)), flights=[3.0], now_s=4.0)
    assert (found.width_s, found.began_at) == (1.0, datetime.fromtimestamp(0, UTC))
    assert found.answered_per_s == (0.0, 0.0, 1.0, 0.0)
    assert found.unanswered_per_s == (0.0, 0.0, 0.0, 1.0)
    assert found.rate_limited == (0, 0, 0, 1)
    assert found.in_flight == (1.0, 2.0, 1.0, 1.0)
    assert found.arms[0].p50 == (None, None, 1.9, None)
    assert found.arms[1].p50 == (None, None, None, None)


def test_a_run_of_any_length_has_a_bounded_number_of_parts():
    """Widths double; the rate times the time is the number of trials, whatever the length."""
    for length in (1, 59, 60, 61, 1000, 86_400):
        moments = np.linspace(0.5, length, 500)
        found = made(ended(*((at - 0.5, at, 0.5, 0) for at in moments)))
        parts = len(found.answered_per_s)
        assert 0 < parts <= PARTS
        assert found.width_s == 1.0 or parts > PARTS / 2 - 1
        assert (np.log2(found.width_s) % 1) == 0


def test_percentiles_are_those_of_numpy_in_every_part():
    """Three hundred trials of two arms and of warm-ups, against one quantile at a time."""
    rng = np.random.default_rng(5)
    moments, latencies, arms = rng.uniform(0, 200, 300), rng.lognormal(size=300), rng.integers(-1, 2, 300)
    found = made(ended(*zip(moments - 1, moments, latencies, arms, strict=True)), now_s=200.0)
    part = (moments // found.width_s).astype(int)
    for at, arm in enumerate(found.arms):
        for rank, values in ((0.5, arm.p50), (0.95, arm.p95)):
            for number, value in enumerate(values):
                ours = latencies[(part == number) & (arms == at)]
                assert value == (pytest.approx(np.quantile(ours, rank), abs=1e-4) if ours.size else None)


def test_a_part_begins_to_show_when_half_of_it_has_passed():
    """0.4 s are too short for a rate, and 2.6 s have a third part of 0.6 s."""
    assert made(ended(), now_s=0.4) is None
    found = made(ended((1.0, 2.3, 1.0, 0)), now_s=2.6)
    assert found.answered_per_s == (0.0, 0.0, pytest.approx(1 / 0.6, abs=1e-3))
    assert made(ended((1.0, 2.3, 1.0, 0)), now_s=2.4).answered_per_s == (0.0, 0.0)


def test_the_end_of_the_last_trial_is_in_the_last_part():
    """Where a run is over, its last moment is that of a trial."""
    assert made(ended((0.0, 1.0, 1.0, 0), (1.0, 2.0, 1.0, 0))).answered_per_s == (0.0, 2.0)


def test_a_course_begins_after_the_last_long_break():
    """A run that was resumed the next day does not show a night without trials; an outage of half an hour is shown."""
    day = ended((0.0, 2.0, 1.0, 0), (1.0, 3.0, 1.0, 0), (90_000.0, 90_010.0, 1.0, 0), (90_010.0, 90_020.0, 1.0, 0))
    found = made(day)
    assert found.after_break
    assert found.began_at == datetime.fromtimestamp(90_010, UTC)
    assert sum(found.answered_per_s) * found.width_s == pytest.approx(2)
    outage = ended((0.0, 2.0, 1.0, 0), (0.0, BREAK_S / 2, 1.0, 0))
    assert not made(outage).after_break


@pytest.fixture
def live(tmp_path):
    """Begin a run with a gate on latency."""
    with running(tmp_path, gates=["OPTIM.latency_s.p95 < 20s"], load={"concurrency": 4}) as begun:
        yield begun


@pytest.fixture
def following(live, monkeypatch):
    """Follow it ten seconds after its start."""
    monkeypatch.setattr("uderia_bench.view.following.time.time", (ZERO + timedelta(seconds=10)).timestamp)
    made = Following(live.run.directory, plugins.load())
    yield made
    made.close()


def shown(following):
    """Return the course as of now, and its drawing."""
    following._numbers._computed_s = -10.0
    following.look()
    state = following.state()
    return state.course, run_page.parts(state, {"course"})["course"]


def test_a_trial_that_is_asked_again_leaves_the_course(live, following):
    """Its failure is not counted any more, and it is in flight."""
    live.settle(1, ending=Ending.RATE_LIMITED, task=None, detail="Hourly limit")
    live.settle(2)
    found, _ = shown(following)
    assert (sum(found.rate_limited), sum(found.answered_per_s), sum(found.unanswered_per_s)) == (1, 1.0, 1.0)
    live.send(1, attempts=2)
    found, _ = shown(following)
    assert (sum(found.rate_limited), sum(found.answered_per_s), sum(found.unanswered_per_s)) == (0, 1.0, 0.0)
    assert found.in_flight[-1] == 1.0


def test_time_alone_makes_the_course_longer(live, following, monkeypatch):
    """While a server is away nothing changes in the ledger, and the chart shows the silence."""
    live.settle(1)
    shown(following)
    assert not following.look()
    monkeypatch.setattr("uderia_bench.view.following.time.time", (ZERO + timedelta(seconds=20)).timestamp)
    monkeypatch.setattr(following._numbers, "_computed_s", -10.0)
    assert following.look()
    assert len(following.state().course.answered_per_s) == 20


def test_the_page_draws_it_with_its_gates_slots_troubles_and_actions(live, following):
    """Three charts with a name for screen readers, and the numbers as a table."""
    live.settle(1)
    live.settle(2, ending=Ending.RATE_LIMITED, task=None, detail="Hourly limit")
    live.settle(3, ending=Ending.UNREACHABLE, task=None, detail="gone", done_at=None)
    live.ledger.write([Action(at=ZERO + timedelta(seconds=4), who="ann", what="pause")])
    _, drawn = shown(following)
    assert drawn.count('role="img"') == 3
    for words in ("gate: OPTIM.latency_s.p95", "slots", "rate limit (429)", "server not reached", "pause or another action",
                  "seconds since the start", "The charts as a table", "OPTIM p95", "in the report only"):  # fmt: skip
        assert words in drawn
    assert drawn.count("<tr>") == 1 + 10  # the head, and a row for each second


def test_marks_of_trouble_are_named_only_where_there_was_any(live, following):
    """A run without trouble has no legend of it."""
    live.settle(1)
    _, drawn = shown(following)
    assert 'class="dots limited"' not in drawn
    assert "pause or another action" not in drawn
    assert "OPTIM" in drawn


def test_names_of_arms_and_gates_are_escaped(live, following):
    """They are texts of people."""
    live.settle(1)
    shown(following)
    state = following.state()
    arms = tuple(replace(each, arm="<b>") for each in state.course.arms)
    gates = tuple(replace(each, text="<i>") for each in state.gates)
    drawn = run_page.parts(replace(state, course=replace(state.course, arms=arms), gates=gates), {"course"})["course"]
    assert "&lt;b&gt;" in drawn
    assert "&lt;i&gt;" in drawn
    assert "<b>" not in drawn
