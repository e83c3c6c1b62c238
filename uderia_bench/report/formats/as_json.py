"""The report as ``report.json``, which ``uderia-bench schema report`` describes.

A missing number is null, and so is an end of an interval that does not exist. All text is
ASCII-escaped, so that ``--json`` cannot send a control character from a server to a terminal.
"""

from __future__ import annotations

import json
from typing import Any

from uderia_bench.analysis.values import ArmSummary, Look, MetricSummary
from uderia_bench.report import content, decision, measurement, monthly, standing
from uderia_bench.report.content import Report
from uderia_bench.report.formats.data import data, record
from uderia_bench.report.headline import headline, summary

SCHEMA = "uderia-bench/report/1"

_NOT_IN_RUN = ("generator", "typed", "interrupted", "left", "early")  # told by measurement, standing and headline


def to_json(report: Report) -> str:
    """Return the report as indented JSON with a final newline."""
    return json.dumps(as_dict(report), indent=2, allow_nan=False) + "\n"


def as_dict(report: Report) -> dict[str, Any]:
    """Return the report as JSON types."""
    analysis = report.analysis
    lines = headline(report)
    return {
        "schema": SCHEMA,
        "headline": [str(line) for line in lines],
        "summary": str(summary(lines)),
        "standing": standing.of(report).name.lower(),
        "scope": content.scope(report).value,
        "run": record(report.facts, without=_NOT_IN_RUN),
        "method": {"confidence": analysis.confidence, "correction": analysis.correction, "seed": analysis.seed},
        "metrics": {metric.name: metric.definition for metric in report.metrics},
        "arms": [_arm(arm) for arm in analysis.arms],
        "comparisons": data(analysis.comparisons),
        "winners": {name: decision.choose(decision.decisions(report, name)).arm for name in decision.STRATA},
        "decisions": [record(made, without=("rests_on", "lacks")) for made in decision.every(report)],
        "learning": data(analysis.learning),
        "memory": data(analysis.memory),
        "sweeps": data(analysis.sweeps),
        "spending": data(report.spending),
        "looks": [_look(look) for look in analysis.looks],
        "query_effects": data(analysis.query_effects),
        "costs": data(report.costs),
        "month": None if report.month is None else {**data(report.month), "text": monthly.sentences(report)},
        "prices": data(report.prices),
        "savings": data(report.savings),
        "issues": [record(issue, without=("seen", "worst")) for issue in report.issues],
        "gates": data(report.gates),
        "results": data(report.results),
        "judge": list(report.judge),
        "warnings": [*report.warnings, *analysis.warnings],
        "measurement": measurement.as_mapping(report),
    }


def _look(look: Look) -> dict[str, Any]:
    """Return an interim look: of each comparison what its verdict rests on."""
    without = ("stratum", "family", "test", "warnings", "advice", "doubt", "beside", "margin")
    return record(look, without=("comparisons",)) | {
        "comparisons": [record(each, without=without) for each in look.comparisons]
    }


def _arm(arm: ArmSummary) -> dict[str, Any]:
    return record(arm, without=("metrics",)) | {"metrics": {name: _metric(of) for name, of in arm.metrics.items()}}


def _metric(summary: MetricSummary) -> dict[str, Any]:
    """Return a metric of an arm: its percentiles beside the mean, and no key for a statistic that it does not have."""
    found = record(summary, without=("metric", "percentiles"))
    known = {name: value for name, value in found.items() if value is not None}
    return {**known, **data(summary.percentiles)}
