"""What commands do to the trials of a run, at odd moments: pause, set, cancel, stop, and ask again."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from benches import Bench, planned, talk, under
from runner.test_bad_days import Away
from scripted import Scripted

from uderia_bench.runner.stop import Stop
from uderia_bench.runs.actions import paused, sentences
from uderia_bench.runs.ledger import Ledger

pytestmark = pytest.mark.anyio


def commanded(tmp_path, trials, *, places=None, slots=1, **said) -> Bench:
    """Return a run that takes commands; a trial takes a little more than 3 s."""
    return Bench(
        tmp_path, Scripted(task_s=3.0), trials, under(load={"concurrency": slots}, **said), places=places, commanded=True
    )


def actions(bench: Bench):
    """Return what people did to a run, by its ledger."""
    with Ledger.open(bench.path) as ledger:
        return ledger.actions()


def asked(bench: Bench) -> dict[str, tuple[str, int]]:
    """Return how each trial ended, and at which attempt."""
    return {name: (record.ending.value, record.attempts) for name, record in bench.records().items()}


async def test_a_trial_is_asked_again_though_its_server_has_ended_its_plan(tmp_path):
    """Its server waits for the others. The trial was left for ``resume``."""
    slow, quick = planned(3, arms=("OPTIM",)), planned(1, arms=("IDEAT",))
    trials = [replace(trial, seq=seq) for seq, trial in enumerate((*quick, *slow))]
    bench = commanded(tmp_path, trials, places={"IDEAT": "https://other.test"})

    async def during() -> None:
        for name in ("q0-IDEAT-r1", "q0-OPTIM-r1"):
            await anyio.sleep(4)
            assert await bench.ask("requeue", name) is None

    await bench.run(during=during)
    assert asked(bench) == {
        "q0-IDEAT-r1": ("settled", 2),
        "q0-OPTIM-r1": ("settled", 2),
        "q1-OPTIM-r1": ("settled", 1),
        "q2-OPTIM-r1": ("settled", 1),
    }


async def test_a_server_that_has_nothing_left_does_not_hold_up_a_stop(tmp_path):
    """It waits for the other server, whose trial is cancelled."""
    trials = planned(1)
    bench = commanded(tmp_path, trials, places={"IDEAT": "https://other.test"}, slots=2, grace=1.0)
    bench.server.task_s = 50.0

    async def during() -> None:
        await anyio.sleep(2)
        assert await bench.ask("cancel", "q0-IDEAT-r1") is None
        await anyio.sleep(2)
        assert await bench.ask("stop") is None
        assert await bench.ask("requeue", "q0-IDEAT-r1") == "the run is stopping"
        assert await bench.ask("pause") == "the run is stopping"

    begun_s = anyio.current_time()
    await bench.run(during=during)
    assert anyio.current_time() - begun_s < 10
    assert {ending for ending, _ in asked(bench).values()} == {"cancelled"}


@pytest.mark.parametrize("arrivals", ["closed", "constant"])
@pytest.mark.parametrize("at_s", [0.01, 1.0, 3.07, 5.0])
async def test_a_pause_at_any_moment_makes_no_trial_late(tmp_path, arrivals, at_s):
    """Before the first trial, in it, between the windows of two arms: each trial is asked once, when it is due."""
    trials = planned(2, window_of=lambda block, arm: 2 * block + (arm == "OPTIM"))
    load = {"arrivals": arrivals, "rate": "1/s"} if arrivals == "constant" else {"concurrency": 2}
    bench = Bench(tmp_path, Scripted(task_s=3.0), trials, under(load=load), commanded=True)

    async def during() -> None:
        await anyio.sleep(at_s)
        await bench.ask("pause")
        await anyio.sleep(1000)
        await bench.ask("resume")

    begun_s = anyio.current_time()
    await bench.run(during=during)
    assert anyio.current_time() - begun_s > 1000
    assert set(asked(bench).values()) == {("settled", 1)}
    assert max(record.sent_s - record.due_s for record in bench.records().values()) < 0.01
    assert max(record.seen_hi_s for record in bench.records().values()) < 5


async def test_an_outage_that_is_found_during_a_pause_is_waited_for_after_it(tmp_path):
    """The trial that the pause held back is not sent to a server that is known to be away."""
    bench = commanded(tmp_path, planned(3, arms=("OPTIM",)), slots=2, outage=200.0)
    bench.server = Away(2, 60, task_s=3.0)

    async def during() -> None:
        await anyio.sleep(1)
        assert await bench.ask("pause") is None
        assert await bench.ask("cancel", "q0-OPTIM-r1") is None  # it makes room for the third
        await anyio.sleep(20)
        assert await bench.ask("resume") is None

    await bench.run(during=during)
    assert asked(bench)["q2-OPTIM-r1"] == ("settled", 1)


async def test_a_limit_that_is_set_holds_at_once(tmp_path):
    """A run without one has a time from then on, and its trials in flight end with it. A lower time wakes it, too."""
    bench = commanded(tmp_path, planned(2, arms=("OPTIM",)), slots=2)
    bench.server.task_s = 50.0

    async def during() -> None:
        for seconds, moment in (("40s", 5), ("8s", 2)):
            await anyio.sleep(moment)
            assert await bench.ask("set", f"budget.time={seconds}") is None

    begun_s = anyio.current_time()
    await bench.run(during=during)
    assert anyio.current_time() - begun_s == pytest.approx(8, abs=1)
    assert bench.stop.reason.startswith("the budget of 8 s is used up")


async def test_a_trial_of_an_earlier_sitting_counts_once(tmp_path):
    """It is asked again in a resumed run whose budget has as many trials as the plan."""
    bench = commanded(tmp_path, planned(4, arms=("OPTIM",)), budget={"trials": 4})

    async def stopped() -> None:
        await anyio.sleep(4)
        await bench.ask("stop")

    await bench.run(during=stopped)
    bench.stop = Stop()

    async def during() -> None:
        await anyio.sleep(1)
        assert await bench.ask("requeue", "q0-OPTIM-r1") is None

    await bench.run(resume=True, during=during)
    assert (set(asked(bench).values()), bench.stop.reason) == ({("settled", 1), ("settled", 2)}, None)


async def test_trials_that_wait_for_room_go_on_when_a_limit_is_raised(tmp_path):
    """At once, and not when the next trial has ended."""
    bench = commanded(tmp_path, planned(3, arms=("OPTIM",)), slots=2, budget={"trials": 1})
    bench.server.task_s = 50.0

    async def during() -> None:
        await anyio.sleep(5)
        assert len(bench.server.tasks) == 1
        assert await bench.ask("set", "budget.trials=3") is None
        await anyio.sleep(1)
        assert len(bench.server.tasks) == 2

    await bench.run(during=during)


async def test_a_trial_is_cancelled_once(tmp_path):
    """A second command says that it is not in flight, and is not in the report."""
    bench = commanded(tmp_path, planned(2, arms=("OPTIM",)))
    refused = "trial q0-OPTIM-r1 is not in flight"

    async def during() -> None:
        await anyio.sleep(1)
        assert [await bench.ask("cancel", "q0-OPTIM-r1") for _ in range(2)] == [None, refused]

    await bench.run(during=during)
    assert [(action.what, action.about) for action in actions(bench)] == [("cancel", "q0-OPTIM-r1")]


async def test_a_conversation_is_asked_again_as_a_whole(tmp_path):
    """After one of its turns was cancelled. Each of its trials has one result."""
    bench = commanded(tmp_path, (*talk(2), *(replace(trial, seq=9, block=9) for trial in planned(1, arms=("OPTIM",)))))

    async def during() -> None:
        await anyio.sleep(4)
        assert await bench.ask("requeue", "talk-OPTIM-t1") == "trial talk-OPTIM-t1 has not ended yet"
        assert await bench.ask("cancel", "talk-OPTIM-t2") is None
        await anyio.sleep(1)
        assert await bench.ask("requeue", "talk-OPTIM-t1") is None

    await bench.run(during=during)
    assert asked(bench) == {"talk-OPTIM-t1": ("settled", 2), "talk-OPTIM-t2": ("settled", 2), "q0-OPTIM-r1": ("settled", 1)}


async def test_a_trial_of_a_dropped_arm_keeps_its_answer(tmp_path):
    """A race has dropped the arm, so the trial would not be asked again."""
    bench = commanded(tmp_path, planned(2, window_of=lambda block, arm: 2 * block + (arm == "OPTIM")))
    bench.skips = lambda arm: arm == "IDEAT" and len(bench.seen) > 1

    async def during() -> None:
        await anyio.sleep(8)
        assert await bench.ask("requeue", "q0-IDEAT-r1") == (
            "trial q0-IDEAT-r1 cannot be asked again: the race has dropped IDEAT"
        )

    await bench.run(during=during)
    assert asked(bench) == dict.fromkeys(["q0-IDEAT-r1", "q0-OPTIM-r1", "q1-OPTIM-r1"], ("settled", 1))


async def test_a_stop_ends_a_pause(tmp_path):
    """The run is not paused in its ledger, and its report does not count the time until it is resumed."""
    bench = commanded(tmp_path, planned(2, arms=("OPTIM",)))

    async def during() -> None:
        await anyio.sleep(1)
        for what in ("pause", "stop"):
            assert await bench.ask(what) is None

    await bench.run(during=during)
    assert not paused(actions(bench))
    assert sentences(actions(bench))[0].startswith("paused 0 s by ann, from ")
