"""What a stop does to trials in flight, whenever they came."""

from __future__ import annotations

import anyio
import pytest

from uderia_bench.runner.in_flight import InFlight
from uderia_bench.runner.stop import Stop

pytestmark = pytest.mark.anyio


async def test_a_trial_that_comes_after_the_end_is_ended_too():
    """What was between two requests when all were cancelled must not begin anew under nobody's eyes."""
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
