"""Results of human labels: agreement of raters and judge, the judge's errors on each arm, and corrected differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypedDict

import numpy as np

from uderia_bench.analysis.values import Verdict
from uderia_bench.reading.labels.draw import ANSWERS, PAIRS, Item
from uderia_bench.reading.labels.kept import Label
from uderia_bench.stats import agreement, ppi
from uderia_bench.stats.arrays import Codes, Floats, Mask
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.inference import equivalence_p, two_sided_p
from uderia_bench.stats.mean import cluster_mean

CODES = {0.0: 0, 0.5: 1, 1.0: 2}
"""Codes of values: the baseline or a fail, a tie, the candidate or a pass."""

TIE = 0.5
"""The value of a tie, or of raters who are split."""

WORDS = {PAIRS: ("baseline", "tie", "candidate"), ANSWERS: ("fail", "split", "pass")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Errors of the judge on one arm, against the raters.

    ``wrongly_passed`` is the share of the arm's answers that people fail and the judge passes. In
    pairs: those that people do not prefer and the judge does. ``wrongly_failed`` is the reverse.
    """

    arm: str
    wrongly_passed: Estimate
    wrongly_failed: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """A difference of two arms, corrected by labels. ``verdict`` is None below ``ppi.FEWEST_LABELLED`` labelled queries."""

    baseline: str
    candidate: str
    estimate: Estimate
    judge: float | None
    labels: float
    labelled: int
    queries: int
    effective: float
    to_halve: int | None
    p: float
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Results of the labels of one kind. Shares are of the items, by word.

    ``measures`` has how often an automatic measure agrees with the raters, where it is not equal: in a
    pair, the share in which the preferred answer has the higher value. For single answers, the share of
    couples of one that passes and one that fails. One half is chance.
    """

    kind: str
    items: int
    raters: dict[str, int]
    between: Estimate | None
    pairs_of_raters: dict[str, Estimate]
    shares: dict[str, float]
    judge_shares: dict[str, float]
    judge_kappa: Estimate | None
    errors: tuple[Errors, ...] = ()
    measures: dict[str, Estimate] = field(default_factory=dict)
    corrected: tuple[Corrected, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The judge's values of the items, and its difference of the arms for every unit, by contrast."""

    of_items: Mapping[str, float]
    everywhere: Mapping[tuple[str, str], Mapping[str, float]]


class _Options(TypedDict):
    categories: int
    level: float
    seed: int


def labelled(
    items: Sequence[Item],
    labels: Iterable[Label],
    judgement: Judgement,
    *,
    contrasts: Sequence[tuple[str, str]],
    margin: float | None,
    confidence: float,
    seed: int,
    measures: Mapping[str, Mapping[str, float]] | None = None,
) -> Labelled | None:
    """Return the results of the labels of these items, which are of one kind; None without a label.

    ``measures`` are automatic ones: name to trial to value.
    """
    rated: dict[str, dict[str, float]] = {}
    by_id = {item.id: item for item in items}
    for label in labels:
        if label.item in by_id:
            rated.setdefault(label.item, {})[label.rater] = by_id[label.item].value(label.label)
    if not rated:
        return None
    shown = [item for item in items if item.id in rated]
    kind = shown[0].kind
    raters = sorted({rater for values in rated.values() for rater in values})
    units = np.unique([item.unit for item in shown], return_inverse=True)[1].astype(np.intp)
    codes = np.array(
        [[CODES.get(rated[item.id].get(rater, np.nan), agreement.MISSING) for item in shown] for rater in raters],
        dtype=np.intp,
    )
    people = np.array([_consensus(list(rated[item.id].values())) for item in shown])
    judge = np.array([judgement.of_items.get(item.id, np.nan) for item in shown])
    judge = np.where(np.isfinite(judge), np.where(judge > 0.5, 1.0, np.where(judge < 0.5, 0.0, 0.5)), np.nan)
    options: _Options = {"categories": len(CODES), "level": confidence, "seed": seed}
    judged = np.isfinite(judge)
    return Labelled(
        kind=kind,
        items=len(shown),
        raters={rater: int((codes[row] != agreement.MISSING).sum()) for row, rater in enumerate(raters)},
        between=agreement.alpha(codes, units, **options) if len(raters) > 1 else None,
        pairs_of_raters={
            f"{raters[one]} and {raters[other]}": agreement.kappa(codes[one], codes[other], units, **options)
            for one, other in combinations(range(len(raters)), 2)
        },
        shares=_shares(people, kind),
        judge_shares=_shares(judge[judged], kind) if judged.any() else {},
        judge_kappa=agreement.kappa(_codes(people[judged]), _codes(judge[judged]), units[judged], **options)
        if judged.any()
        else None,
        errors=tuple(_errors(shown, people, judge, units, confidence, seed)) if judged.any() else (),
        measures={
            name: found
            for name, values in (measures or {}).items()
            if (found := _agrees(shown, people, values, units, confidence, seed)) is not None
        },
        corrected=tuple(
            one
            for contrast in contrasts
            if (one := _corrected(contrast, shown, rated, judgement, margin=margin, confidence=confidence)) is not None
        ),
    )


def _consensus(values: list[float]) -> float:
    """Return what most raters say; .5 where they are split, or mostly see a tie."""
    mean = sum(values) / len(values)
    return 1.0 if mean > 0.5 else 0.0 if mean < 0.5 else 0.5


def _codes(values: Floats) -> Codes:
    return np.round(2 * values).astype(np.intp)


