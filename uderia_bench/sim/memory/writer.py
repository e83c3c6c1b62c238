"""The case writer: stores the plan of a successful turn after the turn has ended.

The case is in its collection and in ``rag_cases`` first, and the turn names it a moment later
(docs/reference/learning.md, "Writing").
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from uderia_bench.sim.clock import Clock
from uderia_bench.sim.memory import cases
from uderia_bench.sim.memory.collections import Collection
from uderia_bench.sim.sessions import Session

_PATCH_S = 0.15  # longest time between the case and its id in the turn


@dataclass(slots=True)
class Writer:
    """Writes cases in the background.

    ``unwritten`` are the cases that are not in their collection yet, ``pending`` those that their turn
    does not name yet.
    """

    clock: Clock
    unwritten: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    _jobs: set[asyncio.Task[None]] = field(default_factory=set)

    def write(
        self,
        target: Collection,
        session: Session,
        position: int,
        turn: dict[str, Any],
        plan: list[dict[str, Any]],
        delay_s: float,
    ) -> None:
        """Start writing the case of a turn, the one at ``position`` of its session."""
        case = cases.from_turn(turn, plan, target.id)
        self.pending.add(case.case_id)
        patch_s = min(delay_s, _PATCH_S)
        if delay_s == patch_s:
            target.add(case)  # before the task is complete, as on the real server
        else:
            self.unwritten.add(case.case_id)
        job = asyncio.create_task(self._write(target, case, session, position, delay_s - patch_s, patch_s))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _write(
        self, target: Collection, case: cases.Case, session: Session, position: int, wait_s: float, patch_s: float
    ) -> None:
        if wait_s > 0:
            await self.clock.sleep(wait_s)
            target.add(case)
            self.unwritten.discard(case.case_id)
        await self.clock.sleep(patch_s)
        session.update_turn(position, case_id=case.case_id)
        self.pending.discard(case.case_id)

    def restart(self) -> None:
        """Lose the cases that are not written yet."""
        for job in self._jobs:
            job.cancel()
        self.unwritten.clear()
        self.pending.clear()
