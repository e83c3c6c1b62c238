"""Issues over a whole run: how often each kind occurs, on which queries, at what share of the tokens.

Only measured trials count. A share is of the trials on the arms where the kind occurs, because a
planner's issue cannot occur on an arm without a planner.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from uderia_bench.printable import count_of
from uderia_bench.reading.detectors import Detector, Severity
from uderia_bench.report.content import IssueSummary
from uderia_bench.trace import CallClass, PhasePath, StepKind
from uderia_bench.trial import Stage

SAVED = "fast_path_saved"  # not from a detector: what went well (docs/reference/seed.md, "Best practices")
_QUERIES_SHOWN = 5
_WITHOUT_TACTICAL = [PhasePath.FAST.value, PhasePath.DISPATCHED.value, PhasePath.ORCHESTRATED.value]
_WORST_FIRST = [Severity.ERROR, Severity.WARNING, Severity.INFO]


def summarise(
    issues: pl.DataFrame, trials: pl.DataFrame, steps: pl.DataFrame, detectors: Sequence[Detector]
) -> tuple[IssueSummary, ...]:
    """Return one summary per kind: errors first, then the most frequent, then what the fast path saved."""
    measured = _measured(trials).select("trial_id", "arm", "query_id", "total_tokens")
    advice = {detector.name: detector.recommendation for detector in detectors}
    found = [
        _summary(str(kind), rows, measured, advice.get(str(kind)))
        for (kind,), rows in _measured(issues).group_by("kind", maintain_order=True)
    ]
    found.sort(key=lambda summary: (_WORST_FIRST.index(Severity(summary.severity)), -summary.count, summary.kind))
    saved = _saved(_measured(steps), measured)
    return (*found, saved) if saved is not None else tuple(found)


def _measured(table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.col("stage") == Stage.MEASURED.value)


def _summary(kind: str, rows: pl.DataFrame, measured: pl.DataFrame, advice: str | None) -> IssueSummary:
    severities = set(rows["severity"])
    on_its_arms = measured.filter(pl.col("arm").is_in(rows["arm"].unique().implode()))
    count = rows["trial_id"].n_unique()
    example = rows.row(0, named=True)
    seen = "; ".join(example["evidence"])
    arms = sorted(
        (_on_arm(str(arm), of_arm, measured) for (arm,), of_arm in rows.group_by("arm", maintain_order=True)), reverse=True
    )
    return IssueSummary(
        kind=kind,
        severity=next(severity for severity in _WORST_FIRST if severity in severities),
        count=count,
        share=count / on_its_arms.height if on_its_arms.height else None,
        recommendation=advice or example["recommendation"],
        evidence=(
            *(said for _, _, said in arms),
            f"for example trial {example['trial_id']}: {seen}",
        ),
        seen=seen,
        trial=example["trial_id"],
        worst=(arms[0][1], arms[0][0]),
    )


def _on_arm(arm: str, rows: pl.DataFrame, measured: pl.DataFrame) -> tuple[float, str, str]:
    """Return an arm's share of trials with the issue, and how often, on which queries and at what cost."""
    own = measured.filter(pl.col("arm") == arm)
    count = rows["trial_id"].n_unique()
    said = f"{arm}: {count} of {count_of(own.height, 'trial')}, {_queries(rows)}"
    lost, total = int(rows["tokens_lost"].sum()), int(own["total_tokens"].sum())
    cost = f"; about {lost:,} tokens, {lost / total:.1%} of the arm's" if lost and total else ""
    return (count / own.height if own.height else 0.0), arm, f"{said}{cost}"


def _queries(rows: pl.DataFrame) -> str:
    of_query = rows.group_by("query_id").agg(pl.col("trial_id").n_unique().alias("n"))
    counts = of_query.sort(["n", "query_id"], descending=[True, False]).rows()
    named = ", ".join(f"{query} ({n})" for query, n in counts[:_QUERIES_SHOWN])
    more = len(counts) - _QUERIES_SHOWN
    return f"queries {named}" + (f" and {more} more" if more > 0 else "")


def _saved(steps: pl.DataFrame, measured: pl.DataFrame) -> IssueSummary | None:
    """Return an estimate of what the skipped tactical calls saved.

    It is the number of data phases that skipped one, times the arm's mean tactical call.
    """
    tools = steps.filter((pl.col("kind") == StepKind.TOOL_CALL.value) & (pl.col("class") == "data"))
    phases = steps.filter((pl.col("kind") == StepKind.PHASE.value) & pl.col("path").is_in(_WITHOUT_TACTICAL))
    fast = phases.join(tools.select("trial_id", pl.col("parent").alias("index")).unique(), on=["trial_id", "index"], how="semi")
    if fast.is_empty():
        return None
    calls = steps.filter((pl.col("kind") == StepKind.LLM_CALL.value) & (pl.col("class") == CallClass.TACTICAL.value))
    sizes = calls.group_by("arm").agg((pl.col("input_tokens") + pl.col("output_tokens")).mean().alias("mean"))
    means: dict[str, float] = dict(sizes.rows())
    on_its_arms = measured.filter(pl.col("arm").is_in(fast["arm"].unique().implode()))
    count = fast["trial_id"].n_unique()
    evidence = tuple(
        _estimate(str(arm), of_arm.height, means.get(str(arm)), measured)
        for (arm,), of_arm in fast.group_by("arm", maintain_order=True)
    )
    return IssueSummary(
        kind=SAVED,
        severity=Severity.INFO,
        count=count,
        share=count / on_its_arms.height if on_its_arms.height else None,
        recommendation="No action needed: the planner skipped these LLM calls.",
        evidence=evidence,
        seen=evidence[0],
    )


def _estimate(arm: str, phases: int, mean: float | None, measured: pl.DataFrame) -> str:
    skipped = count_of(phases, "data phase")
    if mean is None:
        return f"{arm}: {skipped}; no estimate, because this run has no tactical call"
    total = int(measured.filter(pl.col("arm") == arm)["total_tokens"].sum())
    share = f", {phases * mean / total:.1%} of the arm's tokens" if total else ""
    saved = f"{skipped} x {mean:,.0f} tokens (mean tactical call) = {phases * mean:,.0f} tokens saved"
    return f"{arm}: {saved}{share}"
