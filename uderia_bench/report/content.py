"""Values that a report is made of, the rules over them, and the words that every format shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from uderia_bench.analysis.values import Analysis, ArmSummary, Comparison, MetricSummary, Verdict
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.stats.estimate import Estimate
from uderia_bench.trial import Outcome

OVERALL = "all"
"""The stratum of all queries, labelled or not."""


class Scope(StrEnum):
    """Which queries the numbers hold for (docs/explanation/statistics.md, "Unit and design")."""

    QUERIES_LIKE_THESE = "queries like these"
    THIS_QUERY = "this query only"


class Tone(StrEnum):
    """Meaning of a number for a decision. A format may show it as a colour, beside words."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What was run, where and when.

    ``settled`` counts measured trials by outcome, and ``planned`` is how many there should be.
    ``turns`` is how often each arm had a shared server to itself; empty where arms do not take
    turns. ``embedded_speed`` is None on a real server. ``files`` are paths as the reader should type them.
    ``arrivals`` is the rate of an open loop, None for a closed loop. ``levels`` are the levels of a
    sweep, of concurrency or of the rate, and ``ramp_s`` is how long the load took to grow.
    ``generator`` is what the run measured about its own load generator.

    An ``interrupted`` run has trials ``left`` to ask, warm-ups and repeated trials included; the
    count is None while the run is in progress. An ``early`` run was stopped by an interim look.
    ``typed`` is what a reader types for the run where its id is not enough; files never contain it.
    """

    run_id: str
    experiment: str
    servers: tuple[str, ...]
    embedded_speed: float | None
    corpus: str
    corpus_hash: str
    queries: int
    repeats: int
    seed: int
    isolation: str
    concurrency: int
    planned: int
    settled: dict[str, int]
    turns: dict[str, int] = field(default_factory=dict)
    arrivals: str | None = None
    levels: tuple[float, ...] = ()
    ramp_s: float = 0.0
    generator: GeneratorRecord | None = None
    interrupted: bool = False
    left: int | None = None
    early: bool = False
    typed: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSummary:
    """One kind of issue over the whole run.

    It occurs in ``count`` trials, a ``share`` (0..1) of the trials in which it could occur.
    ``seen`` describes one occurrence in one line, in ``trial`` where it belongs to one trial.
    ``evidence`` says how often, on which queries, and gives examples.
    """

    kind: str
    severity: str
    count: int
    share: float | None
    recommendation: str
    evidence: tuple[str, ...] = ()
    seen: str = ""
    trial: str | None = None
    worst: tuple[str, float] | None = None  # the arm with the largest share of its trials, and that share


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Estimated ``tokens`` that one kind of issue costs an arm, and how they were estimated (``method``).

    ``share`` (0..1) is of all tokens of the arm. ``queries`` and ``examples`` (trial ids) are those
    that lost most, the costliest first.
    """

    arm: str
    kind: str
    tokens: int
    share: float | None
    count: int
    queries: tuple[str, ...]
    examples: tuple[str, ...]
    recommendation: str
    method: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCost:
    """Cost of an arm's measured trials in US dollars, failed trials included, as the server reports it.

    ``per_right_answer_usd`` is over the queries that have checks. It and ``per_answer_usd`` are
    None where there is no such answer. ``unpriced`` trials have no cost. ``fallback`` is the share
    (0..1) of trials that the server priced with its default price.
    """

    arm: str
    total_usd: float
    unpriced: int
    per_answer_usd: float | None
    per_right_answer_usd: float | None
    fallback: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Trials with their tokens and US dollars, None where the trials do not say."""

    trials: int
    tokens: float | None
    usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a run spent, and what the ``rest`` of its plan would have cost.

    ``warmups`` of the trials were for warm-up. ``saved``: an interim look decided the run, so the rest is not
    asked. ``looks``: the run planned some.
    """

    spent: Amount
    rest: Amount
    saved: bool
    looks: bool
    warmups: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmMonth:
    """Cost of one arm in US dollars a month, with its interval over queries."""

    arm: str
    usd: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlySaving:
    """US dollars a month that an arm saves in a class of queries, with the interval over its queries.

    It is negative where the arm costs more. ``share`` (0..1) of the traffic belongs to the class.
    """

    stratum: str
    share: float
    arm: str
    instead_of: str
    usd: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of production traffic: cost of every arm, and saving of the arm that wins a class of queries."""

    questions_per_day: float
    arms: tuple[ArmMonth, ...]
    savings: tuple[MonthlySaving, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedModel:
    """Source of a model's price in ``list_cost_usd``.

    ``by`` is ``experiment``, ``server``, the name of a price list, or None where no table has the
    model.
    """

    server: str
    provider: str | None
    model: str
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """One turn of a query on one arm, over its repeats.

    ``seconds`` is the mean latency of the ``answered`` trials. ``otherwise`` is the most frequent
    outcome of the other trials. ``passed`` of ``checks`` were met; ``failed`` describes the others.
    """

    query: str
    turn: int
    arm: str
    complexity: str | None
    trials: int
    answered: int
    seconds: float | None
    otherwise: str | None
    checks: int
    passed: int
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate as the experiment has it, whether the run passed it, and what was measured."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that a format needs.

    ``metrics`` are the definitions in force, in the order to show.
    """

    facts: RunFacts
    analysis: Analysis
    metrics: tuple[Metric, ...]
    spending: Spending | None = None
    costs: tuple[ArmCost, ...] = ()
    month: Month | None = None
    prices: tuple[PricedModel, ...] = ()
    savings: tuple[Saving, ...] = ()
    issues: tuple[IssueSummary, ...] = ()
    gates: tuple[GateResult, ...] = ()
    results: tuple[QueryResult, ...] = ()
    warnings: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()  # calls, cost and consistency of the judge; empty without one
    conversations: tuple[str, ...] = ()  # token growth over turns; empty without conversations


