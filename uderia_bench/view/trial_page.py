"""One trial on a page: where it stands, and all that ``inspect`` knows of it once it has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

from uderia_bench.report import figures
from uderia_bench.report.formats.html import listing
from uderia_bench.report.formats.html.glossary import glossary
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.report.table import Table, left
from uderia_bench.report.trial import text
from uderia_bench.report.trial.inspected import Inspected
from uderia_bench.view import pages
from uderia_bench.view.pages import when
from uderia_bench.view.state import LEFT, EventState, TrialState

_STANDS = {
    "planned": "not sent yet",
    "sending": "on its way to the server",
    "asked": "the server is working on it",
    LEFT: "in flight when the run stopped; it is asked again when the run is resumed",
    "settled": "ended",
}
_ICONS = {"sending": "running", "asked": "running", LEFT: "stopped"}
_IN_HEAD = ("trial", "question", "answer")  # shown in full elsewhere


def page(state: TrialState, drawn: str, seq: int, *, control: bool = False) -> str:
    """Return the page of a trial, which follows it to its end, with buttons to ``control`` it, as on the page of its run."""
    path = f"/runs/{quote(state.run_id)}/trials/{quote(state.trial_id, safe='')}"
    icon = _ICONS.get(state.state, "idle")
    buttons = pages.controls(state.run_id, state.trial_id) if control else None
    return pages.frame(state.trial_id, pages.part("trial", drawn), buttons, glossary(), live=f"{path}/live", icon=icon, seq=seq)


def draw(state: TrialState, found: Inspected | None, so_far: Inspected | None = None) -> Markup:
    """Return the content of the page: of a trial in flight with what the server has told ``so_far``."""
    run = tag("a", state.run_id, href=f"/runs/{quote(state.run_id)}")
    beside = f"/runs/{quote(state.run_id)}/answers?{urlencode({'query': state.query_id})}"
    head = join(
        tag("p", "Run ", run, class_="small"),
        tag("h1", f"{state.query_id} on {state.arm}, repeat {state.repeat}{f', turn {state.turn}' if state.turn > 1 else ''}"),
        tag("p", state.prompt, class_="prompt"),
        tag("p", tag("a", "Compare the answers of this query", href=beside)),
    )
    if found is not None:
        return join(head, _found(found, controlled=state.controlled))
    return join(head, _standing(state), *(() if so_far is None else (*_steps(so_far), _events(state))))


def _events(state: TrialState) -> Markup | None:
    """Return the newest events of a trial in flight: they come before there is a plan or a call."""
    events: Sequence[EventState] = (state.so_far or {}).get("events", ())
    rows = [(figures.MISSING if each.at is None else when(each.at, "time"), each.kind, each.what) for each in events]
    heads = (left("time"), left("kind"), left("event", wraps=True))
    return _section("events", "Newest events", Table.of("Newest events of the server", heads, rows))


def _standing(state: TrialState) -> Markup:
    """Return where a trial stands that has not ended."""
    age = tag("time", "", datetime=state.sent_at.isoformat(), data_age="") if state.sent_at else None
    facts = [("State", _STANDS[state.state], None), *((("Age", None, age),) if age else ())]
    facts += [("Attempt", str(state.attempt), None)] if state.attempt else []
    waits_for = ", ".join((state.so_far or {}).get("waits_for", ()))
    facts += [("Waits for", waits_for, None)] if waits_for else []
    items = [tag("li", tag("b", f"{label} "), said, markup) for label, said, markup in facts]
    return tag("ul", *items, class_="state", data_state=state.state, data_controlled=state.controlled)


def _found(found: Inspected, *, controlled: bool) -> Markup:
    trace = found.trace
    rows = [(name, said) for name, said in text.head(found) if said and name not in _IN_HEAD]
    lines = (join(tag("dt", name), tag("dd", said)) for name, said in rows)
    facts = tag("dl", *lines, data_state="settled", data_controlled=controlled)
    return join(
        facts,
        listing.section("answer", "Answer", tag("p", trace.answer, class_="break answer") if trace.answer else None),
        *_steps(found),
        listing.section("issues", "Issues", *(_issue(found, at) for at in range(len(found.issues)))),
        listing.section("notes", "Notes", listing.items(trace.notes) if trace.notes else None),
    )


def _steps(found: Inspected) -> Iterator[Markup | None]:
    """Yield the plan and what was done of it."""
    trace = found.trace
    yield _section("plan", "Plan", text.plan(trace))
    yield _section("phases", "Phases", text.phases(trace))
    yield _section("ledger", "Token ledger", text.ledger(trace))
    yield _section("tools", "Tools", text.tools(trace))


def _section(name: str, title: str, table: Table) -> Markup | None:
    return listing.section(name, title, listing.table(replace(table, title=title))) if table.rows else None


def _issue(found: Inspected, at: int) -> Markup:
    issue = found.issues[at]
    evidence = listing.items(str(piece) for piece in issue.evidence)
    return join(tag("h3", f"{issue.severity}: {issue.kind}"), tag("p", issue.recommendation), evidence)
