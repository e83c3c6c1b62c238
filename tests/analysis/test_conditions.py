"""Whether the load was what it claims to be, from what a run noted of itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from frames import BASELINE, CANDIDATE, LATENCY, grid, noisy
from pydantic import TypeAdapter

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.conditions import failed_conditions, typical_answer_s
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.values import Verdict
from uderia_bench.runs.generator import GeneratorRecord, little, worst

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def study(frame, **options):
    """Analyse the usual contrast."""
    return analyse(frame, metrics=(LATENCY,), contrasts=((BASELINE, CANDIDATE),), margins={"latency_s": 0.1}, seed=7, **options)


QUICK = grid(queries=12, value=lambda *_: 2.0)  # a typical answer takes two seconds on both arms


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"cpu_share": 0.97, "asking_s": 30.0}, "used 97% of a core"),
        ({"lag_mean_s": 0.11}, "late by 110 ms on average, more than 5% of a typical answer (2 s); lower load.concurrency"),
        ({"asked_rate": 10.0, "achieved_rate": 10.0, "trials": 100, "send_late_p99_s": 0.8}, "sent up to 800 ms late (p99)"),
        ({"asked_rate": 10.0, "achieved_rate": 8.0}, "8 requests a second were sent where 10 were asked for"),
        ({"in_flight": 10.0, "arrival_rate": 2.0, "flight_s": 3.5}, "Little's law is off by 30%: of 10 trials in flight 30%"),
    ],
)
def test_a_load_that_was_not_what_it_claims_makes_the_run_invalid(conditions, words):
    """Every comparison is invalid with the reason, whatever the data say, and so is the run that compares nothing."""
    analysis = study(QUICK, conditions=GeneratorRecord(**conditions))
    (reason,) = analysis.invalid
    assert words in reason
    (found,) = analysis.comparisons
    assert found.verdict is Verdict.INVALID
    assert reason in found.warnings


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"cpu_share": 0.5, "asking_s": 30.0, "lag_mean_s": 0.09, "lag_p99_s": 0.5, "lag_max_s": 3.0},
        {"cpu_share": 0.99, "asking_s": 2.0},  # start-up
        {"trials": 500, "send_late_p99_s": 0.8},  # a closed loop has no schedule to be late on
        {"asked_rate": 10.0, "achieved_rate": 9.5, "trials": 40, "send_late_p99_s": 0.8},  # the p99 of 40 is their largest
        {"in_flight": 10.0, "arrival_rate": 2.0, "flight_s": 4.5},
        {"in_flight": 4.0, "arrival_rate": 100.0, "flight_s": 0.027},  # a third off, which is 13 ms
        {"in_flight": 0.0, "arrival_rate": 2.0, "flight_s": 4.5},
    ],
)
def test_an_ordinary_load_is_not_held_against_a_run(conditions):
    """Nothing known, and what is within the limits, is no reason."""
    analysis = study(QUICK, conditions=GeneratorRecord(**conditions))
    assert analysis.invalid == ()
    assert analysis.comparisons[0].verdict is not Verdict.INVALID


def test_what_is_late_by_milliseconds_is_no_reason_whatever_an_embedded_agent_takes():
    """At two hundred times its speed an answer takes 25 ms: a scheduler's ordinary lateness is a large share of it."""
    late = GeneratorRecord(lag_mean_s=0.006, send_late_p99_s=0.05, asked_rate=20.0, achieved_rate=20.0, trials=200)
    assert failed_conditions(late, 0.025) == ()
    assert len(failed_conditions(replace(late, lag_mean_s=0.04, send_late_p99_s=0.2), 0.025)) == 2


def test_a_typical_answer_is_that_of_the_arm_where_it_is_shortest():
    """Two seconds on one arm and eight on the other: a late clock hurts the first; unanswered trials do not count."""
    frame = grid(queries=12, value=lambda _q, arm, _r: 2.0 if arm == BASELINE else 8.0)
    assert typical_answer_s(measured(frame)) == 2.0
    nobody = frame.with_columns(outcome=pl.lit("failed"))
    assert typical_answer_s(measured(nobody)) is None
    assert failed_conditions(GeneratorRecord(lag_mean_s=9.0), typical_answer_s(measured(nobody))) == ()


def read(sittings):
    """Return what counts of some sittings, as the manifest keeps them."""
    return worst(TypeAdapter(tuple[GeneratorRecord, ...]).validate_python(sittings))


