"""What following promises: few looks, soon after the end, at the trial's own cost; and a busy process that asks less."""

from __future__ import annotations

import random
import statistics
from collections import Counter

import anyio
import anyio.lowlevel
import pytest
import structlog
import trio

from uderia_bench.errors import Gone, NoAnswer, Refused, Throttled
from uderia_bench.gateway.uderia import TaskState
from uderia_bench.runner import following, poll_times
from uderia_bench.runner.following import Follower

pytestmark = pytest.mark.anyio


class Tasks:
    """Tasks that end when they are told to, and troubles that are raised before anything is answered."""

    base_url = "https://uderia.test"

    def __init__(self, round_trip_s: float = 0.0, stream=None) -> None:
        self.stream = stream  # called with the tasks, ``opened`` and ``told``
        self.ends: dict[str, float] = {}
        self.looks: list[tuple[str, float]] = []
        self.troubles: list[Exception] = []
        self.round_trip_s = round_trip_s

    def begin(self, task_id: str, took_s: float) -> None:
        """Start a task."""
        self.ends[task_id] = anyio.current_time() + took_s

    async def listen(self, opened, told) -> None:
        """Open the notification stream."""
        await self.stream(self, opened, told)

    async def task(self, task_id: str) -> TaskState:
        """Answer one look."""
        self.looks.append((task_id, anyio.current_time()))
        await anyio.sleep(self.round_trip_s)
        if self.troubles:
            raise self.troubles.pop(0)
        if anyio.current_time() < self.ends[task_id]:
            return TaskState(status="processing", body=b"")
        return TaskState(status="complete", body=b"")


class Run:
    """A follower at work over tasks, with what it cost: looks a task, and seconds from a task's end to the look that saw it."""

    def __init__(self, tasks: Tasks | None = None) -> None:
        self.tasks = tasks or Tasks()
        self.late: list[float] = []
        self.follower = Follower(
            self.tasks, rng=random.Random(1), late=self.late.append, notifications=self.tasks.stream is not None
        )
        self.looks: dict[str, int] = {}
        self.overshoot_s: dict[str, float] = {}

    async def __aenter__(self):
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        await self._group.start(self.follower.run)
        return self

    async def __aexit__(self, *error) -> None:
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(*error)

    async def one(self, task_id: str, took_s: float, arm: str = "OPTIM") -> None:
        """Run a task and follow it to its end."""
        self.tasks.begin(task_id, took_s)
        await self.follow(task_id, arm)
        self.follower.learn(arm, took_s)
        self.overshoot_s[task_id] = anyio.current_time() - self.tasks.ends[task_id]

    async def follow(self, task_id: str, arm: str = "OPTIM", **how) -> None:
        """Follow a task that runs."""
        self.looks[task_id] = 0

        def saw(state: TaskState) -> bool:
            self.looks[task_id] += 1
            return state.terminal

        await self.follower.follow(task_id, arm, saw, **how)

    async def many(self, durations, *, at_once: int, first: str = "t", arm: str = "OPTIM") -> list[str]:
        """Run tasks in so many slots, and return their ids."""
        numbered = iter(list(enumerate(durations)))

        async def slot() -> None:
            for number, took_s in numbered:
                await self.one(f"{first}{number}", took_s, arm)

        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(slot)
        return [f"{first}{number}" for number in range(len(durations))]

    def cost(self, ids) -> tuple[float, float]:
        """Return looks a task and mean overshoot."""
        return statistics.mean(self.looks[i] for i in ids), statistics.mean(self.overshoot_s[i] for i in ids)


def spread(mean_s: float, n: int, seed: int = 3) -> list[float]:
    """Return durations as an agent's are: skewed, most of them within half and twice the mean."""
    rng = random.Random(seed)
    return [mean_s * rng.lognormvariate(-0.08, 0.4) for _ in range(n)]


