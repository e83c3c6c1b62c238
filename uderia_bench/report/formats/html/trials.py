"""The trials as data for the page's script, and the list and dialog that the script fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from uderia_bench.report.content import Report
from uderia_bench.report.formats.html import listing
from uderia_bench.report.formats.html.kept import Kept, in_full
from uderia_bench.report.formats.html.markup import Markup, join, tag
from uderia_bench.trial import Stage

_NUMBERS = {"seconds": ("latency_s", 4), "tokens": ("total_tokens", 0), "dollars": ("cost_usd", 6)}  # digits kept
_FACTS = ("outcome_detail", "profile_tag", "provider", "model", "session_id", "task_id")
_STEP = ("kind", "index", "parent", "class", "name", "status", "path", "attempt", "start_s", "duration_s", "input_tokens",
         "output_tokens", "cost_usd", "arguments", "error")  # fmt: skip
_FILTERS = (("arm", "Arm"), ("outcome", "Outcome"), ("complexity", "Class"), ("tag", "Tag"))
_ORDERS = ("as sent", "slowest", "most tokens", "query")  # names that the script of the page uses
_LONGEST = 400  # characters of one text in a step; steps/*.parquet has 2,000, the ledger all


def query_order(kept: Kept) -> tuple[str, ...]:
    """Return the query ids in the order of the page's data."""
    return tuple(sorted(kept.trials["query_id"].unique()))


def payload(report: Report, kept: Kept) -> dict[str, Any]:
    """Return all trials in columns, and the details of some trials by id.

    The columns refer to arms, queries and outcomes by number.
    """
    trials = kept.trials.sort("seq")
    queries = query_order(kept)
    arms = [arm.arm for arm in report.analysis.arms]
    arms += sorted(set(trials["arm"].unique()) - set(arms))  # arms that have warm-up trials only
    outcomes = sorted(trials["outcome"].unique())
    first = trials.unique("query_id", keep="first", maintain_order=True).select("query_id", "complexity", "tags")
    about = {query: (complexity, tags) for query, complexity, tags in first.iter_rows()}
    return {
        "run": report.facts.run_id,
        "arms": arms,
        "outcomes": outcomes,
        "queries": [
            {"id": query, "complexity": about[query][0], "tags": about[query][1] or [], "prompt": kept.prompts.get(query)}
            for query in queries
        ],
        "trials": {
            "id": trials["trial_id"].to_list(),
            "query": _codes(trials["query_id"], queries),
            "arm": _codes(trials["arm"], arms),
            "outcome": _codes(trials["outcome"], outcomes),
            "repeat": trials["repeat"].to_list(),
            "warm": [stage == Stage.WARMUP for stage in trials["stage"]],
            **{name: _rounded(trials, column, digits) for name, (column, digits) in _NUMBERS.items()},
        },
        "full": _full(kept, trials),
    }


def frame(report: Report) -> Markup | None:
    """Return the filters, the empty table of trials and the dialog that the page's script fills."""
    if not report.analysis.arms:
        return None
    filters = tag(
        "form",
        *(_select(name, label) for name, label in _FILTERS),
        tag("label", "Query ", tag("input", type="search", name="text", autocomplete="off", placeholder="any")),
        tag("label", "Sort ", tag("select", *(tag("option", order, value=order) for order in _ORDERS),
                                  name="sort")),
        tag("button", "Clear", type="reset"),
        id="filters",
        aria_label="Filter queries, figures and trials",
    )  # fmt: skip
    heads = (("trial", ""), ("arm", ""), ("query", ""), ("repeat", "number"), ("outcome", ""), ("time", "number"),
             ("tokens", "number"), ("cost", "number"))  # fmt: skip
    head = (tag("th", name, scope="col", class_=style or None) for name, style in heads)
    dialog = tag(
        "dialog",
        tag("div", tag("h2", "", id="dialog-title"), tag("button", "Close", type="button", id="close"), class_="bar"),
        tag("div", "", id="dialog-body"),
        id="trial",
        aria_labelledby="dialog-title",
    )
    table = join(
        tag("p", tag("span", "", id="count", role="status")),
        listing.grid("Trials", head, alone=True, id="trials-table"),
        tag("button", "Show more trials", type="button", id="more-trials"),
        tag("noscript", tag("p", "The list of trials needs JavaScript.")),
        dialog,
    )
    return listing.section("trials", "Trials", join(filters, table), lead="Filters also apply to the queries and plots above.")


def _select(name: str, label: str) -> Markup:
    return tag("label", f"{label} ", tag("select", tag("option", "any", value=""), name=name))


def _codes(column: pl.Series, known: Sequence[str]) -> list[int]:
    number = {name: at for at, name in enumerate(known)}
    return [number[name] for name in column]


def _rounded(trials: pl.DataFrame, column: str, digits: int) -> list[float | None]:
    if column not in trials.columns:
        return [None] * trials.height
    return [None if value is None else round(value, digits) if digits else int(value) for value in trials[column]]


def _full(kept: Kept, trials: pl.DataFrame) -> dict[str, Any]:
    chosen = in_full(trials)
    facts = [name for name in _FACTS if name in trials.columns]
    full: dict[str, Any] = {
        row["trial_id"]: {"facts": {name: row[name] for name in facts if row[name] is not None}, "steps": [], "issues": []}
        for row in trials.filter(pl.col("trial_id").is_in(chosen)).select("trial_id", *facts).iter_rows(named=True)
    }
    for trial_id, row in _of(kept.steps, chosen, _STEP):
        full[trial_id]["steps"].append({name: _short(value) for name, value in row.items() if value is not None})
    for trial_id, row in _of(kept.issues, chosen, ("kind", "severity", "evidence", "recommendation")):
        full[trial_id]["issues"].append(row)
    return full


def _of(table: pl.DataFrame | None, chosen: Sequence[str], columns: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    if table is None:
        return []
    there = [name for name in columns if name in table.columns]
    rows = table.filter(pl.col("trial_id").is_in(chosen)).select("trial_id", *there).iter_rows(named=True)
    return [(row["trial_id"], {name: row[name] for name in there}) for row in rows]


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[: _LONGEST - 1] + "…"
    return value