def test_of_several_sittings_the_worst_counts():
    """Lateness by its largest, the rate by the sitting that kept least of it, Little's law by the one farthest off."""
    calm = {"asking_s": 10.0, "trials": 50, "lag_mean_s": 0.001, "lag_max_s": 0.2, "longest_stalls": [[1.0, 0.2]], "stalls": 1}
    calm |= {"asked_rate": 5.0, "achieved_rate": 5.0, "in_flight": 4.0, "arrival_rate": 1.0, "flight_s": 3.9}
    late = {"asking_s": 5.0, "trials": 20, "lag_mean_s": 0.004, "lag_max_s": 0.1, "longest_stalls": [[9.0, 0.1]], "stalls": 2}
    late |= {"asked_rate": 5.0, "achieved_rate": 4.0, "in_flight": 4.0, "arrival_rate": 1.0, "flight_s": 3.0, "of_tomorrow": 1}
    found = read([calm, late])
    assert (found.sittings, found.asking_s, found.trials, found.stalls) == (2, 15.0, 70, 3)
    assert (found.lag_mean_s, found.lag_max_s, found.longest_stalls) == (0.004, 0.2, ((1.0, 0.2),))
    assert found.kept_rate == pytest.approx(0.8)
    assert found.little == pytest.approx(0.25)
    assert found.cpu_share is None
    assert read([calm]).sittings == 1


NIGHT = {"asking_s": 3600.0, "trials": 5000, "cpu_share": 0.1, "send_late_p99_s": 0.002}
NIGHT |= {"asked_rate": 5.0, "achieved_rate": 5.0}


@pytest.mark.parametrize(
    "short",
    [
        {"asking_s": 0.3, "trials": 1, "cpu_share": 0.97, "send_late_p99_s": 0.4},
        {"asking_s": 0.8, "trials": 3, "cpu_share": 0.97, "send_late_p99_s": 0.4, "asked_rate": 5.0, "achieved_rate": 5.0},
    ],
)
def test_a_sitting_too_short_to_be_judged_is_judged_beside_no_other(short):
    """A night at a tenth of a core, and the resume that asks its last trial: all imports, and the largest of one for a p99."""
    found = read([NIGHT, short])
    assert (found.cpu_share, found.send_late_p99_s) == (0.1, 0.002)
    assert failed_conditions(found, 2.0) == failed_conditions(read([short]), 2.0) == ()


def test_short_sittings_do_not_add_up_to_one_that_can_be_judged():
    """Two sittings of three seconds are both too short to judge; their measurements are still shown."""
    short = {"asking_s": 3.0, "trials": 60, "cpu_share": 0.97, "send_late_p99_s": 0.4}
    short |= {"asked_rate": 20.0, "achieved_rate": 20.0}
    assert failed_conditions(read([short, short]), 2.0) == ()
    assert read([short | {"asking_s": 1.0}, short | {"asking_s": 1.0}]).cpu_share == 0.97
    assert len(failed_conditions(read([short | {"asking_s": 30.0, "trials": 600}, short]), 2.0)) == 2


def test_littles_law_by_hand():
    """Ten in flight, two a second, five seconds each belong together; four seconds each are a fifth off."""
    assert little(10, 2, 5) == 0
    assert little(10, 2, 4) == pytest.approx(0.2)


@pytest.mark.parametrize(("served", "noted"), [(19.0, False), (12.0, True), (None, False)])
def test_a_client_that_sees_trials_end_late_is_warned_of(served, noted):
    """Twenty seconds from sent to done against nineteen on the server is polling; against twelve it is worth a warning."""
    frame = grid(
        queries=12,
        value=noisy(),
        sent_at=lambda q, *_: NOON + timedelta(seconds=5 * q),
        done_at=lambda q, *_: NOON + timedelta(seconds=5 * q + 20),
        task_s=served,
    )
    warned = [warning for warning in study(frame).warnings if warning.startswith("Little")]
    assert bool(warned) == noted
    if noted:
        assert "off by 40%" in warned[0]
    measured_itself = study(frame, conditions=GeneratorRecord(in_flight=4.0, arrival_rate=2.0, flight_s=2.0))
    assert not [warning for warning in measured_itself.warnings if warning.startswith("Little")], "the generator knows better"


def test_a_trial_that_was_picked_up_is_not_seen_to_end_late():
    """Ten hours between two sittings are no polling."""
    frame = grid(
        queries=12,
        value=noisy(),
        sent_at=lambda q, *_: NOON + timedelta(seconds=5 * q),
        done_at=lambda q, *_: NOON + timedelta(seconds=5 * q + 20, hours=10 * (q == 3)),
        task_s=19.0,
        notes=lambda q, *_: ["looked up in its session after an interruption"] * (q == 3),
    )
    assert not [warning for warning in study(frame).warnings if warning.startswith("Little")]
