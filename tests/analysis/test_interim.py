"""Looks at a run that goes on: when they are taken, what stops it, and what the report then pays."""

import numpy as np
import pytest
from experiments import built, queries
from frames import BASELINE, CANDIDATE, LATENCY, TOKENS, grid, noisy

from uderia_bench.analysis import Verdict
from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.interim import Looks
from uderia_bench.runner import plan
from uderia_bench.runs.interim import Looked

CONTRAST = (BASELINE, CANDIDATE)


def looks_of(*, count=20, repeats=5, looks=5, contrasts=(CONTRAST,), arms=CONTRAST):
    """Return the plan of an experiment and its looks."""
    trials = plan.build(built(queries(count), arms=arms, repeats=repeats), queries(count))
    return trials, Looks(LATENCY, looks=looks, plan=trials, contrasts=contrasts, confidence=0.95)


def run(trials, looks, value):
    """Settle a plan in its order until a look stops it; return the decision and how many measured trials were settled."""
    done = 0
    for trial in trials:
        number = int(trial.query_id[1:])
        decided = looks.settled(trial, value(number, trial.arm, trial.repeat))
        done += trial.stage == "measured"
        if decided:
            return decided, done
    return None, done


def test_a_large_effect_stops_at_the_first_look_that_sees_it():
    """Twice as slow is seen after the first fifth of the measured trials; warm-ups do not count; the rest is saved."""
    decided, done = run(*looks_of(), noisy(ratio=2.0))
    assert (decided.at, done, decided.saved) == (Looked(metric="latency_s", look=1, looks=5), 40, 160)
    assert decided.at.early
    assert "latency_s has decided at look 1 of 5" in decided.reason


def test_a_smaller_effect_needs_more_looks_and_none_does_not_stop():
    """Ten per cent is not seen at once, and 40 runs without an effect stop twice or less before their end."""
    decided, _ = run(*looks_of(count=100), noisy(ratio=1.12, seed=1))
    assert decided is None or decided.at.look > 1
    stopped = [run(*looks_of(count=12, repeats=4, looks=4), noisy(seed=seed))[0] for seed in range(40)]
    assert sum(decision is not None for decision in stopped) <= 2


def test_every_contrast_must_have_decided():
    """A third arm that is like the baseline keeps the run going."""
    arms = (*CONTRAST, "FOCUS")
    both = ((BASELINE, CANDIDATE), (BASELINE, "FOCUS"))
    assert run(*looks_of(arms=arms, contrasts=both), noisy(ratio=3.0))[0] is None
    assert run(*looks_of(arms=arms), noisy(ratio=3.0))[0].at.look == 1


def test_a_trial_counts_once_and_one_without_a_value_counts():
    """Replayed trials of an earlier sitting change nothing; failures are settled, and too few pairs decide nothing."""
    trials, looks = looks_of(repeats=2, looks=2)
    measured = [trial for trial in trials if trial.stage == "measured"]
    for trial in measured[:39]:
        assert looks.settled(trial, None) is None
        assert looks.settled(trial, 1.0) is None
    assert looks.settled(measured[39], 5.0) is None  # the look, with one value
    assert looks.settled(measured[40], 5.0) is None


def test_the_report_pays_for_the_looks():
    """At the end of the plan p rises a little; at a stop it is the t test's; the interval stays, and readers are told."""
    frame = grid(queries=40, repeats=3, value=noisy(ratio=1.15))
    options = {"metrics": (LATENCY, TOKENS), "contrasts": (CONTRAST,), "margins": {"latency_s": 0.05}, "seed": 7}
    plain = analyse(frame, **options).comparisons[0]
    last, early = (
        analyse(frame, **options, looked=Looked(metric="latency_s", look=look, looks=5)).comparisons[0] for look in (5, 3)
    )
    assert plain.p < last.p < 1.6 * plain.p + 0.002
    assert (last.test, early.test) == ("paired sign-flip, look 5 of 5", "paired t, look 3 of 5")
    assert (last.effect, early.effect) == (plain.effect, plain.effect)
    assert any("p pays for 5 looks" in warning for warning in last.warnings)
    assert any("on average too large" in warning for warning in early.warnings)
    assert last.verdict is Verdict.WORSE


def test_a_decision_at_a_look_is_a_verdict_in_the_report():
    """What stopped the run is significant when it is analysed: same data, same test, same boundary."""
    value = noisy(ratio=1.5, seed=4)
    decided, _ = run(*looks_of(repeats=5), value)
    assert decided is not None
    frame = grid(queries=20, repeats=decided.at.look, value=value)
    (found,) = analyse(
        frame, metrics=(LATENCY,), contrasts=(CONTRAST,), margins={"latency_s": 0.05}, seed=7, looked=decided.at
    ).comparisons
    assert found.p < 0.05
    assert found.p >= max(decided.p_values) - 1e-12
    assert np.isfinite(found.effect.lo)
    assert found.verdict is Verdict.WORSE


@pytest.mark.parametrize("looked", [None, Looked(metric="total_tokens", look=2, looks=5)])
def test_other_metrics_pay_nothing(looked):
    """Only the metric that was looked at pays."""
    frame = grid(queries=20, value=noisy(ratio=1.2))
    found = analyse(frame, metrics=(LATENCY,), contrasts=(CONTRAST,), margins={"latency_s": 0.1}, seed=7, looked=looked)
    assert found.comparisons[0].test == "paired sign-flip"
