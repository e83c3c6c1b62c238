"""The three lines that decide: what to use for simple queries, what for complex ones, how sure that is, what is in the way.

They are written for a reader who knows no statistics and are the same words in every format. Each line is a tuple of wordings
from the fullest to the shortest; the fullest that fits is taken, and none is ever cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from uderia_bench.analysis import ArmSummary, Comparison, Verdict
from uderia_bench.analysis.settings import EXPLORATORY_RATE
from uderia_bench.printable import plain
from uderia_bench.report import content, decision, figures
from uderia_bench.report.content import Report, Scope
from uderia_bench.report.decision import Decision, Result

Wordings = tuple[str, ...]

_NOUNS = {  # what a sentence calls a metric, and what it is called to have less of it
    "latency_s": ("time", "less"),
    "cost_usd": ("cost", "less"),
    "total_tokens": ("tokens", "fewer"),
    "answered": ("answers", "fewer"),
    "checks_passed_ratio": ("checks passed", "fewer"),
}
_DECISIVE = (Verdict.BETTER, Verdict.WORSE)


def headline(report: Report, *, width: int = 80) -> tuple[str, ...]:
    """Return the three lines in plain text, safe for a terminal; longer than ``width`` only where no wording fits."""
    first_two = _nothing_to_compare(report) or _by_complexity(report) or _unlabelled(report)
    return tuple(_fitting(wordings, width) for wordings in (*first_two, _how_sure(report)))


def _fitting(wordings: Wordings, width: int) -> str:
    return next((wording for wording in wordings if len(wording) <= width), wordings[-1])


def _nothing_to_compare(report: Report) -> tuple[Wordings, ...]:
    arms = report.analysis.arms
    silent = [arm for arm in arms if not content.answered(arm)]
    contrasts = content.contrasts(report.analysis)
    if not arms:
        return (("Nothing was measured: no trial has ended yet.",), ("There is nothing to choose from.",))
    if len(silent) == len(arms):
        return (("No query was answered, by any arm: there is nothing to compare.",), _endings(arms))
    if not contrasts and len(arms) == 1:
        return ((f"One arm, {plain(arms[0].arm)}: there is nothing to compare it with.",), _alone(report, arms[0]))
    if not contrasts:
        return (("No contrast was planned: nothing is compared.",), ("The numbers of each arm stand side by side, untested.",))
    if silent and len(contrasts) == 1:
        name = plain(silent[0].arm)
        none = f"it answered none of its {silent[0].trials} queries"
        return ((f"Do not use {name} yet: {none}.", f"{name} answered nothing."), _endings(silent))
    return ()


def _endings(arms: Sequence[ArmSummary]) -> Wordings:
    ends = (", ".join(f"{n} {outcome}" for outcome, n in arm.outcomes.items() if n) or "no trial" for arm in arms)
    named = (f"{plain(arm.arm)}: {end}" for arm, end in zip(arms, ends, strict=True))
    return (f"{'; '.join(named)}.", "How the trials ended is in the table of outcomes.")


def _alone(report: Report, arm: ArmSummary) -> Wordings:
    """Say what one arm does by itself: how often it answers, how long that takes, what it costs."""
    parts = [f"{figures.percentage(content.answered(arm) / arm.trials)} answered"]
    if latency := arm.metrics.get("latency_s"):
        values = {share: latency.percentiles[n].value for share, n in (("half", 50), ("95%", 95)) if n in latency.percentiles}
        scale = figures.scale_of(content.definition(report, "latency_s"), *values.values())
        parts += [f"{share} within {figures.amount(v, scale)}" for share, v in values.items() if v is not None]
    if (cost := arm.metrics.get("cost_usd")) and cost.mean.value is not None:
        scale = figures.scale_of(content.definition(report, "cost_usd"))
        parts.append(f"{figures.amount(cost.mean.value, scale)} a query")
    return tuple(f"{plain(arm.arm)}: {', '.join(parts[:n])}." for n in range(len(parts), 0, -1))


def _by_complexity(report: Report) -> tuple[Wordings, ...]:
    found = {stratum: decision.decisions(report, stratum) for stratum in decision.STRATA}
    said = {stratum: _decided(report, made) for stratum, made in found.items()}
    named = [stratum for stratum, made in found.items() if made]
    if not named:
        return ()
    if content.scope(report) is Scope.THIS_QUERY:
        one = tuple(f"{Scope.THIS_QUERY.capitalize()}: {wording}" for wording in said[named[0]])
        return (one, ("It says nothing of other queries: ask a corpus of them with `uderia-bench run`.",))
    return tuple(tuple(f"{name.capitalize()} queries: {wording}" for wording in wordings) for name, wordings in said.items())


def _decided(report: Report, made: tuple[Decision, ...]) -> Wordings:
    if not made:
        return ("none in this run, so it says nothing about them.",)
    if len(made) == 1:
        return _one_contrast(report, made[0])
    choice = decision.choose(made)
    if choice.arm:
        return (f"use {plain(choice.arm)}: it beats {_listed(map(plain, choice.beaten))}.", f"use {plain(choice.arm)}.")
    if choice.tied:
        return (f"{_listed(map(plain, choice.tied))} each win, and were not compared.", "a tie: see the winners below.")
    return ("no single arm wins: see the winners below.",)


def _one_contrast(report: Report, made: Decision) -> Wordings:
    baseline, candidate = plain(made.baseline), plain(made.candidate)
    if made.finding is Result.WINNER and made.arm is not None:
        return _use(report, made.arm, [decision.from_view_of(c, made.arm) for c in made.rests_on], made.reason)
    if made.finding is Result.TRADE_OFF:
        better = [c for c in made.rests_on if c.verdict is Verdict.BETTER]
        worse = [decision.from_view_of(c, made.baseline) for c in made.rests_on if c.verdict is Verdict.WORSE]
        sides = zip(_effects(report, worse), _effects(report, better), strict=True)
        return (
            *(f"a trade-off: {baseline} has {theirs}, {candidate} {ours}." for theirs, ours in sides),
            "a trade-off: see the winners below.",
        )
    if made.finding is Result.NO_DIFFERENCE:
        return tuple(f"either arm will do: {same}." for same in _same(made.rests_on))
    if made.finding is Result.INVALID:
        return ("no verdict: the comparison is not valid (see the third line).", "no verdict: not valid.")
    return _no_verdict_yet(report, candidate, made.rests_on)


def _use(report: Report, arm: str, seen: list[Comparison], reason: str) -> Wordings:
    """Recommend an arm for what it is better at; what it is not better at is said where there is room."""
    use = f"use {plain(arm)}"
    gains = [c for c in seen if c.verdict is Verdict.BETTER]
    if not gains:
        return (f"{use}: {plain(reason).rstrip('.')}.", f"{use}.")
    for_gains = [f"{use} for {effects}" for effects in _effects(report, gains)]
    losses = [c for c in seen if c.verdict is Verdict.WORSE]
    if losses:
        but = [f"{gain} but {loss}" for gain, loss in zip(for_gains, _effects(report, losses), strict=True)]
        for_gains = [*but, f"{for_gains[-1]}; {_listed(_noun(c.metric) for c in losses)} worse"]
    return (*(f"{gain}{_beside(seen)}." for gain in for_gains), f"{for_gains[-1]}.", f"{use}.")


def _no_verdict_yet(report: Report, candidate: str, seen: tuple[Comparison, ...]) -> Wordings:
    if not seen:
        return ("no verdict: there is no number to compare.",)
    nouns = _listed(_noun(c.metric) for c in seen)
    effects = _effects(report, seen)
    if all(effect == f"equal {_noun(c.metric)}" for c in seen for effect in _effect(report, c)[1:]):
        return (f"no difference seen in {nouns}; none ruled out.", "no difference seen; none ruled out.")
    return (
        *(f"no verdict yet: {candidate} has {effect}." for effect in effects),
        f"no verdict yet on {nouns}.",
        "no verdict yet.",
    )


def _same(seen: tuple[Comparison, ...]) -> Wordings:
    return (f"no difference that matters in {_listed(_noun(c.metric) for c in seen)}", "no difference that matters")


def _beside(seen: Iterable[Comparison]) -> str:
    """Name what has no verdict either way, to be said after what has."""
    same = _listed(_noun(c.metric) for c in seen if c.verdict is Verdict.EQUIVALENT)
    undecided = _listed(_noun(c.metric) for c in seen if c.verdict is Verdict.INCONCLUSIVE)
    return (f"; same {same}" if same else "") + (f"; {undecided} undecided" if undecided else "")


def _unlabelled(report: Report) -> tuple[Wordings, ...]:
    """Word a run whose queries are neither simple nor complex: effects overall, no winner."""
    contrast = content.contrasts(report.analysis)[0]
    scope = content.scope(report).capitalize()
    subject = f"{plain(contrast[1])} against {plain(contrast[0])}: "
    seen = decision.overall(report, contrast)
    decided = [c for c in seen if c.verdict in _DECISIVE]
    if content.invalid_reasons(report):
        said: Wordings = ("no verdict, the comparison is not valid.",)
    elif decided:
        effects = _effects(report, decided)
        said = (*(f"{subject}{effect}{_beside(seen)}." for effect in effects), f"{subject}{effects[-1]}.", "see the tables.")
    elif seen and all(c.verdict is Verdict.EQUIVALENT for c in seen):
        said = tuple(f"{subject}{same}." for same in _same(seen))
    else:
        said = _no_verdict_yet(report, plain(contrast[1]), seen)
    return (
        tuple(f"{scope}: {wording}" for wording in said),
        ("No winner is named: no query is labelled simple or complex.", "No winner: queries are not labelled."),
    )


def _how_sure(report: Report) -> Wordings:
    """Say what is in the way; where nothing is, how sure the lines above are."""
    if in_the_way := _in_the_way(report):
        return tuple(f"In the way: {said}" for said in in_the_way)
    level = f"{100 * report.analysis.confidence:g}%"
    brief = f"How sure: {level}"
    sure = f"{brief} confidence"
    if _rests_on_leads(report):
        brief = f"How sure: below {level}"
        sure = f"{brief}, verdicts by class allow {EXPLORATORY_RATE:.0%} false ones"
    basis = f"{sure} for {content.scope(report)} ({_basis(report)})"
    if advice := _advice(report):
        not_yet = tuple(f"Not sure yet: {said}." for said in advice)
        if not _settles_something(report):
            return not_yet
        return (
            *(f"{start}; {said}." for said in advice for start in (basis, sure, brief)),
            f"{sure}.",
        )
    trials = sum(arm.trials for arm in report.analysis.arms)
    silent = trials - sum(map(content.answered, report.analysis.arms))
    unanswered = f"{silent} of {trials}" if silent else f"none of {trials}"
    return (
        f"{basis}; {unanswered} trials unanswered.",
        f"{basis}; {unanswered} unanswered.",
        f"{sure}; {unanswered} unanswered.",
        f"{brief}; {unanswered} unanswered.",
    )


def _in_the_way(report: Report) -> Wordings:
    """Say what is in the way of a conclusion, in the order of ``content.standing``; nothing where nothing is."""
    if undone := content.undone(report.facts):
        return (f"{undone}; `uderia-bench resume {plain(content.typed(report.facts))}` goes on.", f"{undone}; resume the run.")
    if reasons := content.invalid_reasons(report):
        return (f"{plain(reasons[0]).rstrip('.')}.",)
    if unread := content.unread(report.facts):
        return (f"{unread}.",)
    if missed := [plain(gate.name) for gate in content.missed(report)]:
        count = f"{len(missed)} of {len(report.gates)} gates missed"
        return (f"{count}: {_listed(missed)}.", f"{count}.")
    return ()


def _rests_on_leads(report: Report) -> bool:
    """Whether a class of queries is decided by a p that a planned question would not be decided by."""
    return any(
        c.p_adjusted is not None and c.p_adjusted > 1 - report.analysis.confidence
        for stratum in decision.STRATA
        for made in decision.decisions(report, stratum)
        for c in made.rests_on
        if c.verdict in _DECISIVE
    )


def _settles_something(report: Report) -> bool:
    """Whether the first two lines hold a result beside what is undecided."""
    if report.analysis.winners:
        return any(winner.arm for winner in report.analysis.winners)
    return any(c.stratum == content.OVERALL and c.verdict in _DECISIVE for c in report.analysis.comparisons)


def _basis(report: Report) -> str:
    """Say how much was asked: the design, or what a run that ended early came to of it."""
    facts = report.facts
    asked = sorted({arm.trials for arm in report.analysis.arms})
    if facts.early and asked:
        return f"{' to '.join(f'{trials}' for trials in dict.fromkeys((asked[0], asked[-1])))} trials an arm"
    return f"{facts.queries} x {facts.repeats}" if facts.queries > 1 else f"{facts.repeats} repeats"


def _advice(report: Report) -> Wordings:
    """Return what would settle the first class of queries without a verdict; () where none is or nothing is known."""
    open_ones = [
        (f"{stratum} queries: ", made.rests_on)
        for stratum in decision.STRATA
        for made in decision.decisions(report, stratum)
        if made.finding is Result.INCONCLUSIVE
    ]
    if not report.analysis.winners:
        open_ones = [("", decision.overall(report, contrast)) for contrast in content.contrasts(report.analysis)]
    for prefix, rests_on in open_ones:
        for advice in (c.advice for c in rests_on if c.verdict is Verdict.INCONCLUSIVE and c.advice):
            full = plain(advice).rstrip(".")
            alone = full.partition(", or ")[0]
            more, would, _ = alone.partition(" would ")
            brief = f"{more} would settle it" if would else alone.partition(": ")[0]
            return tuple(f"{prefix}{said}" for said in (full, alone, brief))
    return ()


def _effects(report: Report, comparisons: Iterable[Comparison]) -> Wordings:
    """Return the effects in words, with their intervals and without."""
    worded = [_effect(report, comparison) for comparison in comparisons]
    return (
        (_listed(full for full, _ in worded), _listed(short for _, short in worded)) if worded else ("no number", "no number")
    )


def _effect(report: Report, comparison: Comparison) -> tuple[str, str]:
    noun, fewer = _NOUNS.get(comparison.metric, (plain(comparison.metric), "less"))
    metric = content.definition(report, comparison.metric)
    if comparison.verdict is Verdict.EQUIVALENT:
        return (f"the same {noun} (within {figures.margin(comparison.margin, metric)})", f"the same {noun}")
    return figures.effect_words(comparison.effect, metric, noun, fewer)


def _noun(metric: str) -> str:
    return _NOUNS[metric][0] if metric in _NOUNS else plain(metric)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
