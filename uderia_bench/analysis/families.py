"""Families of comparisons: every p adjusted within its own, then a verdict.

The primary family is corrected as declared (Holm by default). The exploratory ones go by Benjamini and Hochberg at
``EXPLORATORY_RATE``, and each way of cutting the corpus (not at all, by complexity, by tag, ...) is a family by itself, so
that a corpus with many tags does not take the power from its complexities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from uderia_bench.analysis.contrast import EXPLORATORY, PRIMARY, STRUCTURAL, Measurement
from uderia_bench.analysis.settings import EXPLORATORY_RATE, Settings
from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.analysis.verdict import bound, decide
from uderia_bench.stats.arrays import is_flat
from uderia_bench.stats.equivalence import tost_p
from uderia_bench.stats.estimate import Effect
from uderia_bench.stats.multiplicity import benjamini_hochberg, holm

_METHODS: Mapping[str, Callable[[Sequence[float]], tuple[float, ...]]] = {
    "holm": holm,
    "bh": benjamini_hochberg,
    "none": tuple,
}


def verdicts(findings: Sequence[Measurement], settings: Settings) -> tuple[Comparison, ...]:
    """Adjust every p within its family and give each finding its verdict, in the order given."""
    adjusted = _adjusted(findings, settings)
    return tuple(_comparison(finding, p, settings) for finding, p in zip(findings, adjusted, strict=True))


def _adjusted(findings: Sequence[Measurement], settings: Settings) -> list[float | None]:
    """Return each finding's p adjusted within its family; structural ones stay as they are."""
    adjusted: list[float | None] = [None if finding.only_shown else finding.measured.p for finding in findings]
    families: dict[tuple[str, str], list[int]] = {}
    for index, finding in enumerate(findings):
        if adjusted[index] is not None and finding.family != STRUCTURAL:
            families.setdefault((finding.family, finding.stratum.partition("=")[0]), []).append(index)
    for (family, _), members in families.items():
        adjust = _METHODS[settings.correction] if family == PRIMARY else benjamini_hochberg
        for index, p in zip(members, adjust([p for member in members if (p := adjusted[member]) is not None]), strict=True):
            adjusted[index] = p
    return adjusted


def _comparison(finding: Measurement, p_adjusted: float | None, settings: Settings) -> Comparison:
    """Put a finding and its adjusted p into words."""
    margin = settings.margins.get(finding.metric.name)
    found, pairs = finding.measured, finding.pairs
    warnings = (*finding.warnings, *found.warnings)
    advice = None
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
                alpha=EXPLORATORY_RATE if finding.family == EXPLORATORY else settings.alpha,
            )
            verdict, advice, warnings = judged.verdict, judged.advice, (*warnings, *judged.warnings)
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
        beside={**found.beside, **finding.beside, **_equivalence(finding, margin)} if tested else {},
    )


def _equivalence(finding: Measurement, margin: float | None) -> dict[str, float | None]:
    """Put the p of two one-sided t tests beside a comparison with a margin, as the cross-check of ``equivalent``."""
    differences = finding.pairs.differences
    if margin is None or is_flat(differences):
        return {}
    limit = bound(margin, finding.pairs, finding.metric)
    return {"tost_p": tost_p(differences, low=-limit, high=limit)}
