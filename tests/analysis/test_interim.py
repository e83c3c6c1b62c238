"""Interim looks: when they are taken, when they stop a run, and what its report then says."""

import numpy as np
import polars as pl
import pytest
from experiments import built, queries
from frames import BASELINE, CANDIDATE, LATENCY, grid, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.interim import Looks
from uderia_bench.analysis.values import Verdict
from uderia_bench.runner import plan
from uderia_bench.runs.interim import Looked

CONTRAST = (BASELINE, CANDIDATE)


def looks_of(*, count=20, repeats=5, looks=5, contrasts=(CONTRAST,), arms=CONTRAST, **fields):
    """Return the plan of an experiment and its looks."""
    stop = {"metric": "latency_s", "looks": looks}
    trials = plan.build(built(queries(count), arms=arms, repeats=repeats, stop=stop, **fields), queries(count))
    return trials, Looks(LATENCY, looks=looks, plan=trials, contrasts=contrasts, confidence=0.95, seed=7)


def run(trials, looks, value):
    """Settle a plan in its order until a look stops it; return the decision and the settled measured trials."""
    done = []
    for trial in trials:
        number = int(trial.query_id[1:])
        decided = looks.settled(trial, value(number, trial.arm, trial.repeat))
        done += [trial] if trial.stage == "measured" else []
        if decided:
            return decided, done
    return None, done


def frame_of(trials, value):
    """Return the table of some settled trials."""
    return pl.DataFrame(
        [
            {
                "query_id": trial.query_id,
                "arm": trial.arm,
                "repeat": trial.repeat,
                "outcome": "answered",
                "window": trial.window,
                "latency_s": value(int(trial.query_id[1:]), trial.arm, trial.repeat),
            }
            for trial in trials
        ]
    )


def reported(trials, value, looked):
    """Return the comparison that the report of a run with these settled trials has."""
    options = {"metrics": (LATENCY,), "contrasts": (CONTRAST,), "margins": {"latency_s": 0.05}, "seed": 7}
    (found,) = analyse(frame_of(trials, value), **options, looked=looked).comparisons
    return found


def test_a_large_effect_stops_at_the_first_look():
    """A ratio of 2 is found after a fifth of the measured trials; warm-ups do not count, and the rest is saved."""
    decided, done = run(*looks_of(), noisy(ratio=2.0))
    assert (decided.at, decided.saved) == (Looked(metric="latency_s", look=1, looks=5), 200 - len(done))
    assert 40 <= len(done) <= 52  # the look has its share of whole blocks, at a boundary of chunks
    assert decided.at.early
    assert "latency_s is decided at look 1 of 5" in decided.reason


def test_a_smaller_effect_needs_more_looks_and_no_effect_does_not_stop():
    """A ratio of 1.12 is not found at once, and of 40 runs without an effect at most two stop."""
    decided, _ = run(*looks_of(count=100), noisy(ratio=1.12, seed=1))
    assert decided is None or decided.at.look > 1
    stopped = [run(*looks_of(count=12, repeats=4, looks=4), noisy(seed=seed))[0] for seed in range(40)]
    assert sum(decision is not None for decision in stopped) <= 2


