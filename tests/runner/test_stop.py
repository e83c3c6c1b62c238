"""A stop and the trials in flight."""

from __future__ import annotations

import anyio
import pytest

from uderia_bench.runner.stop import InFlight, Stop

pytestmark = pytest.mark.anyio


async def test_a_trial_that_starts_after_a_hard_stop_is_cancelled():
    """A trial that was between two requests when all were cancelled must not start a task on the server."""
    stop = Stop()
    flight = InFlight(grace_s=5.0, stop=stop)
    async with anyio.create_task_group() as group:
        group.start_soon(flight.guard)
        with flight.scope("t0") as early:
            stop.ask()
            stop.ask()
            await anyio.sleep(60)
    with flight.scope("t1") as late:
        await anyio.sleep(60)
    assert early.cancelled_caught
    assert late.cancelled_caught
