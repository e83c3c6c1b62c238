"""The page of a run: its sections in the order of reading, with data and script at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from uderia_bench.report import changes, content, contrasts, memory, monthly, sections, tables
from uderia_bench.report.about import about, method
from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import glossary, listing, trials
from uderia_bench.report.formats.html.composition import outcomes, phases, tokens
from uderia_bench.report.formats.html.course import course
from uderia_bench.report.formats.html.distributions import distributions
from uderia_bench.report.formats.html.document import SCRIPT, document
from uderia_bench.report.formats.html.effects import effects
from uderia_bench.report.formats.html.kept import Kept
from uderia_bench.report.formats.html.markup import Markup, data, join, tag
from uderia_bench.report.formats.html.queries import queries
from uderia_bench.report.formats.html.results import results
from uderia_bench.report.formats.html.sweep import sweep
from uderia_bench.report.formats.html.verdict import key_numbers, verdict
from uderia_bench.report.table import Table

_DEFINITIONS = ("metrics",)  # not shown with the manifest, because 'uderia-bench metrics' prints them


def to_html(report: Report, kept: Kept) -> str:
    """Return the report as one self-contained page, with rows from the run's tables."""
    shown = [(identity, title, part) for identity, title, part in _sections(report, kept) if part]
    header = tag(
        "header",
        tag("p", f"uderia-bench report, run {report.facts.run_id}", class_="small"),
        tag("h1", report.facts.experiment),
    )
    return document(
        f"{report.facts.experiment} - {report.facts.run_id}",
        tag("a", "Skip to the decision", href="#verdict", class_="skip"),
        header,
        tag("main", verdict(report), key_numbers(report), _navigation(shown), *(part for _, _, part in shown)),
        glossary.glossary(),
        data("data", trials.payload(report, kept)),
        script=SCRIPT,
    )


def _sections(report: Report, kept: Kept) -> Iterator[tuple[str, str, Markup | None]]:
    """Yield (identity, title in the navigation, section) in the order of reading."""
    yield "effects", "Effects", effects(report)
    yield "distributions", "Distributions", distributions(report, kept)
    yield "load", "Load", sweep(report)
    yield "queries", "Queries", queries(report, kept, trials.query_order(kept))
    yield "changed", "Changed queries", _changed(report)
    yield "memory", "Memory", _memory(report)
    yield "results", "Answers", results(report, kept)
    yield "tokens", "Tokens", tokens(report)
    yield "phases", "Fast path", phases(kept)
    yield "course", "Over the run", course(report, kept)
    yield "outcomes", "Outcomes", outcomes(report)
    yield "change", "What to change", _measured(report)
    yield "issues", "Issues", _issues(report)
    yield "trials", "Trials", trials.frame(report)
    yield "details", "Details", listing.section("details", "Details", *_details(report, kept))


def _issues(report: Report) -> Markup | None:
    """Return what was found, with the places and trials behind each kind."""
    found = _table(tables.issues(report), alone=True)
    change = _table(tables.savings(report))
    look = [
        listing.folded(
            f"Trials to look at for {saving.kind} on {saving.arm}",
            tag("p", join(*(join(tag("a", name, href=f"#trial={quote(name)}"), " ") for name in saving.examples))),
        )
        for saving in report.savings
    ]
    evidence = (listing.folded(issue.kind, listing.items(issue.evidence)) for issue in report.issues if issue.evidence)
    lead = "Problems found in the trials, errors first."
    return listing.section("issues", "Issues", found, *evidence, change, *look, lead=lead) if found else None


def _measured(report: Report) -> Markup | None:
    """Return what to change by the effects that were measured, which come before the estimates of the issues."""
    found = _table(changes.measured(report))
    return listing.section("change", "What to change", found) if found else None


def _changed(report: Report) -> Markup | None:
    """Return the queries that changed."""
    found = _table(tables.query_effects(report), alone=True)
    return listing.section("changed", "Which queries changed", found) if found else None


def _memory(report: Report) -> Markup | None:
    """Return what the memory of each managed arm is worth."""
    found = [_table(each) for each in memory.tables(report)]
    lead = "Effects of the server's memory of earlier plans, between arms that differ in memory only."
    return listing.section("memory", "What memory is worth", *found, lead=lead) if found else None


def _navigation(shown: Sequence[tuple[str, str, Markup]]) -> Markup:
    links = (tag("a", title, href=f"#{identity}") for identity, title, _ in shown)
    return tag("nav", *links, glossary.opener(), aria_label="Sections")


def _details(report: Report, kept: Kept) -> Iterator[Markup | None]:
    yield listing.facts(about(report))
    yield _table(tables.looks(report))
    yield _table(tables.gates(report))
    for title, texts in sections.lists(report):
        yield listing.folded(title, listing.items(texts), open_=title in ("Warnings", monthly.TITLE))
    yield listing.folded("How to read this", listing.items(method(report)))
    pairs = content.contrasts(report.analysis)
    every = [make(report, pair) for pair in pairs for make in (contrasts.planned, contrasts.tails, contrasts.exploratory)]
    every += [contrasts.by_stratum(report, pair) for pair in pairs]
    every += [*tables.shown_only(report), tables.learning(report)]
    yield listing.folded("Every number, as a table", *map(_table, every))
    manifest = {name: value for name, value in kept.manifest.items() if name not in _DEFINITIONS}
    lines = (join(line, Markup("\n")) for line in json.dumps(manifest, indent=1).splitlines())
    yield listing.folded("The run's manifest", listing.scrolling(tag("pre", *lines), "Manifest"))


def _table(found: Table | None, *, alone: bool = False) -> Markup | None:
    return listing.table(found, alone=alone) if found else None