def scope(report: Report) -> Scope:
    """Return which queries the numbers hold for."""
    return Scope.QUERIES_LIKE_THESE if report.facts.queries > 1 else Scope.THIS_QUERY


def embedded(speed: float) -> str:
    """Return the note that the numbers are simulated, with the speed of the simulation."""
    return f"embedded Uderia at speed {speed:g}: a simulation, not a real agent"


def first_to_fix(report: Report) -> Saving | IssueSummary | None:
    """Return what to change first; None where nothing was found.

    It is the first row of "What to change", or the first issue where no issue has an estimate.
    """
    candidates: tuple[Saving | IssueSummary, ...] = (*report.savings, *(i for i in report.issues if i.severity != "info"))
    return candidates[0] if candidates else None


def typed(facts: RunFacts) -> str:
    """Return what a reader types for the run after a command."""
    return facts.run_id if facts.typed is None else facts.typed


def answered(arm: ArmSummary) -> int:
    """Return how many of an arm's trials were answered. Latency and tokens come from these only."""
    return arm.outcomes.get(Outcome.ANSWERED, 0)


def outcome_words(outcome: str) -> str:
    """Return an outcome as a sentence has it: ``timed out``."""
    return outcome.replace("_", " ")


def contrasts(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Return (baseline, candidate) of every contrast, in the order of the analysis."""
    pairs = [(c.baseline, c.candidate) for c in analysis.comparisons] + [(w.baseline, w.candidate) for w in analysis.winners]
    return tuple(dict.fromkeys(pairs))


def comparisons(analysis: Analysis, contrast: tuple[str, str], *, stratum: str = OVERALL) -> tuple[Comparison, ...]:
    """Return the comparisons of one contrast in one stratum, in the order of the analysis."""
    return tuple(c for c in analysis.comparisons if (c.baseline, c.candidate) == contrast and c.stratum == stratum)


def strata(analysis: Analysis, contrast: tuple[str, str]) -> tuple[str, ...]:
    """Return the strata of one contrast except the overall one, in the order of the analysis."""
    found = (c.stratum for c in analysis.comparisons if (c.baseline, c.candidate) == contrast)
    return tuple(name for name in dict.fromkeys(found) if name != OVERALL)


def arm_summary(analysis: Analysis, arm: str) -> ArmSummary | None:
    """Return the summary of one arm, None where the analysis does not have it."""
    return next((summary for summary in analysis.arms if summary.arm == arm), None)


def metric_summary(analysis: Analysis, arm: str, metric: str) -> MetricSummary | None:
    """Return one metric of one arm, None where the arm does not have it."""
    summary = arm_summary(analysis, arm)
    return summary.metrics.get(metric) if summary else None


def definition(report: Report, metric: str) -> Metric | None:
    """Return a metric's definition, None where it is not installed here."""
    return next((known for known in report.metrics if known.name == metric), None)


_VERDICT_WORDS: dict[Verdict, tuple[tuple[str, ...], Tone]] = {
    Verdict.BETTER: (("better",), Tone.GOOD),
    Verdict.WORSE: (("worse",), Tone.BAD),
    Verdict.EQUIVALENT: (("equivalent", "same"), Tone.PLAIN),
    Verdict.INCONCLUSIVE: (("~",), Tone.PLAIN),
    Verdict.INVALID: (("invalid",), Tone.DOUBTFUL),
    Verdict.STRUCTURAL: (("structural",), Tone.PLAIN),
}


def verdict_words(comparison: Comparison) -> tuple[str, ...]:
    """Return the verdict on the candidate as tables print it, and a shorter form.

    ``~`` means undecided.
    """
    return _VERDICT_WORDS[comparison.verdict][0]


def verdict_tone(comparison: Comparison) -> Tone:
    """Return what the verdict means for a reader who considers the candidate."""
    return _VERDICT_WORDS[comparison.verdict][1]


def structural(comparison: Comparison) -> bool:
    """Whether a comparison only restates the architecture, or must not be tested.

    Such a comparison is shown but cannot decide a winner.
    """
    return comparison.family == "structural"
