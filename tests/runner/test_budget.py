"""The budget of a run: it stops the run before a limit is exceeded, over all its sittings, and can be raised."""

from __future__ import annotations

import re

import anyio
import httpx
import pytest
from benches import Bench, planned, talk, under
from scripted import Scripted

from uderia_bench.documents.experiment_parts import Budget
from uderia_bench.errors import StoreError
from uderia_bench.runner.budget import Account
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending

pytestmark = pytest.mark.anyio


class Killed(Exception):
    """Stands for the death of the process."""


class Metered(Scripted):
    """A server on which each task costs 1,000 tokens and 1 cent."""

    def _task(self, task_id: str) -> httpx.Response:
        answer = super()._task(task_id)
        if answer.json().get("status") != "complete":
            return answer
        used = {"turn_input": 900, "turn_output": 100, "cost_usd": 0.01, "call_id": "c"}
        event = {"event_type": "token_update", "event_data": used, "timestamp": "2026-11-24T10:00:00+00:00"}
        return httpx.Response(200, json={**answer.json(), "events": [event]})

    def finish(self, task_id: str) -> None:
        """Write the tokens and the cost into the turn too."""
        super().finish(task_id)
        turn = self.sessions[self.tasks[task_id]["session"]]["last_turn_data"]["workflow_history"][-1]
        turn.update(turn_input_tokens=900, turn_output_tokens=100, turn_cost=0.01)


def bench(tmp_path, limits: dict[str, float], trials=None, **changes) -> Bench:
    """Return forty trials of one arm on a metered server."""
    trials = planned(40, arms=("OPTIM",)) if trials is None else trials
    return Bench(tmp_path, Metered(), trials, under(budget=limits, **changes))


@pytest.mark.parametrize(
    ("limits", "most", "says"),
    [
        ({"trials": 7}, 7, "the budget of 7 trials has no room for another trial (7 trials spent)"),
        ({"tokens": 5500}, 5, "the budget of 5,500 tokens has no room for another trial (5,000 tokens spent)"),
        ({"usd": 0.095}, 9, "the budget of 0.095 USD has no room for another trial (0.09 USD spent)"),
        ({"tokens": 5500, "trials": 3}, 3, "the budget of 3 trials"),
    ],
)
async def test_a_run_stops_before_its_budget_is_exceeded(tmp_path, limits, most, says):
    """The run asks as many trials as the limit allows; the reason names the limit."""
    made = bench(tmp_path, limits)
    await made.run()
    assert len(made.records()) == len(made.server.tasks) == most
    assert {record.ending for record in made.records().values()} == {Ending.SETTLED}
    assert made.stop.reason.startswith(says)


@pytest.mark.parametrize("limits", [{"trials": 7}, {"tokens": 5500}, {"usd": 0.095}, {"time": 20.0}])
async def test_resuming_with_a_used_up_budget_sends_no_trial_and_names_the_setting(tmp_path, limits):
    """The budget covers all sittings; once raised, the run continues."""
    made = bench(tmp_path, limits)
    await made.run()
    asked = len(made.server.tasks)
    for _ in range(3):
        made.stop = Stop()
        await made.run(resume=True)
        assert len(made.server.tasks) == asked
        assert "has no room for another trial" in made.stop.reason
        assert re.search(r"'resume --set budget\.(trials|tokens|usd|time)=' raises it", made.stop.reason)
    raised = Budget(**{name: 2 * limit for name, limit in limits.items()})
    made.experiment, made.stop = made.experiment.model_copy(update={"budget": raised}), Stop()
    await made.run(resume=True)
    assert asked < len(made.server.tasks) <= 2 * asked + 1
    assert len(made.records()) == len(made.server.tasks)


async def test_spending_of_a_killed_sitting_counts(tmp_path):
    """The account is written with every settled trial, so a clean end is not needed."""
    made = bench(tmp_path, {"tokens": 9500})

    async def die():
        await anyio.sleep(7)
        raise Killed

    with pytest.RaisesGroup(Killed):
        await made.run(during=die)
    settled = len(made.records())
    assert 0 < settled < 9
    await made.run(resume=True)
    assert len(made.records()) == 9  # at 1,000 tokens each


async def test_a_trial_asked_again_is_one_trial_with_the_tokens_of_both(tmp_path):
    """A stop that cancels four trials releases four; their unknown tokens count as the largest of the arm."""
    made = bench(tmp_path, {"trials": 12}, grace=0.0)

    async def interrupt():
        await anyio.sleep(8)
        made.stop.ask()

    await made.run(during=interrupt)
    endings = [record.ending for record in made.records().values()]
    assert endings.count(Ending.CANCELLED) == 4
    with Ledger.open(made.path) as ledger:
        spent = Account.carried(ledger.account(), trials=0).spent
    assert spent.tokens == 1000 * len(endings)
    made.stop = Stop()
    await made.run(resume=True)
    assert [record.ending for record in made.records().values()] == [Ending.SETTLED] * 12


async def test_a_damaged_account_is_an_error():
    """A damaged account raises ``StoreError``."""
    for text in ("", "[]", "{}", '{"spent": {"trials": 1, "x": 2}, "largest": {}}', '{"spent": 3, "largest": {}}'):
        with pytest.raises(StoreError, match="the ledger's account of the run's spending is damaged"):
            Account.carried(text, trials=0)


async def test_the_first_of_an_arm_is_asked_alone(tmp_path):
    """Its cost is unknown: four at once could exceed the budget fourfold."""
    made = bench(tmp_path, {"tokens": 500})
    await made.run()
    assert len(made.server.tasks) == 1


async def test_a_budget_of_trials_or_time_uses_all_slots(tmp_path):
    """These limits do not depend on unknown costs."""
    made = bench(tmp_path, {"trials": 40, "time": 1000})
    await made.run()
    assert made.server.most_in_flight == 4
    assert made.stop.reason is None


async def test_time_ends_a_sitting(tmp_path):
    """No trial is sent that, by the longest so far, would end too late; trials in flight at the end are cancelled."""
    made = bench(tmp_path, {"time": 20.0})
    await made.run()
    assert anyio.current_time() <= 21
    assert 12 <= len(made.records()) < 40  # four slots, trials of 3 s seen by looks that double: at least three rounds
    assert {record.ending for record in made.records().values()} == {Ending.SETTLED}
    long = bench(tmp_path / "long", {"time": 20.0}, timeout=1000.0)
    long.path.parent.mkdir()
    long.server.task_s = 500.0
    began = anyio.current_time()
    await long.run()
    assert anyio.current_time() - began < 27
    assert {record.ending for record in long.records().values()} == {Ending.CANCELLED}
    assert long.stop.reason == "the budget of 20 s is used up: 'resume --set budget.time=' raises it"


async def test_trials_in_flight_finish_when_the_budget_is_used_up(tmp_path):
    """The grace time does not cancel trials that were admitted; each has its own deadline."""
    made = bench(tmp_path, {"trials": 6}, grace=1.0)
    made.server.task_s = 50.0
    await made.run()
    assert [record.ending for record in made.records().values()] == [Ending.SETTLED] * 6


async def test_a_conversation_is_admitted_as_a_whole(tmp_path):
    """It does not start if its last turn would exceed the budget."""
    made = bench(tmp_path, {"trials": 4}, trials=(*talk(3), *talk(3, arm="IDEAT", first=10)), load={"concurrency": 1})
    await made.run()
    assert len(made.records()) == 3
