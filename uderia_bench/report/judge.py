"""The judge of answers in a report: its calls and cost, its preferences, its consistency and its biases."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from uderia_bench.analysis import preference
from uderia_bench.analysis.preference import METRIC
from uderia_bench.documents.experiment_parts import Judge
from uderia_bench.printable import count_of
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.expectations.check import UNANSWERED
from uderia_bench.reading.judge import probes, scores
from uderia_bench.reading.judge.asks import quality
from uderia_bench.reading.judge.cost import dollars
from uderia_bench.report import figures
from uderia_bench.runs.interim import Looked
from uderia_bench.stats import bradley_terry
from uderia_bench.stats.estimate import Estimate

CHECKS = "checks_passed_ratio"
"""The metric that scores of a judge count in."""

_ASKED = (pl.col("kind") == expectations.JUDGED) & ~pl.col("found").str.starts_with(UNANSWERED)
"""The checks of answers that a judge scores."""


def told(
    judge: Judge | None,
    kept: scores.Kept,
    *,
    checks: pl.DataFrame | None,
    preferences: pl.DataFrame | None,
    trials: pl.DataFrame,
    confidence: float,
) -> tuple[str, ...]:
    """Return what the judge did and how far it can be trusted; () for a run without a judge.

    ``checks``, ``preferences`` and ``trials`` are tables of the run.
    """
    if judge is None:
        return ()
    if judge.mode == "pairwise":
        return tuple(_pairwise(judge, kept, preferences, trials, confidence))
    return tuple(_scored(judge, kept, checks, trials))


def untrusted(judge: Judge | None, kept: scores.Kept, trials: pl.DataFrame) -> dict[str, str]:
    """Return why verdicts on a metric are exploratory: the judge behind it failed a probe, or was not probed."""
    if judge is None or not (kept.choices or kept.scores):
        return {}
    found = _probed(judge, kept, trials)
    if judge.mode == "pairwise":
        reason = probes.failed(found)
        return {} if reason is None else {METRIC: reason}
    reason = probes.failed(probe for probe in found if probe.passed is False)
    return {} if reason is None else {CHECKS: reason}


def looked(judge: Judge | None, kept: scores.Kept) -> Looked | None:
    """Return the look at which a pairwise judge ended; None for a judge that takes none."""
    if judge is None or judge.looks is None or judge.mode != "pairwise":
        return None
    return preference.looked(kept.stopped or judge.looks, judge.looks)


def _probed(judge: Judge, kept: scores.Kept, trials: pl.DataFrame) -> tuple[probes.Probe, ...]:
    models: dict[str, list[str]] = {}
    if {"arm", "models_used", "model", "provider"} <= set(trials.columns):
        for arm, used, model, provider in trials.select("arm", "models_used", "model", "provider").unique().iter_rows():
            models.setdefault(arm, []).extend([*(used or ()), f"{provider or ''}/{model or ''}"])
    results = probes.results if judge.mode == "pairwise" else probes.score_results
    return results(kept, judge.model, models)


def _deeds(judge: Judge, kept: scores.Kept, did: str) -> str:
    """Return what the judge did at which cost, or that it gave no verdict."""
    calls, tokens = sum(1 for _ in kept.replies), kept.tokens
    if not calls:
        return f"No verdicts: {judge.model} did not answer"
    if not (kept.scores or kept.choices):
        did = "gave no verdict"
    spent = f"{tokens[0]:,} tokens in, {tokens[1]:,} out"
    if judge.price is not None:
        spent += f", ${dollars(judge, tokens):.4f}"
    return f"{judge.model} {did} in {count_of(calls, 'call')}: {spent}. This is not part of any arm's cost"


def _scored(judge: Judge, kept: scores.Kept, checks: pl.DataFrame | None, trials: pl.DataFrame) -> Iterator[str]:
    found = quality(kept.scores.values())
    asked = checks if checks is None else checks.filter(_ASKED)
    if asked is not None and asked.is_empty():
        yield f"{judge.model} had no answer to score"
        return
    yield _deeds(judge, kept, f"scored {count_of(found.cases, 'answer')}")
    if found.apart is not None:
        yield f"Two scores of the same answer differ by {found.apart:.2f} on average, on a scale of 0 to 1"
    if found.swap_bias is not None:
        yield f"Swap bias: scores change by {found.swap_bias:+.2f} when the scale is reversed"
    yield from _unread(kept)
    if asked is not None and (unscored := asked["passed"].null_count()):
        yield _not_judged(unscored, count_of(asked.height, "answer"), kept)
    if kept.scores and judge.probes:
        yield from _probes(_probed(judge, kept, trials), CHECKS, only_failed=True)


def _probes(found: tuple[probes.Probe, ...], metric: str, *, only_failed: bool = False) -> Iterator[str]:
    for probe in found:
        passed = {True: "passed", False: "FAILED", None: "not decided"}[probe.passed]
        yield f"Probe {probe.name}, {passed}: {probe.said}"
    if reason := probes.failed(probe for probe in found if probe.passed is False or not only_failed):
        yield f"Verdicts on {metric} are exploratory, because {reason}"


def _unread(kept: scores.Kept) -> Iterator[str]:
    if kept.unread:
        replies = count_of(len(kept.unread), "reply of the judge was", "replies of the judge were")
        yield f"{replies} not in the requested form. They cost money and are not asked for again"


def _not_judged(missing: int, of: str, kept: scores.Kept) -> str:
    why = f" ({kept.trouble})" if kept.trouble else ""
    again = "" if kept.unread and not kept.trouble else ". 'uderia-bench resume' asks the judge again"
    return f"Not judged: {missing:,} of {of}{why}{again}"


def _pairwise(
    judge: Judge, kept: scores.Kept, preferences: pl.DataFrame | None, trials: pl.DataFrame, confidence: float
) -> Iterator[str]:
    if preferences is None or preferences.is_empty():
        yield f"{judge.model} had no pair of answers to compare"
        return
    equal = preferences.filter(pl.col("same")).height
    if equal < preferences.height or any(kept.replies):
        compared = preferences.filter(pl.col(METRIC).is_not_null() & ~pl.col("same")).height
        yield _deeds(judge, kept, f"compared {count_of(compared, 'pair')} of answers")
    if kept.choices or equal == preferences.height:
        if equal:
            yield f"{count_of(equal, 'pair has', 'pairs have')} equal answers, which count as a tie without a call"
        for (baseline, candidate), own in preferences.group_by("baseline", "candidate", maintain_order=True):
            yield from _contrast(str(baseline), str(candidate), own, confidence)
        yield from _strengths(preferences, confidence)
    missing = preferences[METRIC].null_count()
    if missing and kept.stopped is not None:
        yield (
            f"Judging ended at look {kept.stopped} of {judge.looks}, because the preference was decided. {missing} of"
            f" {count_of(preferences.height, 'pair')} were left out"
        )
    elif missing:
        yield _not_judged(missing, count_of(preferences.height, "pair"), kept)
    yield from _unread(kept)
    if kept.choices:
        yield from _probes(_probed(judge, kept, trials), METRIC)


def _contrast(baseline: str, candidate: str, pairs: pl.DataFrame, confidence: float) -> Iterator[str]:
    """Say who is preferred in one contrast, how often the order decided, and what length has to do with it."""
    judged = pairs.filter(pl.col(METRIC).is_not_null())
    if judged.is_empty():
        return
    value = judged[METRIC].to_numpy()
    won, lost, tied = float((value > 0.5).mean()), float((value < 0.5).mean()), float((value == 0.5).mean())
    flipped = judged.filter(~pl.col("same"))["flipped"].mean()
    flips = "" if not isinstance(flipped, float) else f". The order of the answers decided {flipped:.0%} of the pairs"
    yield (
        f"{candidate} is preferred to {baseline} in {won:.0%} of {count_of(judged.height, 'pair')}, {baseline} in {lost:.0%},"
        f" and {tied:.0%} are ties{flips}"
    )
    longer = np.log((judged["candidate_chars"].to_numpy() + 1.0) / (judged["baseline_chars"].to_numpy() + 1.0))
    clusters = _clusters(judged)
    equal = bradley_terry.at_equal_length(value, longer, clusters, level=confidence)
    if equal is not None:
        yield (
            f"Length: {candidate} has the longer answer in {float((longer > 0).mean()):.0%} of the pairs. Its preference is"
            f" {value.mean():.0%} as is and {_share(equal)} between answers of equal length"
        )


def _strengths(preferences: pl.DataFrame, confidence: float) -> Iterator[str]:
    """Rank three arms or more by one model of all their pairs."""
    judged = preferences.filter(pl.col(METRIC).is_not_null())
    arms = sorted({*judged["baseline"], *judged["candidate"]})
    if len(arms) < 3:
        return
    code = {arm: number for number, arm in enumerate(arms)}
    first, second = (np.array([code[arm] for arm in judged[side]], dtype=np.intp) for side in ("baseline", "candidate"))
    found = bradley_terry.strengths(
        first, second, judged[METRIC].to_numpy(), _clusters(judged), arms=len(arms), level=confidence
    )
    if not found.estimates:
        yield f"Bradley-Terry strengths: none, because {found.because}"
        return
    ranked = sorted(zip(arms, found.estimates, strict=True), key=lambda each: -(each[1].value or 0.0))
    listed = ", ".join(f"{arm} {_signed(each)}" for arm, each in ranked)
    yield f"Bradley-Terry strengths (log-odds, mean 0, {confidence:.0%} intervals clustered by query): {listed}"


def _clusters(judged: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    units = judged.select(pl.coalesce("group", "query_id"))["group"].to_list()
    return np.unique(units, return_inverse=True)[1].astype(np.intp)


def _share(estimate: Estimate) -> str:
    ends = "" if estimate.lo is None else f" ({figures.percentage(estimate.lo)} to {figures.percentage(estimate.hi or 0.0)})"
    return f"{figures.percentage(estimate.value or 0.0)}{ends}"


def _signed(estimate: Estimate) -> str:
    ends = "" if estimate.lo is None else f" ({estimate.lo:+.2f} to {estimate.hi:+.2f})"
    return f"{estimate.value:+.2f}{ends}"
