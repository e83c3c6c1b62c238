"""Phases of Uderia's own tools that need no LLM: a chart from concrete arguments, an answer the plan already holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uderia_bench.sim.agent.scripts import PlannedPhase

if TYPE_CHECKING:
    from uderia_bench.sim.engines.phases import Phases  # only for its name: phases calls this

_CHARTED = 20  # rows a chart takes


async def chart(phases: Phases, number: int, phase: PlannedPhase) -> None:
    """Draw a chart without asking; what comes back has no status."""
    run, tool = phases.run, phase.tools[0]
    summary = "Component Fast-Path (chart): bypassing tactical LLM, arguments are concrete."
    details = {"correction_type": "deterministic_component", "phase_num": number, "summary": summary}
    run.step("Plan Optimization", "plan_optimization", details)
    stamp = run.clock.stamp()
    phases.intend(tool, phase.arguments)
    spec = {"data": [row for result in phases.results() for row in result.get("results", ())][:_CHARTED], "type": "bar"}
    result = {"metadata": {"tool_name": tool}, "spec": spec, "type": "chart"}
    run.emit(None, {"details": result, "step": "Tool Execution Result", "type": "tool_result"})
    phases.entry(tool, phase.arguments, {"execution_depth": 0, "phase_number": number, "timestamp": stamp}, result)
    run.emit("context_state_update", {"state": "processing_complete", "target": "context"})


async def answer_from_context(phases: Phases, number: int, phase: PlannedPhase) -> None:
    """Answer from what the plan already says: no log of the fast path, no LLM call, no report."""
    run, tool = phases.run, phase.tools[0]
    phases.text = phase.arguments["answer_from_context"]
    stamp = run.clock.stamp()
    phases.intend(tool, phase.arguments)
    result = {"metadata": {"tool_name": tool}, "results": [{"response": phases.text}], "status": "success"}
    phases.entry(tool, phase.arguments, {"execution_depth": 0, "phase_number": number, "timestamp": stamp}, result)
    run.emit("tool_result", {"details": result, "step": "Tool Execution Result", "tool_name": tool})
    phases.collected.append(result)
