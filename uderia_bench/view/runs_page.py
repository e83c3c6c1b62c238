"""The list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from uderia_bench.printable import count_of
from uderia_bench.report import figures
from uderia_bench.report.formats.html import listing
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.view import pages
from uderia_bench.view.pages import STATES, part, when
from uderia_bench.view.state import RunRow, RunsState


def page(state: RunsState, asked: Mapping[str, str], seq: int) -> str:
    """Return the list of runs."""
    sorts = (
        ("started", "newest first"),
        ("experiment", "by experiment"),
        ("cost", "most expensive first"),
        ("state", "by state"),
    )
    options = (tag("option", words, value=value, selected=asked.get("sort") == value) for value, words in sorts)
    filters = tag(
        "form",
        tag("label", "Filter ", tag("input", name="q", type="search", value=asked.get("q", ""))),
        tag("label", "Sort ", tag("select", *options, name="sort")),
        tag("button", "Show"),
        id="filters",
        action="/runs",
    )
    query = f"?{urlencode(asked)}" if asked else ""
    live = f"/runs/live{query}"
    drawn = draw(state, filtered="q" in asked)
    return pages.frame("Runs", tag("h1", "Runs"), tag("p", state.folder, class_="small"), filters, part("runs", drawn),
                 live=live, icon="idle", seq=seq)  # fmt: skip


def draw(state: RunsState, *, filtered: bool = False) -> Markup:
    """Return the one part of the page: the table, the form that compares two runs, and links to the histories."""
    if not state.runs and filtered:
        return tag("p", "No run has the words of the filter.")
    if not state.runs:
        return tag("p", "No run yet. Start one with ", tag("code", "uderia-bench demo"))
    several = len(state.runs) > 1
    rows = [tag("tr", *_row(each, choose=several)) for each in state.runs]
    choice = [("compare", "choose")] if several else []
    heads = [*choice, ("started", ""), ("run", ""), ("state", ""), ("trials", "number"), ("gates", "number"),
             ("tokens", "number"), ("cost", "number"), ("decision", "")]  # fmt: skip
    cells = (tag("th", title, scope="col", class_=style or None) for title, style in heads)
    count = count_of(len(state.runs), "run")
    grid = listing.grid(count, cells, rows, name="Runs", class_="labelled runs")
    names = sorted({each.experiment for each in state.runs if each.experiment and each.state == "complete"})  # as a history is
    links = [tag("a", name, href=f"/history?{urlencode({'experiment': name})}") for name in names]
    past = tag("p", "History: ", join(*(join(link, " ") for link in links)), class_="small") if links else None
    force = tag("label", tag("input", type="checkbox", name="force"), " even if they were asked differently")
    chosen = tag("p", tag("button", "Compare run B with baseline A"), " ", force, class_="small")
    return join(tag("form", grid, chosen, action="/diff") if several else grid, past)


def _row(each: RunRow, *, choose: bool) -> list[Markup]:
    live = each.state in ("running", "paused")
    trials = figures.MISSING
    if each.planned is not None and each.settled is not None:
        done = f"{each.settled:,}/{each.planned:,} done"
        trials = done if each.answered is None else f"{each.answered:,}/{each.settled:,} answered"
    sides = join(*(_choice(each.run_id, *side) for side in (("baseline", "A"), ("run", "B"))))
    return [
        *([tag("td", sides, class_="choose", data_label="compare")] if choose else []),
        tag("td", when(each.started_at), class_="short"),
        tag(
            "th",
            tag("a", each.run_id, href=f"/runs/{quote(each.run_id)}"),
            tag("p", each.experiment, class_="small"),
            scope="row",
        ),
        tag("td", STATES.get(each.state, each.state), class_="good" if live else None),
        tag("td", trials, class_="number", data_label="trials"),
        tag("td", f"{each.gates_passed}/{each.gates}" if each.gates else figures.MISSING, class_="number", data_label="gates"),
        tag("td", f"{each.tokens:,}" if each.tokens is not None else figures.MISSING, class_="number", data_label="tokens"),
        tag("td", figures.MISSING if each.cost_usd is None else figures.usd(each.cost_usd), class_="number", data_label="cost"),
        tag("td", each.summary, class_="wordy"),
    ]


def _choice(run_id: str, side: str, short: str) -> Markup:
    name = tag("span", f"{run_id} as {side}", class_="hidden")
    return tag("label", tag("input", type="radio", name=side, value=run_id), name, tag("span", short, aria_hidden="true"))
