"""Whether the load was what it claims to be, from what a run noted of itself."""

from datetime import UTC, datetime, timedelta

import pytest
from frames import BASELINE, CANDIDATE, LATENCY, grid, noisy

from uderia_bench.analysis import Verdict, analyse
from uderia_bench.analysis.conditions import Conditions, failed_conditions, little

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def study(frame, **options):
    """Analyse the usual contrast."""
    return analyse(frame, metrics=(LATENCY,), contrasts=((BASELINE, CANDIDATE),), margins={"latency_s": 0.1}, seed=7, **options)


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"cpu_share": 0.97}, "used 97% of a core"),
        ({"late_s": 0.8, "typical_s": 6.0}, "sent up to 0.8 s late"),
        ({"asked_rate": 10.0, "achieved_rate": 8.0}, "8 requests a second arrived where 10 were asked for"),
        ({"versions": {"prod": ("1.2", "1.2", "1.3")}}, "prod changed its version during the run: 1.2, then 1.3"),
    ],
)
def test_a_load_that_was_not_what_it_claims_makes_the_run_invalid(conditions, words):
    """Every comparison is invalid with the reason, whatever the data say."""
    (reason,) = failed_conditions(Conditions(**conditions))
    assert words in reason
    (found,) = study(grid(queries=12, value=noisy(ratio=3.0)), conditions=Conditions(**conditions)).comparisons
    assert found.verdict is Verdict.INVALID
    assert reason in found.warnings


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"cpu_share": 0.5, "late_s": 0.1, "typical_s": 6.0},
        {"late_s": 3.0},
        {"asked_rate": 10.0, "achieved_rate": 9.5},
        {"versions": {"prod": ("1.2", "1.2"), "other": ("1.3",)}},
    ],
)
def test_an_ordinary_load_is_not_held_against_a_run(conditions):
    """Nothing known, and what is within the limits, is no reason."""
    assert failed_conditions(Conditions(**conditions)) == ()


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
