"""Recovery of a failed phase: five tactical attempts, then a new plan.

The server logs the new plan and continues with the phases of the old one
(docs/reference/protocol.md, "Log messages").
"""

from __future__ import annotations

from uderia_bench.sim.agent.scripts import PlannedPhase
from uderia_bench.sim.engines.phase_pen import PhasePen

TACTICAL_ATTEMPTS = 5


async def exhaust_and_recover(pen: PhasePen, number: int, phase: PlannedPhase) -> None:
    """Fail every attempt at the phase, then ask for a recovery plan."""
    run, use = pen.run, phase.uses[0]
    for _ in range(TACTICAL_ATTEMPTS):
        await pen.decide(phase)
        pen.collected.append(await pen.tool(number, use, tactical=True))
    summary = "The current phase failed. Asking for a plan to recover."
    await run.ask_announced("Attempting LLM-based Recovery", "recover", summary)
    run.show("Recovery Plan Generated", "system_message", pen.plan.entries[number:])
    run.trace.append({"action": "RECOVERY_REPLAN", "result": {"status": "success"}})
    run.fault("recovery")
