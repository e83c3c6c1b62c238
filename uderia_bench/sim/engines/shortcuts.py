"""Phases of Uderia's ``TDA_*`` tools without an LLM call: a chart, an answer from the context."""

from __future__ import annotations

from uderia_bench.sim.agent.scripts import PlannedPhase
from uderia_bench.sim.engines.phase_pen import PhasePen

_MOST_CHART_ROWS = 20


async def chart(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Draw a chart from concrete arguments; its result has no status."""
    tool = phase.tools[0]
    summary = "Component Fast-Path (chart): bypassing tactical LLM, arguments are concrete."
    pen.optimized({"correction_type": "deterministic_component", "phase_num": number, "summary": summary})
    metadata = pen.stamp(number)
    pen.intend(tool, phase.arguments)
    rows = [row for result in pen.results() for row in result.get("results", ())]
    spec = {"data": rows[:_MOST_CHART_ROWS], "type": "bar"}
    result = {"metadata": {"tool_name": tool}, "spec": spec, "type": "chart"}
    pen.returned(result)
    pen.entry(tool, phase.arguments, metadata, result)
    pen.context_done()


async def answer_from_context(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Answer with the text of the plan; the fast path is not logged and no report is written."""
    tool = phase.tools[0]
    pen.text = phase.arguments["answer_from_context"]
    metadata = pen.stamp(number)
    pen.intend(tool, phase.arguments)
    result = {"metadata": {"tool_name": tool}, "results": [{"response": pen.text}], "status": "success"}
    pen.entry(tool, phase.arguments, metadata, result)
    pen.run.emit("tool_result", {"details": result, "step": "Tool Execution Result", "tool_name": tool})
    pen.collected.append(result)
