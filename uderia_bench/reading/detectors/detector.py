"""What a detector is: a named, documented, pure function from a trace to what it found. It finds nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from uderia_bench.reading.detectors.evidence import Evidence
from uderia_bench.reading.detectors.thresholds import Thresholds
from uderia_bench.trace import Trace


class Severity(StrEnum):
    """How much an issue matters: an error spoils the answer, a warning wastes tokens or time, an info is worth knowing."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One occurrence, before it has its detector's name.

    ``tokens_lost`` is an estimate of what it cost, made by ``method`` (in words), both None where none can be made. Severity
    and recommendation are the detector's unless this occurrence has its own.
    """

    evidence: tuple[Evidence, ...]
    tokens_lost: int | None = None
    method: str | None = None
    severity: Severity | None = None
    recommendation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A kind of issue. ``find`` must not raise, whatever the trace; the thresholds are the run's."""

    name: str
    doc: str
    severity: Severity
    recommendation: str
    find: Callable[[Trace, Thresholds], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One finding of one trial, complete; ``kind`` is the name of the detector."""

    kind: str
    severity: Severity
    evidence: tuple[Evidence, ...]
    recommendation: str
    tokens_lost: int | None = None
    method: str | None = None
