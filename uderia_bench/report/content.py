"""What a report says before it has a format, and the words every renderer shares. Values and rules only, no layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from uderia_bench.analysis import Analysis, ArmSummary, Comparison, MetricSummary, Verdict
from uderia_bench.errors import Interrupted, InvalidContrast
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.runs.generator import GeneratorRecord
from uderia_bench.trial import Outcome

_INVALID = "invalid: "  # how the analysis begins a reason that makes a comparison invalid

OVERALL = "all"
"""The stratum that holds every query, labelled or not."""


class Scope(StrEnum):
    """What the numbers speak of: one query can only speak of itself (docs/explanation/statistics.md, "Unit and design")."""

    QUERIES_LIKE_THESE = "queries like these"
    THIS_QUERY = "this query only"


class Standing(IntEnum):
    """How the run stands as a whole; the value is the exit code, so that what is printed and what is returned are one rule."""

    FINE = 0
    GATE_MISSED = 1
    INTERRUPTED = Interrupted.exit_code
    INVALID = InvalidContrast.exit_code


class Tone(StrEnum):
    """What a number means to somebody deciding; a renderer may colour by it, never rely on it."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What was run, where and when. ``settled`` counts measured trials by outcome; ``planned`` is how many there should be.

    ``turns`` is how often each arm had a shared server to itself; empty where arms do not take turns.
    ``embedded_speed`` is None on a real server. ``files`` are the paths worth naming, as the reader should type them.
    ``arrivals`` says at what rate an open loop asked, None for a closed one; ``levels`` are a sweep's, of concurrency or of the
    rate, and ``ramp_s`` is how long the load took to grow. ``generator`` is what the run measured of itself. An ``interrupted``
    run has trials ``left`` to ask, measured ones, warm-ups, and those that ended in a way that is asked again; how many is None
    while it runs. An ``early`` one was ended by a look before all was asked. ``typed`` is what a command takes for the run
    where its id is not enough: it is said where something is printed, and in no file.
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
    """One kind of finding over the whole run: in ``count`` trials, a ``share`` (0..1) of those it could have been found in.

    ``seen`` is one occurrence in a line, in ``trial`` where it is one trial's; ``evidence`` says how often, where and what.
    """

    kind: str
    severity: str
    count: int
    share: float | None
    recommendation: str
    evidence: tuple[str, ...] = ()
    seen: str = ""
    trial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What one kind of issue costs an arm: an estimate of ``tokens`` by ``method``, a ``share`` (0..1) of all the arm spent.

    ``queries`` and ``examples`` (trial ids) are those that lost most, the costliest first.
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
    """What an arm's measured trials cost in US dollars, as the server reports it, failures included.

    ``per_right_answer_usd`` is over the queries whose answers are checked; both are None where there is no such answer.
    ``unpriced`` trials have no cost; ``fallback`` is the share (0..1) that the server priced by its default.
    """

    arm: str
    total_usd: float
    unpriced: int
    per_answer_usd: float | None
    per_right_answer_usd: float | None
    fallback: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedModel:
    """What table ``list_cost_usd`` has a model's price from: ``experiment``, a list's name, ``server``; None: from none."""

    server: str
    provider: str | None
    model: str
    by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """One gate as written in the experiment, and whether the run passed it."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a renderer needs; ``metrics`` are the definitions in force, in the order they are to be shown."""

    facts: RunFacts
    analysis: Analysis
    metrics: tuple[Metric, ...]
    costs: tuple[ArmCost, ...] = ()
    prices: tuple[PricedModel, ...] = ()
    savings: tuple[Saving, ...] = ()
    issues: tuple[IssueSummary, ...] = ()
    gates: tuple[GateResult, ...] = ()
    warnings: tuple[str, ...] = ()
    judge: tuple[str, ...] = ()  # what a judge of answers did and how far it can be trusted; empty without one
    conversations: tuple[str, ...] = ()  # what later turns carry, in words; empty where no query has several turns


def scope(report: Report) -> Scope:
    """Whether the numbers speak of queries like these or of the one query asked."""
    return Scope.QUERIES_LIKE_THESE if report.facts.queries > 1 else Scope.THIS_QUERY


def embedded(speed: float) -> str:
    """Say that the numbers are simulated, and at what speed; every report of an embedded run carries it."""
    return f"embedded Uderia at speed {speed:g}: a simulation, not a real agent"


