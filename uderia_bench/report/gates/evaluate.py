"""Evaluate gates against the analysis of a run. A gate whose number is missing is missed.

A gate on a number reads the point estimate, as k6 does: it asks what happened. A gate on a contrast
reads the verdict, which includes the uncertainty: ``not worse`` is missed only if the candidate was
shown to be worse. A gate against a baseline run reads the verdict on an arm against the same arm in
that run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from uderia_bench.analysis.contrast import PRIMARY
from uderia_bench.analysis.values import Analysis, ArmSummary, Comparison, Verdict
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.report import content, decision, figures
from uderia_bench.report.content import GateResult, IssueSummary
from uderia_bench.report.gates.gate import (
    OPERATORS,
    STATISTICS,
    Against,
    BaselineGate,
    ContrastGate,
    Gate,
    IssueGate,
    MetricGate,
    OutcomeGate,
)

NOTHING_ANSWERED = "no trial was answered"
_AT_MOST = ("<", "<=", "==")
"""A gate with one of these limits what may go wrong. It does not pass where nothing went right."""
_NO_VERDICT = (Verdict.INVALID, Verdict.STRUCTURAL)


def evaluate(
    gates: Iterable[Gate], analysis: Analysis, issues: Sequence[IssueSummary] = (), against: Against | None = None
) -> tuple[GateResult, ...]:
    """Return the result of every gate, in their order."""
    return tuple(_result(gate, analysis, issues, against or Against(why="there is no baseline run")) for gate in gates)


def nothing_worse(
    text: str, analysis: Analysis, candidates: Mapping[str, str], metrics: Iterable[Metric], *, every: bool
) -> GateResult:
    """Evaluate that no planned metric of a candidate is worse over all queries, and name the measured differences.

    ``candidates`` maps their names in the analysis to those to show. With ``every``, metrics without a
    margin count too.
    """
    known = {metric.name: metric for metric in metrics}
    judged = [
        found
        for found in analysis.comparisons
        if found.stratum == content.OVERALL
        and found.candidate in candidates
        and not content.structural(found)
        and (every or found.family == PRIMARY)
    ]
    which = "metric" if every else "planned metric"
    if all(found.verdict is Verdict.INVALID for found in judged):
        return GateResult(name=text, passed=False, detail=f"no {which} could be compared")
    worse = [found for found in judged if found.verdict is Verdict.WORSE]
    shown = worse or [found for found in judged if found.family == PRIMARY]
    said = (
        f"{candidates[each.candidate]} {each.metric} {figures.effect_forms(each.effect, known.get(each.metric))[0]}"
        for each in shown
    )
    return GateResult(name=text, passed=not worse, detail=f"{'worse' if worse else f'no {which} is worse'}: {', '.join(said)}")


def _result(gate: Gate, analysis: Analysis, issues: Sequence[IssueSummary], against: Against) -> GateResult:
    if isinstance(gate, MetricGate | OutcomeGate):
        return _on_arms(gate, analysis)
    if isinstance(gate, IssueGate):
        count = next((issue.count for issue in issues if issue.kind == gate.kind), 0)
        passed = OPERATORS[gate.operator](count, gate.limit)
        if passed and analysis.arms and not any(map(content.answered, analysis.arms)):
            return GateResult(name=gate.text, passed=False, detail=NOTHING_ANSWERED)
        return GateResult(name=gate.text, passed=passed, detail=f"found in {count_of(count, 'trial')}")
    if isinstance(gate, BaselineGate):
        return _on_baseline(gate, against)
    passed, said = _verdict(gate, _comparison(gate, analysis), analysis)
    return GateResult(name=gate.text, passed=passed, detail=said)


def _on_arms(gate: MetricGate | OutcomeGate, analysis: Analysis) -> GateResult:
    """Evaluate one number on the gate's arm. Without an arm, every arm must pass."""
    arms = [arm for arm in analysis.arms if gate.arm in (None, arm.arm)]
    if not arms:
        return GateResult(name=gate.text, passed=False, detail=f"{gate.arm or 'no arm'}: no measured trial")
    found = {arm.arm: _metric(gate, arm) if isinstance(gate, MetricGate) else _outcome(gate, arm) for arm in arms}
    return _all(gate, found, ", ")


def _all(gate: Gate, found: Mapping[str, tuple[bool, str]], separator: str) -> GateResult:
    """Return the result of a gate that every arm must pass."""
    detail = separator.join(f"{arm}: {said}" for arm, (_, said) in found.items())
    return GateResult(name=gate.text, passed=all(passed for passed, _ in found.values()), detail=detail)


