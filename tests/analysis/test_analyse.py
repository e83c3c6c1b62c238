"""``analyse``: arms, strata, families, winners, what varies unnamed."""

import numpy as np
import polars as pl
import pytest
from frames import ANSWERED, BASELINE, CANDIDATE, COST, FASTPATH, LATENCY, QUALITY, TOKENS, grid, metric, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.metrics.metric import Across, Assumption, Direction

METRICS = (LATENCY, TOKENS, COST, ANSWERED, QUALITY, FASTPATH)
TYPES = {BASELINE: "llm_only", CANDIDATE: "tool_enabled"}


def study(frame, *, metrics=METRICS, margins=None, **options):
    """Analyse the usual contrast with a margin on time."""
    margins = {"latency_s": 0.10} if margins is None else margins
    return analyse(frame, metrics=metrics, contrasts=((BASELINE, CANDIDATE),), margins=margins, seed=7, **options)


def find(analysis, metric_name, stratum="all"):
    """Return the one comparison of a metric in a stratum."""
    (found,) = [c for c in analysis.comparisons if (c.metric, c.stratum) == (metric_name, stratum)]
    return found


def run(**columns):
    """Make a run of 24 queries, 3 repeats: simple, complex and edge in turn, candidate twice as slow and half as dear."""
    return grid(
        **{
            "queries": 24,
            "repeats": 3,
            "value": noisy(ratio=2.0),
            "total_tokens": noisy(ratio=0.5, seed=1),
            "cost_usd": noisy(ratio=0.5, seed=2),
            "price_fallback": False,
            "complexity": lambda q, *_: ("simple", "complex", "edge")[q % 3],
            "profile_type": lambda _, arm, __: TYPES[arm],
            "profile_tag": lambda _, arm, __: arm,
            **columns,
        }
    )


def test_an_arm_is_summarised_with_all_its_endings():
    """Outcomes are counted for all trials, latency speaks for the answered ones and says how many it does not."""
    frame = run(outcome=lambda q, arm, _: "timed_out" if arm == CANDIDATE and q == 0 else "answered")
    baseline, candidate = study(frame).arms
    assert (baseline.arm, baseline.profile_type, baseline.trials) == (BASELINE, "llm_only", 72)
    assert candidate.outcomes == {"answered": 69, "timed_out": 3}
    summary = candidate.metrics["latency_s"]
    assert (summary.n, summary.missing, summary.mean.n) == (69, 3, 23)
    answered = frame.filter((pl.col("arm") == CANDIDATE) & (pl.col("outcome") == "answered"))["latency_s"]
    assert summary.mean.value == pytest.approx(answered.mean())
    assert summary.percentiles[95].value == pytest.approx(answered.quantile(0.95, "linear"))
    assert summary.mean.lo < summary.mean.value < summary.mean.hi
    assert summary.geometric_mean.value == pytest.approx(np.exp(answered.log().mean()))
    assert summary.geometric_mean.lo < summary.geometric_mean.value < summary.geometric_mean.hi < summary.mean.hi
    assert summary.total.value == pytest.approx(answered.sum())
    assert candidate.metrics["answered"].total is candidate.metrics["answered"].geometric_mean is None


def test_a_rate_of_one_has_a_bound_on_its_own():
    """A fast path taken always is 1 with Wilson's bound over queries, not over trials."""
    candidate = study(run(fastpath_rate=lambda _, arm, __: 1.0 if arm == CANDIDATE else None)).arms[1]
    estimate = candidate.metrics["fastpath_rate"].mean
    assert (estimate.value, estimate.hi, estimate.n) == (1.0, 1.0, 24)
    assert estimate.lo == pytest.approx(0.862, abs=0.001)  # Wilson, 24 of 24


def test_a_metric_without_a_value_is_missing():
    """No observation gives no value anywhere, and the count of trials it does not speak for."""
    baseline = study(run(fastpath_rate=lambda _, arm, __: 1.0 if arm == CANDIDATE else None)).arms[0]
    summary = baseline.metrics["fastpath_rate"]
    assert (summary.n, summary.missing, summary.mean.value, summary.percentiles[50].value) == (0, 72, None, None)


