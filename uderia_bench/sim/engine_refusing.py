"""rag_focused and genie, as the server plays them when they cannot start: an error event, and a task complete without a result.

That is what the real server does for a knowledge profile without collections and a coordinator without its experts
(protocol.md §6.6).
"""

from __future__ import annotations

from typing import Any

from uderia_bench.sim.run import Run

_SET_UP_S = 0.05
_REASONS = {
    "rag_focused": "No knowledge collections are available for this profile.",
    "genie": "The coordinator could not be set up: none of its experts is reachable.",
}


async def play(run: Run, window: dict[str, Any]) -> None:
    """Refuse the turn; none is saved. ``window`` is not used: the turn ends before anything keeps it."""
    del window
    run.require_text()
    await run.clock.sleep(_SET_UP_S)
    run.fault("refused")
    run.emit("error", {"error": _REASONS[run.profile.profile_type], "error_type": "configuration_error", "step": "Finished"})
