"""A gate as a value, the names it may use, and the error that points into its text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from rich.cells import cell_len

from uderia_bench.analysis.values import Analysis, Verdict
from uderia_bench.documents.experiment import Experiment
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.trial import Outcome

OPERATORS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
})  # fmt: skip
"""Comparisons of a gate, the longer ones first, as a reader of text must try them."""

STATISTICS: Mapping[str, int | None] = MappingProxyType({"mean": None, "p50": 50, "p90": 90, "p95": 95, "p99": 99})
"""Numbers of a metric, with their percentile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """One number of a metric against ``limit``, on one arm or on every arm. Shares are 0..1."""

    text: str
    arm: str | None
    metric: Metric
    statistic: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeGate:
    """The share (0..1) of an arm's trials with one outcome, on one arm or on every arm."""

    text: str
    arm: str | None
    outcome: Outcome
    operator: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueGate:
    """The number of trials with an issue of one kind, over the whole run."""

    text: str
    kind: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastGate:
    """The verdict on ``candidate`` against ``baseline`` on one metric.

    It must be ``verdict``, or must not be if ``negated``. ``surely`` asks that the whole interval
    is inside the margin on the bad side.
    """

    text: str
    candidate: str
    baseline: str
    metric: Metric
    verdict: Verdict
    negated: bool = False
    surely: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineGate:
    """The verdict on an arm (None: every arm) against the same arm in the baseline run.

    Without a metric, no planned metric may be worse, or no tested metric at all for ``every``.
    """

    text: str
    arm: str | None
    metric: Metric | None
    verdict: Verdict
    negated: bool
    surely: bool = False
    every: bool = False


Gate: TypeAlias = MetricGate | OutcomeGate | IssueGate | ContrastGate | BaselineGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The comparison of the run with its baseline run, for gates.

    ``arms`` maps an arm to its names in that comparison, in the baseline and in the run. Without a
    comparison ``analysis`` is None and ``why`` gives the reason. ``metrics`` are the definitions of the
    compared metrics. ``whence`` names the baseline run. ``notes`` are further remarks for the reader.
    """

    analysis: Analysis | None = None
    metrics: Sequence[Metric] = ()
    arms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    why: str = ""
    whence: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names that a gate may use: arms, contrasts as (baseline, candidate), metrics, kinds of issue, the baseline run."""

    arms: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    issues: tuple[str, ...] = ()
    baseline: str | None = None


def names_of(experiment: Experiment, metrics: Sequence[Metric], issues: Sequence[str]) -> Names:
    """Return the names that an experiment's gates may use."""
    return Names(
        arms=tuple(arm.name for arm in experiment.arms),
        contrasts=tuple((contrast.baseline, contrast.candidate) for contrast in experiment.contrasts),
        metrics={metric.name: metric for metric in metrics},
        issues=tuple(issues),
        baseline=experiment.baseline,
    )


class Misread(Exception):
    """A mistake in a gate, and its place in the text (0-based, end exclusive)."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        self.message, self.text, self.start, self.end = message, text, start, end
        super().__init__(message)

    def __str__(self) -> str:
        """Return the message with the gate below it and a mark under the mistake."""
        shown = "".join(character if character.isprintable() else "?" for character in self.text)
        marks = "^" * max(1, cell_len(shown[self.start : self.end]))
        return f"{self.message}\n    {shown}\n    {' ' * cell_len(shown[: self.start])}{marks}"
