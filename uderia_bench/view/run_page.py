"""The page of a run in progress. A part of it shows some fields of the state, and is sent again when they change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Metric
from uderia_bench.report import figures
from uderia_bench.report.cells import estimate_cell
from uderia_bench.report.content import Tone, outcome_words
from uderia_bench.report.formats.html import listing
from uderia_bench.report.formats.html.glossary import glossary
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.report.table import Cell, Entry, Heading, Table, left
from uderia_bench.report.watch import METRICS, duration
from uderia_bench.stats.estimate import Estimate
from uderia_bench.trial import Outcome
from uderia_bench.view import charts, pages
from uderia_bench.view.pages import CUT, STATES, part, when
from uderia_bench.view.state import Flight, IssueState, RunFacts, RunState, Settled, Spending

_METRICS: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in METRICS})
_LEVEL = 0.95
_WAITS: Mapping[str, str] = MappingProxyType(
    {
        Outcome.RATE_LIMITED: "The run waits until a rate limit of the server ends.",
        Outcome.UNREACHABLE: "The run waits until the server answers again.",
    }
)
_RECORDED = "a recording, which has no pages of trials and answers"
_LIMITS: Mapping[str, Callable[[float], str]] = MappingProxyType(
    {"trials": "{:,.0f} trials".format, "tokens": "{:,.0f} tokens".format, "usd": "${:,.6g}".format, "time_s": duration}
)


def page(state: RunState, parts: Mapping[str, str], seq: int, *, control: bool = False) -> str:
    """Return the page of a run in progress, with buttons to ``control`` it: they are shown while it takes commands."""
    path = f"/runs/{quote(state.run.run_id)}"
    body = [part(name, parts.get(name, "")) for name in PARTS]
    if control and not state.run.recorded:
        body.insert(1, pages.controls(state.run.run_id))
    return pages.frame(state.run.run_id, *body, glossary(), live=f"{path}/live", icon=pages.icon(state.run.state), seq=seq)


def parts(state: RunState, changed: Collection[str]) -> dict[str, str]:
    """Return the parts that show one of the changed fields."""
    return {name: draw(state) or "" for name, (shown, draw) in PARTS.items() if not shown.isdisjoint(changed)}


def _head(state: RunState) -> Markup:
    run, progress = state.run, state.progress
    facts = [
        ("State", STATES.get(run.state, run.state)),
        ("Started", when(run.started_at)),
        *((("Ended", when(run.ended_at)),) if run.ended_at and run.state != "running" else ()),
        ("Server" if len(run.servers) == 1 else "Servers", ", ".join(run.servers)),
    ]
    facts.append(("Source", _RECORDED) if run.recorded else ("Answers", pages.beside(run.run_id)))
    items = [tag("li", tag("b", f"{label} "), text) for label, text in facts]
    over = None
    if run.state == "complete" and not run.has_report:
        made = tag("code", f"uderia-bench derive {run.run_id}")
        first = "Before that, a judge scores its answers. " if run.judged else ""
        over = tag(
            "p", "The run is over. Its report is being made and will appear here. ", first,
            "If the run was killed, make it with ", made,
        )  # fmt: skip
    if run.state == CUT:
        again = tag("code", f"uderia-bench view {run.run_id} --record FILE")
        over = tag("p", "The recording was stopped before the report. Record the run again with ", again)
    if run.state == "running" and (waits := _WAITS.get(state.load.waits_for or "")):
        over = tag("p", waits)
    if run.state in ("abandoned", "interrupted"):
        why = f"{run.stopped[0].upper()}{run.stopped[1:].rstrip('.')}." if run.stopped else "The run has stopped."
        over = tag("p", why, " Continue with ", tag("code", f"uderia-bench resume {run.run_id}"))
    done = progress.settled / progress.planned if progress.planned else 0.0
    return join(
        tag("p", f"Run {run.run_id}", class_="small"),
        tag("h1", run.experiment),
        tag(
            "div",
            tag("progress", value=progress.settled, max=progress.planned or 1, aria_label="Trials settled"),
            tag("span", f"{done:.0%}", class_="number"),
            class_="bar-of-run",
        ),
        tag("ul", *items, class_="state", data_state=run.state, data_report="" if run.has_report else None,
            data_controlled=run.controlled, data_settled=progress.settled, data_planned=progress.planned),
        over,
    )  # fmt: skip


def _cards(state: RunState) -> Markup:
    progress, load = state.progress, state.load
    pace = "" if progress.per_second is None else f"{progress.per_second:.3g} trials/s"
    left_s = "" if progress.left_s is None else f"about {duration(progress.left_s)} left"
    behind = progress.settled - progress.read
    outcomes = [f"{count:,} {outcome_words(name)}" for name, count in progress.outcomes.items()]
    slots = f" of {count_of(state.slots, 'slot')}" if state.slots else ""
    limited = f"{count_of(load.rate_limited, 'trial')} met a rate limit (429)" if load.rate_limited else "no rate limit met"
    cards = [
        ("Progress", f"{progress.settled:,} of {count_of(progress.planned, 'trial')}", ", ".join(filter(None, (pace, left_s)))),
        ("Outcomes", ", ".join(outcomes) or "no trial has ended yet",
         f"reading earlier trials, {behind:,} left" if behind else ""),
        ("In flight", f"{load.count}{slots}", limited),
    ]  # fmt: skip
    if state.spending:
        cards.append(("Spent", *_spent(state.spending)))
    return tag(
        "div",
        *(
            tag(
                "div",
                tag("h2", title, class_="minor"),
                tag("p", text),
                tag("p", small, class_="small") if small else None,
                class_="card",
            )
            for title, text, small in cards
        ),
        class_="cards",
    )


def _spent(spending: Sequence[Spending]) -> tuple[str, str]:
    """Return the tokens and dollars spent, and how much of each budget that is."""
    by_name = {each.what: each for each in spending}
    main = [f"{figures.tokens(by_name['tokens'].spent)} tokens"] if "tokens" in by_name else []
    main += [figures.usd(by_name["usd"].spent)] if "usd" in by_name else []
    limits = [f"{each.spent / each.limit:.0%} of {_LIMITS[each.what](each.limit)}" for each in spending if each.limit]
    return ", ".join(main), f"Budget: {', '.join(limits)}" if limits else "no budget is set"


def _progress(state: RunState) -> Markup | None:
    rows = [
        (
            share.arm,
            share.complexity or "unlabelled",
            f"{share.settled:,} of {share.planned:,}",
            figures.percentage(share.answered / share.settled) if share.settled else figures.MISSING,
            figures.MISSING if share.left_s is None or share.settled == share.planned else duration(share.left_s),
        )
        for share in state.progress.shares
    ]
    heads = (left("arm"), left("class"), "settled", "answered", "time left")
    warmup = state.progress.planned - sum(share.planned for share in state.progress.shares)
    lead = f"Excludes {count_of(warmup, 'warm-up trial')}." if warmup else None
    return _section("progress", "Progress", Table.of("Measured trials by arm and class", heads, rows), lead=lead)


def _numbers(state: RunState) -> Markup | None:
    if not any(arm.answered for arm in state.arms):
        return None
    rows: list[tuple[Entry, ...]] = []
    shown: dict[str, list[float | None]] = {name: [] for name in _METRICS}
    for arm in state.arms:
        for number in arm.numbers:
            shown[number.metric].append(number.value)
        shown["latency_s"] += arm.latency_percentiles.values()
    scales = {name: figures.scale_of(_METRICS[name], *values) for name, values in shown.items()}  # one for all arms
    for arm in state.arms:
        means = (
            estimate_cell(
                None if n.value is None else Estimate(value=n.value, lo=n.lo, hi=n.hi, level=_LEVEL, n=n.n, missing=0),
                scales[n.metric],
            )
            for n in arm.numbers
        )
        ranks = (
            figures.amount(arm.latency_percentiles.get(rank), scales["latency_s"]) for rank in ("p50", "p90", "p95", "p99")
        )
        rows.append((arm.arm, f"{arm.answered:,}", *means, *ranks))
    heads: tuple[Heading, ...] = (
        left("arm"),
        "answers",
        *(f"{name}, mean" for name in _METRICS),
        "latency p50",
        "p90",
        "p95",
        "p99",
    )
    table = Table.of("Arms so far, with 95% intervals", heads, rows)
    return _section("numbers", "Numbers so far", table, lead=state.note)


def _sweep(state: RunState) -> Markup | None:
    if state.sweep is None:
        return None
    scale = figures.scale_of(_METRICS["latency_s"], *(level.latency_percentiles.get("p50") for level in state.sweep.levels))
    rows = [
        (
            level.arm,
            f"{level.level:g}",
            f"{level.trials:,}",
            figures.MISSING if level.in_flight is None else f"{level.in_flight:.1f}",
            figures.MISSING if level.per_second is None else f"{level.per_second:.3g}",
            *(figures.amount(level.latency_percentiles.get(rank), scale) for rank in ("p50", "p95")),
            figures.MISSING if level.unanswered is None else figures.percentage(level.unanswered),
        )
        for level in state.sweep.levels
    ]
    heads = (left("arm"), "level", "trials", "in flight", "answers/s", "latency p50", "p95", "unanswered")
    table = Table.of("Finished levels of load", heads, rows, *state.sweep.knees)
    return _section("sweep", "Server load by level", table, lead="A level appears when all of its trials have ended.")


def _gates(state: RunState) -> Markup | None:
    lead = "Gates are evaluated when the run ends."
    texts = listing.items(gate.text for gate in state.gates) if state.gates else None
    return listing.section("gates", "Gates", texts, lead=lead)


def _looks(state: RunState) -> Markup | None:
    looks = state.looks
    if looks is None:
        return None
    later = "not taken yet" if state.progress.read == state.progress.settled else "not read yet"
    later = "not needed" if any(look.stops for look in looks.looks) else later
    rows = [
        (
            f"{look.look} of {len(looks.looks)}",
            f"{look.blocks:,}",
            figures.p_value(look.boundary),
            later if look.found is None else "; ".join(look.found) or "nothing to compare",
            "yes" if look.stops else figures.MISSING,
        )
        for look in looks.looks
    ]
    heads = ("look", "blocks", "boundary (p)", left("found", wraps=True), left("stops the run"))
    ends = "one arm is left in the race on" if looks.race else "each metric has a verdict:"
    lead = f"The run ends at the first declared look at which {ends} {', '.join(looks.metrics)}."
    return _section("looks", "Interim looks", Table.of("Declared looks with their boundary", heads, rows), lead=lead)


def _flights(state: RunState) -> Markup | None:
    rows = [_flight(state.run, each, state.load.timeout_s) for each in state.load.in_flight]
    more = state.load.count - len(rows)
    heads = (left("trial", wraps=True), left("arm"), left("state"), "attempt", "age")
    remarks = (f"Shows the oldest {len(rows)} of {state.load.count}.",) if more > 0 else ()
    table = Table.of("Trials in flight", heads, rows, *remarks)
    return _section("flights", "In flight", table)


def _flight(run: RunFacts, each: Flight, timeout_s: float | None) -> tuple[Entry, ...]:
    limit = None if timeout_s is None else f"{timeout_s:g}"
    sent_at = None if each.sent_at is None else each.sent_at.isoformat()
    age = figures.MISSING if sent_at is None else tag("time", "", datetime=sent_at, data_age="", data_limit=limit)
    return _link(run, each.trial_id), each.arm, each.state, str(each.attempt), age


def _settled(run: RunFacts, trials: Sequence[Settled], title: str) -> Table:
    rows: list[tuple[Entry, ...]] = []
    seconds = figures.scale_of(_METRICS["latency_s"], *(each.latency_s for each in trials))
    for each in trials:
        values = {"total_tokens": each.total_tokens, "cost_usd": each.cost_usd}
        numbers = (figures.amount(value, figures.scale_of(_METRICS[name], value)) for name, value in values.items())
        latency = figures.amount(each.latency_s, seconds)
        tone = Tone.GOOD if each.outcome == "answered" else Tone.BAD
        said = f"{outcome_words(each.outcome)}{f': {each.detail}' if each.detail else ''}"
        done = figures.MISSING if each.done_at is None else when(each.done_at, "time")
        rows.append((_link(run, each.trial_id), done, each.arm, Cell(forms=(said,), tone=tone), latency, *numbers))
    heads = (left("trial", wraps=True), left("ended"), left("arm"), left("outcome", wraps=True), "latency", "tokens", "cost")
    return Table.of(title, heads, rows)


def _failures(state: RunState) -> Markup | None:
    table = _settled(state.run, state.failures, "Newest trials without an answer")
    return _section("failures", "Last failures", table)


def _latest(state: RunState) -> Markup | None:
    table = _settled(state.run, state.latest, "Newest trials")
    return _section("latest", "Trials", table)


def _issues(state: RunState) -> Markup | None:
    rows = [_issue(state.run, each) for each in state.issues]
    heads = (left("issue"), left("severity"), "trials", left("newest", wraps=True))
    return _section("issues", "Issues", Table.of("Issues found so far", heads, rows))


def _issue(run: RunFacts, each: IssueState) -> tuple[Entry, ...]:
    tone = Tone.BAD if each.severity == "error" else Tone.PLAIN
    return each.kind, Cell(forms=(each.severity,), tone=tone), str(each.trials), _link(run, each.newest)


def _actions(state: RunState) -> Markup | None:
    return listing.section("actions", "Actions", listing.items(state.actions) if state.actions else None)


PARTS: Mapping[str, tuple[frozenset[str], Callable[[RunState], Markup | None]]] = MappingProxyType({
    "head": (frozenset({"run", "progress", "load"}), _head),
    "cards": (frozenset({"progress", "load", "spending"}), _cards),
    "actions": (frozenset({"actions"}), _actions),
    "progress": (frozenset({"progress"}), _progress),
    "course": (frozenset({"course", "gates"}), charts.over_time),
    "numbers": (frozenset({"arms", "note"}), _numbers),
    "chart": (frozenset({"arms", "gates"}), charts.latency),
    "looks": (frozenset({"looks", "progress"}), _looks),
    "sweep": (frozenset({"sweep"}), _sweep),
    "gates": (frozenset({"gates"}), _gates),
    "flights": (frozenset({"load"}), _flights),
    "failures": (frozenset({"failures"}), _failures),
    "issues": (frozenset({"issues"}), _issues),
    "latest": (frozenset({"latest"}), _latest),
})  # fmt: skip
"""The parts of a run's page in the order of reading, with the fields of the state that each shows."""


def _section(name: str, title: str, table: Table, *, lead: str | None = None) -> Markup | None:
    return listing.section(name, title, listing.table(table) if table.rows else None, lead=lead)


def _link(run: RunFacts, trial_id: str) -> Entry:
    """Return the name of a trial, as a link where it has a page."""
    return trial_id if run.recorded else tag("a", trial_id, href=f"/runs/{quote(run.run_id)}/trials/{quote(trial_id, safe='')}")
