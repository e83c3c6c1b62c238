"""What the planning engine does when a phase gets nowhere: five tactical attempts, then a new plan.

Source: docs/reference/protocol.md, "Log messages".

The new plan is logged and, as on the real server, not carried out: the loop goes on over the phases it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uderia_bench.sim.agent.scripts import PlannedPhase
from uderia_bench.sim.state import new_id

if TYPE_CHECKING:
    from uderia_bench.sim.engines.phases import Phases  # only for its name: phases calls this

TACTICAL_ATTEMPTS = 5
_MESSAGE = "Attempting LLM-based Recovery"


async def exhaust_and_recover(phases: Phases, number: int, phase: PlannedPhase) -> None:
    """Let every attempt at the phase fail, then ask for a plan to recover by."""
    run, use = phases.run, phase.uses[0]
    for _ in range(TACTICAL_ATTEMPTS):
        await phases.decide(phase)
        phases.collected.append(await phases.tool(number, use, tactical=True))
    asked = {"call_id": new_id(), "summary": "The current phase failed. Asking for a plan to recover."}
    run.show(_MESSAGE, "system_message", asked)
    run.indicate("llm", "busy")
    completion = await run.ask_llm("recover", call_id=asked["call_id"])
    run.called(run.llm, None, run.profile.tag)
    run.log(_MESSAGE, "system_message", {**asked, **completion.tokens()})
    run.indicate("llm", "idle")
    run.token_update(completion)
    run.show("Recovery Plan Generated", "system_message", phases.plan.entries[number:])
    run.trace.append({"action": "RECOVERY_REPLAN", "result": {"status": "success"}})
    run.fault("recovery")
