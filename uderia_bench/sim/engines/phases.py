"""Carrying out the phases of a plan: fast path, tactical call, dispatcher, loop, report."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from uderia_bench.sim.agent.scripts import Path, PlannedPhase, Use
from uderia_bench.sim.engines import columns, date_range, llm_tools, recovery, shortcuts
from uderia_bench.sim.engines.phase_pen import PhasePen
from uderia_bench.sim.engines.run import DEPTH


async def carry_out(pen: PhasePen) -> None:
    """Carry out every phase of the plan in order."""
    phases = list(enumerate(pen.plan.phases, start=1))
    if pen.plan.phases[0].path is Path.CURRENT_DATE:
        await date_range.run_group(pen, phases[:2])
        phases = phases[2:]
    for number, phase in phases:
        pen.start(number)
        await _PATHS[phase.path](pen, number, phase)
        pen.end(number)


async def _fast(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    pen.fast(number, phase.tools[0])
    pen.collected.append(await pen.tool(number, phase.uses[0]))
    pen.context_done()


async def _tactical(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    completion = await pen.decide(phase)
    if not phase.uses:  # the LLM chose to report at once
        await llm_tools.report(pen, number, prompt_name=None)
        return
    pen.collected.append(await pen.tool(number, phase.uses[0], tactical=True))
    pen.context_done(call_id=completion.call_id)


async def _columns(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    completion = await pen.decide(phase)
    await columns.iterate(pen, number, phase)
    pen.context_done(call_id=completion.call_id)


async def _dispatched(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Run several tools in turn without an LLM call, then add their results again as a summary."""
    text = f"Multi-tool phase detected. Agent will dispatch {len(phase.uses)} tools based on scope."
    pen.run.step("Scope-Aware Dispatcher Active", "workaround", text)
    results = [await pen.tool(number, use) for use in phase.uses]
    metadata = {**DEPTH, "timestamp": pen.run.clock.stamp()}
    message = {"message": f"Multi-Tool Phase: {phase.goal}"}
    action: dict[str, Any] = {"arguments": message, "metadata": metadata, "tool_name": "TDA_SystemLog"}
    pen.run.trace.append({"action": action, "result": results})
    pen.collected += results + results


async def _loop(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Run one tool for every row of the first result, without an LLM call."""
    tool, run = phase.tools[0], pen.run
    pen.optimized(f"FASTPATH enabled for tool loop: '{tool}'")
    items = pen.collected[0].get("results", [])
    run.indicate("db", "busy")
    for place, item in enumerate(items, start=1):
        run.step(f"Processing Loop Item {place}/{len(items)}", "system_message", item)
        use = Use(tool=tool, arguments={"database_name": item["DataBaseName"]})
        result = await pen.call(use)
        found = {**result, "results": [{**row, **item} for row in result["results"]]}
        pen.entry(tool, use.arguments, pen.stamp(number), found)
        pen.collected.append(found)
    run.indicate("db", "idle")


async def _report(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    pen.fast(number, phase.tools[0])
    await llm_tools.report(pen, number)


_PATHS: dict[Path, Callable[[PhasePen, int, PlannedPhase], Awaitable[None]]] = {
    Path.FAST: _fast,
    Path.TACTICAL: _tactical,
    Path.DISPATCHED: _dispatched,
    Path.LOOP: _loop,
    Path.LLM_TASK: llm_tools.task,
    Path.COLUMNS: _columns,
    Path.EXPANSION: columns.expand,
    Path.RECOVERY: recovery.exhaust_and_recover,
    Path.COMPONENT: shortcuts.chart,
    Path.CONTEXT: shortcuts.answer_from_context,
    Path.REPORT: _report,
}
