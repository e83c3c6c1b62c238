"""Strategic planning of a tool_enabled turn: retrieval of a case, planning call, retries."""

from __future__ import annotations

from typing import Any

import orjson

from uderia_bench.sim.agent.draw import OUTPUT_PER_PHASE
from uderia_bench.sim.agent.scripts import Path, PlannedPhase, PlanScript, PlanTrouble
from uderia_bench.sim.engines import rewrites, snapshots
from uderia_bench.sim.engines.run import DEPTH, Completion, Run
from uderia_bench.sim.memory.cases import EXAMPLE_TOKENS, Case
from uderia_bench.sim.tasks import SORTED

_LOOKING_S = 0.03  # searching the case collections, with embeddings
_TOOL_TOKENS = 794
_REFUSAL = "I am sorry, I cannot produce a plan for this."
_CHAT = "Hello! How can I help you with your Teradata system today?"
_INJECTED = "Temporal preprocessing injected TDA_CurrentDate phase to establish date context for temporal query."


class PlanningError(Exception):
    """The turn ends without a plan. The text is the server's error message."""


class Plan:
    """The plan of a turn. ``entries`` is the final plan, ``raw`` the plan that the LLM wrote."""

    def __init__(self, phases: tuple[PlannedPhase, ...]) -> None:
        self.phases = phases
        self.entries = [phase.entry(number) for number, phase in enumerate(phases, start=1)]
        own = [phase for phase in phases if not phase.injected]
        self.raw = [phase.entry(number) for number, phase in enumerate(own, start=1)]


async def find_cases(run: Run) -> list[Case]:
    """Search for stored plans of similar prompts and announce the first one."""
    state = run.state
    await run.clock.sleep(_LOOKING_S)
    if not state.settings.learning or not state.switches.rag_enabled:
        return []
    user = state.accounts.user(run.session.user_uuid)
    most = min(state.switches.examples, len(EXAMPLE_TOKENS) - 1)
    cases = state.collections.retrieve(user, run.prompt, run.profile.case_collections, most)
    if cases:
        run.emit("rag_retrieval", orjson.Fragment(orjson.dumps(cases[0].event(), option=SORTED)))
    run.truth.cases = len(cases)
    return cases


def announce_knowledge(run: Run) -> list[dict[str, Any]]:
    """Announce the retrieved knowledge in three events; return the two entries of the turn."""
    if run.found is None:
        return []
    found = run.found.planned()
    stamps = [run.clock.stamp()]
    run.emit("knowledge_retrieval", {"collections": found["collections"], "document_count": found["document_count"]})
    run.show("Knowledge Retrieved", "knowledge_retrieval", found)
    run.emit("knowledge_retrieval", found)
    stamps.append(run.clock.stamp())
    return [
        {"collection_name": name, "document_count": found["document_count"], "timestamp": stamp}
        for stamp in stamps
        for name in run.found.names
    ]


def assemble(run: Run) -> dict[str, Any]:
    """Assemble the planning prompt and return its snapshot."""
    window = snapshots.planning(
        "strategic",
        run.book.window(run.profile),
        tools=_TOOL_TOKENS,
        hydration=None,
        history=7,
        session_id=run.session.id,
        turn=run.turn,
        knowledge=None if run.found is None else run.found.tokens,
    )
    run.emit(None, {"payload": window, "step": "Context Assembly (Strategic)", "type": "context_window_snapshot"})
    return window


async def make_plan(run: Run, script: PlanScript, cases: list[Case]) -> Plan:
    """Plan the turn with stored plans in the prompt. They help where the first one has the tools of the new plan.

    Raises ``PlanningError`` if no valid plan results.
    """
    refused = script.trouble in (PlanTrouble.NEVER_PARSES, PlanTrouble.CHAT)
    longer = OUTPUT_PER_PHASE * max(0, len(script.phases) - 2)
    known = EXAMPLE_TOKENS[len(cases)] + run.system_tokens + (0 if run.found is None else run.found.tokens)
    llm = run.profile.strategic or run.llm
    run.indicate("llm", "busy")
    completion = await run.ask_llm(
        "plan_refusal" if refused else "plan",
        more_input=known,
        more_output=0 if refused else longer,
        own=llm,
        factor=run.draw.factors.plan_tokens_with_case if cases and cases[0].tools == _tools(script) else 1.0,
    )
    run.called(llm, "strategic", run.profile.tag)
    run.indicate("llm", "idle")
    _announce(run, completion)
    if script.trouble is PlanTrouble.CHAT:
        run.step("Conversational Response Identified", "system_message", _CHAT)
        run.fault("chat")
        raise PlanningError("object of type 'NoneType' has no len()")
    if script.trouble is not PlanTrouble.NONE:
        await _retry(run, script, known + longer)
    if script.replanned:
        await _replan(run, script, known + longer)
    plan = Plan(script.phases)
    if any(phase.path is Path.CURRENT_DATE for phase in script.phases):
        run.step("System Correction", "system_correction", _INJECTED)
    await rewrites.apply(run, script.rewrites, plan.entries)
    run.step("Strategic Meta-Plan Generated", "plan_generated", plan.entries, metadata=DEPTH)
    return plan


def _tools(script: PlanScript) -> list[str]:
    return [tool for phase in script.phases for tool in phase.tools]


async def _replan(run: Run, script: PlanScript, more_input: int) -> None:
    """Plan a second time for efficiency, announced with the plan that it replaces."""
    details = {"original_plan": Plan(script.phases).raw, "summary": "The initial plan was inefficient. Planning anew."}
    run.step("Re-planning for Efficiency", "plan_optimization", details)
    run.indicate("llm", "busy")
    completion = await run.ask_llm("plan", more_input=more_input)
    run.called(run.llm, "strategic", run.profile.tag)
    run.indicate("llm", "idle")
    _announce(run, completion)


async def _retry(run: Run, script: PlanScript, more_input: int) -> None:
    """Ask again after a plan that is not JSON. Its tokens appear only in the totals of the turn."""
    text = "Strategic plan response was not valid JSON. Retrying with error context."
    run.show("System Correction", "workaround", text)
    run.indicate("llm", "busy")
    never = script.trouble is PlanTrouble.NEVER_PARSES
    await run.ask_llm("plan_refusal" if never else "plan_retry", more_input=more_input)
    run.called(run.llm, None, run.profile.tag)
    run.indicate("llm", "idle")
    run.fault("plan_failure" if never else "plan_retry")
    if never:
        raise PlanningError(f"Failed to generate a valid meta-plan after 2 attempts. Last response: {_REFUSAL}")


def _announce(run: Run, completion: Completion) -> None:
    details = {
        **completion.tokens(),
        **DEPTH,
        "call_id": completion.call_id,
        "full_text": run.prompt,
        "planning_phase": "strategic",
        "summary": "Generating a strategic meta-plan for the goal",
    }
    run.step("Calling LLM for Planning", "system_message", details)
    run.token_update(completion, model=run.llm.model, planning_phase="strategic", provider=run.llm.provider)
