"""Uderia's ``TDA_*`` tools that are an LLM call: the final report, and a task over the data found.

They run on the LLM that the process holds at that moment, so overlapping arms can get the other
arm's model (docs/reference/measured.md, "Overlapping arms contaminate each other").
"""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.agent import answers, tools
from uderia_bench.sim.agent.scripts import PlannedPhase
from uderia_bench.sim.engines import distillation
from uderia_bench.sim.engines.phase_pen import PhasePen
from uderia_bench.sim.state import new_id


async def task(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Run an LLM task: a tactical call, a refinement of the arguments, then the task itself."""
    run, tool = pen.run, phase.tools[0]
    decision = await pen.decide(phase)
    summary = f"Detected an argument mismatch for tool '{tool}'. Agent is proactively correcting the arguments."
    run.show("System Correction", "workaround", {"correction_type": "argument_refinement", "summary": summary})
    summary = f"Proactively refining arguments for '{tool}' to prevent tool failure."
    await run.ask_announced("Calling LLM for Argument Refinement", "refine", summary)
    arguments = {"database_name": next(iter(tools.TABLES))}
    summary = f"Arguments for '{tool}' proactively corrected."
    applied = {"correction_type": "argument_refinement_applied", "new_arguments": arguments, "summary": summary}
    run.show("System Correction", "workaround", applied)
    await _run(pen, number, tool, "Executing LLM-based task.", "llm_task", arguments, prompt_name=None)
    pen.context_done(call_id=decision.call_id)


async def report(pen: PhasePen, number: int, **extra: Any) -> None:
    """Write the answer from the collected results.

    ``extra`` are the keys that a tactical call adds to the tool call it chose.
    """
    pen.text = answers.sentence(pen.results(), wrong=pen.script.wrong_answer, as_json=pen.script.as_json)
    call_id = await _run(pen, number, "TDA_FinalReport", "Synthesizing final user-facing report.", "report", {}, **extra)
    pen.context_done(call_id=call_id)


async def _run(pen: PhasePen, number: int, tool: str, summary: str, kind: str, arguments: dict[str, Any], **extra: Any) -> str:
    """Run an LLM tool on the LLM that the process holds now; return the id of the call."""
    run = pen.run
    asked = {"call_id": new_id(), "summary": summary}
    run.show(f"Calling LLM for {tool}", "system_message", asked)
    run.indicate("llm", "busy")
    metadata = pen.stamp(number)
    pen.intend(tool, arguments, **extra)
    llm = run.state.current
    if llm is not run.llm:
        run.fault("contaminated")
    distillation.log(run, pen.results())
    seen = distillation.prompt_tokens(pen.collected)
    completion = await run.ask_llm(kind, llm=llm, more_input=seen, call_id=asked["call_id"])
    run.called(llm, None, None)
    spent = {"call_id": completion.call_id, **completion.tokens(), "tool_name": tool}
    result = _report_result(pen, spent) if kind == "report" else _task_result(spent)
    run.log(f"Calling LLM for {tool}", "system_message", {**asked, **completion.tokens()})
    pen.entry(tool, arguments, metadata, result, **extra)
    pen.returned(result)
    if result.get("corrections"):
        repaired = {"corrections": result["corrections"], "summary": "The tool's JSON was mended.", "tool_name": tool}
        run.step("System Auto-Correction", "auto_correction", repaired)
    run.indicate("llm", "idle")
    run.token_update(completion)
    pen.collected.append(result)
    return completion.call_id


def _report_result(pen: PhasePen, metadata: dict[str, Any]) -> dict[str, Any]:
    rows = answers.count(pen.results())
    pen.observations = ["Figures come from the embedded Uderia."]
    report = {
        "direct_answer": pen.text,
        "key_metric": {"label": "Count", "value": str(rows)} if rows else None,
        "key_observations": [{"text": line} for line in pen.observations],
        "synthesis": [],
    }
    repaired = ["Removed a trailing comma."] if pen.script.repaired else []
    return {"corrections": repaired, "metadata": metadata, "results": [report], "status": "success"}


def _task_result(metadata: dict[str, Any]) -> dict[str, Any]:
    response = "These tables hold customers, products, orders and service tickets of a fitness business."
    return {"metadata": metadata, "results": [{"response": response}], "status": "success"}
