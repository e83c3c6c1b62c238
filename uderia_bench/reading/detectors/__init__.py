"""The registry of detectors: one file a family of issues, one value a kind, and the only place where they are run.

A detector is added by adding a ``Detector`` to its family: Parquet, report, ``inspect`` and ``uderia-bench detectors`` read the
value.
"""

from __future__ import annotations

from uderia_bench.errors import DetectorFailed
from uderia_bench.reading.detectors import failures, formats, overhead, plan_quality, planning, repetition
from uderia_bench.reading.detectors.detector import Detector, Finding, Issue, Severity
from uderia_bench.reading.detectors.evidence import Evidence
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.trace import Trace

__all__ = ["BUILT_IN", "DEFAULTS", "Detector", "Evidence", "Finding", "Issue", "Severity", "Thresholds", "detect"]

BUILT_IN: tuple[Detector, ...] = (
    *planning.DETECTORS,
    *plan_quality.DETECTORS,
    *repetition.DETECTORS,
    *formats.DETECTORS,
    *failures.DETECTORS,
    *overhead.DETECTORS,
)
DEFAULTS = Thresholds()


def detect(trace: Trace, detectors: tuple[Detector, ...] = BUILT_IN, thresholds: Thresholds = DEFAULTS) -> tuple[Issue, ...]:
    """Return what the detectors find in one trial, in their order.

    Raises ``DetectorFailed``, naming the detector, where one raises.
    """
    issues: list[Issue] = []
    for detector in detectors:
        try:
            found = detector.find(trace, thresholds)
        except Exception as error:  # a plug-in's error, whatever it is, must name its detector
            raise DetectorFailed(f"detector {detector.name} raised {type(error).__name__}: {error}") from error
        issues.extend(_named(detector, finding) for finding in found)
    return tuple(issues)


def _named(detector: Detector, finding: Finding) -> Issue:
    return Issue(
        kind=detector.name,
        severity=finding.severity or detector.severity,
        evidence=finding.evidence,
        recommendation=finding.recommendation or detector.recommendation,
        tokens_lost=finding.tokens_lost,
        method=finding.method,
    )
