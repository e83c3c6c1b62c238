"""What the comparisons of a class of queries come to: who wins, or in which way nobody does. No wording, no layout.

The winner itself is named by the analysis; here only the absence of one is told apart: a trade-off, no difference that matters,
too little data, or a comparison that is not valid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from uderia_bench.analysis import Comparison, Verdict, Winner
from uderia_bench.report import content
from uderia_bench.report.content import Report
from uderia_bench.stats.estimate import Effect

STRATA = ("simple", "complex")
"""The classes of queries that name a winner (docs/explanation/winner.md, "Classes")."""

DECIDING = {  # docs/explanation/winner.md: time and cost for simple queries, success and answer quality for complex ones
    "simple": ("latency_s", "cost_usd"),
    "complex": ("answered", "checks_passed_ratio"),
}
"""The metrics a winner rests on."""

_OVERALL_INTEREST = ("latency_s", "cost_usd", "answered")  # what is said of queries that name no winner
_STAND_IN = {"cost_usd": "total_tokens"}  # where no price is judged, tokens are what cost is made of
_OPPOSED = frozenset({Verdict.BETTER, Verdict.WORSE})


class Result(StrEnum):
    """What a class of queries came to in one contrast."""

    WINNER = "winner"
    TRADE_OFF = "trade-off"
    NO_DIFFERENCE = "no difference"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one contrast says of one class of queries; ``arm`` wins it, ``rests_on`` are the comparisons that say so."""

    stratum: str
    baseline: str
    candidate: str
    finding: Result
    arm: str | None
    reason: str
    rests_on: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The arm to use for a class of queries over all contrasts, the arms it beats, or the arms that tie for it."""

    arm: str | None
    beaten: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()


def decisions(report: Report, stratum: str) -> tuple[Decision, ...]:
    """Return what every contrast says of one class of queries."""
    return tuple(_decide(report, winner) for winner in report.analysis.winners if winner.stratum == stratum)


def choose(found: tuple[Decision, ...]) -> Choice:
    """Combine contrasts: an arm is chosen where it wins every contrast it is in and no other arm does."""
    arms = dict.fromkeys(arm for d in found for arm in (d.baseline, d.candidate))
    met = {arm: [d for d in found if arm in (d.baseline, d.candidate)] for arm in arms}
    beaten = {arm: tuple(d.baseline if arm == d.candidate else d.candidate for d in met[arm] if d.arm == arm) for arm in arms}
    unbeaten = tuple(arm for arm in arms if len(beaten[arm]) == len(met[arm]))
    if len(unbeaten) == 1:
        return Choice(arm=unbeaten[0], beaten=beaten[unbeaten[0]])
    return Choice(arm=None, tied=unbeaten)


def overall(report: Report, contrast: tuple[str, str]) -> tuple[Comparison, ...]:
    """Return the comparisons worth a sentence where queries are labelled neither simple nor complex."""
    return _pick(report, contrast, content.OVERALL, _OVERALL_INTEREST)


def from_view_of(comparison: Comparison, arm: str) -> Comparison:
    """Turn a comparison round, where needed, so that it speaks of ``arm``."""
    if arm == comparison.candidate:
        return comparison
    effect = comparison.effect
    turned = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    return replace(
        comparison,
        baseline=comparison.candidate,
        candidate=comparison.baseline,
        effect=replace(effect, value=_turn(effect, effect.value), lo=_turn(effect, effect.hi), hi=_turn(effect, effect.lo)),
        verdict=turned.get(comparison.verdict, comparison.verdict),
    )


def _turn(effect: Effect, end: float | None) -> float | None:
    if end is None:
        return None
    if effect.kind == "ratio":
        return 1 / end if end else None
    return -end


def _decide(report: Report, winner: Winner) -> Decision:
    contrast = (winner.baseline, winner.candidate)
    rests_on = _pick(report, contrast, f"complexity={winner.stratum}", DECIDING.get(winner.stratum, ()))
    return Decision(
        stratum=winner.stratum,
        baseline=winner.baseline,
        candidate=winner.candidate,
        finding=_finding(winner, rests_on, content.comparisons(report.analysis, contrast)),
        arm=winner.arm,
        reason=winner.reason,
        rests_on=rests_on,
    )


def _finding(winner: Winner, rests_on: tuple[Comparison, ...], everything: tuple[Comparison, ...]) -> Result:
    verdicts = {c.verdict for c in rests_on}
    if winner.arm is not None:
        return Result.WINNER
    if any(c.verdict is Verdict.INVALID for c in (*rests_on, *everything)):
        return Result.INVALID
    if verdicts >= _OPPOSED:
        return Result.TRADE_OFF
    return Result.NO_DIFFERENCE if verdicts == {Verdict.EQUIVALENT} else Result.INCONCLUSIVE


def _pick(report: Report, contrast: tuple[str, str], stratum: str, names: tuple[str, ...]) -> tuple[Comparison, ...]:
    """Pick comparisons by metric; one that cannot be judged gives way to its stand-in, one without a number is left out."""
    known = {c.metric: c for c in content.comparisons(report.analysis, contrast, stratum=stratum) if not content.structural(c)}
    picked = []
    for name in names:
        choices = [known[metric] for metric in (name, _STAND_IN.get(name)) if metric in known]
        judged = [c for c in choices if c.verdict is not Verdict.INVALID and c.effect.value is not None]
        picked += judged[:1] or [c for c in choices if c.verdict is Verdict.INVALID][:1]
    return tuple(picked)
