"""Interim looks: when they are taken, when they stop a run, and what its report then says."""

import numpy as np
import polars as pl
import pytest
from experiments import built, queries
from frames import BASELINE, CANDIDATE, LATENCY, TOKENS, grid, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.interim import Declared, Looks
from uderia_bench.analysis.settings import Settings
from uderia_bench.analysis.values import Verdict
from uderia_bench.runner import outline, plan
from uderia_bench.runs.interim import Looked, planned

CONTRAST = (BASELINE, CANDIDATE)
ONE = {"metric": "latency_s", "looks": 5}


def looks_of(
    *, count=20, repeats=5, contrasts=(CONTRAST,), arms=CONTRAST, stop=ONE, margins=None, metrics=(LATENCY,), **fields
):
    """Return the plan of an experiment and what its looks compare."""
    margins = {"latency_s": 0.05} if margins is None else margins
    asked = queries(count)
    experiment = built(asked, arms=arms, repeats=repeats, stop=stop, margins=margins, **fields)
    trials = plan.build(experiment, asked)
    settings = Settings(
        margins=margins,
        correction="holm",
        confidence=0.95,
        seed=7,
        looked=planned(experiment, plan.looks(experiment, count)),
        confounded={(one.baseline, one.candidate): one.reason for one in outline.unbalanced(trials, experiment)},
    )
    return trials, Declared(metrics=metrics, contrasts=contrasts, settings=settings)


def run(trials, declared, value, looks=None):
    """Settle a plan in its order until a look stops it; return the decision and the settled measured trials."""
    looks, done = looks or Looks(declared, plan=trials), []
    for trial in trials:
        decided = looks.settled(trial, values(trial, value, declared.metrics))
        done += [trial] if trial.stage == "measured" else []
        if decided:
            return decided, done
    return None, done


def warmed_up(trials, declared):
    """Return the looks of a run whose warm-ups are settled."""
    looks = Looks(declared, plan=trials)
    for trial in trials:
        if trial.stage == "warmup":
            looks.settled(trial, {})
    return looks


def values(trial, value, metrics):
    """Return the value of each metric of a trial; ``value`` is one function, or one for each metric."""
    number = int(trial.query_id[1:])
    fills = value if isinstance(value, dict) else {metric.name: value for metric in metrics}
    return {name: fill(number, trial.arm, trial.repeat) for name, fill in fills.items()}


def frame_of(trials, value, metrics=(LATENCY,)):
    """Return the table of some settled trials."""
    return pl.DataFrame(
        [
            {
                "query_id": trial.query_id,
                "arm": trial.arm,
                "repeat": trial.repeat,
                "outcome": "answered",
                "window": trial.window,
                "block": trial.block,
                **values(trial, value, metrics),
            }
            for trial in trials
        ]
    )


def reported(trials, value, looked, **options):
    """Return the analysis that the report of a run with these settled trials has."""
    options = {"metrics": (LATENCY,), "contrasts": (CONTRAST,), "margins": {"latency_s": 0.05}, "seed": 7} | options
    return analyse(frame_of(trials, value, options["metrics"]), **options, looked=looked)


def test_a_large_effect_stops_at_the_first_look():
    """A ratio of 2 is found after a fifth of the measured trials; warm-ups do not count, and the rest is saved."""
    decided, done = run(*looks_of(), noisy(ratio=2.0))
    assert (decided.at.look, decided.at.looks, decided.saved) == (1, 5, 200 - len(done))
    assert len(done) == 40  # every query once, on two arms
    assert decided.at.early
    assert "decided at look 1 of 5 (latency_s worse): 160 trials are saved" in decided.reason


def test_a_smaller_effect_needs_more_looks_and_no_effect_is_not_called_different():
    """A ratio of 1.12 is not found at once, and of 20 runs without an effect at most one finds a difference."""
    decided, _ = run(*looks_of(count=100), noisy(ratio=1.12, seed=1))
    assert decided is None or decided.at.look > 1
    small = looks_of(count=12, repeats=4, stop=ONE | {"looks": 4})
    stopped = [run(*small, noisy(seed=seed))[0] for seed in range(20)]
    assert sum(decision is not None and "equivalent" not in decision.reason for decision in stopped) <= 1


def test_equal_arms_stop_as_equivalent():
    """Two arms without a difference are called equivalent before the plan ends, unless only differences are looked for."""
    value = noisy(seed=2, noise=0.04, interaction=0.02)
    decided, done = run(*looks_of(count=100, repeats=2), value)
    assert decided.verdicts == ("latency_s equivalent",)
    assert len(done) < 400
    assert run(*looks_of(count=100, repeats=2, stop=ONE | {"for": "difference"}), value)[0] is None


