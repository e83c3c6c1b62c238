"""The report as ``report.json``: schema ``uderia-bench/report/1`` , keys in a stable order, never a NaN.

A number that is missing, or an end of an interval that does not exist, is null. Text is ASCII-escaped: what a server said
cannot reach a terminal through ``--json`` either.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from uderia_bench.analysis import ArmSummary, Comparison, MetricSummary, Sweep
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report import content, decision, measurement
from uderia_bench.report.content import ArmCost, Report, RunFacts, Saving
from uderia_bench.report.figures import finite
from uderia_bench.report.headline import headline
from uderia_bench.stats.estimate import Estimate

SCHEMA = "uderia-bench/report/1"

_ONE_LINE = 1000  # columns: a program has no reason to get the shorter wording


def to_json(report: Report) -> str:
    """Return the report as indented JSON with a final newline."""
    return json.dumps(as_dict(report), indent=2, allow_nan=False) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report in the types of JSON, for a caller that puts it beside other things."""
    analysis = report.analysis
    return {
        "schema": SCHEMA,
        "headline": list(headline(report, width=_ONE_LINE)),
        "standing": content.standing(report).name.lower(),
        "scope": content.scope(report).value,
        "run": _run(report.facts),
        "method": {"confidence": analysis.confidence, "correction": analysis.correction, "seed": analysis.seed},
        "metrics": {metric.name: _definition(metric) for metric in report.metrics},
        "arms": [_arm(arm) for arm in analysis.arms],
        "comparisons": [_comparison(comparison) for comparison in analysis.comparisons],
        "winners": {name: decision.choose(decision.decisions(report, name)).arm for name in decision.STRATA},
        "decisions": [_decision(made) for name in decision.STRATA for made in decision.decisions(report, name)],
        "learning": [
            {"arm": one.arm, "warm": _estimate(one.warm), "effects": [_comparison(effect) for effect in one.effects]}
            for one in analysis.learning
        ],
        "sweeps": [_sweep(one) for one in analysis.sweeps],
        "costs": [_cost(cost) for cost in report.costs],
        "prices": [
            {"server": priced.server, "provider": priced.provider, "model": priced.model, "by": priced.by}
            for priced in report.prices
        ],
        "savings": [_saving(saving) for saving in report.savings],
        "issues": [
            {
                "kind": issue.kind,
                "severity": issue.severity,
                "count": issue.count,
                "share": finite(issue.share),
                "recommendation": issue.recommendation,
                "evidence": list(issue.evidence),
                "trial": issue.trial,
            }
            for issue in report.issues
        ],
        "gates": [{"name": gate.name, "passed": gate.passed, "detail": gate.detail} for gate in report.gates],
        "warnings": [*report.warnings, *analysis.warnings],
        "measurement": measurement.as_mapping(report),
    }


def _saving(saving: Saving) -> dict[str, Any]:
    return {
        "arm": saving.arm,
        "kind": saving.kind,
        "tokens": saving.tokens,
        "share": finite(saving.share),
        "count": saving.count,
        "queries": list(saving.queries),
        "examples": list(saving.examples),
        "recommendation": saving.recommendation,
        "method": saving.method,
    }


def _sweep(sweep: Sweep) -> dict[str, Any]:
    knee = sweep.knee
    return {
        "arm": sweep.arm,
        "levels": [
            {
                "level": level.level,
                "trials": level.trials,
                "busy_s": finite(level.busy_s),
                "in_flight": finite(level.in_flight),
                "throughput": _estimate(level.throughput),
                "latency": {f"p{rank}": _estimate(estimate) for rank, estimate in sorted(level.latency.items())},
                "unanswered": _estimate(level.unanswered),
            }
            for level in sweep.levels
        ],
        "knee": {
            "found": knee.found,
            "reason": knee.reason,
            "in_flight": None if knee.in_flight is None else _estimate(knee.in_flight),
            "ceiling": finite(knee.ceiling),
            "rate_of_one": finite(knee.rate_of_one),
            "contention": finite(knee.contention),
            "coherency": finite(knee.coherency),
        },
        "warnings": list(sweep.warnings),
    }