def test_slow_answers_in_flight_do_not_decide():
    """The fast answers of the arm whose turn it is come first; a look waits until its slow ones have come, too."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        trials, looks = looks_of(count=50, repeats=1, load={"concurrency": 64})
        level = rng.normal(0, 0.3, 50)
        took = {t.trial_id: float(np.exp(level[int(t.query_id[1:])] + rng.normal(0, 0.5))) for t in trials}
        in_order = sorted(trials, key=lambda trial: (trial.window, took[trial.trial_id]))
        stopped = [looks.settled(trial, took[trial.trial_id]) for trial in in_order]
        for trial, decision in zip(in_order, stopped, strict=True):
            if decision is not None:
                closes = [other for other in in_order if other.window == trial.window][-1]
                assert trial is closes


def test_every_contrast_must_have_decided():
    """A third arm without a difference keeps the run going."""
    arms = (*CONTRAST, "FOCUS")
    both = ((BASELINE, CANDIDATE), (BASELINE, "FOCUS"))
    assert run(*looks_of(arms=arms, contrasts=both), noisy(ratio=3.0))[0] is None
    assert run(*looks_of(arms=arms), noisy(ratio=3.0))[0].at.look == 1


def test_a_trial_counts_once_and_one_without_a_value_counts():
    """Replayed trials of an earlier sitting change nothing; failed trials are settled, and too few pairs decide nothing."""
    trials, looks = looks_of(repeats=2, looks=2)
    for trial in trials[: len(trials) // 2]:
        assert looks.settled(trial, None) is None
        assert looks.settled(trial, 1.0) is None
    for trial in trials[len(trials) // 2 :]:
        assert looks.settled(trial, 5.0) is None


def test_the_report_allows_for_the_looks():
    """At the last look p rises and the interval widens a little; after an early stop both come from the t test."""
    trials, _ = looks_of(count=40, repeats=3)
    measured = [trial for trial in trials if trial.stage == "measured"]
    value = noisy(ratio=1.15)
    plain = reported(measured, value, None)
    last, early = (reported(measured, value, Looked(metric="latency_s", look=look, looks=5)) for look in (5, 3))
    assert plain.p < last.p < 1.6 * plain.p + 0.002
    assert (last.test, early.test) == ("paired sign-flip, look 5 of 5", "paired t, look 3 of 5")
    assert last.effect.lo < plain.effect.lo < plain.effect.hi < last.effect.hi
    assert early.effect.lo < last.effect.lo
    assert any("allow for 5 planned looks" in warning for warning in last.warnings)
    assert any("on average too large" in warning for warning in early.warnings)
    assert last.verdict is Verdict.WORSE


@pytest.mark.parametrize(("ratio", "seed"), [(1.5, 4), (1.3, 1), (1.25, 2), (0.7, 5)])
def test_the_report_of_a_stopped_run_has_the_p_of_its_decision(ratio, seed):
    """The p is the same, the interval excludes "no change", and both allow for the looks."""
    value = noisy(ratio=ratio, seed=seed)
    trials, looks = looks_of(repeats=5)
    decided, done = run(trials, looks, value)
    assert decided is not None
    found = reported(done, value, decided.at)
    assert found.p == pytest.approx(max(decided.p_values), rel=1e-9)
    assert found.p < 0.05
    assert not found.effect.lo <= 1.0 <= found.effect.hi


def test_trials_in_flight_at_a_stop_are_counted():
    """They may complete further blocks; the decision then has the p of the report, and fewer trials are saved."""
    value = noisy(ratio=1.5, seed=4)
    trials, looks = looks_of(repeats=5)
    decided, done = run(trials, looks, value)
    measured = [trial for trial in trials if trial.stage == "measured"]
    later = measured[len(done) : len(done) + 30]
    for trial in later:
        looks.settled(trial, value(int(trial.query_id[1:]), trial.arm, trial.repeat))
    ended = looks.ended()
    assert ended.saved == decided.saved - 30
    assert reported([*done, *later], value, ended.at).p == pytest.approx(max(ended.p_values), rel=1e-9)


@pytest.mark.parametrize(
    "fields",
    [{"load": {"isolation": "none"}}, {"arms": (BASELINE, {"name": CANDIDATE, "profile": CANDIDATE, "server": "http://b"})}],
)
def test_arms_side_by_side_have_looks_too(fields):
    """Their windows end at every look."""
    decided, _ = run(*looks_of(**fields), noisy(ratio=2.0))
    assert decided.at.look == 1


@pytest.mark.parametrize("looked", [None, Looked(metric="total_tokens", look=2, looks=5)])
def test_other_metrics_are_not_adjusted(looked):
    """Only the metric of the looks is adjusted."""
    frame = grid(queries=20, value=noisy(ratio=1.2))
    found = analyse(frame, metrics=(LATENCY,), contrasts=(CONTRAST,), margins={"latency_s": 0.1}, seed=7, looked=looked)
    assert found.comparisons[0].test == "paired sign-flip"