@pytest.mark.parametrize("mean_s", [2.0, 6.0])
async def test_five_looks_a_trial_are_enough_from_the_first_on(mean_s):
    """Session, query, five looks and session again are eight requests: also in a burst of which nothing is known before."""
    async with Run() as run:
        looks, overshoot_s = run.cost(await run.many(spread(mean_s, 300), at_once=300))
    assert looks <= 5.1
    assert overshoot_s < 0.5 * mean_s


@pytest.mark.parametrize("mean_s", [0.2, 2.0, 6.0, 60.0])
async def test_what_was_seen_makes_looks_fewer_and_sooner(mean_s):
    """In a running closed loop four looks a trial come within a sixth of the time, however long tasks take."""
    async with Run() as run:
        ids = await run.many(spread(mean_s, 600), at_once=32)
    looks, overshoot_s = run.cost(ids[100:])
    assert looks < 4.5
    assert overshoot_s < mean_s / 6


async def test_tasks_of_one_length_are_seen_at_the_first_look():
    """Where nothing varies, nothing is asked in vain."""
    async with Run() as run:
        ids = await run.many([4.0] * 40, at_once=4)
    looks, overshoot_s = run.cost(ids[12:])
    assert looks == 1
    assert overshoot_s < 0.5


async def test_an_arm_learns_from_its_own_tasks_alone():
    """A fast arm's history does not make a slow arm's trials look early, nor the other way round."""
    async with Run() as run:
        await run.many([0.3] * 20, at_once=2, first="a", arm="IDEAT")
        ids = await run.many([8.0] * 40, at_once=2, first="b")
    assert run.cost(ids[10:])[0] == 1


async def test_a_change_of_load_is_learned():
    """Tasks that become four times as short are not waited for as long as before, and longer ones are not asked for more."""
    async with Run() as run:
        await run.many([8.0] * 60, at_once=4, first="a")
        shorter = await run.many([2.0] * 200, at_once=4, first="b")
        longer = await run.many([12.0] * 300, at_once=4, first="c")
    assert run.cost(shorter[100:])[1] < 0.5
    assert run.cost(longer[:50])[0] < 4
    assert run.cost(longer[200:])[0] <= 2


async def test_polls_of_trials_sent_together_do_not_come_together():
    """A random phase spreads them: of 50 no tick of the grid has most, and from the second look on none has a third."""
    async with Run() as run:
        await run.many([3.0] * 50, at_once=50)
    together = Counter(round(at_s - run.follower._begun_s, 6) for _, at_s in run.tasks.looks)
    assert max(together.values()) <= 25
    assert max(count for at_s, count in together.items() if at_s > 2 * poll_times.FIRST_S * following.SPREAD[1]) <= 16


async def test_polls_of_one_tick_share_it():
    """Polls start on a grid, so that the event loop wakes for many at once; none comes before its time, and none late."""
    async with Run() as run:
        await run.many(spread(3.0, 200), at_once=200)
    ticks = [(at_s - run.follower._begun_s) / following.GRID_S for _, at_s in run.tasks.looks]
    assert all(tick == pytest.approx(round(tick), abs=1e-6) for tick in ticks)
    assert len(set(map(round, ticks))) < len(ticks) / 2
    assert max(run.late) < 1e-6


async def test_the_phase_is_the_seeds():
    """Two runs of one seed look at the same times."""
    seen = []
    for _ in range(2):
        async with Run() as run:
            begun_s = anyio.current_time()
            await run.many(spread(3.0, 30), at_once=1)  # of several in one tick the scheduler of the tests shuffles the order
        seen.append([(task_id, round(at_s - begun_s, 6)) for task_id, at_s in run.tasks.looks])
    assert seen[0] == seen[1]


async def test_what_may_long_have_ended_is_looked_at_at_once():
    """A trial picked up after a crash does not wait for its first look."""
    async with Run() as run:
        run.tasks.begin("t", 0.0)
        begun_s = anyio.current_time()
        await run.follow("t", at_once=True)
        assert anyio.current_time() == begun_s


