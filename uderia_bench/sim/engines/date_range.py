"""Running a single-day tool for every day of a range, in parallel with the date phase.

The two phases form a parallel group. The server holds back their events and emits them when both
phases are done; the trace keeps the real times.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uderia_bench.sim.agent import tools
from uderia_bench.sim.agent.scripts import DATE_TOOL, PlannedPhase, Use
from uderia_bench.sim.engines.phase_pen import PhasePen
from uderia_bench.sim.engines.run import DEPTH, Run
from uderia_bench.sim.state import new_id


async def run_group(pen: PhasePen, members: list[tuple[int, PlannedPhase]]) -> None:
    """Run the date phase and the range phase, then emit their events."""
    run, numbers = pen.run, [number for number, _ in members]
    (date_number, _), (range_number, range_phase) = members
    summary = f"Executing {len(numbers)} independent phases concurrently: {numbers}"
    run.step(f"Parallel Execution: phases {numbers}", "system_message", {"parallel_phases": numbers, "summary": summary})
    run.hold()
    _current_date(pen, date_number)
    await _every_day(pen, range_number, range_phase)
    run.release()


def _current_date(pen: PhasePen, number: int) -> None:
    run = pen.run
    pen.start(number)
    pen.fast(number, DATE_TOOL)
    asked = {"call_id": new_id(), "summary": f"Executing client-side tool: {DATE_TOOL}"}
    run.show(f"Calling LLM for {DATE_TOOL}", "system_message", asked)  # the server's wording; no LLM is called
    run.indicate("llm", "busy")
    pen.intend(DATE_TOOL, {})
    found = [{"current_date": run.today().isoformat()}]
    result = {"metadata": {"tool_name": DATE_TOOL}, "results": found, "status": "success"}
    pen.entry(DATE_TOOL, {}, pen.stamp(number), result)
    pen.collected.append(result)
    pen.returned(result)
    run.indicate("llm", "idle")
    pen.context_done()
    pen.end(number)


async def _every_day(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    run, tool, phrase = pen.run, phase.tools[0], str(phase.date_phrase)
    pen.start(number)
    pen.fast(number, tool)
    begun = {"date_param_name": "date", "date_phrase": phrase, "orchestration_type": "date_range", "target_tool": tool}
    comment = {"comment": "Date range orchestration initiated"}
    _log_orchestration(pen, number, begun, {"metadata": comment, "results": [], "status": "orchestration_started"})
    text = f"Detected date range query ('{phrase}') for single-day tool ('{tool}')."
    run.show("System Orchestration", "workaround", text)
    run.indicate("db", "busy")
    uses = [Use(tool=tool, arguments={"date": day.isoformat()}) for day in tools.days(phrase, run.today())]
    summary = f"Executing {len(uses)} date(s) concurrently for '{phrase}'"
    run.show("System Orchestration: date_range parallel", "system_message", {"summary": summary})
    answered = await asyncio.gather(*(_one_day(run, use) for use in uses))
    rows = [row for _, result in answered for row in result["results"]]
    metadata = {"comment": f"Consolidated results for {phrase}", "tool_name": tool}
    whole = {"metadata": metadata, "results": rows, "status": "success"}
    ended = {"num_iterations": len(uses), "orchestration_type": "date_range_complete", "target_tool": tool}
    _log_orchestration(pen, number, ended, whole)
    for use, (stamp, result) in zip(uses, answered, strict=True):
        pen.intend(tool, use.arguments, metadata={"timestamp": stamp})
        pen.returned(result)
    run.indicate("db", "idle")
    pen.context_done()
    pen.end(number)
    # The entries of the days have no phase number and follow the group; the consolidated entry
    # repeats their results.
    for use, (stamp, result) in zip(uses, answered, strict=True):
        pen.entry(tool, use.arguments, {"timestamp": stamp}, result)
    pen.entry(tool, phase.arguments, {**DEPTH, "timestamp": run.clock.stamp()}, whole)
    pen.collected += [whole, whole]


def _log_orchestration(pen: PhasePen, number: int, arguments: dict[str, Any], result: dict[str, Any]) -> None:
    metadata = {"is_orchestration": True, "phase_number": number, "timestamp": pen.run.clock.stamp()}
    pen.entry("TDA_SystemOrchestration", arguments, metadata, result)


async def _one_day(run: Run, use: Use) -> tuple[str, dict[str, Any]]:
    """Run the tool for one day; return the time of its result and the result."""
    result = await run.call_tool(use, 1)
    return run.clock.stamp(), result
