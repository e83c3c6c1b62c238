"""Results of an analysis as values for the reports: arm summaries, comparisons with their verdicts, winners."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from uderia_bench.stats.estimate import Effect, Estimate

NOT_CALLED = "not called"  # begins the warning that the total or the tail withholds a verdict

UNTRUSTED = "exploratory: "
"""Start of a warning that the judge behind a comparison cannot be trusted; the reason follows."""


class Verdict(StrEnum):
    """What a comparison lets one say; docs/explanation/statistics.md, "Verdicts" has the rule for each."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"  # a validity check failed: the reason is in the warnings
    STRUCTURAL = "structural"  # only one side has the thing, or it is not tested across types: the reason is in the warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSummary:
    """One metric on one arm. ``percentiles`` maps 50, 90, 95 and 99 to their estimates.

    A rate has no ``geometric_mean`` and no ``total`` (of what was observed); nor has what is not positive everywhere the first.
    """

    metric: str
    n: int
    missing: int
    mean: Estimate
    percentiles: dict[int, Estimate]
    geometric_mean: Estimate | None = None
    total: Estimate | None = None
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
    totals, share of queries won. ``advice`` says what would settle an inconclusive one. ``doubt`` says why it is
    inconclusive, in words that follow the effect in a sentence; None where the effect may simply be chance.
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
    doubt: str | None = None
    beside: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One interim look of a run: what the first ``trials`` measured trials showed, and whether it stops the run.

    The p-values and intervals of ``comparisons`` allow for all ``of`` planned looks. ``dropped`` are the arms
    that a race drops at this look.
    """

    look: int
    of: int
    trials: int
    comparisons: tuple[Comparison, ...]
    stops: bool
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEffect:
    """The effect of one query: ``raw`` as seen, and ``value`` shrunk towards the corpus, with its interval.

    ``false_sign`` is the probability that the effect goes the other way. ``changed``: the query differs,
    with a false discovery rate over all queries.
    """

    query: str
    raw: float
    value: float
    lo: float
    hi: float
    false_sign: float
    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEffects:
    """The effects of all queries on one metric in one contrast, the largest first."""

    baseline: str
    candidate: str
    metric: str
    kind: str
    false_rate: float
    queries: tuple[QueryEffect, ...]


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
class MemoryUse:
    """How often an arm's trials found a stored plan: at all, of the same question (``exact``), or of a similar one (``near``).

    ``cases`` counts the different plans that were found first, None where the trials do not say.
    """

    found: Estimate
    exact: Estimate
    near: Estimate
    cases: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPart:
    """A part of the trials, such as a repeat or the paraphrases: how many found a plan, and the effect by metric."""

    part: str
    queries: int
    found: Estimate
    effects: dict[str, Effect]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryScore:
    """What one state of the server's memory is worth, from random assignment.

    ``baseline`` and ``candidate`` are arms of one profile that differ in memory. ``state`` is the
    candidate's. ``comparisons`` are one family over all scores. ``per_use`` is the effect of a found plan,
    by metric. ``curve`` has one part per repeat. ``spread`` has the original queries and their paraphrases.
    ``repaid`` is the number of repeats after which the arm has cost no more tokens in total, None where it
    still costs more. ``balance`` is the difference in tokens per query over all repeats.
    """

    baseline: str
    candidate: str
    state: str
    comparisons: tuple[Comparison, ...]
    use: MemoryUse
    per_use: dict[str, Estimate]
    curve: tuple[MemoryPart, ...]
    spread: tuple[MemoryPart, ...]
    repaid: int | None
    balance: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLevel:
    """One arm at one level of a sweep; ``level`` is what was asked for, in flight or a second.

    ``busy_s`` is for how long any of the arm's trials was in flight and ``in_flight`` how many were, on average, in that time;
    both are None where no trial records its times. ``throughput`` is answers per second of ``busy_s``,
    ``latency`` maps 50 and 95 to seconds, and ``unanswered`` is the share (0..1) of trials without an answer.
    """

    level: float
    trials: int
    busy_s: float | None
    in_flight: float | None
    throughput: Estimate
    latency: dict[int, Estimate]
    unanswered: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """The load above which more trials in flight only wait longer, and the reason for it or against one.

    ``in_flight`` is the fit's knee whether or not it was ``found`` within the levels asked, its value None where there is none
    at any load; ``ceiling`` is the most answers a second. ``rate_of_one``, ``contention`` and ``coherency`` are of the law
    fitted (``stats.scalability``); all of them are None where nothing was.
    """

    reason: str
    found: bool = False
    in_flight: Estimate | None = None
    ceiling: float | None = None
    rate_of_one: float | None = None
    contention: float | None = None
    coherency: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One arm over the levels of a sweep, ascending."""

    arm: str
    levels: tuple[LoadLevel, ...]
    knee: Knee
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All that is concluded from one run's measured trials.

    ``invalid`` says why nothing of it holds, whatever is compared. ``held_up`` counts the trials in whose round trip our own
    event loop stood still. ``looks`` are the interim looks that the run took, and
    ``query_effects`` are the effects of single queries on the primary metrics, and ``memory`` is what
    the memory of each managed arm is worth.
    """

    arms: tuple[ArmSummary, ...]
    comparisons: tuple[Comparison, ...]
    winners: tuple[Winner, ...]
    warnings: tuple[str, ...]
    confidence: float
    correction: str
    seed: int
    learning: tuple[Learning, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    invalid: tuple[str, ...] = ()
    held_up: int = 0
    looks: tuple[Look, ...] = ()
    query_effects: tuple[QueryEffects, ...] = ()
    memory: tuple[MemoryScore, ...] = ()