async def test_trouble_is_raised_where_the_trial_waits_and_nowhere_else():
    """One task that is gone ends one following; the others go on."""
    async with Run(Tasks()) as run, anyio.create_task_group() as group:
        run.tasks.troubles.append(Gone("task", status=404))
        group.start_soon(run.one, "b", 5.0)
        run.tasks.begin("a", 1.0)
        with pytest.raises(Gone):
            await run.follow("a", at_once=True)
    assert run.overshoot_s.keys() == {"b"}


@pytest.mark.parametrize(("asked_s", "waited_s"), [(None, following.THROTTLED_WAIT_S), (17.0, 17.0)])
async def test_a_server_that_asks_for_less_gets_less(asked_s, waited_s):
    """A throttled poll is repeated when the server said, or after a while."""
    async with Run() as run:
        run.tasks.begin("t", 0.0)
        run.tasks.troubles.append(Throttled("poll", status=429, retry_after_s=asked_s))
        await run.follow("t", at_once=True)
    (_, first_s), (_, second_s) = run.tasks.looks
    assert second_s - first_s == pytest.approx(waited_s)


async def test_nobody_who_left_is_asked_for():
    """A trial whose deadline passed takes the poll that is out and those to come with it."""
    async with Run(Tasks(round_trip_s=100.0)) as run:
        run.tasks.begin("t", 1e6)
        with anyio.move_on_after(20):
            await run.follow("t")
        await anyio.sleep(1000)
        assert len(run.tasks.looks) == 1
        assert run.looks == {"t": 0}


async def test_polls_on_time_are_not_late():
    """Every poll is reported, and on a healthy loop none is late."""
    async with Run() as run:
        await run.many(spread(3.0, 30), at_once=5)
    assert len(run.late) == len(run.tasks.looks)
    assert max(run.late) < 0.01


async def test_a_busy_process_looks_less_often_and_says_so_once():
    """Where polls start half a second late, intervals widen up to twice; when it has caught up they are as before."""
    async with Run() as run:
        run.tasks.begin("t", 1e9)
        clock = trio.lowlevel.current_clock()

        async def stall(times: int) -> None:
            for _ in range(times):
                await anyio.lowlevel.checkpoint()
                clock.jump(0.5)

        with structlog.testing.capture_logs() as said, anyio.move_on_after(400):
            async with anyio.create_task_group() as group:
                group.start_soon(run.follow, "t")
                for _ in range(100):  # the loop is blocked for as long as every poll is due
                    await anyio.sleep(poll_times.LONGEST_S / 2)
                    await stall(20)
    assert max(run.late) > following.LATE_S
    assert [entry["event"][:16] for entry in said] == ["polls start late"]
    gaps = [b - a for (_, a), (_, b) in zip(run.tasks.looks, run.tasks.looks[1:], strict=False)]
    assert max(gaps) > 1.8 * poll_times.LONGEST_S


# ---- the notification stream


async def truthful(tasks: Tasks, opened, told) -> None:
    """Tell of every end, twenty milliseconds late."""
    opened()
    done = set()
    while True:
        await anyio.sleep(0.02)
        for task_id, ends_s in tasks.ends.items():
            if ends_s <= anyio.current_time() and task_id not in done:
                done.add(task_id)
                told(task_id)


async def silent(_: Tasks, opened, __) -> None:
    """Stay open and say nothing."""
    opened()
    await anyio.sleep_forever()


async def lying(tasks: Tasks, opened, told) -> None:
    """Tell of everything, all the time."""
    opened()
    while True:
        await anyio.sleep(0.1)
        for task_id in [*tasks.ends, "task-of-somebody", ""]:
            told(task_id)


async def ending(_: Tasks, opened, __) -> None:
    """Open, and end at once."""
    opened()


async def never_opening(_: Tasks, __, ___) -> None:
    """Take the subscription and answer nothing."""
    await anyio.sleep_forever()


