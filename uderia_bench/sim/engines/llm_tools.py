"""Uderia's own tools that are an LLM call: the final report, and a task over what was found.

They run on whatever LLM the process shares at that moment, which is how arms that overlap contaminate each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uderia_bench.sim.agent import answers, tools
from uderia_bench.sim.agent.scripts import PlannedPhase
from uderia_bench.sim.engines import distillation
from uderia_bench.sim.state import new_id

if TYPE_CHECKING:
    from uderia_bench.sim.engines.phases import Phases  # only for its name: phases calls this


async def task(phases: Phases, number: int, phase: PlannedPhase) -> None:
    """Let the LLM work on what was found: a tactical call, a refinement of its arguments, then the task itphases."""
    run, tool = phases.run, phase.tools[0]
    decision = await phases.decide(phase)
    summary = f"Detected an argument mismatch for tool '{tool}'. Agent is proactively correcting the arguments."
    run.show("System Correction", "workaround", {"correction_type": "argument_refinement", "summary": summary})
    asked = {"call_id": new_id(), "summary": f"Proactively refining arguments for '{tool}' to prevent tool failure."}
    run.show("Calling LLM for Argument Refinement", "system_message", asked)
    run.indicate("llm", "busy")
    refined = await run.ask_llm("refine", call_id=asked["call_id"])
    run.called(run.llm, None, run.profile.tag)
    run.log("Calling LLM for Argument Refinement", "system_message", {**asked, **refined.tokens()})
    run.indicate("llm", "idle")
    run.token_update(refined)
    arguments = {"database_name": next(iter(tools.TABLES))}
    summary = f"Arguments for '{tool}' proactively corrected."
    applied = {"correction_type": "argument_refinement_applied", "new_arguments": arguments, "summary": summary}
    run.show("System Correction", "workaround", applied)
    await _run(phases, number, tool, "Executing LLM-based task.", "llm_task", arguments, prompt_name=None)
    done = {"call_id": decision.call_id, "state": "processing_complete", "target": "context"}
    run.emit("context_state_update", done)


async def report(phases: Phases, number: int, **extra: Any) -> None:
    """Write the answer from what was collected; ``extra`` is what a tactical step adds to a call it chose."""
    phases.text = answers.sentence(phases.results(), wrong=phases.script.wrong_answer, as_json=phases.script.as_json)
    call_id = await _run(phases, number, "TDA_FinalReport", "Synthesizing final user-facing report.", "report", {}, **extra)
    phases.run.emit("context_state_update", {"call_id": call_id, "state": "processing_complete", "target": "context"})


async def _run(phases: Phases, number: int, tool: str, summary: str, kind: str, arguments: dict[str, Any], **extra: Any) -> str:
    """Run one of Uderia's own LLM tools, on whatever LLM the process shares at this moment; return the call's id."""
    run = phases.run
    asked = {"call_id": new_id(), "summary": summary}
    run.show(f"Calling LLM for {tool}", "system_message", asked)
    run.indicate("llm", "busy")
    stamp = run.clock.stamp()
    phases.intend(tool, arguments, **extra)
    llm = run.state.current
    if llm is not run.llm:
        run.fault("contaminated")
    distillation.tell(run, phases.results())
    seen = distillation.seen(phases.collected)
    completion = await run.ask_llm(kind, llm=llm, more_input=seen, call_id=asked["call_id"])
    run.called(llm, None, None)
    spent = {"call_id": completion.call_id, **completion.tokens(), "tool_name": tool}
    result = _report_result(phases, spent) if kind == "report" else _task_result(spent)
    run.log(f"Calling LLM for {tool}", "system_message", {**asked, **completion.tokens()})
    phases.entry(tool, arguments, {"execution_depth": 0, "phase_number": number, "timestamp": stamp}, result, **extra)
    run.emit(None, {"details": result, "step": "Tool Execution Result", "type": "tool_result"})
    if result.get("corrections"):
        mended = {"corrections": result["corrections"], "summary": "The tool's JSON was mended.", "tool_name": tool}
        run.step("System Auto-Correction", "auto_correction", mended)
    run.indicate("llm", "idle")
    run.token_update(completion)
    phases.collected.append(result)
    return completion.call_id


def _report_result(phases: Phases, metadata: dict[str, Any]) -> dict[str, Any]:
    rows = answers.count(phases.results())
    phases.observations = ["Figures come from the embedded Uderia."]
    report = {
        "direct_answer": phases.text,
        "key_metric": {"label": "Count", "value": str(rows)} if rows else None,
        "key_observations": [{"text": line} for line in phases.observations],
        "synthesis": [],
    }
    mended = ["Removed a trailing comma."] if phases.script.repaired else []
    return {"corrections": mended, "metadata": metadata, "results": [report], "status": "success"}


def _task_result(metadata: dict[str, Any]) -> dict[str, Any]:
    response = "These tables hold customers, products, orders and service tickets of a fitness business."
    return {"metadata": metadata, "results": [{"response": response}], "status": "success"}