def _metric(gate: MetricGate, arm: ArmSummary) -> tuple[bool, str]:
    summary = arm.metrics.get(gate.metric.name)
    percentile = STATISTICS[gate.statistic]
    estimate = None if summary is None else summary.mean if percentile is None else summary.percentiles.get(percentile)
    value = None if estimate is None else figures.finite(estimate.value)
    if estimate is None or value is None:
        return False, "no value was measured"
    said = figures.estimate_forms(estimate, figures.scale_of(gate.metric, value))[0].removesuffix(f" {figures.NO_INTERVAL}")
    unless = None if gate.metric.judged_unless is None else arm.metrics.get(gate.metric.judged_unless)
    if unless is not None and unless.mean.value:
        share = figures.percentage(unless.mean.value)
        return False, f"{said}, not tested: {gate.metric.judged_unless} in {share} of the trials"
    return OPERATORS[gate.operator](value, gate.limit), said


def _outcome(gate: OutcomeGate, arm: ArmSummary) -> tuple[bool, str]:
    if not arm.trials:
        return False, "no measured trial"
    count = arm.outcomes.get(gate.outcome, 0)
    share = count / arm.trials
    said = f"{figures.percentage(share)} ({count} of {arm.trials})"
    passed = OPERATORS[gate.operator](share, gate.limit)
    if passed and gate.operator in _AT_MOST and not content.answered(arm):
        return False, f"{said}, but {NOTHING_ANSWERED}"
    return passed, said


def _on_baseline(gate: BaselineGate, against: Against) -> GateResult:
    """Evaluate one arm against the same arm in the baseline.

    Without an arm, every common arm must pass.
    """
    if against.analysis is None:
        return GateResult(name=gate.text, passed=False, detail=against.why)
    arms = [arm for arm in against.arms if gate.arm in (None, arm)]
    if not arms:
        return GateResult(name=gate.text, passed=False, detail=f"{gate.arm or 'no arm'}: not in the baseline run")
    if gate.metric is None:
        named = {against.arms[arm][1]: arm for arm in arms}
        return nothing_worse(gate.text, against.analysis, named, against.metrics, every=gate.every)
    compared = {(c.metric, c.baseline, c.candidate): c for c in against.analysis.comparisons if c.stratum == content.OVERALL}
    found = {arm: _verdict(gate, compared.get((gate.metric.name, *against.arms[arm])), against.analysis) for arm in arms}
    return _all(gate, found, "; ")


def _verdict(gate: ContrastGate | BaselineGate, found: Comparison | None, analysis: Analysis) -> tuple[bool, str]:
    """Return whether a comparison has the verdict that a gate asks for, and what was measured."""
    metric = gate.metric
    if found is None or metric is None or found.effect.value is None:
        return False, "not compared, because one of the arms has no value"
    said = f"{figures.effect_forms(found.effect, metric)[0]}, {found.verdict}"
    if found.verdict in _NO_VERDICT:
        return False, said + "".join(f" ({warning})" for warning in found.warnings[:1])
    if gate.surely:
        sides = [content.metric_summary(analysis, arm, metric.name) for arm in (found.baseline, found.candidate)]
        means = [side.mean.value for side in sides if side is not None and side.mean.value is not None]
        sure = _surely_not_worse(found, metric, min(map(abs, means)) if len(means) == len(sides) else 0.0)
        if found.effect.lo is None:
            return False, f"{said}; there is no interval"
        return sure, f"{said}; the interval is {'inside' if sure else 'not inside'} the margin"
    open_still = f" ({found.advice})" if found.verdict is Verdict.INCONCLUSIVE and found.advice else ""
    return (found.verdict is gate.verdict) != gate.negated, f"{said}{open_still}"


def _comparison(gate: ContrastGate, analysis: Analysis) -> Comparison | None:
    """Return the planned comparison over all queries with the gate's candidate as candidate."""
    sides = {gate.baseline, gate.candidate}
    for found in analysis.comparisons:
        if found.metric == gate.metric.name and found.stratum == content.OVERALL and {found.baseline, found.candidate} == sides:
            return decision.from_view_of(found, gate.candidate)
    return None


def _surely_not_worse(found: Comparison, metric: Metric, smaller_mean: float) -> bool:
    """Whether the bad end of the interval is inside the margin.

    Without a margin no loss is allowed. A margin m allows a ratio of 1 + m, or of 1 / (1 + m) where
    more is better. For a rate it allows m points, for an amount the share m of the smaller mean
    (docs/explanation/statistics.md, "Verdicts").
    """
    lower = metric.direction is Direction.LOWER
    end = figures.finite(found.effect.hi if lower else found.effect.lo)
    margin = found.margin or 0.0
    if end is None:
        return False
    if found.effect.kind == "ratio":
        return end <= 1 + margin if lower else end >= 1 / (1 + margin)
    allowed = margin if metric.assumption is Assumption.RATE else margin * smaller_mean
    return end <= allowed if lower else end >= -allowed
