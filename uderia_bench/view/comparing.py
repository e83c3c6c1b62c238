"""Pages that compare: the answers to a query, two runs, and the runs of an experiment over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

from uderia_bench.commands import diff as diffing
from uderia_bench.commands import history as histories
from uderia_bench.errors import StoreError, UsageError
from uderia_bench.reading import profile_types
from uderia_bench.reading.labels import kept
from uderia_bench.report import figures, sections, standing
from uderia_bench.report.about import about, method
from uderia_bench.report.content import outcome_words
from uderia_bench.report.formats.html import label_form, listing
from uderia_bench.report.formats.html.document import body_of
from uderia_bench.report.formats.html.effects import effects
from uderia_bench.report.formats.html.glossary import glossary
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.report.formats.html.verdict import key_numbers, verdict
from uderia_bench.report.watch import METRICS
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.trace import Trace
from uderia_bench.view import pages
from uderia_bench.view.folder import Folder

_SIDES = (("a", "Arm"), ("b", "beside"))
_LATENCY = next(metric for metric in METRICS if metric.name == "latency_s")


def labels(folder: Folder, run_id: str) -> str:
    """Return the form for raters of the answers that were drawn from a run; raises ``StoreError`` where there are none."""
    items = list(kept.drawn(folder.directory(run_id).path).values())
    if not items:
        raise StoreError(f"no answers were drawn to label: 'uderia-bench label draw {run_id} -o labels.html' draws some")
    return label_form.to_html(items, f"labels-{run_id}")


def answers(folder: Folder, run_id: str, asked: Mapping[str, str]) -> str:
    """Return the answers of arms to one query side by side, repeat by repeat; without a query, the queries."""
    run = Run.open(folder.directory(run_id))
    with Ledger.open(run.directory.ledger) as ledger:
        settled = ledger.settled()
        plan = ledger.plan()
        queries = dict.fromkeys(trial.query_id for trial in plan if trial.trial_id in settled)
        query = asked.get("query", "")
        if query and all(trial.query_id != query for trial in plan):
            raise StoreError(f"this run has no query {query!r}")
        found: dict[tuple[int, int, str], tuple[str, Trace]] = {}
        if query in queries:
            with closing(ledger.records({query})) as records:
                for record in records:
                    if record.trial.stage == "measured":
                        trace = profile_types.read(record, folder.plugins.profile_types)
                        found[record.trial.repeat, record.trial.turn, record.trial.arm] = (record.trial.trial_id, trace)
    arms = [arm.name for arm in run.experiment.arms]
    shown = [name for name in (asked.get("a"), asked.get("b")) if name in arms] or arms
    prompts = {trial.turn: trial.prompt for trial in plan if trial.query_id == query}
    back = tag("p", "Run ", tag("a", run_id, href=f"/runs/{quote(run_id)}"), class_="small")
    rows = [
        tag(
            "tr",
            tag("th", f"repeat {repeat}{f', turn {turn}' if len(prompts) > 1 else ''}", scope="row", class_="short"),
            *(_answer(run_id, arm, found.get((repeat, turn, arm))) for arm in shown),
        )
        for repeat, turn in sorted({(repeat, turn) for repeat, turn, _ in found})
    ]
    heads = (tag("th", "repeat", scope="col"), *(tag("th", arm, scope="col", class_="wordy") for arm in shown))
    grid = listing.grid(f"Answers to {query}", heads, rows, name="Answers", alone=True, class_="labelled answers")
    return pages.frame(
        f"Answers to {query}" if query else "Answers",
        back,
        tag("h1", f"Answers to {query}" if query else "Answers"),
        *(tag("p", prompts[turn], class_="prompt") for turn in sorted(prompts)),
        _choice(run_id, list(queries), arms, asked),
        grid if rows else tag("p", "No answer yet." if query else "Choose a query."),
    )


def _choice(run_id: str, queries: Sequence[str], arms: Sequence[str], asked: Mapping[str, str]) -> Markup:
    def select(name: str, label: str, values: Sequence[str], chosen: str | None) -> Markup:
        options = (tag("option", value or "all", value=value, selected=value == chosen) for value in values)
        return tag("label", f"{label} ", tag("select", *options, name=name))

    return tag(
        "form",
        select("query", "Query", queries, asked.get("query")),
        *(select(name, label, ["", *arms], asked.get(name, "")) for name, label in _SIDES if len(arms) > 1),
        tag("button", "Show"),
        id="filters",
        action=f"/runs/{quote(run_id)}/answers",
    )


def _answer(run_id: str, arm: str, found: tuple[str, Trace] | None) -> Markup:
    if found is None:
        return tag("td", "not asked yet", class_="small answer", data_label=arm)
    trial_id, trace = found
    latency = _LATENCY.read(trace)
    seconds = None if latency is None else float(latency)
    facts = [outcome_words(trace.outcome)]
    if seconds is not None:
        facts.append(figures.amount(seconds, figures.scale_of(_LATENCY, seconds)))
    link = tag("a", ", ".join(facts), href=f"/runs/{quote(run_id)}/trials/{quote(trial_id, safe='')}")
    text = tag("p", trace.answer, class_="break") if trace.answer else None
    return tag("td", tag("p", link, class_="small"), text, class_="wordy answer", data_label=arm)


def diff(folder: Folder, asked: Mapping[str, str]) -> str:
    """Return the comparison of two runs, with the sections of a report that need no single run."""
    baseline, run = asked.get("baseline"), asked.get("run")
    if not baseline or not run:
        raise UsageError("choose a baseline (A) and a run (B) in the list of runs")
    before, after = (Run.open(folder.directory(name)) for name in (baseline, run))
    title = f"{run} compared with {baseline}"
    try:
        made = diffing.compare(before, after, folder.plugins, force="force" in asked)
    except diffing.Unlike as error:
        anyway = f"/diff?{urlencode({'baseline': baseline, 'run': run, 'force': 'on'})}"
        return pages.plain_page(title, tag("p", tag("a", "Compare them anyway", href=anyway)), lead=error.reason)
    parts: list[Markup | None] = [verdict(made), key_numbers(made), effects(made)]
    listed = (
        ("Winners", dict(sections.lists(made)).get("Winners", ())),
        ("Warnings", tuple(standing.without_mark(text) for text in made.warnings)),
    )
    details = listing.section(
        "details", "Details", listing.facts(about(made)),
        *(join(tag("h3", name), listing.items(texts)) for name, texts in listed if texts),
        listing.folded("How to read this", listing.items(method(made))),
    )  # fmt: skip
    return pages.frame(title, _sides(run, baseline), tag("h1", title), *parts, details, glossary())


def _sides(run: str, baseline: str) -> Markup:
    """Return the links to the pages of the two runs."""
    link, other = (tag("a", name, href=f"/runs/{quote(name)}") for name in (run, baseline))
    return tag("p", "Runs ", link, ", ", other, class_="small")


def history(folder: Folder, asked: Mapping[str, Any]) -> str:
    """Return the history of an experiment."""
    found = histories.gather(folder.path, folder.plugins.metrics, experiment=asked.get("experiment"))
    body = body_of(histories.to_html(found))
    return pages.frame(f"History of {found.experiment}", Markup(body))