def test_every_primary_metric_must_have_a_verdict():
    """A difference in latency does not stop a run whose tokens are still open; Holm's correction counts both."""
    stop = {"looks": 5}
    options = {"stop": stop, "margins": {"latency_s": 0.05, "total_tokens": 0.05}, "metrics": (LATENCY, TOKENS)}
    slower, noise = noisy(ratio=2.0), noisy(noise=0.6, seed=3)
    trials, declared = looks_of(**options)
    assert run(trials, declared, {"latency_s": slower, "total_tokens": noise})[0] is None
    decided, done = run(trials, declared, {"latency_s": slower, "total_tokens": noisy(ratio=1.5, seed=1)})
    found = reported(done, {"latency_s": slower, "total_tokens": noisy(ratio=1.5, seed=1)}, decided.at, **REPORT)
    assert [one.verdict for one in found.comparisons] == [Verdict.WORSE, Verdict.WORSE]
    assert all(one.p_adjusted >= one.p for one in found.comparisons)


REPORT = {"metrics": (LATENCY, TOKENS), "margins": {"latency_s": 0.05, "total_tokens": 0.05}}


def test_slow_answers_in_flight_do_not_decide():
    """The fast answers of the arm whose turn it is come first; a look waits until its slow ones have come, too."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        trials, declared = looks_of(count=50, repeats=1, load={"concurrency": 64}, stop=ONE | {"looks": 3})
        looks = Looks(declared, plan=trials)
        level = rng.normal(0, 0.3, 50)
        took = {t.trial_id: float(np.exp(level[int(t.query_id[1:])] + rng.normal(0, 0.5))) for t in trials}
        in_order = sorted(trials, key=lambda trial: (trial.window, took[trial.trial_id]))
        stopped = [looks.settled(trial, {"latency_s": took[trial.trial_id]}) for trial in in_order]
        for trial, decision in zip(in_order, stopped, strict=True):
            if decision is not None:
                closes = [other for other in in_order if other.window == trial.window][-1]
                assert trial is closes


def test_every_contrast_must_have_decided():
    """A third arm without a difference keeps the run going."""
    arms = (*CONTRAST, "FOCUS")
    both = ((BASELINE, CANDIDATE), (BASELINE, "FOCUS"))
    only = ONE | {"for": "difference"}
    assert run(*looks_of(arms=arms, contrasts=both, stop=only), noisy(ratio=3.0))[0] is None
    decided, _ = run(*looks_of(arms=arms, stop=only), noisy(ratio=3.0))
    assert decided.at.look == 1
    alike = run(*looks_of(arms=arms, contrasts=both), noisy(ratio=3.0))[0]
    assert alike.verdicts == (f"{CANDIDATE} latency_s worse", "FOCUS latency_s equivalent")


def test_a_trial_counts_once_and_one_without_a_value_counts():
    """Replayed trials of an earlier sitting change nothing; failed trials are settled, and too few pairs decide nothing."""
    trials, declared = looks_of(repeats=2, stop=ONE | {"looks": 2})
    looks = Looks(declared, plan=trials)
    for trial in trials[: len(trials) // 2]:
        assert looks.settled(trial, {"latency_s": None}) is None
        assert looks.settled(trial, {"latency_s": None}) is None
    for trial in trials[len(trials) // 2 :]:
        assert looks.settled(trial, {"latency_s": 5.0}) is None


def test_the_values_of_a_trial_that_was_asked_again_replace_its_earlier_ones():
    """A trial that a restart made doubtful was first seen with the time of a cold server."""
    value = noisy(ratio=1.3, seed=6)
    trials, declared = looks_of(count=40, repeats=3)
    decided, done = run(trials, declared, value)
    looks = warmed_up(trials, declared)
    for trial in done[:30]:
        assert looks.settled(trial, {"latency_s": 1.0 + 9 * (trial.arm == BASELINE)}) is None
    found = [looks.settled(trial, values(trial, value, (LATENCY,))) for trial in done]
    assert [one for one in found if one] == [decided]


def test_the_order_of_the_answers_does_not_change_the_decision():
    """A run that was killed after any trial hands in its answers in another order, and decides the same."""
    value = noisy(ratio=1.3, seed=6)
    trials, declared = looks_of(count=40, repeats=3)
    decided, done = run(trials, declared, value)
    rng = np.random.default_rng(1)
    for _ in range(3):
        again = warmed_up(trials, declared)
        found = [again.settled(done[place], values(done[place], value, (LATENCY,))) for place in rng.permutation(len(done))]
        assert [one for one in found if one] == [decided]


def test_the_report_allows_for_the_looks():
    """At the last look p rises and the interval widens a little; after an early stop both come from the t test."""
    trials, declared = looks_of(count=40, repeats=3, stop=ONE | {"boundary": "obrien-fleming"})
    measured = [trial for trial in trials if trial.stage == "measured"]
    value = noisy(ratio=1.15)
    (plain,) = reported(measured, value, None).comparisons
    (last,), (early,) = (reported(measured, value, declared.looked.at(look)).comparisons for look in (5, 3))
    assert plain.p < last.p < 1.6 * plain.p + 0.002
    assert (last.test, early.test) == ("paired sign-flip, look 5 of 5", "paired t, look 3 of 5")
    assert last.effect.lo < plain.effect.lo < plain.effect.hi < last.effect.hi
    assert early.effect.lo < last.effect.lo
    assert any("allow for 5 planned looks" in warning for warning in last.warnings)
    assert last.verdict is Verdict.WORSE


@pytest.mark.parametrize(("ratio", "seed"), [(1.5, 4), (1.3, 1), (1.25, 2), (0.7, 5)])
def test_the_report_of_a_stopped_run_has_the_verdict_of_its_decision(ratio, seed):
    """The interval excludes "no change", every look before found less, and the effect is nearer to 1 than what was seen."""
    value = noisy(ratio=ratio, seed=seed)
    decided, done = run(*looks_of(repeats=5), value)
    found = reported(done, value, decided.at)
    (one,) = found.comparisons
    assert f"latency_s {one.verdict}" in decided.verdicts
    assert not one.effect.lo <= 1.0 <= one.effect.hi
    assert [look.stops for look in found.looks] == [False] * (decided.at.look - 1) + [True]
    assert [look.trials for look in found.looks][-1] == len(done)
    assert found.looks[-1].comparisons[0].p == one.p
    assert abs(np.log(one.effect.value)) < abs(np.log(one.beside["as_seen"]))
    assert any("corrected for the stop" in warning for warning in one.warnings)


def test_an_effect_that_was_decided_before_is_not_corrected():
    """Latency was decided at an earlier look, and tokens kept the run going: only the tokens are corrected."""
    value = {"latency_s": noisy(ratio=2.0), "total_tokens": noisy(ratio=1.2, seed=1)}
    trials, declared = looks_of(stop={"looks": 5}, margins=REPORT["margins"], metrics=REPORT["metrics"])
    decided, done = run(trials, declared, value)
    assert decided.at.look > 1
    latency, tokens = reported(done, value, decided.at, **REPORT).comparisons
    assert "as_seen" not in latency.beside
    assert tokens.beside["as_seen"] > tokens.effect.value


def test_trials_in_flight_at_a_stop_are_not_compared():
    """They belong to blocks that the look does not compare, so the report has the p of the decision."""
    value = noisy(ratio=1.5, seed=4)
    trials, declared = looks_of(repeats=5)
    decided, done = run(trials, declared, value)
    measured = [trial for trial in trials if trial.stage == "measured"]
    later = measured[len(done) : len(done) + 30]
    (alone,), (more,) = (reported(asked, value, decided.at).comparisons for asked in (done, [*done, *later]))
    assert (more.p, more.effect.value) == (alone.p, alone.effect.value)


@pytest.mark.parametrize(
    "fields",
    [{"load": {"isolation": "none"}}, {"arms": (BASELINE, {"name": CANDIDATE, "profile": CANDIDATE, "server": "http://b"})}],
)
def test_arms_side_by_side_have_looks_too(fields):
    """Their windows end at every look."""
    decided, _ = run(*looks_of(**fields), noisy(ratio=2.0))
    assert decided.at.look == 1


def test_a_confounded_contrast_never_stops_a_run():
    """Where the plan cannot balance the arms, no look has a verdict."""
    trials, declared = looks_of(count=4, repeats=3)
    assert declared.settings.confounded
    assert run(trials, declared, noisy(ratio=5.0))[0] is None


RULE = {"shares": (0.2, 0.4, 0.6, 0.8, 1.0), "look": 2}


@pytest.mark.parametrize("looked", [None, Looked(metrics=("total_tokens",), **RULE)])
def test_metrics_without_a_part_in_the_looks_are_not_adjusted(looked):
    """Only the metrics of the looks and those with margins are adjusted."""
    frame = grid(queries=20, value=noisy(ratio=1.2))
    found = analyse(frame, metrics=(LATENCY,), contrasts=(CONTRAST,), margins={}, seed=7, looked=looked)
    assert found.comparisons[0].test == "paired sign-flip"
