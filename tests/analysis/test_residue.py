"""What may spoil a number or explain it: timeouts, drift, memory, cuts of the corpus."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from frames import ANSWERED, BASELINE, CANDIDATE, LATENCY, TOKENS, grid, metric, noisy

from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.metrics.metric import Assumption

METRICS = (LATENCY, TOKENS, ANSWERED)


def study(frame, *, metrics=METRICS, margins=None, **options):
    """Analyse the usual contrast with a margin on time."""
    margins = {"latency_s": 0.10} if margins is None else margins
    return analyse(frame, metrics=metrics, contrasts=((BASELINE, CANDIDATE),), margins=margins, seed=7, **options)


def find(analysis, metric_name, stratum="all"):
    """Return the one comparison of a metric in a stratum."""
    (found,) = [c for c in analysis.comparisons if (c.metric, c.stratum) == (metric_name, stratum)]
    return found


def about(warnings, words):
    """Return the warnings that hold some words."""
    return [warning for warning in warnings if words in warning]


def test_timeouts_count_as_the_time_limit():
    """Twice as fast, but one repeat of three times out after 100 s: the log ratio is a third of three."""
    late = {"outcome": lambda _, arm, r: "timed_out" if arm == CANDIDATE and r == 1 else "answered"}
    frame = grid(queries=30, repeats=3, value=lambda q, arm, _: (1.0 if arm == CANDIDATE else 2.0) * (1 + q / 100), **late)
    sent = datetime(2026, 11, 29, tzinfo=UTC)
    timed = frame.with_columns(
        sent_at=pl.lit(sent),
        done_at=pl.lit(sent)
        + pl.when(pl.col("outcome") == "timed_out").then(pl.duration(seconds=100)).otherwise(pl.duration(seconds=2)),
    )
    found = find(study(timed), "latency_s")
    mean = np.mean([np.log(100 / (1 + q / 100)) for q in range(30)])
    assert found.effect.value == pytest.approx(np.exp((mean - np.log(2) - 2 * np.log(2)) / 3))
    assert found.beside["without_timeouts"] == pytest.approx(0.5)
    assert found.verdict is Verdict.WORSE
    assert about(
        found.warnings,
        "counts 0 timed-out IDEAT trials and 30 of OPTIM as 100 s, the time limit; without them the ratio is 0.5",
    )
    unknown = find(study(frame), "latency_s")
    assert about(unknown.warnings, "as 2.58 s, the slowest answer, because no trial records its limit")
    assert unknown.verdict is not Verdict.BETTER


def test_without_timeouts_nothing_is_censored():
    """Failures are not timeouts, and tokens are not cut off by a deadline."""
    failed = study(grid(queries=10, value=noisy(), outcome=lambda q, *_: "failed" if q == 0 else "answered"))
    late = study(
        grid(queries=10, value=noisy(), total_tokens=noisy(), outcome=lambda q, *_: "timed_out" if q < 2 else "answered")
    )
    assert "without_timeouts" not in find(failed, "latency_s").beside
    assert "without_timeouts" not in find(late, "total_tokens").beside


def test_an_arm_that_never_answers_is_invalid_not_structural():
    """No time because of no answer is a failed check, not an arm without the thing."""
    frame = grid(queries=10, value=noisy(), outcome=lambda _, arm, __: "failed" if arm == CANDIDATE else "answered")
    found = find(study(frame), "latency_s")
    assert found.verdict is Verdict.INVALID
    assert about(found.warnings, "only 0 of 10 queries")


def ordered(value, *, queries=20, repeats=4, seed=3, **columns):
    """Make a frame sent in random order within repeats, where ``value`` also sees the place in time from 0 to 1."""
    place = {
        (query, repeat): position
        for position, (query, repeat) in enumerate(
            (query, repeat)
            for repeat in range(1, repeats + 1)
            for query in np.random.default_rng([seed, repeat]).permutation(queries).tolist()
        )
    }
    last = queries * repeats - 1
    return grid(
        queries=queries,
        repeats=repeats,
        value=lambda q, arm, r: value(q, arm, r, place[q, r] / last),
        seq=lambda q, arm, r: 2 * place[q, r] + (arm == CANDIDATE),
        **columns,
    )


def test_a_provider_that_slows_down_is_on_the_numbers():
    """Thirty per cent slower at the end than at the start is said on the arm, on the comparison, and of the right arm only."""
    steady = noisy(noise=0.05)
    frame = ordered(lambda q, arm, r, time: steady(q, arm, r) * (1.3**time if arm == CANDIDATE else 1))
    analysis = study(frame)
    (note,) = about(find(analysis, "latency_s").warnings, "drifts on OPTIM")
    assert 0.2 < int(note.split("+")[1].split("%")[0]) / 100 < 0.4
    assert about(analysis.arms[1].metrics["latency_s"].warnings, "drifts on OPTIM")
    assert not about(find(analysis, "latency_s").warnings, "on IDEAT")


def test_no_drift_is_not_noted():
    """Twenty steady runs have hardly a note: hard and easy queries do not pass for drift."""
    notes = 0
    for seed in range(20):
        steady = noisy(seed=seed)
        analysis = study(ordered(lambda q, arm, r, _, steady=steady: steady(q, arm, r), seed=seed))
        notes += len(find(analysis, "latency_s").warnings)
    assert notes <= 1


def test_later_repeats_that_are_faster_are_noted():
    """A cache that makes each repeat a tenth faster shows without any record of time."""
    steady = noisy(noise=0.05)
    frame = grid(queries=20, repeats=4, value=lambda q, arm, r: steady(q, arm, r) * (0.9**r if arm == CANDIDATE else 1))
    assert about(find(study(frame), "latency_s").warnings, "on OPTIM changes with the repeat: -")


def test_correlated_consecutive_trials_are_noted():
    """A slow wave under the run makes trials close in time alike, on each arm."""
    steady = noisy(noise=0.05)
    frame = ordered(lambda q, arm, r, time: steady(q, arm, r) * np.exp(0.3 * np.sin(20 * time)), queries=30)
    found = find(study(frame), "latency_s").warnings
    assert about(found, "successive values of latency_s on IDEAT are correlated (lag-1 correlation 0.")
    assert about(found, "the true uncertainty may be larger")


def test_drift_that_one_arm_is_too_few_for_shows_on_both():
    """Twenty queries, three repeats: a fast wave is seen in the trials of both arms together."""
    noise = noisy(noise=0.3)
    frame = ordered(lambda q, arm, r, time: noise(q, arm, r) * np.exp(0.4 * np.sin(30 * time)), queries=20, repeats=3)
    shared = "latency_s of trials close in time is correlated (p"
    assert about(find(study(frame), "latency_s").warnings, shared)
    assert about(find(study(frame), "latency_s").warnings, "p and the interval do not include it")
    calm = ordered(lambda q, arm, r, _: noise(q, arm, r), queries=20, repeats=3)
    assert not about(find(study(calm), "latency_s").warnings, shared)


def test_drift_shows_with_one_repeat_too():
    """Two hundred queries, one repeat: the differences of queries asked close in time are alike where the arms are apart."""
    noise = noisy(noise=0.2)

    def drifting(q, arm, r, time):
        return noise(q, arm, r) * (np.exp(0.4 * np.sin(40 * time)) if arm == CANDIDATE else 1)

    named = "the difference in latency_s of queries close in time is correlated (p"
    frame = ordered(drifting, queries=200, repeats=1)
    assert about(find(study(frame), "latency_s").warnings, named)
    calm = ordered(lambda q, arm, r, _: noise(q, arm, r), queries=200, repeats=1)
    assert not about(find(study(calm), "latency_s").warnings, named)


def test_memory_is_measured_within_queries():
    """Warm repeats a fifth faster: the share of warm repeats, and the effect of warmth paired by query, with an interval."""
    steady = noisy(noise=0.05)
    frame = grid(
        queries=20,
        repeats=4,
        value=lambda q, arm, r: steady(q, arm, r) * (0.8 if arm == CANDIDATE and r > 2 else 1),
        total_tokens=lambda q, *_: 1000 + q,
        rag_used=lambda _, arm, r: (r > 2) if arm == CANDIDATE else None,
    )
    (learning,) = study(frame).learning
    assert learning.arm == CANDIDATE
    assert learning.warm.value == pytest.approx(2 / 3)
    assert learning.warm.n == 20
    time = learning.effects[0]
    assert (time.baseline, time.candidate, time.n_queries) == ("OPTIM cold", "OPTIM warm", 20)
    assert time.effect.lo < 0.8 < time.effect.hi
    assert time.verdict is Verdict.BETTER


def test_without_memory_there_is_nothing_to_learn():
    """A frame that does not say, or in which nothing was warm, has no such section."""
    assert study(grid(queries=8, value=noisy())).learning == ()
    assert study(grid(queries=8, value=noisy(), rag_used=False)).learning == ()


def test_tags_are_cut_where_there_is_enough():
    """A tag on half the queries is a stratum; one on two of them, or on all, is not."""
    frame = grid(
        queries=16, value=noisy(), tags=lambda q, *_: ["all", *(["half"] if q % 2 else []), *(["few"] if q < 2 else [])]
    )
    assert {c.stratum for c in study(frame).comparisons} == {"all", "tag=half"}


def test_each_model_is_a_separate_stratum():
    """Where one arm ran on two models, each is compared with the other arm whole."""
    frame = grid(queries=12, repeats=2, value=noisy(), model=lambda _, arm, r: "b" if arm == CANDIDATE and r == 2 else "a")
    analysis = study(frame)
    assert find(analysis, "latency_s", "model=b").n_queries == 12
    assert find(analysis, "latency_s", "model=a").n_pairs == 12


def test_each_cut_of_the_corpus_is_corrected_by_itself():
    """Twelve idle tags leave the adjusted p of the complexities as it was."""
    frame = grid(queries=48, value=noisy(ratio=1.2), complexity=lambda q, *_: "simple" if q % 2 else "complex")
    tagged = frame.with_columns(
        tags=pl.col("query_id").str.slice(1).cast(pl.Int64).map_elements(lambda q: [f"t{q % 8}"], pl.List(pl.String))
    )
    assert len({c.stratum for c in study(tagged).comparisons}) == 1 + 2 + 8
    assert find(study(tagged), "latency_s", "complexity=simple") == find(study(frame), "latency_s", "complexity=simple")


def test_the_margin_of_an_amount_is_a_share_of_the_baseline():
    """A cost that can be 0 is compared as a difference, and 5 % of the baseline's mean is what is worth acting on."""
    cost = metric("cost_usd", assumption=Assumption.AMOUNT)
    frame = grid(queries=40, column="cost_usd", value=lambda q, arm, _: (q % 4) * 0.01 + (0.0001 if arm == CANDIDATE else 0))
    (found,) = study(frame, metrics=(cost,), margins={"cost_usd": 0.05}).comparisons
    assert found.effect.kind == "difference"
    assert found.verdict is Verdict.EQUIVALENT  # 0.0001 of a mean of 0.015
    (found,) = study(frame, metrics=(cost,), margins={"cost_usd": 0.001}).comparisons
    assert found.verdict is Verdict.WORSE
