"""Types of a detector: a named, documented, pure function from a trace to its findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from uderia_bench.reading.detectors.evidence import Evidence
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.trace import Trace


class Severity(StrEnum):
    """Importance of an issue: an error spoils the answer, a warning costs tokens or time, an info is worth knowing."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One occurrence of an issue, before it gets its detector's name.

    ``tokens_lost`` estimates what the issue cost, and ``method`` says in words how; both are None
    without an estimate. Severity and recommendation are the detector's where the finding does not
    set them.
    """

    evidence: tuple[Evidence, ...]
    tokens_lost: int | None = None
    method: str | None = None
    severity: Severity | None = None
    recommendation: str | None = None


def costing(evidence: Iterable[Evidence], lost: float, method: str, *, severity: Severity | None = None) -> Finding:
    """Return an occurrence with an estimate of the tokens it cost; without one where they are not above 0."""
    if round(lost) <= 0:
        return Finding(evidence=tuple(evidence), severity=severity)
    return Finding(evidence=tuple(evidence), tokens_lost=round(lost), method=method, severity=severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A kind of issue. ``find`` gets a trace and the run's thresholds, and must not raise for any trace."""

    name: str
    doc: str
    severity: Severity
    recommendation: str
    find: Callable[[Trace, Thresholds], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One finding in one trial, with everything a report shows; ``kind`` is the detector's name."""

    kind: str
    severity: Severity
    evidence: tuple[Evidence, ...]
    recommendation: str
    tokens_lost: int | None = None
    method: str | None = None
