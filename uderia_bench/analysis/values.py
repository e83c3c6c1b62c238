"""What an analysis says: arm summaries, comparisons with their verdicts, winners. Values only: reports read them for free."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from uderia_bench.stats.estimate import Effect, Estimate


class Verdict(StrEnum):
    """What a comparison lets one say; ``statistics.md`` has the rule for each."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"  # a validity check failed: the reason is in the warnings
    STRUCTURAL = "structural"  # only one side has the thing, or it is not tested across types: the reason is in the warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric on one arm. ``percentiles`` maps 50, 90, 95 and 99 to their estimates."""

    metric: str
    n: int
    missing: int
    mean: Estimate
    percentiles: dict[int, Estimate]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSummary:
    """Everything said of one arm by itself: measured trials, how they ended, every metric."""

    arm: str
    profile_type: str | None
    trials: int
    outcomes: dict[str, int]
    metrics: dict[str, MetricSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Candidate against baseline on one metric in one stratum (``all``, ``complexity=simple``, …).

    ``test`` names what ``p`` comes from; ``p_adjusted`` is within ``family`` (``primary``: the metrics with margins,
    ``exploratory`` the rest, ``structural`` outside both). ``beside`` holds cross-checks by name: Wilcoxon p, ratio of
    totals, share of queries won. ``advice`` says what would settle an inconclusive one.
    """

    baseline: str
    candidate: str
    metric: str
    stratum: str
    effect: Effect
    test: str | None
    p: float | None
    p_adjusted: float | None
    family: str
    n_queries: int
    n_pairs: int
    margin: float | None
    verdict: Verdict
    warnings: tuple[str, ...] = ()
    advice: str | None = None
    beside: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """Who wins a class of queries (``simple``, ``complex``) in one contrast, and why; no ``arm``: a trade-off, or undecided."""

    stratum: str
    baseline: str
    candidate: str
    arm: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """What memory does on one arm: ``warm`` is the share of repeats (after the first) that used RAG.

    ``effects`` compare warm with cold trials of the same queries, so baseline and candidate are the arm cold and warm.
    """

    arm: str
    warm: Estimate
    effects: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All that is concluded from one run's measured trials; ``invalid`` says why nothing of it holds, whatever is compared."""

    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    winners: tuple[Winner, ...]
    warnings: tuple[str, ...]
    confidence: float
    correction: str
    seed: int
    learning: tuple[Learning, ...] = ()
    invalid: tuple[str, ...] = ()
