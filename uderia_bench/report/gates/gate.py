"""What a gate says, as values, the names it may use, and the error that points into one. Nothing is read or judged here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from rich.cells import cell_len

from uderia_bench.analysis import Analysis, Verdict
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
"""The comparisons a gate may make, the longer ones first, as a reader of text must try them."""

STATISTICS: Mapping[str, int | None] = MappingProxyType({"mean": None, "p50": 50, "p90": 90, "p95": 95, "p99": 99})
"""The numbers a metric has, with the percentile each one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGate:
    """One number of a metric against ``limit`` (in the metric's unit, shares as 0..1), on one arm or on every one."""

    text: str
    arm: str | None
    metric: Metric
    statistic: str
    operator: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeGate:
    """The share (0..1) of an arm's trials that ended in one way, on one arm or on every one."""

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
    """The verdict on ``candidate`` against ``baseline`` on one metric: it must be ``verdict``, or must not (``negated``).

    ``surely`` asks for more than the verdict: the interval must lie inside the margin on the bad side.
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
    """The verdict on an arm (None: every arm) against its namesake in the baseline run, as ``ContrastGate`` has it.

    Without a metric: nothing that is tested may be worse.
    """

    text: str
    arm: str | None
    metric: Metric | None
    verdict: Verdict
    negated: bool
    surely: bool = False


Gate: TypeAlias = MetricGate | OutcomeGate | IssueGate | ContrastGate | BaselineGate


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What gates against a baseline are held against: the comparison of the run with it.

    ``arms`` maps an arm to what it is called there, in the baseline and in the run; where there is nothing to compare with,
    ``analysis`` is None and ``why`` says why. ``whence`` says what run the baseline is, ``notes`` what else a reader must know.
    """

    analysis: Analysis | None = None
    arms: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    why: str = ""
    whence: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a gate may speak of: arms, planned contrasts as (baseline, candidate), metrics, kinds of issue, the baseline run."""

    arms: tuple[str, ...]
    contrasts: tuple[tuple[str, str], ...]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    issues: tuple[str, ...] = ()
    baseline: str | None = None


def names_of(experiment: Experiment, metrics: Sequence[Metric], issues: Sequence[str] = ()) -> Names:
    """Return the names an experiment's gates may use."""
    return Names(
        arms=tuple(arm.name for arm in experiment.arms),
        contrasts=tuple((contrast.baseline, contrast.candidate) for contrast in experiment.contrasts),
        metrics={metric.name: metric for metric in metrics},
        issues=tuple(issues),
        baseline=experiment.baseline,
    )


class Misread(Exception):
    """A gate that cannot be read: what is wrong, and from where to where (0-based, end exclusive) in its text."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        self.message, self.text, self.start, self.end = message, text, start, end
        super().__init__(message)

    def __str__(self) -> str:
        """Return the message with the gate below it and a mark under what is wrong."""
        shown = "".join(character if character.isprintable() else "?" for character in self.text)
        marks = "^" * max(1, cell_len(shown[self.start : self.end]))
        return f"{self.message}\n    {shown}\n    {' ' * cell_len(shown[: self.start])}{marks}"
