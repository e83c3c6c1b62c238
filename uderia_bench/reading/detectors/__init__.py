"""Detectors: the registry of issues that can be found in a trace, and the function that runs them.

Each module is a family, and each kind of issue is one ``Detector`` value in its family's
``DETECTORS``. Parquet, reports, ``inspect`` and ``uderia-bench detectors`` read that value.
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
    """Return the issues of one trial, in the order of the detectors.

    Raises ``DetectorFailed``, which names the detector, where a detector raises.
    """
    issues: list[Issue] = []
    for detector in detectors:
        try:
            found = detector.find(trace, thresholds)
        except Exception as error:  # any error of a plug-in must name its detector
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
