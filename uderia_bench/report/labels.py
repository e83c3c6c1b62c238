"""Human labels in a report: agreement of raters and judge, the judge's errors, and corrected differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uderia_bench.analysis.labelled import Corrected, Labelled
from uderia_bench.reading.labels.draw import PAIRS
from uderia_bench.report import figures
from uderia_bench.stats.estimate import Estimate
from uderia_bench.stats.ppi import FEWEST_LABELLED


def told(found: Iterable[Labelled]) -> tuple[str, ...]:
    """Return one sentence per line."""
    return tuple(line for one in found for line in _told(one))


def _told(one: Labelled) -> Iterator[str]:
    what = "pairs" if one.kind == PAIRS else "answers"
    raters = ", ".join(f"{rater} {count}" for rater, count in one.raters.items())
    yield f"{one.items} {what} have labels ({raters}): {_listed(one.shares)}"
    if one.between is not None:
        yield f"Raters agree with each other: Krippendorff's alpha {_plain(one.between)}"
        for who, kappa in one.pairs_of_raters.items():
            yield f"{who}: Cohen's kappa {_plain(kappa)}"
    if one.judge_kappa is not None:
        agrees = f"Agreement with the raters: Cohen's kappa {_plain(one.judge_kappa)}"
        yield f"The judge on the same {what}: {_listed(one.judge_shares)}. {agrees}"
        for errors in one.errors:
            passed, failed = ("wins it should not", "wins it misses") if one.kind == PAIRS else ("false passes", "false fails")
            yield (
                f"Errors of the judge on {errors.arm}: {passed} {_rate(errors.wrongly_passed)}, {failed}"
                f" {_rate(errors.wrongly_failed)}"
            )
    for name, share in one.measures.items():
        yield f"Without a judge, {name} agrees with the raters in {_rate(share)} of the cases in which it differs (chance: 50%)"
    for corrected in one.corrected:
        yield from _corrected(corrected)


def _corrected(one: Corrected) -> Iterator[str]:
    by = f"{one.labelled} labelled" + (f" and {one.queries} judged queries" if one.judge is not None else " queries")
    judge = "" if one.judge is None else f". The judge alone: {_points(one.judge)}. The labels alone: {_points(one.labels)}"
    estimate = one.estimate
    ends = "" if estimate.lo is None or estimate.hi is None else f" ({_points(estimate.lo)} to {_points(estimate.hi)})"
    difference = f"{_points(estimate.value or 0.0)} points{ends}"
    yield f"{one.candidate} against {one.baseline}, corrected by labels: {difference}, from {by}{judge}"
    if one.verdict is None:
        yield f"No verdict: {one.labelled} labelled queries, and {FEWEST_LABELLED} are needed"
    else:
        yield f"Verdict of the labels: {one.candidate} is {one.verdict} (p {figures.p_value(one.p)})"
    if one.judge is not None:
        halve = (
            "labels of all queries would not halve the interval"
            if one.to_halve is None
            else f"{one.to_halve} labelled queries would halve the interval"
        )
        yield f"With the judge the labels are worth {one.effective:.0f} labelled queries, and {halve}"


def _listed(shares: dict[str, float]) -> str:
    return ", ".join(f"{word} {share:.0%}" for word, share in shares.items())


def _plain(estimate: Estimate) -> str:
    if estimate.value is None:
        return "is not defined" + "".join(f" ({warning})" for warning in estimate.warnings)
    if estimate.lo is None or estimate.hi is None:
        return f"{estimate.value:.2f}" + "".join(f" ({warning})" for warning in estimate.warnings)
    return f"{estimate.value:.2f} ({estimate.lo:.2f} to {estimate.hi:.2f})"


def _rate(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not known"
    ends = "" if estimate.lo is None or estimate.hi is None else f" ({estimate.lo:.0%} to {estimate.hi:.0%})"
    return f"{estimate.value:.0%}{ends}"


def _points(value: float) -> str:
    return f"{100 * value:+.0f}"
