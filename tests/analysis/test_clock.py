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


@pytest.mark.parametrize(("stall_s", "noted"), [(0.02, False), (0.2, True)])
def test_a_time_that_our_own_event_loop_makes_noticeably_longer_has_a_note(stall_s, noted):
    """The note is on the times of the affected arm that have the round trip. A stall of less than 1 % has none."""
    stalls = lambda q, arm, _r: stall_s * q if arm == CANDIDATE and q < 3 else 0.0  # noqa: E731 - a column
    ones = lambda *_: 1.0  # noqa: E731 - a column
    frame = grid(queries=12, value=ones, stall_s=stalls, submit_s=ones, total_tokens=ones)
    found = study(frame, (LATENCY, SUBMIT, TOKENS))
    blocked = f"the load generator was blocked during requests of {CANDIDATE}, which makes latency_s up to 5% too long"
    warned = {c.metric: [w for w in c.warnings if "was blocked" in w] for c in found.comparisons}
    assert {name: len(notes) for name, notes in warned.items()} == {"latency_s": noted, "submit_s": noted, "total_tokens": 0}
    assert all(note.startswith(blocked) for note in warned["latency_s"])
    of_arms = {arm.arm: any("was blocked" in w for w in arm.metrics["latency_s"].warnings) for arm in found.arms}
    assert of_arms == {BASELINE: False, CANDIDATE: noted}