def _shares(values: Floats, kind: str) -> dict[str, float]:
    return {
        word: float((values == value).mean())
        for value, word in zip(CODES, WORDS[kind], strict=True)
        if kind == PAIRS or word != "split" or (values == value).any()
    }


def _errors(
    items: Sequence[Item], people: Floats, judge: Floats, units: Codes, confidence: float, seed: int
) -> Iterable[Errors]:
    """Yield the judge's errors on each arm. In a pair, an arm passes where it is preferred."""
    for arm in sorted({arm for item in items for arm in item.arms}):
        own = np.array([arm in item.arms for item in items]) & np.isfinite(judge)
        sign = np.array([item.contrast[:1] == (arm,) for item in items])  # the baseline of a pair passes at 0
        passes, passed = (np.where(sign, 1 - values, values) == 1.0 for values in (people, judge))
        yield Errors(
            arm=arm,
            wrongly_passed=_rate(passed, own & ~passes, units, confidence, seed),
            wrongly_failed=_rate(~passed, own & passes, units, confidence, seed),
        )


def _rate(wrong: Mask, of: Mask, units: Codes, confidence: float, seed: int) -> Estimate:
    codes = np.unique(units[of], return_inverse=True)[1]
    return cluster_mean(wrong[of].astype(np.float64), codes, bounded=True, level=confidence, seed=seed)


def _agrees(
    items: Sequence[Item],
    people: Floats,
    values: Mapping[str, float],
    units: Codes,
    confidence: float,
    seed: int,
) -> Estimate | None:
    """Return how often a measure is higher for the better answer; None where it never differs."""
    right: list[float] = []
    of: list[int] = []
    if items[0].kind == PAIRS:
        for item, value, unit in zip(items, people, units, strict=True):
            own = {arm: values.get(trial) for arm, trial in zip(item.arms, item.trials, strict=True)}
            first, second = own[item.contrast[0]], own[item.contrast[1]]
            if first is not None and second is not None and first != second and value != TIE:
                right.append(float((second > first) == (value == 1.0)))
                of.append(int(unit))
    else:
        known = [(values[item.trials[0]], value, int(unit)) for item, value, unit in zip(items, people, units, strict=True)
                 if item.trials[0] in values]  # fmt: skip
        passed = [(measure, unit) for measure, value, unit in known if value == 1.0]
        failed = [(measure, unit) for measure, value, unit in known if value == 0.0]
        for measure, unit in passed:
            compared = [float(measure > other) for other, _ in failed if measure != other]
            if compared:
                right.append(sum(compared) / len(compared))
                of.append(unit)
    if not right:
        return None
    codes = np.unique(of, return_inverse=True)[1]
    return cluster_mean(np.array(right), codes, bounded=True, level=confidence, seed=seed)


def _corrected(
    contrast: tuple[str, str],
    items: Sequence[Item],
    rated: Mapping[str, Mapping[str, float]],
    judgement: Judgement,
    *,
    margin: float | None,
    confidence: float,
) -> Corrected | None:
    """Return the difference of two arms: labels of some units, the judge's values of all."""
    people = _by_unit(contrast, items, {item.id: float(np.mean(list(rated[item.id].values()))) for item in items})
    same = _by_unit(contrast, items, judgement.of_items)
    whole = judgement.everywhere.get(contrast, {})
    with_judge = bool(whole)
    usable = {unit for unit in people if not with_judge or (unit in same and unit in whole)}
    units = sorted(whole if with_judge else people)
    labels, judged, everywhere = (
        np.array([values.get(unit, np.nan) for unit in units])
        for values in ({unit: people[unit] for unit in usable}, same, whole)
    )
    if not with_judge:
        judged, everywhere = labels, np.zeros(len(units))
    found = ppi.corrected(labels, judged, everywhere, weight=None if with_judge else 0.0)
    if found is None:
        return None
    enough = found.labelled >= ppi.FEWEST_LABELLED
    p = two_sided_p(found.test)
    interval = found.test.interval(confidence)
    return Corrected(
        baseline=contrast[0],
        candidate=contrast[1],
        estimate=Estimate(
            value=found.value,
            lo=interval.lo,
            hi=interval.hi,
            level=confidence,
            n=found.labelled,
            method=found.test.method if with_judge else "labels alone, t",
        ),
        judge=found.judged if with_judge else None,
        labels=found.labels,
        labelled=found.labelled,
        queries=found.queries,
        effective=found.effective,
        to_halve=found.to_halve,
        p=p,
        verdict=_verdict(found, p, margin=margin, alpha=1 - confidence) if enough else None,
    )


def _verdict(found: ppi.Corrected, p: float, *, margin: float | None, alpha: float) -> Verdict:
    if margin is not None and equivalence_p(found.test, -margin, margin) < alpha:
        return Verdict.EQUIVALENT
    if p < alpha and abs(found.value) > (margin or 0.0):
        return Verdict.BETTER if found.value > 0 else Verdict.WORSE
    return Verdict.INCONCLUSIVE


def _by_unit(contrast: tuple[str, str], items: Sequence[Item], values: Mapping[str, float]) -> dict[str, float]:
    """Return candidate minus baseline for each unit that has both."""
    sides: dict[str, tuple[list[float], list[float]]] = {}
    for item in items:
        value = values.get(item.id)
        if value is None:
            continue
        both = sides.setdefault(item.unit, ([], []))
        if item.kind == PAIRS and item.contrast == contrast:
            both[0].append(1 - value)
            both[1].append(value)
        elif item.kind == ANSWERS and item.arms[0] in contrast:
            both[contrast.index(item.arms[0])].append(value)
    return {unit: float(np.mean(second) - np.mean(first)) for unit, (first, second) in sides.items() if first and second}
