"""A tool that knows single days, asked about a range: it is run for every day, beside the phase that fetches the date.

The two phases are a parallel group: the server holds their events back and flushes them when both are done, while the trace
keeps the real times.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uderia_bench.sim.agent import tools
from uderia_bench.sim.agent.scripts import DATE_TOOL, PlannedPhase, Use
from uderia_bench.sim.engines.run import Run
from uderia_bench.sim.state import new_id

if TYPE_CHECKING:
    from uderia_bench.sim.engines.phases import Phases  # only for its name: phases makes the group


class Group:
    """The parallel group of the date phase and the range phase."""

    def __init__(self, phases: Phases, members: list[tuple[int, PlannedPhase]]) -> None:
        self._phases = phases
        self._run = phases.run
        (self._date_number, _), (self._range_number, self._range) = members

    async def carry_out(self) -> None:
        """Run both phases and flush their events."""
        run, numbers = self._run, [self._date_number, self._range_number]
        details = {
            "parallel_phases": numbers,
            "summary": f"Executing {len(numbers)} independent phases concurrently: {numbers}",
        }
        run.step(f"Parallel Execution: phases {numbers}", "system_message", details)
        run.hold()
        self._current_date()
        await self._every_day()
        run.release()

    def _current_date(self) -> None:
        run, phases = self._run, self._phases
        phases.start(self._date_number)
        phases.fast(self._date_number, DATE_TOOL)
        asked = {"call_id": new_id(), "summary": f"Executing client-side tool: {DATE_TOOL}"}
        run.show(f"Calling LLM for {DATE_TOOL}", "system_message", asked)  # the server says so and calls none
        run.indicate("llm", "busy")
        phases.intend(DATE_TOOL, {})
        found = [{"current_date": run.today().isoformat()}]
        result = {"metadata": {"tool_name": DATE_TOOL}, "results": found, "status": "success"}
        metadata = {"execution_depth": 0, "phase_number": self._date_number, "timestamp": run.clock.stamp()}
        phases.entry(DATE_TOOL, {}, metadata, result)
        phases.collected.append(result)
        run.emit(None, {"details": result, "step": "Tool Execution Result", "type": "tool_result"})
        run.indicate("llm", "idle")
        run.emit("context_state_update", {"state": "processing_complete", "target": "context"})
        phases.end(self._date_number)

    async def _every_day(self) -> None:
        run, phases, tool = self._run, self._phases, self._range.tools[0]
        phrase = str(self._range.date_phrase)
        phases.start(self._range_number)
        phases.fast(self._range_number, tool)
        begun = {"date_param_name": "date", "date_phrase": phrase, "orchestration_type": "date_range", "target_tool": tool}
        nothing = {
            "metadata": {"comment": "Date range orchestration initiated"},
            "results": [],
            "status": "orchestration_started",
        }
        self._orchestration(begun, nothing)
        text = f"Detected date range query ('{phrase}') for single-day tool ('{tool}')."
        run.show("System Orchestration", "workaround", text)
        run.indicate("db", "busy")
        wanted = tools.days(phrase, run.today())
        summary = f"Executing {len(wanted)} date(s) concurrently for '{phrase}'"
        run.show("System Orchestration: date_range parallel", "system_message", {"summary": summary})
        uses = [Use(tool=tool, arguments={"date": day.isoformat()}) for day in wanted]
        answered = await asyncio.gather(*(_one_day(run, use) for use in uses))
        rows = [row for _, result in answered for row in result["results"]]
        metadata = {"comment": f"Consolidated results for {phrase}", "tool_name": tool}
        whole = {"metadata": metadata, "results": rows, "status": "success"}
        ended = {"num_iterations": len(uses), "orchestration_type": "date_range_complete", "target_tool": tool}
        self._orchestration(ended, whole)
        for use, (stamp, result) in zip(uses, answered, strict=True):
            phases.intend(tool, use.arguments, metadata={"timestamp": stamp})
            run.emit(None, {"details": result, "step": "Tool Execution Result", "type": "tool_result"})
        run.indicate("db", "idle")
        run.emit("context_state_update", {"state": "processing_complete", "target": "context"})
        phases.end(self._range_number)
        # Entries without a phase number sink below the group, and the consolidated one repeats what the days returned.
        for use, (stamp, result) in zip(uses, answered, strict=True):
            phases.entry(tool, use.arguments, {"timestamp": stamp}, result)
        last = {"execution_depth": 0, "timestamp": run.clock.stamp()}
        phases.entry(tool, self._range.arguments, last, whole)
        phases.collected += [whole, whole]

    def _orchestration(self, arguments: dict[str, Any], result: dict[str, Any]) -> None:
        metadata = {"is_orchestration": True, "phase_number": self._range_number, "timestamp": self._run.clock.stamp()}
        self._phases.entry("TDA_SystemOrchestration", arguments, metadata, result)


async def _one_day(run: Run, use: Use) -> tuple[str, dict[str, Any]]:
    """Run the tool for one day; the stamp is of the moment it came back."""
    _, result = await run.call_tool(use, 1)
    return run.clock.stamp(), result
