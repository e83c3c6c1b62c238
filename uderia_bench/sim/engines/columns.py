"""A tool that knows single columns, asked about a table: the server describes the table and runs the tool for every column.

One entry of the trace stands for all of these calls; the events show each (docs/reference/protocol.md, "Orchestrators").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uderia_bench.sim.agent.scripts import PlannedPhase, Use
from uderia_bench.sim.engines.run import Run
from uderia_bench.sim.state import new_id

if TYPE_CHECKING:
    from uderia_bench.sim.engines.phases import Phases  # only for its name: phases calls this

_DESCRIBE = "base_columnDescription"
_CONSTRAINTS = "Determining tool constraints for column iteration."


async def iterate(phases: Phases, number: int, phase: PlannedPhase) -> None:
    """Run the phase's tool for every column of its table, after the tactical call that chose it."""
    run, use = phases.run, phase.uses[0]
    text = f"Dispatcher is invoking column iteration for '{use.tool}' because 'column_name' was missing."
    run.step("Scope-Aware Dispatcher Action", "plan_optimization", text)
    results = await _every_column(phases, use)
    metadata = {"execution_depth": 0, "phase_number": number, "timestamp": run.clock.stamp()}
    whole = {"metadata": {"tool_name": use.tool}, "results": results, "status": "success"}
    phases.entry(use.tool, use.arguments, metadata, whole)
    phases.collected += results[1:]


async def expand(phases: Phases, number: int, phase: PlannedPhase) -> None:
    """Run it as a fast loop over the columns: an entry of the trace each, and no tactical call."""
    run, use = phases.run, phase.uses[0]
    text = f"FASTPATH Data Expansion: Preparing column-level iteration for '{use.tool}'."
    run.step("Plan Optimization", "plan_optimization", text)
    await _ask_constraints(run)
    described = await _call(phases, Use(tool=_DESCRIBE, arguments=use.arguments))
    found = {"execution_depth": 0, "phase_number": number, "timestamp": run.clock.stamp()}
    phases.entry(_DESCRIBE, use.arguments, found, described)
    run.step("Plan Optimization", "plan_optimization", f"FASTPATH enabled for tool loop: '{use.tool}'")
    columns = _names(described)
    for place, column in enumerate(columns, start=1):
        run.step(f"Processing Loop Item {place}/{len(columns)}", "system_message", {"ColumnName": column})
        one = Use(tool=use.tool, arguments={**use.arguments, "column_name": column})
        result = await _call(phases, one)
        stamp = {"execution_depth": 0, "phase_number": number, "timestamp": run.clock.stamp()}
        phases.entry(use.tool, one.arguments, stamp, result)
        phases.collected.append(result)


async def _every_column(phases: Phases, use: Use) -> list[dict[str, Any]]:
    described = await _call(phases, Use(tool=_DESCRIBE, arguments=use.arguments))
    await _ask_constraints(phases.run)
    uses = (Use(tool=use.tool, arguments={**use.arguments, "column_name": column}) for column in _names(described))
    return [described, *[await _call(phases, one) for one in uses]]


def _names(described: dict[str, Any]) -> list[str]:
    return [str(row["ColumnName"]) for row in described["results"]]


async def _ask_constraints(run: Run) -> None:
    """Ask which columns the tool is for; the event comes before the call, the trace's entry after it."""
    asked = {"call_id": new_id(), "summary": _CONSTRAINTS}
    run.show("Calling LLM", "system_message", asked)
    run.indicate("llm", "busy")
    completion = await run.ask_llm("classify_columns", call_id=asked["call_id"])
    run.called(run.llm, None, run.profile.tag)
    run.log("Calling LLM", "system_message", {**asked, **completion.tokens()})
    run.indicate("llm", "idle")
    run.token_update(completion)


async def _call(phases: Phases, use: Use) -> dict[str, Any]:
    """Make one call that the events show and the trace does not."""
    run = phases.run
    run.indicate("db", "busy")
    phases.intend(use.tool, use.arguments)
    _, result = await run.call_tool(use, 1)
    run.emit(None, {"details": result, "step": "Tool Execution Result", "type": "tool_result"})
    run.indicate("db", "idle")
    return result