def _cost(cost: ArmCost) -> dict[str, Any]:
    return {
        "arm": cost.arm,
        "total_usd": cost.total_usd,
        "unpriced": cost.unpriced,
        "per_answer_usd": cost.per_answer_usd,
        "per_right_answer_usd": cost.per_right_answer_usd,
        "fallback": cost.fallback,
    }


def _run(facts: RunFacts) -> dict[str, Any]:
    return {
        "run_id": facts.run_id,
        "experiment": facts.experiment,
        "servers": list(facts.servers),
        "embedded_speed": facts.embedded_speed,
        "corpus": facts.corpus,
        "corpus_hash": facts.corpus_hash,
        "queries": facts.queries,
        "repeats": facts.repeats,
        "seed": facts.seed,
        "isolation": facts.isolation,
        "turns": facts.turns,
        "concurrency": facts.concurrency,
        "arrivals": facts.arrivals,
        "levels": list(facts.levels),
        "ramp_s": facts.ramp_s,
        "planned": facts.planned,
        "settled": facts.settled,
        "started_at": _stamp(facts.started_at),
        "ended_at": _stamp(facts.ended_at),
        "versions": facts.versions,
        "notes": list(facts.notes),
        "files": list(facts.files),
    }


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _definition(metric: Metric) -> dict[str, Any]:
    return {
        "family": metric.family,
        "unit": metric.unit,
        "type": metric.kind.__name__,
        "direction": metric.direction.value,
        "assumption": metric.assumption.value,
        "across_profile_types": metric.across.value,
        "doc": metric.doc,
    }


def _arm(arm: ArmSummary) -> dict[str, Any]:
    return {
        "arm": arm.arm,
        "profile_type": arm.profile_type,
        "trials": arm.trials,
        "outcomes": arm.outcomes,
        "metrics": {name: _metric(summary) for name, summary in arm.metrics.items()},
    }


def _metric(summary: MetricSummary) -> dict[str, Any]:
    return {
        "n": summary.n,
        "missing": summary.missing,
        "mean": _estimate(summary.mean),
        **{
            name: _estimate(estimate)
            for name, estimate in (("geometric_mean", summary.geometric_mean), ("total", summary.total))
            if estimate is not None
        },
        **{f"p{p}": _estimate(estimate) for p, estimate in sorted(summary.percentiles.items())},
        "warnings": list(summary.warnings),
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": finite(estimate.value),
        "lo": finite(estimate.lo),
        "hi": finite(estimate.hi),
        "n": estimate.n,
        "method": estimate.method,
        "warnings": list(estimate.warnings),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    effect = comparison.effect
    return {
        "baseline": comparison.baseline,
        "candidate": comparison.candidate,
        "metric": comparison.metric,
        "stratum": comparison.stratum,
        "effect": {
            "kind": effect.kind,
            "value": finite(effect.value),
            "lo": finite(effect.lo),
            "hi": finite(effect.hi),
            "level": effect.level,
            "method": effect.method,
        },
        "test": comparison.test,
        "p": finite(comparison.p),
        "p_adjusted": finite(comparison.p_adjusted),
        "n_queries": comparison.n_queries,
        "n_pairs": comparison.n_pairs,
        "margin": finite(comparison.margin),
        "verdict": comparison.verdict.value,
        "warnings": list(comparison.warnings),
        "family": comparison.family,
        "advice": comparison.advice,
        "beside": {name: finite(value) for name, value in comparison.beside.items()},
    }


def _decision(made: decision.Decision) -> dict[str, Any]:
    return {
        "stratum": made.stratum,
        "baseline": made.baseline,
        "candidate": made.candidate,
        "finding": made.finding.value,
        "arm": made.arm,
        "reason": made.reason,
    }
