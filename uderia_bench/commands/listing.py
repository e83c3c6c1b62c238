"""Lists of runs, and of the trials of a run, for a reader who looks for one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from rich.cells import cell_len

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.printable import plain
from uderia_bench.report.formats.layout import wrapped
from uderia_bench.runs import files, find
from uderia_bench.runs.directory import REPORT, RunDirectory
from uderia_bench.runs.run import Run
from uderia_bench.trial import Outcome, Stage

SHOWN = ("trial_id", "arm", "query_id", "repeat", "outcome", "latency_s", "total_tokens", "cost_usd", "checks_passed_ratio")
"""The columns of a list of trials."""
_DETAIL = "outcome_detail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One run of a list. Numbers and headline are those of its report, None and () where it has none yet.

    ``summary`` is the line of the headline to show.
    """

    run_id: str
    experiment: str
    started_at: str
    state: str
    trials: int | None
    answered: int | None
    gates: int
    gates_passed: int
    tokens: int | None
    cost_usd: float | None
    headline: tuple[str, ...]
    summary: str


def runs(output: Path, *, experiment: str | None = None, most: int | None = None) -> tuple[Listed, ...]:
    """Return the runs in a directory, the newest first. A run that cannot be read is listed as ``unreadable``."""
    found = [listed(each) for each in find.runs(output)]
    chosen = [each for each in found if experiment in (None, each.experiment)]
    return tuple(sorted(chosen, key=lambda each: each.started_at, reverse=True)[:most])


def listed(directory: RunDirectory) -> Listed:
    """Return one run of the list."""
    try:
        return _row(directory, directory.read_manifest(), _report(directory))
    except (StoreError, ValueError, AttributeError, KeyError, TypeError):  # files of another shape than a run's
        return _row(directory, {"state": "unreadable"}, {})


def _report(directory: RunDirectory) -> dict[str, Any]:
    try:
        report: dict[str, Any] = orjson.loads(files.read(directory.path / REPORT))
    except FileNotFoundError:
        return {}
    return report


def _row(directory: RunDirectory, said: Mapping[str, Any], report: Mapping[str, Any]) -> Listed:
    settled = report.get("run", {}).get("settled")
    gates = report.get("gates", ())
    headline = tuple(report.get("headline", ()))
    costs = [cost["total_usd"] for cost in report.get("costs", ())]
    spent = (report.get("spending") or {}).get("spent", {})  # warm-ups and trials without an answer too; not in 0.1.0
    tokens, usd = spent.get("tokens"), spent.get("usd")
    return Listed(
        run_id=directory.run_id,
        experiment=str(said.get("experiment", {}).get("name", "")),
        started_at=str(said.get("started_at", "")),
        state="abandoned" if said.get("state") == "running" and directory.abandoned() else str(said.get("state", "")),
        trials=None if settled is None else sum(settled.values()),
        answered=None if settled is None else settled.get(Outcome.ANSWERED.value, 0),
        gates=len(gates),
        gates_passed=sum(bool(gate["passed"]) for gate in gates),
        tokens=None if tokens is None else round(tokens),
        cost_usd=usd if usd is not None else sum(costs) if costs else None,
        headline=headline,
        summary=report.get("summary", "".join(headline[:1])),  # reports of 0.1.0 have no summary
    )


def runs_text(found: Sequence[Listed], width: int) -> str:
    """Return the runs as a table, with a line of each headline below its row."""
    rows = [
        (
            _minute(each.started_at),
            each.state,
            "-" if each.trials is None else f"{each.answered}/{each.trials}",
            f"{each.gates_passed}/{each.gates}" if each.gates else "-",
            "-" if each.cost_usd is None else f"${each.cost_usd:.4g}",
            each.run_id,
        )
        for each in found
    ]
    below = [each.summary for each in found]
    return _table(("started (UTC)", "state", "answered", "gates", "cost", "run"), rows, below, width)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]], below: Sequence[str], width: int) -> str:
    """Return lines of a table whose last column is a name, which stays whole so that it can be copied."""
    shown = [[plain(text) for text in row] for row in (heads, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)][:-1]
    lines: list[str] = []
    for row, said in zip(shown, ("", *below), strict=True):
        lines.append(
            "  ".join([*(text + " " * (size - cell_len(text)) for text, size in zip(row, widths, strict=False)), row[-1]])
        )
        lines += wrapped(said, width, first="  ", rest="  ") if said else []
    return "\n".join(lines)


def _minute(stamp: str) -> str:
    try:
        return f"{datetime.fromisoformat(stamp):%Y-%m-%d %H:%M}"
    except ValueError:
        return "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which trials to list. ``slowest`` sorts by latency and keeps that many; ``most`` is the limit otherwise."""

    outcome: str | None = None
    arm: str | None = None
    query: str | None = None
    checks_failed: bool = False
    warmup: bool = False
    slowest: int | None = None
    most: int | None = None


def trials(run: Run, wanted: Wanted) -> pl.DataFrame:
    """Return the trials of a run, in the order of sending. Raises ``UsageError`` for an unknown outcome, arm or query."""
    found = run.trials()
    if not wanted.warmup:
        found = found.filter(pl.col("stage") == Stage.MEASURED.value)
    known = {"outcome": sorted(Outcome), "arm": sorted(found["arm"].unique()), "query": sorted(found["query_id"].unique())}
    for name, column in (("outcome", "outcome"), ("arm", "arm"), ("query", "query_id")):
        if (value := getattr(wanted, name)) is not None:
            if value not in known[name]:
                raise UsageError(f"--{name} {value}: use one of {', '.join(known[name])}")
            found = found.filter(pl.col(column) == value)
    if wanted.checks_failed:
        ratio = "checks_passed_ratio"
        found = found.filter(pl.col(ratio) < 1) if ratio in found.columns else found.clear()
    if wanted.slowest is not None and "latency_s" in found.columns:
        return found.sort("latency_s", descending=True, nulls_last=True).head(wanted.slowest)
    found = found.sort("seq") if "seq" in found.columns else found
    return found if wanted.most is None else found.head(wanted.most)


def trial_rows(found: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the trials with the columns of the list."""
    return found.select(name for name in (*SHOWN, _DETAIL) if name in found.columns).to_dicts()


def trials_text(run: Run, found: pl.DataFrame, width: int) -> str:
    """Return the trials as a table. The reason is below a trial that was not answered."""
    forms: dict[str, tuple[str, str]] = {
        "outcome": ("outcome", "{}"),
        "latency_s": ("time", "{:.3g}s"),
        "total_tokens": ("tokens", "{:,}"),
        "cost_usd": ("cost", "${:.3g}"),
        "checks_passed_ratio": ("checks", "{:.0%}"),
        "trial_id": ("trial", "{}"),
    }
    shown = [name for name in forms if name in found.columns]
    rows = [
        tuple("-" if row[name] is None else forms[name][1].format(row[name]) for name in shown)
        for row in found.iter_rows(named=True)
    ]
    reasons = [
        "" if row["outcome"] == Outcome.ANSWERED.value else row.get(_DETAIL) or "" for row in found.iter_rows(named=True)
    ]
    table = _table(tuple(forms[name][0] for name in shown), rows, reasons, width)
    return f"{table}\nTo see one: uderia-bench inspect {plain(run.run_id)} TRIAL" if rows else table
