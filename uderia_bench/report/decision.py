"""Decision for a class of queries: which arm wins, or why there is no winner.

The analysis names the winner. This module distinguishes the cases without one: a trade-off, no
difference that matters, too little data, or a comparison that is not valid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from uderia_bench.analysis.values import Comparison, Verdict, Winner
from uderia_bench.analysis.winners import COST, QUALITY, SUCCESS, TIME, answers_more, untrusted
from uderia_bench.report import content
from uderia_bench.report.content import Report
from uderia_bench.stats.estimate import Effect

STRATA = ("simple", "complex")
"""The classes of queries that have a winner (docs/explanation/winner.md, "Classes")."""

DECIDING = {  # docs/explanation/winner.md
    "simple": ("answered", "latency_s", "cost_usd", "checks_passed_ratio"),
    "complex": ("answered", "checks_passed_ratio", "preference"),
}
"""The metrics that decide the winner of a class."""

_NEEDED = {"simple": (TIME, COST), "complex": ()}  # without one of them no arm of the class is named
_OVERALL_INTEREST = ("latency_s", "cost_usd", "answered")  # metrics of the headline where queries have no label
_STAND_IN = {"cost_usd": "total_tokens"}  # tokens replace a cost that cannot be judged


class Result(StrEnum):
    """Result of one contrast for a class of queries."""

    WINNER = "winner"
    TRADE_OFF = "trade-off"
    NO_DIFFERENCE = "no difference"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Decision of one contrast for one class of queries.

    ``arm`` is the winner, None without one. ``rests_on`` are the comparisons behind it. ``lacks`` are the
    metrics that the class is decided by and that have no value to compare.
    """

    stratum: str
    baseline: str
    candidate: str
    finding: Result
    arm: str | None
    reason: str
    rests_on: tuple[Comparison, ...]
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The arm to use for a class of queries over all contrasts, the arms it beats, or the arms that tie."""

    arm: str | None
    beaten: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()


def decisions(report: Report, stratum: str) -> tuple[Decision, ...]:
    """Return the decision of every contrast for one class of queries."""
    return tuple(_decide(report, winner) for winner in report.analysis.winners if winner.stratum == stratum)


def every(report: Report) -> tuple[Decision, ...]:
    """Return the decisions of all classes of queries."""
    return tuple(made for stratum in STRATA for made in decisions(report, stratum))


def choose(found: tuple[Decision, ...]) -> Choice:
    """Combine contrasts into one choice.

    An arm is chosen when it wins each of its contrasts, and no other arm does.
    """
    arms = dict.fromkeys(arm for d in found for arm in (d.baseline, d.candidate))
    met = {arm: [d for d in found if arm in (d.baseline, d.candidate)] for arm in arms}
    beaten = {arm: tuple(d.baseline if arm == d.candidate else d.candidate for d in met[arm] if d.arm == arm) for arm in arms}
    unbeaten = tuple(arm for arm in arms if len(beaten[arm]) == len(met[arm]))
    if len(unbeaten) == 1:
        return Choice(arm=unbeaten[0], beaten=beaten[unbeaten[0]])
    return Choice(arm=None, tied=unbeaten)


def overall(report: Report, contrast: tuple[str, str]) -> tuple[Comparison, ...]:
    """Return the comparisons that the headline names where queries have no label."""
    return _pick(report, contrast, content.OVERALL, _OVERALL_INTEREST)


def from_view_of(comparison: Comparison, arm: str) -> Comparison:
    """Return the comparison with ``arm`` as its candidate."""
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


def favoured(comparison: Comparison) -> str | None:
    """Return the arm that a comparison favours, None where neither is better."""
    if comparison.metric == SUCCESS:
        return answers_more(comparison)
    return {Verdict.BETTER: comparison.candidate, Verdict.WORSE: comparison.baseline}.get(comparison.verdict)


def _turn(effect: Effect, end: float | None) -> float | None:
    if end is None:
        return None
    if effect.kind == "ratio":
        return 1 / end if end else None
    return -end


def _decide(report: Report, winner: Winner) -> Decision:
    contrast = (winner.baseline, winner.candidate)
    rests_on = _pick(report, contrast, f"complexity={winner.stratum}", DECIDING.get(winner.stratum, ()))
    seen = {c.metric for c in rests_on}
    lacks = tuple(name for name in _NEEDED[winner.stratum] if not seen & {name, _STAND_IN.get(name)})
    if winner.stratum == "simple":
        rests_on = _without_idle(rests_on, (winner.baseline, winner.candidate))
    return Decision(
        stratum=winner.stratum,
        baseline=winner.baseline,
        candidate=winner.candidate,
        finding=_finding(winner, rests_on, content.comparisons(report.analysis, contrast), lacks),
        arm=winner.arm,
        reason=winner.reason,
        rests_on=rests_on,
        lacks=lacks,
    )


def _without_idle(comparisons: tuple[Comparison, ...], arms: tuple[str, str]) -> tuple[Comparison, ...]:
    """Leave out success where it does not differ, and quality where it does not speak against time and cost."""
    quicker = {favoured(c) for c in comparisons if c.metric not in (SUCCESS, QUALITY)} - {None}
    slower = set(arms) - quicker if quicker else set()
    idle = {SUCCESS: lambda c: favoured(c) is None, QUALITY: lambda c: favoured(c) not in slower}
    return tuple(c for c in comparisons if not idle.get(c.metric, lambda _: False)(c))


def _finding(
    winner: Winner, rests_on: tuple[Comparison, ...], everything: tuple[Comparison, ...], lacks: tuple[str, ...]
) -> Result:
    if winner.arm is not None:
        return Result.WINNER
    if any(c.verdict is Verdict.INVALID for c in (*rests_on, *everything)):
        return Result.INVALID
    if {favoured(c) for c in rests_on} >= {winner.baseline, winner.candidate}:
        return Result.TRADE_OFF
    same = not lacks and {c.verdict for c in rests_on} == {Verdict.EQUIVALENT}
    return Result.NO_DIFFERENCE if same else Result.INCONCLUSIVE


def _pick(report: Report, contrast: tuple[str, str], stratum: str, names: tuple[str, ...]) -> tuple[Comparison, ...]:
    """Pick comparisons by metric.

    Where one cannot be judged, its stand-in is taken. A comparison without a value is left out, and so is one of a judge
    that cannot be trusted.
    """
    found = content.comparisons(report.analysis, contrast, stratum=stratum)
    known = {c.metric: c for c in found if not content.structural(c) and not untrusted(c)}
    picked = []
    for name in names:
        choices = [known[metric] for metric in (name, _STAND_IN.get(name)) if metric in known]
        judged = [c for c in choices if c.verdict is not Verdict.INVALID and c.effect.value is not None]
        picked += judged[:1] or [c for c in choices if c.verdict is Verdict.INVALID][:1]
    return tuple(picked)
