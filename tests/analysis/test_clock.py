"""Effects of polling and of our own event loop on the verdict on a time."""

import pytest
from frames import BASELINE, CANDIDATE, LATENCY, grid, metric, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.metrics.metric import MEASUREMENT, Assumption, Direction

SUBMIT, TOKENS = metric("submit_s"), metric("total_tokens")
QUANTISATION = metric("quantisation", assumption=Assumption.AMOUNT, direction=Direction.NEUTRAL, family=MEASUREMENT)


def study(frame, metrics=(LATENCY,), *, margin=0.1):
    """Analyse the usual contrast."""
    margins = {} if margin is None else {"latency_s": margin}
    return analyse(frame, metrics=metrics, contrasts=((BASELINE, CANDIDATE),), margins=margins, seed=7)


def polled(share, *, ratio=2.0, **columns):
    """Make a frame where the candidate is slower by a ratio and polling blurs a share of its times."""
    quantised = lambda _q, arm, _r: share if arm == CANDIDATE else 0.0  # noqa: E731 - a column
    return grid(queries=12, value=noisy(ratio=ratio), quantisation=quantised, **columns)


@pytest.mark.parametrize(("share", "margin", "verdict"), [(0.0, 0.1, "worse"), (0.09, 0.1, "worse"), (0.11, 0.1, "invalid")])
def test_no_verdict_rests_on_a_poll_interval_wider_than_the_margin(share, margin, verdict):
    """Without stamps a time is an interval; one arm is enough, and the reason says how wide it is."""
    (found,) = study(polled(share), margin=margin).comparisons
    assert found.verdict == verdict
    assert any(warning.startswith("server stamps are missing") for warning in found.warnings) == (share > 0)
    if found.verdict is Verdict.INVALID:
        assert f"polling adds an error of {share:.0%} to a time, more than the margin (10%)" in found.warnings[0]


@pytest.mark.parametrize(("share", "verdict"), [(0.2, "worse"), (0.9, "invalid")])
def test_without_a_margin_the_polling_error_is_compared_with_the_observed_effect(share, verdict):
    """Polling can produce a difference smaller than its error, but not a larger difference."""
    (found,) = study(polled(share, ratio=1.4), margin=None).comparisons
    assert found.verdict == verdict


def test_a_few_trials_without_stamps_leave_the_verdict_alone():
    """The median decides: what most trials rest on."""
    frame = grid(queries=12, value=noisy(ratio=2.0), quantisation=lambda q, *_: 0.9 if q < 3 else 0.0)
    assert study(frame).comparisons[0].verdict is Verdict.WORSE


def test_polling_does_not_affect_other_metrics_and_is_not_compared_itself():
    """Tokens have no clock; the share of quantisation describes the measuring and no arm."""
    frame = polled(0.9, total_tokens=lambda q, arm, _r: 100.0 + q + 50 * (arm == CANDIDATE))
    tokens = study(frame, (TOKENS, QUANTISATION))
    (found,) = tokens.comparisons
    assert (found.metric, found.warnings) == ("total_tokens", ())
    assert tokens.arms[1].metrics["quantisation"].mean.value == pytest.approx(0.9)


def test_a_latency_table_warns_where_times_come_from_polls():
    """The arm without server timestamps carries the warning, the other arm does not."""
    warned = {arm.arm: arm.metrics["latency_s"].warnings for arm in study(polled(0.2)).arms}
    assert warned[BASELINE] == ()
    assert warned[CANDIDATE] == ("server stamps are missing: times are intervals between polls, 20% wide in the median",)


def test_trials_that_our_own_event_loop_held_up_are_named_on_every_time_that_has_their_round_trip():
    """How many and how long, on comparison and table; no note where nothing was blocked."""
    frame = grid(
        queries=12, value=noisy(), stall_s=lambda q, arm, _r: 0.02 * q if arm == CANDIDATE and q < 3 else 0.0,
        submit_s=lambda *_: 1.0, total_tokens=lambda *_: 1.0,
    )  # fmt: skip
    found = study(frame, (LATENCY, SUBMIT, TOKENS))
    text = "the load generator was blocked during the request of 2 of {} trials, for 40 ms at most and 60 ms in all"
    by_metric = {comparison.metric: comparison.warnings for comparison in found.comparisons}
    assert text.format(24) in by_metric["latency_s"]
    assert text.format(24) in by_metric["submit_s"]
    assert not [warning for warning in by_metric["total_tokens"] if "was blocked" in warning]
    assert [arm.metrics["latency_s"].warnings for arm in found.arms] == [(), (text.format(12),)]