def test_one_query_has_repeats_for_units():
    """The summary of a one-query run holds for this query only."""
    summary = study(run(queries=1, repeats=8)).arms[0].metrics["latency_s"]
    assert summary.mean.n == 8
    assert summary.warnings[0].startswith("this query only")


def test_strata_are_compared_on_what_decides():
    """Every complexity gets its comparison, outside the primary family, and edge queries name no winner."""
    analysis = study(run())
    assert find(analysis, "latency_s").family == "primary"
    assert find(analysis, "latency_s", "complexity=edge").family == "exploratory"
    assert find(analysis, "latency_s", "complexity=simple").n_queries == 8
    assert [winner.stratum for winner in analysis.winners] == ["simple", "complex"]


def test_faster_but_dearer_is_a_trade_off():
    """Simple queries: slower at half the cost has no winner."""
    simple = study(run()).winners[0]
    assert simple.arm is None
    assert "trade-off" in simple.reason


def test_better_on_one_and_not_worse_on_the_other_wins_simple_queries():
    """Simple queries: twice as slow at the same cost loses to the baseline; half the time wins."""
    same_cost = {"cost_usd": noisy(seed=2, noise=0.01, interaction=0.01)}
    assert study(run(**same_cost)).winners[0].arm == BASELINE
    assert study(run(value=noisy(ratio=0.5), **same_cost)).winners[0].arm == CANDIDATE


@pytest.mark.parametrize(
    ("failing", "repeats", "winner", "reason"),
    [
        (range(0, 24, 3), 3, BASELINE, "success worse"),  # it fails on all simple queries
        ((0, 3), 3, None, "answers more often"),  # 25 points less often, on two queries: not significant
        ((0,), 1, CANDIDATE, "time better"),  # one trial of 24: within 5 points
        ((), 0, CANDIDATE, "time better"),
    ],
)
def test_a_winner_of_simple_queries_may_not_answer_less_often(failing, repeats, winner, reason):
    """Half the time at the same cost wins only if the arm also answers."""
    cheap = {"cost_usd": noisy(seed=2, noise=0.01, interaction=0.01), "value": noisy(ratio=0.5)}
    fails = {(query, repeat) for query in failing for repeat in range(1, repeats + 1)}
    frame = run(outcome=lambda q, arm, r: "failed" if arm == CANDIDATE and (q, r) in fails else "answered", **cheap)
    simple = study(frame).winners[0]
    assert (simple.arm, reason in simple.reason) == (winner, True), simple.reason


@pytest.mark.parametrize(("passed", "winner"), [(0.4, None), (0.95, CANDIDATE), (1.0, CANDIDATE)])
def test_a_winner_of_simple_queries_may_not_be_wrong_more_often(passed, winner):
    """Half the time at the same cost wins only if the answers are as right, as far as the corpus can tell."""
    cheap = {"cost_usd": noisy(seed=2, noise=0.01, interaction=0.01), "value": noisy(ratio=0.5)}
    some = {BASELINE: 0.95, CANDIDATE: passed}
    frame = run(checks_passed_ratio=lambda q, arm, _: some[arm] - q / 500, **cheap)
    simple = study(frame, margins={"latency_s": 0.1, "checks_passed_ratio": 0.05}).winners[0]
    assert simple.arm == winner, simple.reason
    assert ("more answers of IDEAT pass their checks" in simple.reason) is (winner is None)


@pytest.mark.parametrize(("failing", "winner"), [((1, 4), None), ((), CANDIDATE)])
def test_a_winner_of_complex_queries_may_not_answer_less_often(failing, winner):
    """An arm that fails the hard queries has better answers to the others. That is a trade-off, also where it may be chance."""
    frame = run(
        outcome=lambda q, arm, _: "failed" if arm == CANDIDATE and q in failing else "answered",
        checks_passed_ratio=lambda q, arm, _: 0.9 if arm == CANDIDATE else 0.2 + q / 100,
    )
    found = study(frame).winners[1]
    assert found.arm == winner, found.reason
    assert ("answers more often, which may be chance" in found.reason) is bool(failing)


