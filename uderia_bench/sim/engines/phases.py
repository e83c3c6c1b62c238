"""Carrying out the phases of a plan: fast path, tactical call, dispatcher, loop, and the report at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from uderia_bench.sim.agent import answers
from uderia_bench.sim.agent.scripts import ATTEMPTS, Path, PlannedPhase, PlanScript, Use
from uderia_bench.sim.engines import columns, distillation, llm_tools, shortcuts, snapshots
from uderia_bench.sim.engines.date_range import Group
from uderia_bench.sim.engines.planner import Plan
from uderia_bench.sim.engines.recovery import exhaust_and_recover
from uderia_bench.sim.engines.run import Completion, Run
from uderia_bench.sim.engines.self_correction import correct

_SLOW_PATHS = (Path.TACTICAL, Path.LLM_TASK, Path.COLUMNS, Path.RECOVERY)  # those with a tactical call


class Phases:
    """The phases of one turn, carried out in order. ``collected`` is what the report is written from."""

    def __init__(self, run: Run, plan: Plan, script: PlanScript) -> None:
        self.run = run
        self.plan = plan
        self.collected: list[dict[str, Any]] = []
        self.text = answers.NOTHING_FOUND
        self.observations: list[str] = []
        self.completed = 0
        self.script = script
        self._paths: dict[Path, Callable[[int, PlannedPhase], Awaitable[None]]] = {
            Path.TACTICAL: self._tactical,
            Path.DISPATCHED: self._dispatched,
            Path.LOOP: self._loop,
            Path.LLM_TASK: partial(llm_tools.task, self),
            Path.COLUMNS: self._columns,
            Path.EXPANSION: partial(columns.expand, self),
            Path.RECOVERY: partial(exhaust_and_recover, self),
            Path.COMPONENT: partial(shortcuts.chart, self),
            Path.CONTEXT: partial(shortcuts.answer_from_context, self),
        }

    async def carry_out(self) -> None:
        """Carry out every phase."""
        phases = list(enumerate(self.plan.phases, start=1))
        if self.plan.phases[0].path is Path.CURRENT_DATE:
            await self._parallel(phases[:2])
            phases = phases[2:]
        for number, phase in phases:
            self.start(number)
            await self._one(number, phase)
            self.end(number)

    async def _one(self, number: int, phase: PlannedPhase) -> None:
        if phase.path is Path.FAST:
            self.fast(number, phase.tools[0])
            self.collected.append(await self.tool(number, phase.uses[0]))
            self.run.emit("context_state_update", {"state": "processing_complete", "target": "context"})
        elif phase.path is Path.REPORT:
            self.fast(number, phase.tools[0])
            await llm_tools.report(self, number)
        else:
            await self._paths[phase.path](number, phase)

    def results(self) -> list[dict[str, Any]]:
        """Return what was collected, each result once: the dispatcher and the orchestrator collect theirs twice."""
        return list({id(result): result for result in self.collected}.values())

    # --- marks

    def start(self, number: int) -> None:
        """Announce a phase."""
        total, entry = len(self.plan.phases), self.plan.entries[number - 1]
        details = {
            "execution_depth": 0,
            "goal": entry["goal"],
            "phase_details": entry,
            "phase_num": number,
            "total_phases": total,
        }
        self.run.step(f"Starting Plan Phase {number}/{total}", "phase_start", details)
        self.run.truth.phases += 1
        if self.plan.phases[number - 1].path not in _SLOW_PATHS:
            self.run.truth.fastpath_phases += 1

    def end(self, number: int) -> None:
        """Close a phase."""
        total = len(self.plan.phases)
        details = {"execution_depth": 0, "phase_num": number, "status": "completed", "total_phases": total}
        self.run.step(f"Ending Plan Phase {number}/{total}", "phase_end", details)
        self.completed += 1

    def fast(self, number: int, tool: str) -> None:
        """Announce that a phase skips the tactical call."""
        details = {"phase_num": number, "summary": f"FASTPATH initiated for '{tool}'."}
        self.run.step("Plan Optimization", "plan_optimization", details)

    # --- tools

    async def tool(self, number: int, use: Use, *, tactical: bool = False) -> dict[str, Any]:
        """Call one tool with its corrections; every attempt is a trace entry, and one that a tactical step chose says so."""
        named = {"prompt_name": None} if tactical else {}
        result: dict[str, Any] = {}
        for attempt in range(1, ATTEMPTS + 1):
            arguments = use.bad_arguments if attempt <= use.failures else use.arguments
            stamp = self.run.clock.stamp()
            self.run.indicate("db", "busy")
            self.intend(use.tool, arguments, **(named if attempt == 1 else {}))
            _, result = await self.run.call_tool(use, attempt)
            failed = result["status"] == "error"
            self.run.emit(None, _outcome(result))
            self.run.indicate("db", "idle")
            depth = {"execution_depth": 0} if attempt == 1 else {}
            again = stamp if attempt == 1 else self.run.clock.stamp()
            metadata = {**depth, "phase_number": number, "timestamp": again}
            self.entry(use.tool, arguments, metadata, result, **(named if attempt == 1 else {}))
            if not failed:
                break
            self.run.emit("tool_error", {"details": result, "tool_name": use.tool})
            await correct(self.run, use, attempt, result)
        return result

    def intend(self, tool: str, arguments: dict[str, Any], **extra: Any) -> None:
        """Show the call that is about to be made."""
        details = {"arguments": arguments, "tool_name": tool, **extra}
        self.run.show("Tool Execution Intent", "tool_intent", details)

    def entry(
        self, tool: str, arguments: dict[str, Any], metadata: dict[str, Any], result: dict[str, Any], **extra: Any
    ) -> None:
        """Add one call to the trace."""
        action = {"arguments": arguments, "metadata": metadata, "tool_name": tool, **extra}
        self.run.trace.append({"action": action, "result": result})

    # --- paths

    async def _parallel(self, phases: list[tuple[int, PlannedPhase]]) -> None:
        """Run the date phase and the range beside each other; the server flushes their events together at the end."""
        await Group(self, phases).carry_out()

    async def _tactical(self, number: int, phase: PlannedPhase) -> None:
        completion = await self.decide(phase)
        if not phase.uses:  # it chose to report at once
            await llm_tools.report(self, number, prompt_name=None)
            return
        self.collected.append(await self.tool(number, phase.uses[0], tactical=True))
        done = {"call_id": completion.call_id, "state": "processing_complete", "target": "context"}
        self.run.emit("context_state_update", done)

    async def decide(self, phase: PlannedPhase) -> Completion:
        """Make the tactical call of a phase."""
        run = self.run
        seen = distillation.seen(self.collected)
        run.indicate("llm", "busy")
        distillation.tell(run, self.results())
        completion = await run.ask_llm("tactical", more_input=seen)
        run.called(run.llm, "tactical", run.profile.tag)
        window = snapshots.planning(
            "tactical", tools=10, hydration=1, history=seen + 600, session_id=run.session.id, turn=run.turn
        )
        run.emit(None, {"payload": window, "step": "Context Assembly (Tactical)", "type": "context_window_snapshot"})
        details = {
            **completion.tokens(),
            "call_id": completion.call_id,
            "planning_phase": "tactical",
            "summary": f"Deciding next action for phase goal: '{phase.goal}'",
        }
        run.step("Calling LLM for Tactical Action", "system_message", details)
        run.indicate("llm", "idle")
        run.token_update(completion, planning_phase="tactical")
        return completion

    async def _columns(self, number: int, phase: PlannedPhase) -> None:
        completion = await self.decide(phase)
        await columns.iterate(self, number, phase)
        done = {"call_id": completion.call_id, "state": "processing_complete", "target": "context"}
        self.run.emit("context_state_update", done)

    async def _dispatched(self, number: int, phase: PlannedPhase) -> None:
        """Run several tools in turn without asking; the server then adds their results once more, as a summary."""
        text = f"Multi-tool phase detected. Agent will dispatch {len(phase.uses)} tools based on scope."
        self.run.step("Scope-Aware Dispatcher Active", "workaround", text)
        results = [await self.tool(number, use) for use in phase.uses]
        self._summary(f"Multi-Tool Phase: {phase.goal}", results)
        self.collected += results + results

    def _summary(self, message: str, results: list[dict[str, Any]]) -> None:
        metadata = {"execution_depth": 0, "timestamp": self.run.clock.stamp()}
        action = {"arguments": {"message": message}, "metadata": metadata, "tool_name": "TDA_SystemLog"}
        self.run.trace.append({"action": action, "result": results})

    async def _loop(self, number: int, phase: PlannedPhase) -> None:
        """Run one tool for every row an earlier phase found, without asking."""
        tool, run = phase.tools[0], self.run
        run.step("Plan Optimization", "plan_optimization", f"FASTPATH enabled for tool loop: '{tool}'")
        items = self.collected[0].get("results", [])
        run.indicate("db", "busy")
        for place, item in enumerate(items, start=1):
            run.step(f"Processing Loop Item {place}/{len(items)}", "system_message", item)
            use = Use(tool=tool, arguments={"database_name": item["DataBaseName"]})
            run.indicate("db", "busy")
            self.intend(tool, use.arguments)
            _, result = await run.call_tool(use, 1)
            run.emit(None, _outcome(result))
            run.indicate("db", "idle")
            found = {**result, "results": [{**row, **item} for row in result["results"]]}
            stamp = {"execution_depth": 0, "phase_number": number, "timestamp": run.clock.stamp()}
            self.entry(tool, use.arguments, stamp, found)
            self.collected.append(found)
        run.indicate("db", "idle")


def _outcome(result: dict[str, Any]) -> dict[str, Any]:
    kind = "tool_error" if result["status"] == "error" else "tool_result"
    return {"details": result, "step": "Tool Execution Result", "type": kind}
