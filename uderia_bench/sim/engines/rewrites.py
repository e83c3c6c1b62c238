"""The twelve rewriting passes that change a plan after the LLM wrote it, in their fixed order.

A log message ``Plan Rewrite`` follows each pass that changed the plan
(docs/reference/protocol.md, "Log messages"). A prompt asks for one pass with
``#rewrite=sql_consolidation`` and for all of them with ``#rewrite=all``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.engines.run import Run
from uderia_bench.sim.state import new_id

GUARANTEE = "final_report_guarantee"
Entries = list[dict[str, Any]]
_WORKAROUND, _OPTIMIZATION = "workaround", "plan_optimization"
_OPTIMIZED, _CORRECTED = "Plan Optimization", "System Correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """One pass and what it logs. ``asks`` is the message of its LLM call, None without one."""

    name: str
    message: str
    kind: str
    details: Callable[[Entries], Any]
    asks: str | None = None


def _first_tool(entries: Entries) -> str:
    return next((tool for entry in entries for tool in entry["relevant_tools"]), "base_readQuery")


def _corrected(text: str) -> Callable[[Entries], Any]:
    return lambda entries: {"correction": {"plan": entries}, "summary": text}


REWRITES = (
    Rewrite(
        name="temporal_data_flow",
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=lambda entries: {
            "correction_type": "temporal_data_flow_wiring",
            "injected_argument": "date",
            "injected_value": "result_of_phase_1",
            "phase_number": len(entries),
            "summary": f"Wired the date of phase 1 into '{_first_tool(entries)}'.",
            "target_tool": _first_tool(entries),
        },
    ),
    Rewrite(
        name="sql_consolidation",
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=_corrected("The initial SQL plan was inefficient. It has been consolidated into a single query."),
        asks="Optimizing SQL Plan",
    ),
    Rewrite(
        name="llm_filter_deloop",
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=_corrected("The plan has been rewritten to filter all items in a single, efficient step."),
    ),
    Rewrite(
        name="multi_loop_synthesis",
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=_corrected("The plan has been rewritten to include a data distillation step before the final summary."),
    ),
    Rewrite(
        name="llm_task_optimization",
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=_corrected("The plan has been rewritten to synthesize everything in a single, efficient step."),
        asks="Analyzing Plan Efficiency",
    ),
    Rewrite(
        name="date_range_wiring",
        message=_CORRECTED,
        kind="optimization",
        details=lambda entries: {"summary": f"Tool accepts a date range natively: '{_first_tool(entries)}' is called once."},
    ),
    Rewrite(
        name="plan_validation",
        message=_OPTIMIZED,
        kind=_WORKAROUND,
        details=lambda _: "Plan contained hallucinated arguments. They have been removed by the system.",
    ),
    Rewrite(
        name="chart_data_reuse",
        message=_OPTIMIZED,
        kind=_OPTIMIZATION,
        details=lambda _: {
            "collapsed_phases": [1],
            "correction_type": "chart_data_reuse",
            "summary": "Chart Data Reuse: the data of the previous turn is charted without a new query.",
        },
    ),
    Rewrite(
        name="charting_cleanup",
        message=_OPTIMIZED,
        kind=_OPTIMIZATION,
        details=lambda entries: {
            "correction_type": "charting_argument_cleanup",
            "phase_number": len(entries),
            "stripped_arguments": ["title_color"],
            "summary": "Removed arguments the charting tool does not take.",
        },
    ),
    Rewrite(
        name="plan_hydration",
        message=_OPTIMIZED,
        kind=_OPTIMIZATION,
        details=lambda _: "PLAN HYDRATION: Injected data from the previous turn to skip redundant data gathering.",
    ),
    Rewrite(
        name="context_report",
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=_corrected("TDA_ContextReport was missing an answer. It has been synthesized from the knowledge at hand."),
        asks="Synthesizing Knowledge Answer",
    ),
    Rewrite(
        name=GUARANTEE,
        message=_CORRECTED,
        kind=_WORKAROUND,
        details=lambda entries: {
            "correction": {"added_phase": entries[-1]},
            "summary": "The plan was missing a final reporting step. The system has added it.",
        },
    ),
)


async def apply(run: Run, wanted: Iterable[str], entries: Entries) -> None:
    """Log the wanted passes in their order, with their LLM calls. ``entries`` is the final plan."""
    for rewrite in REWRITES:
        if rewrite.name not in wanted:
            continue
        if rewrite.asks is not None:
            await _ask(run, rewrite.asks)
        run.step(rewrite.message, rewrite.kind, rewrite.details(entries))
        delta = 1 if rewrite.name == GUARANTEE else 0
        counts = {"delta": delta, "phases_after": len(entries), "phases_before": len(entries) - delta}
        run.step("Plan Rewrite", "plan_rewrite_diff", {"pass": rewrite.name, **counts})


async def _ask(run: Run, message: str) -> None:
    """Make the LLM call of a pass. The trace has its tokens, except for the SQL pass."""
    asked = {"call_id": new_id(), "summary": f"{message}."}
    run.step(message, _OPTIMIZATION, asked)
    run.indicate("llm", "busy")
    completion = await run.ask_llm("refine", call_id=asked["call_id"])
    run.called(run.llm, None, run.profile.tag)
    run.indicate("llm", "idle")
    if message == "Analyzing Plan Efficiency":
        run.log(message, "system_message", {**asked, **completion.tokens()})
    elif message == "Synthesizing Knowledge Answer":
        run.step(message, "system_message", {**asked, **completion.tokens()})
    run.token_update(completion)
