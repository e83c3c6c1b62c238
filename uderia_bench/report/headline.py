"""The decision in three lines: simple queries, complex queries, and how far to trust both.

The lines are written for a reader who knows no statistics. Every format shows the same words; a
format may only wrap them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from uderia_bench.analysis.settings import EXPLORATORY_RATE
from uderia_bench.analysis.values import ArmSummary, Comparison, Verdict
from uderia_bench.printable import count_of, plain
from uderia_bench.report import content, decision, figures, standing
from uderia_bench.report.content import Report, Scope
from uderia_bench.report.decision import Decision, Result


class Line(NamedTuple):
    """One line of the decision; its text is safe for a terminal. ``result``: it is about queries that were asked."""

    label: str
    said: str
    result: bool = True

    def __str__(self) -> str:
        return f"{self.label}: {self.said}"


_NOUNS = {  # what a sentence calls a metric, and to have less or more of it
    "latency_s": ("time", "{} less time", "{} more time"),
    "cost_usd": ("cost", "{} less cost", "{} more cost"),
    "total_tokens": ("tokens", "{} fewer tokens", "{} more tokens"),
    "answered": ("success rate", "a success rate {} lower", "a success rate {} higher"),
    "checks_passed_ratio": ("checks passed", "{} fewer checks passed", "{} more checks passed"),
    "preference": ("preference", "a preference {} lower", "a preference {} higher"),
}
_DECISIVE = (Verdict.BETTER, Verdict.WORSE)
_CHANCE = "which may be chance"  # the doubt about an undecided effect that has no other
_RESULT = "Result"
_COMPLEX_RULE = "A right answer counts before a fast one, so time does not decide here"


def headline(report: Report) -> tuple[Line, ...]:
    """Return the three lines."""
    first_two = _nothing_to_compare(report) or _by_complexity(report) or _unlabelled(report)
    return (*first_two, _trust(report, has_ranges=any("(range " in line.said for line in first_two)))


def summary(lines: Sequence[Line]) -> Line:
    """Return the one line of a headline that a list of runs has: the first about queries that were asked."""
    return next(line for line in lines if line.result)


def _nothing_to_compare(report: Report) -> tuple[Line, ...]:
    arms = report.analysis.arms
    silent = [arm for arm in arms if not content.answered(arm)]
    contrasts = content.contrasts(report.analysis)
    if not arms:
        first, second = "no trial has ended yet", "there is no arm to choose"
    elif len(silent) == len(arms):
        first, second = "no arm answered any query, so there is nothing to compare", _endings(arms)
    elif not contrasts and len(arms) == 1:
        first, second = f"one arm, {plain(arms[0].arm)}, so there is nothing to compare", _alone(report, arms[0])
    elif not contrasts:
        first = "no comparison, because the experiment plans no contrast"
        second = "the arms are shown next to each other and not tested"
    elif silent and len(contrasts) == 1:
        name = plain(silent[0].arm)
        first = f"do not use {name} yet, because it answered none of its {count_of(silent[0].trials, 'trial')}"
        second = _endings(silent)
    else:
        return ()
    return Line(_RESULT, f"{first}."), Line(_RESULT, f"{second}.")


def _endings(arms: Sequence[ArmSummary]) -> str:
    ends = (", ".join(f"{n} {content.outcome_words(name)}" for name, n in arm.outcomes.items() if n) for arm in arms)
    return "; ".join(f"{plain(arm.arm)}: {end or 'no trial'}" for arm, end in zip(arms, ends, strict=True))


def _alone(report: Report, arm: ArmSummary) -> str:
    """Describe a single arm: success rate, latency and cost."""
    parts = [f"{figures.percentage(content.answered(arm) / arm.trials)} answered"]
    if latency := arm.metrics.get("latency_s"):
        values = {share: latency.percentiles[n].value for share, n in (("half", 50), ("95%", 95)) if n in latency.percentiles}
        scale = figures.scale_of(content.definition(report, "latency_s"), *values.values())
        parts += [f"{share} within {figures.amount(v, scale)}" for share, v in values.items() if v is not None]
    if (cost := arm.metrics.get("cost_usd")) and cost.mean.value is not None:
        scale = figures.scale_of(content.definition(report, "cost_usd"))
        parts.append(f"{figures.amount(cost.mean.value, scale)} per query")
    return f"{plain(arm.arm)}: {', '.join(parts)}"


def _by_complexity(report: Report) -> tuple[Line, ...]:
    found = {stratum: decision.decisions(report, stratum) for stratum in decision.STRATA}
    named = [stratum for stratum, made in found.items() if made]
    if not named:
        return ()
    lines = {stratum: _decided(report, stratum, made) for stratum, made in found.items()}
    if content.scope(report) is Scope.THIS_QUERY:
        other = "this result does not hold for them. Run a corpus of queries with `uderia-bench run`."
        return Line(Scope.THIS_QUERY.capitalize(), lines[named[0]].said), Line("Other queries", other)
    return tuple(lines.values())


def _decided(report: Report, stratum: str, made: tuple[Decision, ...]) -> Line:
    label = f"{stratum.capitalize()} queries"
    if not made:
        return Line(label, "this run has none.", result=False)
    if len(made) == 1:
        said = f"{_one_contrast(report, made[0])}."
    elif (choice := decision.choose(made)).arm:
        said = f"use {plain(choice.arm)}. It is better than {_listed(map(plain, choice.beaten))}."
    elif choice.tied:
        said = f"{_listed(map(plain, choice.tied))} each win, but were not compared with each other."
    else:
        said = "no arm wins all of its comparisons. See the list under 'Winners'."
    return Line(label, f"{said} {_COMPLEX_RULE}." if _needs_complex_rule(report, made) else said)


def _needs_complex_rule(report: Report, made: tuple[Decision, ...]) -> bool:
    """Whether a reader might expect time to decide: it differs between the arms of a complex class."""
    return any(
        c.metric == "latency_s" and c.verdict in _DECISIVE
        for one in made
        if one.stratum == "complex" and one.finding is not Result.INVALID
        for c in content.comparisons(report.analysis, (one.baseline, one.candidate), stratum="complexity=complex")
    )


def _one_contrast(report: Report, made: Decision) -> str:
    seen = made.rests_on
    if made.finding is Result.WINNER and made.arm is not None:
        return _use(report, made.arm, [decision.from_view_of(c, made.arm) for c in seen], made.reason)
    if made.finding is Result.TRADE_OFF:
        ours = [c for c in seen if decision.favoured(c) == made.candidate]
        theirs = [decision.from_view_of(c, made.baseline) for c in seen if decision.favoured(c) == made.baseline]
        sides = (_seen(report, made.baseline, theirs), _seen(report, made.candidate, ours))
        return f"no winner, a trade-off. {'. '.join(sides)}"
    if made.finding is Result.NO_DIFFERENCE:
        return f"either arm will do, {_same(seen)}"
    if made.finding is Result.INVALID:
        return "no result, because the comparison is not valid"
    return _undecided(report, made.candidate, seen, made.lacks)


def _use(report: Report, arm: str, seen: list[Comparison], reason: str) -> str:
    """Recommend an arm for what it is better at, and add what it is worse at."""
    gains = [c for c in seen if c.verdict is Verdict.BETTER]
    if not gains:
        return f"use {plain(arm)}: {plain(reason).rstrip('.')}"
    losses = [c for c in seen if c.verdict is Verdict.WORSE]
    but = f", but it has {_effects(report, losses)}" if losses else ""
    return f"use {plain(arm)} for {_effects(report, gains)}{but}{_others(seen)}"


def _undecided(report: Report, candidate: str, seen: Sequence[Comparison], lacks: Sequence[str] = ()) -> str:
    if not seen:
        return "undecided, because there is no value to compare"
    equal = [c for c in seen if c.verdict is Verdict.INCONCLUSIVE and _effect(report, c) == f"equal {_noun(c.metric)}"]
    differing = [c for c in seen if c not in equal and c.verdict is not Verdict.EQUIVALENT]
    because = f", because there is no {_listed(map(_noun, lacks), 'or')} to compare" if lacks else ""
    without = _listed((_noun(c.metric) for c in equal), "or")
    if len(equal) == len(seen) and not lacks:
        return f"no difference found in {without}. A difference is still possible"
    same = _listed(_noun(c.metric) for c in seen if c.verdict is Verdict.EQUIVALENT)
    said = (
        f"undecided{because}",
        _seen(report, candidate, differing),
        f"Equivalent: {same}" if same else "",
        f"No difference found in {without}" if without else "",
    )
    return ". ".join(filter(None, said))


def _seen(report: Report, arm: str, comparisons: Iterable[Comparison]) -> str:
    """Say what an arm has, and what it shows without a verdict, with the reason for the doubt."""
    by_doubt: dict[str, list[Comparison]] = {}
    for each in comparisons:
        doubt = "" if each.verdict in _DECISIVE else f", {plain(each.doubt or _CHANCE)}"
        by_doubt.setdefault(doubt, []).append(each)
    sentences = (f"{plain(arm)} {'shows' if doubt else 'has'} {_effects(report, of)}{doubt}" for doubt, of in by_doubt.items())
    return ". ".join(sentences)


def _same(seen: Sequence[Comparison]) -> str:
    return f"because any difference in {_listed((_noun(c.metric) for c in seen), 'or')} is smaller than the margin"


def _others(seen: Iterable[Comparison]) -> str:
    """Name the metrics that are equivalent or undecided, after those that decided."""
    same = _listed(_noun(c.metric) for c in seen if c.verdict is Verdict.EQUIVALENT)
    undecided = _listed(_noun(c.metric) for c in seen if c.verdict is Verdict.INCONCLUSIVE)
    return (f". Equivalent: {same}" if same else "") + (f". Undecided: {undecided}" if undecided else "")


def _unlabelled(report: Report) -> tuple[Line, Line]:
    """Return the effects over all queries, for a run whose queries are neither simple nor complex."""
    baseline, candidate = content.contrasts(report.analysis)[0]
    seen = decision.overall(report, content.contrasts(report.analysis)[0])
    decided = [c for c in seen if c.verdict in _DECISIVE]
    if standing.invalid_reasons(report):
        said = "no result, because the comparison is not valid"
    elif decided:
        said = f"{plain(candidate)} has {_effects(report, decided)} compared with {plain(baseline)}{_others(seen)}"
    elif seen and all(c.verdict is Verdict.EQUIVALENT for c in seen):
        said = f"{plain(candidate)} and {plain(baseline)} are equivalent, {_same(seen)}"
    else:
        said = _undecided(report, candidate, seen)
    winner = "not named, because no query is labelled simple or complex."
    return Line(content.scope(report).capitalize(), f"{said}."), Line("Winner", winner)


def _trust(report: Report, *, has_ranges: bool) -> Line:
    """Return what prevents a conclusion; otherwise the confidence of the lines above."""
    if undone := standing.undone(report.facts):
        go_on = f"Run `uderia-bench resume {plain(content.typed(report.facts))}` to continue"
        return Line("Not finished", f"{undone}. {go_on}.")
    if reasons := standing.invalid_reasons(report):
        return Line("Not valid", f"{plain(reasons[0]).rstrip('.')}.")
    if unread := standing.unread(report.facts):
        return Line("Damaged", f"{unread}.")
    if missed := [plain(gate.name) for gate in standing.missed(report)]:
        return Line("Gates missed", f"{'; '.join(missed)} ({len(missed)} of {len(report.gates)}).")
    advice = _advice(report)
    if advice and not _settles_something(report):
        return Line("Not decided", advice)
    level = f"{100 * report.analysis.confidence:.4g}%"
    if _rests_on_leads(report):
        level = f"less than {level} (up to {EXPLORATORY_RATE:.0%} of verdicts by class of query may be false)"
    trials = sum(arm.trials for arm in report.analysis.arms)
    silent = trials - sum(map(content.answered, report.analysis.arms))
    unanswered = (
        f"{silent:,} of {count_of(trials, 'trial')} {'has' if silent == 1 else 'have'} no answer."
        if silent
        else f"All {trials:,} trials have an answer."
    )
    what = "each range, over " if has_ranges else ""
    return Line("Confidence", f"{level} for {what}{content.scope(report)} ({_basis(report)}). {advice or unanswered}")


def _rests_on_leads(report: Report) -> bool:
    """Whether a class of queries is decided by a p above the level of planned comparisons."""
    return any(
        c.p_adjusted is not None and c.p_adjusted > 1 - report.analysis.confidence
        for made in decision.every(report)
        for c in made.rests_on
        if c.verdict in _DECISIVE
    )


def _settles_something(report: Report) -> bool:
    """Whether the first two lines have a result beside what is undecided."""
    if report.analysis.winners:
        return any(winner.arm for winner in report.analysis.winners)
    return any(c.stratum == content.OVERALL and c.verdict in _DECISIVE for c in report.analysis.comparisons)


def _basis(report: Report) -> str:
    """Return how much was asked.

    A run that stopped early has the trials per arm in place of the plan.
    """
    facts = report.facts
    asked = sorted({arm.trials for arm in report.analysis.arms})
    if facts.early and asked:
        return f"{' to '.join(f'{trials}' for trials in dict.fromkeys((asked[0], asked[-1])))} trials per arm"
    repeats = count_of(facts.repeats, "repeat")
    return f"{count_of(facts.queries, 'query')} x {repeats}" if facts.queries > 1 else repeats


def _advice(report: Report) -> str | None:
    """Return what would decide the first undecided class of queries, None where there is no advice."""
    open_ones = [
        (f"{made.stratum} queries, ", made.rests_on) for made in decision.every(report) if made.finding is Result.INCONCLUSIVE
    ]
    if not report.analysis.winners:
        open_ones = [("", decision.overall(report, contrast)) for contrast in content.contrasts(report.analysis)]
    for queries, rests_on in open_ones:
        for c in rests_on:
            if c.verdict is Verdict.INCONCLUSIVE and c.advice:
                said = f"{queries}{_noun(c.metric)}: {plain(c.advice).rstrip('.')}."
                return said[:1].upper() + said[1:]
    return None


def _effects(report: Report, comparisons: Iterable[Comparison]) -> str:
    return _listed(_effect(report, comparison) for comparison in comparisons)


def _effect(report: Report, comparison: Comparison) -> str:
    name = plain(comparison.metric)
    noun, less, more = _NOUNS.get(comparison.metric, (name, f"{{}} less {name}", f"{{}} more {name}"))
    metric = content.definition(report, comparison.metric)
    return figures.effect_words(comparison.effect, metric, noun, less, more)


def _noun(metric: str) -> str:
    return _NOUNS[metric][0] if metric in _NOUNS else plain(metric)


def _listed(words: Iterable[str], joined: str = "and") -> str:
    """Return words as ``a, b and c``."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} {joined} {last}" if most else last
