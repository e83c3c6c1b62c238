"""Runs for the page, made by hand: a frame of trials with steps and issues, as large or as hostile as a test wants."""

import polars as pl
from report.reports import arm, comparison, estimate, ratio, report, summary, winner

from uderia_bench.report.content import IssueSummary
from uderia_bench.report.formats.html import Kept

ARMS = ("IDEAT", "OPTIM")
_TIMES = {"IDEAT": 3.0, "OPTIM": 18.0}
_TOKENS = {"IDEAT": 16_000, "OPTIM": 12_000}


def trials(queries=12, repeats=5, *, name="q{}", failing=7):
    """Make a frame of trials: every ``failing``-th failed, one warm-up an arm first."""
    rows = [_row(0, "q0", one, "warmup", 1, name) for one in ARMS]
    for query in range(queries):
        for repeat in range(1, repeats + 1):
            for one in ARMS:
                rows.append(_row(len(rows), query, one, "measured", repeat, name, failed=len(rows) % failing == 0))
    return pl.DataFrame(rows, infer_schema_length=None)


def _row(seq, query, one, stage, repeat, name, *, failed=False):
    spread = 1 + (seq * 37 % 100) / 100
    return {
        "trial_id": f"{name.format(query)}-{one}-{stage[0]}{repeat}-{seq:05}",
        "seq": seq,
        "query_id": name.format(query),
        "complexity": ("simple", "complex", "edge")[seq % 3] if isinstance(query, str) else ("simple", "complex")[query % 2],
        "tags": ["metadata"] if seq % 2 else ["rows"],
        "arm": one,
        "repeat": repeat,
        "stage": stage,
        "outcome": "failed" if failed else "answered",
        "outcome_detail": "the tool broke" if failed else None,
        "latency_s": None if failed else _TIMES[one] * spread,
        "total_tokens": int(_TOKENS[one] * spread),
        "cost_usd": 0.01 * spread,
        "session_id": f"session-{seq}",
        "task_id": f"task-{seq}",
    }


def steps(frame):
    """Make a phase with an LLM call and a tool call for every OPTIM trial."""
    rows = []
    for trial_id, one, stage in frame.select("trial_id", "arm", "stage").iter_rows():
        if one != "OPTIM":
            continue
        shared = {"trial_id": trial_id, "arm": one, "stage": stage, "index": 1, "start_s": 0.5, "duration_s": 2.0}
        rows += [
            {**shared, "kind": "phase", "name": "Count the databases.", "status": "completed", "path": "fast"},
            {**shared, "kind": "llm_call", "class": "strategic", "name": "Planning", "input_tokens": 7800,
             "output_tokens": 300},
            {**shared, "kind": "tool_call", "class": "data", "name": "base_databaseList", "status": "success", "path": "plan",
             "parent": 1, "arguments": "{}"},
        ]  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def issues(frame):
    """Make one issue in the first OPTIM trial."""
    first = frame.filter(pl.col("arm") == "OPTIM")["trial_id"].head(1)
    return pl.DataFrame(
        [{"trial_id": trial_id, "kind": "recursion", "severity": "error", "evidence": ["tool_call 1: again"],
          "recommendation": "Limit the tool's retries."}
         for trial_id in first]
    )  # fmt: skip


def kept(frame=None, **given):
    """Keep a run's tables."""
    frame = trials() if frame is None else frame
    default = {
        "manifest": {"run_id": "r"},
        "steps": steps(frame),
        "issues": issues(frame),
        "prompts": {"q0": "how many databases?"},
    }
    return Kept(trials=frame, **(default | given))


def page_report(**given):
    """Say what a run of two arms comes to."""
    arms = [
        arm(
            one,
            summary(
                "latency_s", _TIMES[one], 0.5, percentiles={p: estimate(_TIMES[one] * p / 50, 0.3) for p in (50, 90, 95, 99)}
            ),
            summary("total_tokens", _TOKENS[one], 300),
            summary("cost_usd", 0.01, 0.001),
            summary("strategic_tokens", _TOKENS[one] * 0.7, 100),
            summary("report_tokens", _TOKENS[one] * 0.3, 100),
            answered=52,
            failed=8,
        )
        for one in ARMS
    ]
    default = {
        "arms": arms,
        "comparisons": (
            comparison("latency_s", ratio(6.0, 5.5, 6.6), "worse"),
            comparison("total_tokens", ratio(0.75, 0.7, 0.8), "better"),
            comparison("latency_s", ratio(6.2, 5.7, 6.8), "worse", stratum="complexity=simple"),
        ),
        "winners": (winner("simple", "IDEAT", "better on time"), winner("complex", None, "a trade-off")),
        "issues": (
            IssueSummary(kind="recursion", severity="error", count=3, share=0.05, recommendation="Limit the tool's retries."),
        ),
    }
    return report(**(default | given))
