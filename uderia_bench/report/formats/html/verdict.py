"""The first screen of the page: the decision, what to fix first, the state of the run, and the arms in numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uderia_bench.printable import count_of
from uderia_bench.report import content, figures, spending, standing
from uderia_bench.report.closing import closing
from uderia_bench.report.content import Report, Saving
from uderia_bench.report.formats.html import listing
from uderia_bench.report.formats.html.markup import Markup, tag
from uderia_bench.report.formats.html.prose import prose
from uderia_bench.report.headline import Line, headline
from uderia_bench.report.standing import Standing

_KEY_NUMBERS = ("latency_s", "total_tokens", "cost_usd", "checks_passed_ratio")
_ENDED = {
    Standing.GATE_MISSED: "a gate was missed",
    Standing.INTERRUPTED: "the run is incomplete",
    Standing.INVALID: "a comparison is not valid",
}


def verdict(report: Report) -> Markup:
    """Return the decision as cards, with what to fix first and the state of the run."""
    cards = [_card(line, at) for at, line in enumerate(headline(report))]
    return tag(
        "section",
        tag("h2", "The verdict", id="verdict-title", class_="hidden"),
        tag("div", *cards, _fix_first(report), class_="cards"),
        tag(
            "ul", *(tag("li", tag("b", f"{label} "), text, class_=tone) for label, text, tone in _state(report)), class_="state"
        ),
        id="verdict",
        aria_labelledby="verdict-title",
    )


def key_numbers(report: Report) -> Markup | None:
    """Return the arms side by side: success rate, means with intervals, and two percentiles of latency."""
    arms = report.analysis.arms
    rows = [_row("answered", (_answered(arm.trials, content.answered(arm)) for arm in arms))]
    for name in _KEY_NUMBERS:
        found = [content.metric_summary(report.analysis, arm.arm, name) for arm in arms]
        metric = content.definition(report, name)
        if not any(s is not None and s.mean.value is not None for s in found):
            continue
        scale = figures.scale_of(metric, *(s.mean.value for s in found if s is not None))
        means = (figures.MISSING if s is None else figures.estimate_forms(s.mean, scale)[0] for s in found)
        rows.append(_row(f"{name}, mean", means))
        for rank in (50, 95) if name == "latency_s" else ():
            values = [None if s is None else s.percentiles[rank].value if rank in s.percentiles else None for s in found]
            shown = (figures.amount(value, figures.scale_of(metric, *values)) for value in values)
            rows.append(_row(f"{name}, p{rank}", shown))
    head = (tag("td"), *(tag("th", arm.arm, scope="col", class_="number") for arm in arms))
    return listing.grid("The arms in numbers", head, rows) if arms else None


def _card(line: Line, at: int) -> Markup:
    return tag("div", tag("h3", line.label), tag("p", prose(line.said)), class_="card sure" if at == 2 else "card")


def _fix_first(report: Report) -> Markup | None:
    """Return the card of what to fix first: the first row of "What to change", or the first issue without one."""
    first = content.first_to_fix(report)
    if first is None:
        return None
    if isinstance(first, Saving):
        share = "" if first.share is None else f", {figures.percentage(first.share)} of its tokens"
        where = f" on {first.arm}: {count_of(first.count, 'trial')}, about {first.tokens:,} tokens{share}"
    elif first.worst:
        where = f" on {first.worst[0]}: {figures.percentage(first.worst[1])} of its trials"
    else:
        where = f": {count_of(first.count, 'trial')}"
    return tag(
        "div",
        tag("h3", "Fix first"),
        tag("p", first.recommendation),
        tag("p", tag("a", first.kind, href="#issues"), where, class_="small"),
        class_="card fix",
    )


def _state(report: Report) -> Iterator[tuple[str, str, str]]:
    """Yield (label, text, tone) of what decides whether the numbers can be used."""
    state = standing.of(report)
    if state is not Standing.FINE:
        yield "Exit code", f"{int(state)}, {_ENDED[state]}", "bad" if state is Standing.GATE_MISSED else "doubtful"
    elif passed := closing(report):
        yield "Gates", passed, "good"
    if not standing.invalid_reasons(report) and content.contrasts(report.analysis):
        yield "Validity", "every planned comparison is valid", "good"
    facts = report.facts
    answered = facts.settled.get("answered", 0)
    settled = sum(facts.settled.values())
    tone = "good" if 0 < settled == answered else "plain"
    yield "Trials", f"{answered:,} of {settled:,} answered, {facts.planned:,} planned", tone
    if report.spending is not None:
        yield "Spent", spending.sentence(report.spending), "plain"
    if unread := standing.unread(facts):
        yield "Damaged", unread, "doubtful"
    if facts.embedded_speed is not None:
        yield "Simulated", content.embedded(facts.embedded_speed), "doubtful"
    if warnings := len(report.warnings) + len(report.analysis.warnings):
        yield "Warnings", f"{warnings}, listed under Details", "plain"


def _answered(trials: int, answered: int) -> str:
    return f"{figures.percentage(answered / trials)} of {trials:,}" if trials else figures.MISSING


def _row(name: str, numbers: Iterable[str]) -> Markup:
    return tag("tr", tag("th", name, scope="row"), *(tag("td", text, class_="number") for text in numbers))
