"""Adjust every p within its family, then give each comparison its verdict.

The primary family is corrected as declared (Holm by default). The exploratory ones use Benjamini
and Hochberg at ``EXPLORATORY_RATE``. Each way of dividing the corpus (not at all, by complexity, by
tag, ...) is a family, so that a corpus with many tags does not take the power from its
complexities. The p-values of equivalence are adjusted in the same families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from uderia_bench.analysis.contrast import EXPLORATORY, PRIMARY, STRUCTURAL, Measurement
from uderia_bench.analysis.effects import equivalence
from uderia_bench.analysis.settings import EXPLORATORY_RATE, Settings
from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.analysis.verdict import bound, decide
from uderia_bench.stats.estimate import Effect
from uderia_bench.stats.multiplicity import benjamini_hochberg, holm

_METHODS: Mapping[str, Callable[[Sequence[float]], tuple[float, ...]]] = {
    "holm": holm,
    "bh": benjamini_hochberg,
    "none": tuple,
}


def verdicts(findings: Sequence[Measurement], settings: Settings) -> tuple[Comparison, ...]:
    """Adjust every p within its family and give each finding its verdict, in the order given."""
    different = _adjusted(findings, [finding.measured.p for finding in findings], settings)
    seen = [_equivalence(finding, settings) for finding in findings]
    equivalent = _adjusted(findings, seen, settings)
    return tuple(_comparison(*one, settings) for one in zip(findings, different, seen, equivalent, strict=True))


def _adjusted(findings: Sequence[Measurement], p_values: Sequence[float | None], settings: Settings) -> list[float | None]:
    """Return each finding's p adjusted within its family; structural ones stay as they are."""
    adjusted = [None if finding.only_shown else p for finding, p in zip(findings, p_values, strict=True)]
    families: dict[tuple[str, str], list[int]] = {}
    for index, finding in enumerate(findings):
        if adjusted[index] is not None and finding.family != STRUCTURAL:
            families.setdefault((finding.family, finding.stratum.partition("=")[0]), []).append(index)
    for (family, _), members in families.items():
        adjust = _METHODS[settings.correction] if family == PRIMARY else benjamini_hochberg
        for index, p in zip(members, adjust([p for member in members if (p := adjusted[member]) is not None]), strict=True):
            adjusted[index] = p
    return adjusted


def _comparison(
    finding: Measurement, p_adjusted: float | None, tost_p: float | None, equivalence_p: float | None, settings: Settings
) -> Comparison:
    """Give a finding its verdict from its adjusted p-values."""
    margin = settings.margins.get(finding.metric.name)
    found, pairs = finding.measured, finding.pairs
    warnings = (*finding.warnings, *found.warnings)
    advice = doubt = None
    if finding.only_shown:
        effect = Effect(kind=found.effect.kind, value=found.effect.value, lo=None, hi=None, level=settings.confidence)
        verdict, warnings = Verdict.STRUCTURAL, (finding.only_shown, *finding.warnings)
    else:
        effect = found.effect
        if finding.invalid:
            verdict, warnings = Verdict.INVALID, (*finding.invalid, *warnings)
        else:
            judged = decide(
                found,
                pairs,
                finding.metric,
                margin=margin,
                p_adjusted=p_adjusted,
                tost_p=tost_p,
                equivalence_p=equivalence_p,
                alpha=settings.alpha,
                threshold=EXPLORATORY_RATE if finding.family == EXPLORATORY else settings.alpha,
            )
            verdict, advice, doubt = judged.verdict, judged.advice, judged.doubt
            warnings = (*warnings, *judged.warnings)
            withheld = finding.withheld or (finding.unlike if verdict is Verdict.EQUIVALENT else None)
            if withheld and verdict in {Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT}:
                warnings = (*warnings, f"inconclusive instead of {verdict}: {withheld}")
                verdict, doubt = Verdict.INCONCLUSIVE, f"but {withheld}"
        if verdict is Verdict.INCONCLUSIVE and finding.confounded:
            advice = finding.confounded
    tested = finding.only_shown is None
    return Comparison(
        baseline=finding.baseline,
        candidate=finding.candidate,
        metric=finding.metric.name,
        stratum=finding.stratum,
        effect=effect,
        test=found.test if tested else None,
        p=found.p if tested else None,
        p_adjusted=p_adjusted if tested and finding.family != STRUCTURAL else None,
        family=finding.family,
        n_queries=pairs.n_queries,
        n_pairs=pairs.n_pairs,
        margin=margin,
        verdict=verdict,
        warnings=warnings,
        advice=advice,
        doubt=doubt,
        beside={**found.beside, **finding.beside, **_beside(tost_p, equivalence_p)} if tested else {},
    )


def _equivalence(finding: Measurement, settings: Settings) -> float | None:
    """Return the p of two one-sided tests against the margin; None without a margin, an interval, or a valid comparison."""
    margin = settings.margins.get(finding.metric.name)
    if margin is None or finding.only_shown or finding.invalid or finding.measured.inference is None:
        return None
    limit = bound(margin, finding.pairs, finding.metric)
    return equivalence(finding.measured, finding.pairs, finding.metric, margin=margin, limit=limit, seed=settings.seed)


def _beside(tost_p: float | None, adjusted: float | None) -> dict[str, float | None]:
    """Name the p of the equivalence test, as it is and adjusted."""
    return {} if tost_p is None else {"tost_p": tost_p, "tost_p_adjusted": adjusted}