async def breaking(_: Tasks, opened, __) -> None:
    """Open, and break."""
    opened()
    raise NoAnswer("reset", arrived=True)


async def refusing(_: Tasks, __, ___) -> None:
    """Know no such thing."""
    raise Refused("no such thing", status=404)


async def stumbling(_: Tasks, __, ___) -> None:
    """Be a proxy without a server."""
    raise Refused("bad gateway", status=502)


@pytest.mark.parametrize("mean_s", [2.0, 6.0])
async def test_told_of_its_end_a_trial_costs_three_looks_at_most(mean_s):
    """Six requests with session, query and session again, and the end is seen as it is told."""
    async with Run(Tasks(stream=truthful)) as run:
        looks, overshoot_s = run.cost(await run.many(spread(mean_s, 300), at_once=50))
    assert looks < 2.5
    assert overshoot_s < 0.1


@pytest.mark.parametrize("stream", [silent, lying, ending, never_opening, breaking, refusing, stumbling])
async def test_whatever_the_stream_does_every_end_is_seen(stream):
    """Polls remain the authority: after a few ends that nobody told of, a trial costs what it costs without the stream."""
    async with Run(Tasks(stream=stream)) as run:
        ids = await run.many([3.0] * 60, at_once=4)
    looks, overshoot_s = run.cost(ids[30:])
    assert looks <= 1 + following.MOST_HINTS + 1
    assert overshoot_s < 1.0
    assert max(run.overshoot_s.values()) < following.SLOW_S[1]


async def test_a_stream_that_is_not_there_is_said_once_and_asked_for_once():
    """A server without it is polled, and hears no more of it; a passing trouble is tried again."""
    opened = {}
    for stream in (refusing, stumbling):
        opened[stream] = 0

        async def counted(tasks, is_open, told, stream=stream):
            opened[stream] += 1
            await stream(tasks, is_open, told)

        with structlog.testing.capture_logs() as said:
            async with Run(Tasks(stream=counted)):
                await anyio.sleep(following.AGAIN_S * 3.5)
        assert [entry["log_level"] for entry in said if entry["log_level"] == "warning"] == ["warning"] * (stream is refusing)
    assert opened == {refusing: 1, stumbling: 4}


async def test_a_stream_that_ended_is_not_relied_on():
    """From its end on, and while it is not open again, looks are as close as without one."""

    async def ends_and_hangs(_, opened, __):
        if anyio.current_time() - began_s < 1.0:
            opened()
            return
        await anyio.sleep_forever()

    began_s = anyio.current_time()
    async with Run(Tasks(stream=ends_and_hangs)) as run:
        await anyio.sleep(2 * following.AGAIN_S)
        await run.one("t", 1.5)
    assert run.overshoot_s["t"] < 2.0  # slow polls are 5 s apart


async def test_an_end_told_before_its_trial_follows_it_is_not_forgotten():
    """A short task may end before its submit has returned: it is looked at as soon as it is followed."""

    async def early(_: Tasks, opened, told) -> None:
        opened()
        for number in range(following.KEPT_HINTS * 2):
            told(f"other-{number}")
        told("t")
        await anyio.sleep_forever()

    async with Run(Tasks(stream=early)) as run:
        await anyio.sleep(1)
        run.tasks.begin("t", 0.0)
        begun_s = anyio.current_time()
        await run.follow("t")
        assert anyio.current_time() == begun_s


async def test_an_end_told_while_a_poll_is_out_is_looked_at_again_at_once():
    """The poll on its way may have been answered a moment too soon."""

    async def meanwhile(_: Tasks, opened, told) -> None:
        opened()
        await anyio.sleep(6.5)
        told("t")
        await anyio.sleep_forever()

    async with Run(Tasks(round_trip_s=2.0, stream=meanwhile)) as run:
        run.tasks.begin("t", 8.0)
        await run.follow("t")
        (_, first_s), (_, second_s) = run.tasks.looks
    assert second_s == pytest.approx(first_s + 2.0)
