"""Cases of the analysis, each for a change that no other test noticed in a run of mutation tests."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest
from frames import ANSWERED, BASELINE, CANDIDATE, COST, LATENCY, QUALITY, TOKENS, grid, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.conditions import failed_conditions
from uderia_bench.analysis.ramp import ramp_note
from uderia_bench.analysis.strata import COMPLEX, SIMPLE, strata
from uderia_bench.analysis.trials import measured
from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.analysis.winners import winners
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.stats.estimate import Effect


def comparison(metric, verdict, *, stratum, n_pairs=20):
    """Return a comparison that has this verdict."""
    return Comparison(
        baseline=BASELINE,
        candidate=CANDIDATE,
        metric=metric,
        stratum=stratum,
        effect=Effect(kind="ratio", value=1.0, lo=0.9, hi=1.1, level=0.95, method="t"),
        test="sign-flip",
        p=0.5,
        p_adjusted=0.5,
        family="exploratory",
        n_queries=n_pairs,
        n_pairs=n_pairs,
        margin=None,
        verdict=verdict,
    )


def winner(*comparisons):
    """Return the one winner of some comparisons."""
    (found,) = winners(comparisons, [(BASELINE, CANDIDATE)])
    return found.arm, found.reason


def test_answer_quality_decides_where_success_cannot_be_judged():
    """Complex queries: success without a verdict is named in the reason, and quality names the winner."""
    quality = comparison("checks_passed_ratio", Verdict.BETTER, stratum=COMPLEX)
    said = f"success cannot be judged, answer quality better for {CANDIDATE}"
    assert winner(quality) == (CANDIDATE, said)
    assert winner(comparison("answered", Verdict.INVALID, stratum=COMPLEX), quality) == (CANDIDATE, said)


def test_the_preference_of_a_judge_decides_last_and_only_if_it_can_be_trusted():
    """Quality without a verdict leaves it to the judge; one that failed a probe is not asked."""
    quality = comparison("checks_passed_ratio", Verdict.INCONCLUSIVE, stratum=COMPLEX)
    preferred = comparison("preference", Verdict.BETTER, stratum=COMPLEX)
    said = f"success cannot be judged, answer quality inconclusive for {CANDIDATE}"
    assert winner(quality, preferred) == (CANDIDATE, f"{said}, the judge's preference better for {CANDIDATE}")
    failed = replace(preferred, warnings=("exploratory: the judge failed the probe of length",))
    assert winner(quality, failed) == (None, f"no winner: {said}")


def test_one_pair_is_enough_to_judge_and_none_is_not():
    """A comparison without pairs has no verdict that counts."""
    time, cost = (comparison(name, Verdict.BETTER, stratum=SIMPLE, n_pairs=1) for name in ("latency_s", "cost_usd"))
    assert winner(time, cost) == (CANDIDATE, f"time better, cost better for {CANDIDATE}")
    without = comparison("cost_usd", Verdict.BETTER, stratum=SIMPLE, n_pairs=0)
    assert winner(time, without)[0] is None


def test_the_reason_names_tokens_where_they_stand_in_for_cost():
    """Simple queries: cost without a verdict is replaced by total tokens."""
    time, tokens = (comparison(name, Verdict.WORSE, stratum=SIMPLE) for name in ("latency_s", "total_tokens"))
    arm, reason = winner(time, tokens)
    assert arm == BASELINE
    assert reason.startswith(f"time worse, tokens worse for {CANDIDATE} (total tokens stand in for cost")


@pytest.mark.parametrize(("lag_s", "shown"), [(0.9994, "999 ms"), (1.0, "1 s"), (1.5, "1.5 s")])
def test_seconds_are_written_from_one_second_on(lag_s, shown):
    """A lag below a second is in milliseconds."""
    (reason,) = failed_conditions(GeneratorRecord(lag_mean_s=lag_s), 10.0)
    assert f"late by {shown} on average" in reason


def test_a_missing_value_beside_the_send_time_does_not_hide_a_trial_from_the_ramp():
    """Only trials without a send time are left out."""
    start = datetime(2026, 11, 24, 10, tzinfo=UTC)
    trials = pl.DataFrame(
        {"server": ["one", "one"], "stage": ["measured", "measured"], "sent_at": [start, start], "latency_s": [None, 1.0]}
    )
    (note,) = ramp_note(trials, 10.0)
    assert "2 of 2 measured trials" in note


def test_memory_is_compared_on_time_tokens_and_success_alone():
    """Other metrics are skipped wherever they stand in the list, and the effects are exploratory."""
    frame = grid(
        queries=12,
        repeats=3,
        value=noisy(),
        total_tokens=noisy(seed=1),
        cost_usd=noisy(seed=2),
        checks_passed_ratio=0.5,
        rag_used=lambda _, arm, repeat: arm == CANDIDATE and repeat > 1,
    )
    metrics = (COST, LATENCY, QUALITY, TOKENS, ANSWERED)
    analysis = analyse(frame, metrics=metrics, contrasts=((BASELINE, CANDIDATE),), margins={}, seed=7)
    (learned,) = analysis.learning
    assert [effect.metric for effect in learned.effects] == ["latency_s", "total_tokens", "answered"]
    assert {effect.family for effect in learned.effects} == {"exploratory"}
    assert (learned.arm, learned.warm.value, learned.warm.hi) == (CANDIDATE, 1.0, 1.0)


def selections(frame):
    """Return the number of trials in each stratum of the usual contrast."""
    found = strata(measured(frame), baseline=BASELINE, candidate=CANDIDATE)
    return {stratum.name: int(stratum.where.sum()) for stratum in found}


@pytest.mark.parametrize("column", ["model", "provider"])
def test_a_stratum_of_a_model_or_provider_has_its_own_trials(column):
    """The arm that varies is split, 8 trials to 4, and the other one is whole in both strata."""
    values = {column: lambda query, arm, _: "b" if arm == CANDIDATE and query >= 8 else "a"}
    assert selections(grid(queries=12, value=lambda *_: 1.0, **values)) == {"all": 24, f"{column}=a": 20, f"{column}=b": 16}


def test_tags_are_read_from_a_list_and_from_text_with_commas():
    """A table from elsewhere may have its tags as one text."""
    listed = grid(queries=12, value=lambda *_: 1.0, tags=lambda query, *_: ["sql", "x"] if query < 6 else ["x"])
    text = grid(queries=12, value=lambda *_: 1.0, tags=lambda query, *_: "sql,x" if query < 6 else "x")
    assert selections(listed) == selections(text) == {"all": 24, "tag=sql": 12}
