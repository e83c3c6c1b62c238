"""Running a single-column tool for every column of a table.

The server describes the table first and then calls the tool once per column. After a tactical call
one trace entry holds all of these calls, and the events show each of them
(docs/reference/protocol.md, "Orchestrators").
"""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.agent.scripts import PlannedPhase, Use
from uderia_bench.sim.engines.phase_pen import PhasePen

_DESCRIBE = "base_columnDescription"


async def iterate(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Run the tool for every column and add one trace entry for all calls."""
    use = phase.uses[0]
    text = f"Dispatcher is invoking column iteration for '{use.tool}' because 'column_name' was missing."
    pen.run.step("Scope-Aware Dispatcher Action", "plan_optimization", text)
    described = await pen.call(_description(use))
    await _ask_constraints(pen)
    results = [described, *[await pen.call(one) for one in _column_uses(use, described)]]
    whole = {"metadata": {"tool_name": use.tool}, "results": results, "status": "success"}
    pen.entry(use.tool, use.arguments, pen.stamp(number), whole)
    pen.collected += results[1:]


async def expand(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Run the tool as a fast loop over the columns, with one trace entry per call."""
    use = phase.uses[0]
    pen.optimized(f"FASTPATH Data Expansion: Preparing column-level iteration for '{use.tool}'.")
    await _ask_constraints(pen)
    described = await pen.call(_description(use))
    pen.entry(_DESCRIBE, use.arguments, pen.stamp(number), described)
    pen.optimized(f"FASTPATH enabled for tool loop: '{use.tool}'")
    uses = _column_uses(use, described)
    for place, one in enumerate(uses, start=1):
        item = {"ColumnName": one.arguments["column_name"]}
        pen.run.step(f"Processing Loop Item {place}/{len(uses)}", "system_message", item)
        result = await pen.call(one)
        pen.entry(one.tool, one.arguments, pen.stamp(number), result)
        pen.collected.append(result)


def _description(use: Use) -> Use:
    return Use(tool=_DESCRIBE, arguments=use.arguments)


def _column_uses(use: Use, described: dict[str, Any]) -> list[Use]:
    columns = [str(row["ColumnName"]) for row in described["results"]]
    return [Use(tool=use.tool, arguments={**use.arguments, "column_name": column}) for column in columns]


async def _ask_constraints(pen: PhasePen) -> None:
    """Ask the LLM which columns the tool is for."""
    summary = "Determining tool constraints for column iteration."
    await pen.run.ask_announced("Calling LLM", "classify_columns", summary)
