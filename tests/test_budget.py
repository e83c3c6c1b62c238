"""What a budget promises: the run stops before it is exceeded, what is left can be resumed, and a resume has the same again."""

from __future__ import annotations

from dataclasses import replace

import anyio
import httpx
import pytest
from benches import CONDITIONS, Bench, planned, talk
from scripted import Scripted

from uderia_bench.budget import Limits
from uderia_bench.stop import Stop
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio


class Metered(Scripted):
    """A server whose every task takes 1,000 tokens and 1 cent."""

    def _task(self, task_id: str) -> httpx.Response:
        answer = super()._task(task_id)
        if answer.json().get("status") != "complete":
            return answer
        used = {"turn_input": 900, "turn_output": 100, "cost_usd": 0.01, "call_id": "c"}
        event = {"event_type": "token_update", "event_data": used, "timestamp": "2026-11-24T10:00:00+00:00"}
        return httpx.Response(200, json={**answer.json(), "events": [event]})

    def finish(self, task_id: str) -> None:
        """Write what it took into the turn too."""
        super().finish(task_id)
        turn = self.sessions[self.tasks[task_id]["session"]]["last_turn_data"]["workflow_history"][-1]
        turn.update(turn_input_tokens=900, turn_output_tokens=100, turn_cost=0.01)


def bench(tmp_path, limits: Limits, trials=None, **changes) -> Bench:
    """Return forty trials of one arm on a metered server."""
    trials = planned(40, arms=("OPTIM",)) if trials is None else trials
    return Bench(tmp_path, Metered(), trials, replace(CONDITIONS, limits=limits, **changes))


@pytest.mark.parametrize(
    ("limits", "most", "says"),
    [
        (Limits(trials=7), 7, "the budget of 7 trials has no room for another trial (7 trials spent)"),
        (Limits(tokens=5500), 5, "the budget of 5500 tokens has no room for another trial (5000 tokens spent)"),
        (Limits(usd=0.095), 9, "the budget of 0.095 USD has no room for another trial (0.09 USD spent)"),
        (Limits(tokens=5500, trials=3), 3, "the budget of 3 trials"),
    ],
)
async def test_a_run_stops_before_its_budget_is_exceeded(tmp_path, limits, most, says):
    """As much is asked as there is room for, and not one more; the reason names the limit; resume goes on."""
    made = bench(tmp_path, limits)
    await made.run()
    assert len(made.records()) == len(made.server.tasks) == most
    assert {record.ending for record in made.records().values()} == {Ending.SETTLED}
    assert made.stop.reason.startswith(says)
    made.stop = Stop()
    await made.run(resume=True)
    assert len(made.records()) == len(made.server.tasks) == 2 * most


async def test_the_first_of_an_arm_is_asked_alone(tmp_path):
    """Nobody knows yet what it takes: four at once could be four times too much."""
    made = bench(tmp_path, Limits(tokens=500))
    await made.run()
    assert len(made.server.tasks) == 1


async def test_without_a_price_nothing_is_asked_alone(tmp_path):
    """A budget of trials or time leaves the slots full from the start."""
    made = bench(tmp_path, Limits(trials=40, time_s=1000))
    await made.run()
    assert made.server.most_in_flight == 4
    assert made.stop.reason is None


async def test_time_ends_a_sitting(tmp_path):
    """Nothing is sent that would, by the longest seen, end too late; what is in flight at the end is cancelled."""
    made = bench(tmp_path, Limits(time_s=20.0))
    await made.run()
    assert anyio.current_time() <= 21
    assert 16 <= len(made.records()) < 40
    assert {record.ending for record in made.records().values()} == {Ending.SETTLED}
    long = bench(tmp_path / "long", Limits(time_s=20.0), timeout_s=1000.0)
    long.path.parent.mkdir()
    long.server.task_s = 500.0
    began = anyio.current_time()
    await long.run()
    assert anyio.current_time() - began < 27
    assert {record.ending for record in long.records().values()} == {Ending.CANCELLED}
    assert long.stop.reason == "the budget of 20 s is used up: 'resume --set budget.time=' raises it"


async def test_a_conversation_is_paid_for_whole(tmp_path):
    """It is not begun where its last turn would be too much."""
    made = bench(tmp_path, Limits(trials=4), trials=(*talk(3), *talk(3, arm="IDEAT", first=10)), concurrency=1)
    await made.run()
    assert len(made.records()) == 3
