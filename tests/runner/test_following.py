"""The polls of tasks: few of them, soon after the end, and fewer from a busy process."""

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
    """Tasks with given durations, and errors to raise before the first answer."""

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
        """Answer one poll."""
        self.looks.append((task_id, anyio.current_time()))
        await anyio.sleep(self.round_trip_s)
        if self.troubles:
            raise self.troubles.pop(0)
        if anyio.current_time() < self.ends[task_id]:
            return TaskState(status="processing", body=b"so far")
        return TaskState(status="complete", body=b"")


class Run:
    """A follower over given tasks that counts polls per task and the seconds from an end to the poll that saw it."""

    def __init__(self, tasks: Tasks | None = None) -> None:
        self.tasks = tasks or Tasks()
        self.late: list[float] = []
        self.follower = Follower(
            uderia=self.tasks, rng=random.Random(1), late=self.late.append, notifications=self.tasks.stream is not None
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

    async def one(self, task_id: str, took_s: float, arm: str = "OPTIM", query: str | None = None) -> None:
        """Run a task and follow it to its end; without ``query`` each task has a different one."""
        self.tasks.begin(task_id, took_s)
        await self.follow(task_id, arm, query or task_id)
        self.follower.learn(arm, query or task_id, took_s)
        self.overshoot_s[task_id] = anyio.current_time() - self.tasks.ends[task_id]

    async def follow(self, task_id: str, arm: str = "OPTIM", query: str = "q", **how) -> None:
        """Follow a task that runs."""
        self.looks[task_id] = 0

        def saw(state: TaskState) -> bool:
            self.looks[task_id] += 1
            return state.terminal

        await self.follower.follow(task_id, arm, query, saw, **how)

    async def many(self, durations, *, at_once: int, first: str = "t", arm: str = "OPTIM") -> list[str]:
        """Run tasks in a number of slots, and return their ids."""
        numbered = iter(list(enumerate(durations)))

        async def slot() -> None:
            for number, took_s in numbered:
                await self.one(f"{first}{number}", took_s, arm)

        async with anyio.create_task_group() as group:
            for _ in range(at_once):
                group.start_soon(slot)
        return [f"{first}{number}" for number in range(len(durations))]

    def cost(self, ids) -> tuple[float, float]:
        """Return polls per task and the mean delay of the last poll."""
        return statistics.mean(self.looks[i] for i in ids), statistics.mean(self.overshoot_s[i] for i in ids)


def spread(mean_s: float, n: int, seed: int = 3) -> list[float]:
    """Return skewed durations, most of them between half and twice the mean."""
    rng = random.Random(seed)
    return [mean_s * rng.lognormvariate(-0.08, 0.4) for _ in range(n)]


@pytest.mark.parametrize("mean_s", [2.0, 6.0])
async def test_five_polls_per_trial_are_enough_from_the_start(mean_s):
    """Session, query, five polls and session again are eight requests, also in a first burst without history."""
    async with Run() as run:
        looks, overshoot_s = run.cost(await run.many(spread(mean_s, 300), at_once=300))
    assert looks <= 5.1
    assert overshoot_s < 0.5 * mean_s


@pytest.mark.no_cover
@pytest.mark.parametrize("mean_s", [0.2, 2.0, 6.0, 60.0])
async def test_history_makes_polls_fewer_and_sooner(mean_s):
    """In a closed loop six polls per trial see the end within a sixth of the duration; those of a minute need ten."""
    async with Run() as run:
        ids = await run.many(spread(mean_s, 600), at_once=32)
    looks, overshoot_s = run.cost(ids[100:])
    assert looks < (6 if mean_s < 60 else 10.5)
    assert overshoot_s < mean_s / 6


def mixed(kind: str, spread_of_one: float, rng: random.Random) -> list[tuple[str, float]]:
    """Return queries with durations of 2 s or 20 s: one of them for each query, or each at random; six repeats of 31."""
    asked = []
    for _ in range(6):
        queries = list(range(31))
        rng.shuffle(queries)
        for query in queries:
            long = query % 2 if kind == "by query" else rng.random() < 0.5
            asked.append((f"q{query}", (20.0 if long else 2.0) * rng.lognormvariate(0, spread_of_one)))
    return asked


@pytest.mark.parametrize(
    ("kind", "spread_of_one", "times"),
    [("by query", 0.02, 1.0), ("random", 0.02, 1.0), ("by query", 0.1, 1.0), ("by query", 0.2, 1.3), ("random", 0.1, 1.2)],
)
async def test_short_and_long_tasks_are_seen_in_time(kind, spread_of_one, times):
    """Ends are seen within 10 % of the duration plus 0.3 s (p95), with about 9 requests per trial on average.

    Where repeats of a query vary, it is up to ``times`` as much (docs/explanation/clock.md, "How late an end is seen").
    """
    asked = mixed(kind, spread_of_one, random.Random(4))
    async with Run() as run:
        numbered = iter(list(enumerate(asked)))

        async def slot() -> None:
            for number, (query, took_s) in numbered:
                await run.one(f"t{number}", took_s, query=query)

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(slot)
    late = sorted(run.overshoot_s[f"t{number}"] / (0.1 * took_s + 0.3) for number, (_, took_s) in enumerate(asked))
    assert late[int(0.95 * len(late))] <= times
    assert 3 + statistics.mean(run.looks.values()) <= 9.3


async def test_no_wait_is_longer_than_the_time_elapsed():
    """After many tasks of 18 s, a task of 1.4 to 3.6 s is seen at the latest after twice its duration."""
    async with Run() as run:
        await run.many([18.0] * 30, at_once=4, first="long")
        durations = [1.4, 2.0, 2.6, 3.2, 3.6]
        ids = await run.many(durations, at_once=5, first="short")
    for task_id, took_s in zip(ids, durations, strict=True):
        assert run.overshoot_s[task_id] <= 1.06 * (took_s + following.GRID_S)


async def test_tasks_of_one_duration_need_two_polls():
    """The first wait is bounded, and the second poll sees the end."""
    async with Run() as run:
        ids = await run.many([4.0] * 40, at_once=4)
    looks, overshoot_s = run.cost(ids[12:])
    assert looks <= 2.1
    assert overshoot_s < 0.5


async def test_an_arm_learns_from_its_own_tasks_alone():
    """The history of a fast arm does not change the polls of a slow one, and vice versa."""
    async with Run() as run:
        await run.many([0.3] * 20, at_once=2, first="a", arm="IDEAT")
        ids = await run.many([8.0] * 40, at_once=2, first="b")
    assert run.cost(ids[10:])[0] <= 3.1


async def test_a_change_of_load_is_learned():
    """After tasks become four times as short, waits become shorter too."""
    async with Run() as run:
        await run.many([8.0] * 60, at_once=4, first="a")
        shorter = await run.many([2.0] * 200, at_once=4, first="b")
        longer = await run.many([12.0] * 300, at_once=4, first="c")
    assert run.cost(shorter[100:])[1] < 0.5
    assert run.cost(longer[:50])[0] < 8
    assert run.cost(longer[200:])[0] <= 5


async def test_polls_of_trials_sent_together_do_not_come_together():
    """A random phase spreads them: no tick of the grid has most of 50 first polls, or a third of later ones."""
    async with Run() as run:
        await run.many([3.0] * 50, at_once=50)
    together = Counter(round(at_s - run.follower._begun_s, 6) for _, at_s in run.tasks.looks)
    assert max(together.values()) <= 25
    assert max(count for at_s, count in together.items() if at_s > 2 * poll_times.FIRST_S * following.SPREAD[1]) <= 16


async def test_polls_of_one_tick_share_it():
    """Polls start on a grid, so that one wake-up serves many; none comes before its time or late."""
    async with Run() as run:
        await run.many(spread(3.0, 200), at_once=200)
    ticks = [(at_s - run.follower._begun_s) / following.GRID_S for _, at_s in run.tasks.looks]
    assert all(tick == pytest.approx(round(tick), abs=1e-6) for tick in ticks)
    assert len(set(map(round, ticks))) < len(ticks) / 2
    assert max(run.late) < 1e-6


async def test_one_seed_gives_one_set_of_poll_times():
    """Two runs of one seed poll at the same times."""
    seen = []
    for _ in range(2):
        async with Run() as run:
            begun_s = anyio.current_time()
            await run.many(spread(3.0, 30), at_once=1)  # of several in one tick the scheduler of the tests shuffles the order
        seen.append([(task_id, round(at_s - begun_s, 6)) for task_id, at_s in run.tasks.looks])
    assert seen[0] == seen[1]


async def test_a_picked_up_task_is_polled_at_once():
    """A trial picked up after a crash does not wait for its first poll."""
    async with Run() as run:
        run.tasks.begin("t", 0.0)
        begun_s = anyio.current_time()
        await run.follow("t", at_once=True)
        assert anyio.current_time() == begun_s


async def test_an_error_is_raised_only_to_its_trial():
    """One task that is gone ends one trial; the others continue."""
    async with Run(Tasks()) as run, anyio.create_task_group() as group:
        run.tasks.troubles.append(Gone("task", status=404))
        group.start_soon(run.one, "b", 5.0)
        run.tasks.begin("a", 1.0)
        with pytest.raises(Gone):
            await run.follow("a", at_once=True)
    assert run.overshoot_s.keys() == {"b"}


@pytest.mark.parametrize(
    ("asked_s", "waited_s"), [(None, following.THROTTLED_WAIT_S), (17.0, 17.0), (86_400.0, following.LONGEST_THROTTLED_S)]
)
async def test_a_throttled_poll_waits(asked_s, waited_s):
    """After an HTTP 429 the poll is repeated at the stated time, or after a default wait."""
    async with Run() as run:
        run.tasks.begin("t", 0.0)
        run.tasks.troubles.append(Throttled("poll", status=429, retry_after_s=asked_s))
        await run.follow("t", at_once=True)
    (_, first_s), (_, second_s) = run.tasks.looks
    assert second_s - first_s == pytest.approx(waited_s)


async def test_a_trial_that_left_is_not_polled():
    """A trial whose deadline passed cancels its running and its later polls."""
    async with Run(Tasks(round_trip_s=100.0)) as run:
        run.tasks.begin("t", 1e6)
        with anyio.move_on_after(20):
            await run.follow("t")
        await anyio.sleep(1000)
        assert len(run.tasks.looks) == 1
        assert run.looks == {"t": 0}


async def test_polls_on_time_are_not_late():
    """The lateness of every poll is reported, and is 0 on a healthy loop."""
    async with Run() as run:
        await run.many(spread(3.0, 30), at_once=5)
    assert len(run.late) == len(run.tasks.looks)
    assert max(run.late) < 0.01


async def test_a_busy_process_polls_less_often_and_warns_once():
    """Where polls start 0.5 s late, intervals widen up to twofold, and later return to normal."""
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
    """Report every end, 20 ms late."""
    opened()
    done = set()
    while True:
        await anyio.sleep(0.02)
        for task_id, ends_s in tasks.ends.items():
            if ends_s <= anyio.current_time() and task_id not in done:
                done.add(task_id)
                told(task_id)


async def silent(_: Tasks, opened, __) -> None:
    """Stay open without a notification."""
    opened()
    await anyio.sleep_forever()


async def lying(tasks: Tasks, opened, told) -> None:
    """Report every task all the time."""
    opened()
    while True:
        await anyio.sleep(0.1)
        for task_id in [*tasks.ends, "task-of-somebody", ""]:
            told(task_id)


async def ending(_: Tasks, opened, __) -> None:
    """Open, and end at once."""
    opened()


async def never_opening(_: Tasks, __, ___) -> None:
    """Accept the subscription and never answer."""
    await anyio.sleep_forever()


async def breaking(_: Tasks, opened, __) -> None:
    """Open, and break."""
    opened()
    raise NoAnswer("reset", arrived=True)


async def refusing(_: Tasks, __, ___) -> None:
    """Answer that there is no stream."""
    raise Refused("no such thing", status=404)


async def stumbling(_: Tasks, __, ___) -> None:
    """Answer as a proxy without a server."""
    raise Refused("bad gateway", status=502)


@pytest.mark.no_cover
@pytest.mark.parametrize("mean_s", [2.0, 6.0])
async def test_with_notifications_a_trial_needs_at_most_three_polls(mean_s):
    """With session, query and session again that is six requests, and the end is seen when it is reported."""
    async with Run(Tasks(stream=truthful)) as run:
        looks, overshoot_s = run.cost(await run.many(spread(mean_s, 300), at_once=50))
    assert looks < 2.5
    assert overshoot_s < 0.1


@pytest.mark.parametrize("stream", [silent, lying, ending, never_opening, breaking, refusing, stumbling])
async def test_every_end_is_seen_whatever_the_stream_does(stream):
    """After a few ends without a notification, polls are as close as without the stream."""
    async with Run(Tasks(stream=stream)) as run:
        ids = await run.many([3.0] * 60, at_once=4)
    looks, overshoot_s = run.cost(ids[30:])
    assert looks <= 1 + following.MOST_HINTS + 1
    assert overshoot_s < 1.0
    assert max(run.overshoot_s.values()) < following.SLOW_S[1]


async def test_a_missing_stream_is_reported_once():
    """A server without a stream is asked for it once; a temporary failure is tried again."""
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
    """Until the stream is open again, polls are as close as without one."""

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


async def test_a_notification_may_come_before_its_task_is_followed():
    """A short task can end before its submit has returned; it is polled as soon as it is followed."""

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


async def test_a_notification_during_a_poll_causes_another_poll():
    """The running poll may have been answered just before the end."""

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


async def test_the_body_of_a_task_is_kept_once_somebody_looks_at_it():
    """Empty before the next poll, then what that poll got, and gone with the task."""
    async with Run() as run, anyio.create_task_group() as group:
        assert run.follower.show("t") is None
        group.start_soon(run.one, "t", 10.0)
        await anyio.sleep(0.1)
        assert run.follower.show("t") == b""
        await anyio.sleep(6.0)
        assert run.follower.show("t") == b"so far"
        await anyio.sleep(10.0)
        assert run.follower.shown == {}