def test_tokens_stand_in_where_cost_is_not_judged():
    """A price that is the server's fallback is shown, not judged: tokens decide and the reason says so."""
    analysis = study(run(price_fallback=True, value=noisy(ratio=0.5)))
    assert find(analysis, "cost_usd").n_pairs == 0
    assert analysis.arms[0].metrics["cost_usd"].n == 72
    assert analysis.winners[0].arm == CANDIDATE
    assert "tokens stand in for cost" in analysis.winners[0].reason


def test_success_decides_complex_queries_and_quality_after_it():
    """Complex queries: the arm that answers wins; where both answer, the one whose checks pass."""
    fails = study(run(outcome=lambda q, arm, _: "failed" if arm == BASELINE and q % 3 == 1 and q > 4 else "answered"))
    assert fails.winners[1].arm == CANDIDATE
    quality = study(run(checks_passed_ratio=lambda q, arm, _: 0.9 if arm == BASELINE else 0.2 + q / 100))
    assert quality.winners[1].arm == BASELINE
    assert "answer quality worse" in quality.winners[1].reason


def test_an_invalid_contrast_names_no_winner():
    """Contaminated trials leave simple and complex queries without a winner, however clear the numbers."""
    frame = run(
        value=noisy(ratio=0.3),
        cost_usd=noisy(ratio=0.3, seed=2),
        outcome=lambda _, __, r: "misrouted" if r == 1 else "answered",
    )
    assert [winner.arm for winner in study(frame).winners] == [None, None]


def test_a_run_without_trials_is_an_empty_analysis():
    """Nothing measured yet is no arm, no comparison and no error."""
    analysis = analyse(run().clear(), metrics=METRICS, contrasts=(), margins={}, seed=0)
    assert (analysis.arms, analysis.comparisons, analysis.winners) == ((), (), ())


def test_a_single_arm_is_described_without_a_contrast():
    """One arm is allowed: its numbers, and no comparison."""
    analysis = analyse(run(arms=(BASELINE,)), metrics=METRICS, contrasts=(), margins={}, seed=0)
    assert [arm.arm for arm in analysis.arms] == [BASELINE]
    assert analysis.comparisons == ()


def test_what_must_not_be_compared_across_types_is_shown():
    """Calls of different architectures stand side by side without a test; between arms of one type they are tested."""
    calls = metric("llm_calls", family="calls", across=Across.SHOWN, across_reason="architectures differ")
    frame = run(llm_calls=lambda q, arm, _: 2 if arm == BASELINE else 5 + q % 2)
    shown = find(study(frame, metrics=(LATENCY, calls)), "llm_calls")
    assert (shown.verdict, shown.p, shown.effect.lo) == (Verdict.STRUCTURAL, None, None)
    assert shown.effect.value > 2
    assert shown.warnings[0] == "structural: architectures differ"
    tested = find(study(frame.with_columns(profile_type=pl.lit("tool_enabled")), metrics=(LATENCY, calls)), "llm_calls")
    assert tested.verdict is Verdict.WORSE


def test_an_arm_without_phases_lacks_phases_and_not_every_number_of_them():
    """Whatever is of planning is explained by the one thing missing; what is not keeps its own name."""
    phases = metric("phases", assumption=Assumption.AMOUNT, family="planning", across=Across.SHOWN)
    mean = metric("phase_s_mean", across=Across.SHOWN)
    only = {"llm_only": None}
    frame = run(
        phases=lambda _, arm, __: only.get(TYPES[arm], 2),
        phase_s_mean=lambda _, arm, __: only.get(TYPES[arm], 1.5),
        checks_passed_ratio=lambda _, arm, __: only.get(TYPES[arm], 1.0),
    )
    analysis = study(frame, metrics=(phases, mean, QUALITY))
    assert find(analysis, "phase_s_mean").warnings[0] == "structural: no phases in IDEAT, so only OPTIM has a value"
    assert find(analysis, "checks_passed_ratio").warnings[0].startswith("structural: no checks_passed_ratio in IDEAT")


