"""Events, trace entries and tool calls that the phases of a plan share.

``PhasePen`` holds what one planner turn has collected so far. The modules that carry out phases
write through it: ``phases``, ``columns``, ``date_range``, ``llm_tools``, ``recovery``, ``shortcuts``.
"""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.agent import answers
from uderia_bench.sim.agent.scripts import ATTEMPTS, Path, PlannedPhase, PlanScript, Use
from uderia_bench.sim.engines import distillation, snapshots
from uderia_bench.sim.engines.planner import Plan
from uderia_bench.sim.engines.run import DEPTH, Completion, Run
from uderia_bench.sim.engines.self_correction import correct

_WITH_TACTICAL_CALL = (Path.TACTICAL, Path.LLM_TASK, Path.COLUMNS, Path.RECOVERY)


class PhasePen:
    """Writes the phases of one turn. The report is written from ``collected``."""

    def __init__(self, run: Run, plan: Plan, script: PlanScript) -> None:
        self.run = run
        self.plan = plan
        self.script = script
        self.collected: list[dict[str, Any]] = []
        self.text = answers.NOTHING_FOUND
        self.observations: list[str] = []
        self.completed = 0

    def results(self) -> list[dict[str, Any]]:
        """Return each collected result once: dispatcher and orchestrator collect theirs twice."""
        return list({id(result): result for result in self.collected}.values())

    # --- start and end of a phase

    def start(self, number: int) -> None:
        """Announce a phase."""
        total, entry = len(self.plan.phases), self.plan.entries[number - 1]
        details = {**DEPTH, "goal": entry["goal"], "phase_details": entry, "phase_num": number, "total_phases": total}
        self.run.step(f"Starting Plan Phase {number}/{total}", "phase_start", details)
        self.run.truth.phases += 1
        if self.plan.phases[number - 1].path not in _WITH_TACTICAL_CALL:
            self.run.truth.fastpath_phases += 1

    def end(self, number: int) -> None:
        """Announce the end of a phase."""
        total = len(self.plan.phases)
        details = {**DEPTH, "phase_num": number, "status": "completed", "total_phases": total}
        self.run.step(f"Ending Plan Phase {number}/{total}", "phase_end", details)
        self.completed += 1

    def fast(self, number: int, tool: str) -> None:
        """Announce that a phase skips the tactical call."""
        self.optimized({"phase_num": number, "summary": f"FASTPATH initiated for '{tool}'."})

    def optimized(self, details: Any) -> None:
        """Log a plan optimization."""
        self.run.step("Plan Optimization", "plan_optimization", details)

    def context_done(self, **extra: Any) -> None:
        """Announce that the context holds the result of a phase."""
        self.run.emit("context_state_update", {**extra, "state": "processing_complete", "target": "context"})

    # --- tools

    async def tool(self, number: int, use: Use, *, tactical: bool = False) -> dict[str, Any]:
        """Call a tool with its corrections and return the last result.

        Every attempt is a trace entry. ``tactical`` marks the first entry as chosen by a tactical
        call.
        """
        named = {"prompt_name": None} if tactical else {}
        result: dict[str, Any] = {}
        for attempt in range(1, ATTEMPTS + 1):
            arguments = use.bad_arguments if attempt <= use.failures else use.arguments
            extra = named if attempt == 1 else {}
            metadata = self.stamp(number)
            result = await self.call(use, attempt, arguments, **extra)
            if attempt > 1:  # a retry has no depth, and carries the time of its result
                metadata = {"phase_number": number, "timestamp": self.run.clock.stamp()}
            self.entry(use.tool, arguments, metadata, result, **extra)
            if result["status"] != "error":
                break
            self.run.emit("tool_error", {"details": result, "tool_name": use.tool})
            await correct(self.run, use, attempt, result)
        return result

    async def call(self, use: Use, attempt: int = 1, arguments: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
        """Make one attempt of a tool call with its events, without a trace entry."""
        self.run.indicate("db", "busy")
        self.intend(use.tool, use.arguments if arguments is None else arguments, **extra)
        result = await self.run.call_tool(use, attempt)
        self.returned(result)
        self.run.indicate("db", "idle")
        return result

    def intend(self, tool: str, arguments: dict[str, Any], **extra: Any) -> None:
        """Show the call that follows."""
        details = {"arguments": arguments, "tool_name": tool, **extra}
        self.run.show("Tool Execution Intent", "tool_intent", details)

    def returned(self, result: dict[str, Any]) -> None:
        """Show the result of a call."""
        kind = "tool_error" if result.get("status") == "error" else "tool_result"
        self.run.emit(None, {"details": result, "step": "Tool Execution Result", "type": kind})

    def stamp(self, number: int) -> dict[str, Any]:
        """Return the metadata of a trace entry of a phase, with the present time."""
        return {**DEPTH, "phase_number": number, "timestamp": self.run.clock.stamp()}

    def entry(
        self, tool: str, arguments: dict[str, Any], metadata: dict[str, Any], result: dict[str, Any], **extra: Any
    ) -> None:
        """Add a call to the trace."""
        action = {"arguments": arguments, "metadata": metadata, "tool_name": tool, **extra}
        self.run.trace.append({"action": action, "result": result})

    # --- LLM calls

    async def decide(self, phase: PlannedPhase) -> Completion:
        """Make the tactical call of a phase."""
        run = self.run
        seen = distillation.prompt_tokens(self.collected)
        run.indicate("llm", "busy")
        distillation.log(run, self.results())
        llm = run.profile.tactical or run.llm
        completion = await run.ask_llm("tactical", more_input=seen, own=llm)
        run.called(llm, "tactical", run.profile.tag)
        window = snapshots.planning(
            "tactical",
            run.book.window(run.profile),
            tools=10,
            hydration=1,
            history=seen + 600,
            session_id=run.session.id,
            turn=run.turn,
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