def standing(report: Report) -> Standing:
    """How the run stands: what is not over weighs more than an invalid overall comparison, and that more than a missed gate.

    The order is that of the exit codes (docs/reference/exit-codes.md, "Exit codes").
    """
    if report.facts.interrupted:
        return Standing.INTERRUPTED
    if invalid_reasons(report):
        return Standing.INVALID
    return Standing.GATE_MISSED if missed(report) else Standing.FINE


def missed(report: Report) -> tuple[GateResult, ...]:
    """Return the gates the run did not keep to."""
    return tuple(gate for gate in report.gates if not gate.passed)


def typed(facts: RunFacts) -> str:
    """Return what to type for the run after a command."""
    return facts.run_id if facts.typed is None else facts.typed


def undone(facts: RunFacts) -> str | None:
    """Say how many trials ``resume`` will ask of an interrupted run; None of one that is over."""
    if not facts.interrupted:
        return None
    left = _unsettled(facts) if facts.left is None else facts.left
    return f"{left:,} trial{'s' * (left != 1)} left to ask" if left else "trials are left to ask"


def unread(facts: RunFacts) -> str | None:
    """Say how many trials of a run that is over have no outcome, as its ledger is damaged; None where all have one."""
    missing = 0 if facts.interrupted else _unsettled(facts)
    return f"{missing:,} of {facts.planned:,} trials cannot be read from the ledger" if missing else None


def _unsettled(facts: RunFacts) -> int:
    return max(0, facts.planned - sum(facts.settled.values()))


def answered(arm: ArmSummary) -> int:
    """How many of an arm's trials ended in an answer: the only ones latency and tokens speak of."""
    return arm.outcomes.get(Outcome.ANSWERED, 0)


def contrasts(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Return (baseline, candidate) of every contrast, in the order of the analysis."""
    pairs = [(c.baseline, c.candidate) for c in analysis.comparisons] + [(w.baseline, w.candidate) for w in analysis.winners]
    return tuple(dict.fromkeys(pairs))


def comparisons(analysis: Analysis, contrast: tuple[str, str], *, stratum: str = OVERALL) -> tuple[Comparison, ...]:
    """Return the comparisons of one contrast in one stratum, in the order of the analysis."""
    return tuple(c for c in analysis.comparisons if (c.baseline, c.candidate) == contrast and c.stratum == stratum)


def strata(analysis: Analysis, contrast: tuple[str, str]) -> tuple[str, ...]:
    """Return the strata of one contrast beside the overall one, in the order of the analysis."""
    found = (c.stratum for c in analysis.comparisons if (c.baseline, c.candidate) == contrast)
    return tuple(name for name in dict.fromkeys(found) if name != OVERALL)


def arm_summary(analysis: Analysis, arm: str) -> ArmSummary | None:
    """Return what is said of one arm by itself."""
    return next((summary for summary in analysis.arms if summary.arm == arm), None)


def metric_summary(analysis: Analysis, arm: str, metric: str) -> MetricSummary | None:
    """Return one metric of one arm, None where the arm has none."""
    summary = arm_summary(analysis, arm)
    return summary.metrics.get(metric) if summary else None


def definition(report: Report, metric: str) -> Metric | None:
    """Return a metric's definition, None where the run was derived with one that is not in force here."""
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
    """Return the verdict on the candidate as tables print it, and shorter; ``~`` is benchstat's sign for no verdict."""
    return _VERDICT_WORDS[comparison.verdict][0]


def verdict_tone(comparison: Comparison) -> Tone:
    """Return what the verdict means for somebody who thinks of taking the candidate."""
    return _VERDICT_WORDS[comparison.verdict][1]


def structural(comparison: Comparison) -> bool:
    """Whether a comparison stands outside the families: it restates architecture, or must not be made, and names no winner."""
    return comparison.family == "structural"


def without_mark(reason: str) -> str:
    """Return a reason of the analysis as a sentence of its own."""
    return reason.removeprefix(_INVALID)


def invalid_reasons(report: Report) -> tuple[str, ...]:
    """Return why the run or overall comparisons of it are invalid, each reason once."""
    invalid = [c for c in report.analysis.comparisons if c.stratum == OVERALL and c.verdict is Verdict.INVALID]
    reasons = [w for c in invalid for w in c.warnings if w.startswith(_INVALID)]
    return tuple(dict.fromkeys(map(without_mark, (*report.analysis.invalid, *reasons)))) or (
        ("a validity check failed",) if invalid else ()
    )