def test_what_restates_the_architecture_is_tested_outside_the_families():
    """It is tested and labelled. Its p is not adjusted and does not change other p-values."""
    direct = metric(
        "direct_tool_rate",
        assumption=Assumption.RATE,
        direction=Direction.HIGHER,
        family="planning",
        across=Across.STRUCTURAL,
        across_reason="it restates the architecture",
    )
    frame = run(direct_tool_rate=lambda q, arm, _: 0.0 if arm == BASELINE else 0.5 + q / 60)
    found = find(study(frame, metrics=(LATENCY, direct)), "direct_tool_rate")
    assert (found.family, found.p_adjusted) == ("structural", None)
    assert found.p < 0.001
    assert found.warnings[0] == "structural: it restates the architecture"


def test_cold_and_warm_are_apart_where_the_planner_remembers():
    """Repeats that used RAG on one arm split both; the arm that never does stands whole on either side."""
    remembers = run(rag_used=lambda _, arm, r: arm == CANDIDATE and r > 1)
    analysis = study(remembers)
    cold, warm = find(analysis, "latency_s", "rag=cold"), find(analysis, "latency_s", "rag=warm")
    assert (cold.n_pairs, warm.n_pairs) == (24, 48)
    assert not [c for c in study(run(rag_used=False)).comparisons if c.stratum.startswith("rag=")]


def test_two_models_in_one_arm_are_on_its_numbers():
    """A mean over two models says so, with how many trials each."""
    analysis = study(run(model=lambda q, arm, _: "large" if arm == CANDIDATE and q < 4 else "small"))
    note = "model varies inside OPTIM: small (60), large (12)"
    assert note in analysis.arms[1].metrics["latency_s"].warnings
    assert note in find(analysis, "latency_s").warnings
    assert note in analysis.warnings


def test_arms_that_differ_in_model_too_say_so():
    """Two profiles on two models are one effect of both; one profile on two models is the experiment."""
    frame = run(model=lambda _, arm, __: "small" if arm == BASELINE else "large")
    cause = "arms also differ in model, which may cause a difference: IDEAT has small, OPTIM large"
    assert cause in find(study(frame), "latency_s").warnings
    both = frame.with_columns(provider=pl.when(pl.col("arm") == BASELINE).then(pl.lit("P")).otherwise(pl.lit("Q")))
    cause = "arms also differ in provider and model, which may cause a difference: IDEAT has P small, OPTIM Q large"
    assert [warning for warning in find(study(both), "latency_s").warnings if "also differ" in warning] == [cause]
    providers = study(frame.with_columns(profile_tag=pl.lit("OPTIM")))
    assert not any("also differ" in warning for warning in find(providers, "latency_s").warnings)


def test_what_neither_arm_has_is_not_compared():
    """A metric without a value on either arm makes no row, unless a margin asked for it."""
    frame = run(fastpath_rate=None)
    assert "fastpath_rate" not in {c.metric for c in study(frame).comparisons}
    asked = study(frame, margins={"latency_s": 0.1, "fastpath_rate": 0.05})
    assert find(asked, "fastpath_rate").verdict is Verdict.INCONCLUSIVE


def test_a_metric_older_runs_lack_is_named():
    """A column that is not there is left out with a warning, after the caller's own."""
    analysis = study(run(), warnings=("the caller's",))
    assert analysis.warnings[:2] == ("the caller's", "not in these trials, so not analysed: checks_passed_ratio, fastpath_rate")


def test_the_analysis_is_of_the_trials_not_of_their_order():
    """Shuffled rows give the same analysis, to the last bit."""
    frame = run(tags="metadata")
    assert study(frame.sample(fraction=1, shuffle=True, seed=2)) == study(frame)


def test_reports_may_import_the_values_for_free():
    """Importing the values loads neither polars nor scipy nor numpy."""
    import subprocess
    import sys

    code = "import sys, uderia_bench.analysis.values; sys.exit(bool({'polars', 'scipy', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
