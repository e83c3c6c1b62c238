"""A pool of servers: how a plan deals blocks to it, and what happens to the blocks of a server that is gone."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count, groupby, pairwise

import anyio
import httpx
import pytest
from benches import ADMIN, AtOnce
from experiments import built, query
from scripted import Scripted

from uderia_bench.gateway import directory
from uderia_bench.gateway.connect import connect
from uderia_bench.runner import outline, plan
from uderia_bench.runner.book import Book
from uderia_bench.runner.control import Control
from uderia_bench.runner.pool import handed_over
from uderia_bench.runner.runner import Runner
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending, Stage

SERVERS = tuple(f"https://{name}" for name in "abcd")
CLASSES = ("simple", "complex", "edge")


def experiment(servers=SERVERS, *, queries=24, arms=("IDEAT", "OPTIM"), **fields):
    """Return an experiment of two arms on a pool."""
    asked = [query(f"q{number}", complexity=CLASSES[number % 3]) for number in range(queries)]
    return built(tuple(asked), arms=arms, server=servers[0], servers=servers, **fields)


def trials_of(planned):
    """Return the whole plan."""
    return plan.build(planned, planned.queries)


def measured(planned):
    """Return the measured trials of the plan."""
    return [trial for trial in trials_of(planned) if trial.stage is Stage.MEASURED]


def test_all_arms_ask_a_block_on_one_server():
    """So the arms of a pair meet on the same machine."""
    servers = defaultdict(set)
    for trial in trials_of(experiment(repeats=4)):
        servers[trial.block].add(trial.server)
    assert all(len(of_block) == 1 for of_block in servers.values())
    assert set().union(*servers.values()) == set(SERVERS)


def test_servers_are_balanced_over_queries_and_classes():
    """Four repeats of a query visit four servers, and each server gets as much of every class."""
    trials = measured(experiment(repeats=4))
    visits = Counter((trial.query_id, trial.server) for trial in trials if trial.arm == "IDEAT")
    assert set(visits.values()) == {1}
    first = Counter((trial.complexity, trial.server) for trial in trials if trial.repeat == 1 and trial.arm == "IDEAT")
    assert set(first.values()) == {2}


def test_every_arm_comes_first_as_often_on_every_server_and_servers_begin_with_other_arms():
    """A moment at which all servers are slow hits both arms."""
    planned = experiment(repeats=4, warmup=0)
    turns = {
        server: [arm for arm, _ in groupby(trial.arm for trial in trials_of(planned) if trial.server == server)]
        for server in SERVERS
    }
    assert {turns[server][0] for server in SERVERS[::2]} != {turns[server][0] for server in SERVERS[1::2]}
    first = Counter()
    for _, block in groupby(sorted(trials_of(planned), key=lambda t: (t.block, t.seq)), key=lambda t: t.block):
        trial = next(block)
        first[trial.server, trial.arm] += 1
    assert all(abs(first[server, "IDEAT"] - first[server, "OPTIM"]) <= 2 for server in SERVERS)


def test_a_window_has_one_server_and_one_arm_and_numbers_rise_on_each_server():
    """A window is one turn of an arm on its server."""
    trials = trials_of(experiment(repeats=3))
    windows = defaultdict(set)
    for trial in trials:
        windows[trial.window].add((trial.server, trial.arm))
    assert all(len(found) == 1 for found in windows.values())
    for server in SERVERS:
        numbers = [trial.window for trial in trials if trial.server == server]
        assert all(before <= after for before, after in pairwise(numbers))


def test_warm_ups_are_asked_on_every_server():
    """Each server warms up with as many trials of each arm."""
    warmups = Counter((trial.arm, trial.server) for trial in trials_of(experiment(warmup=2)) if trial.stage is Stage.WARMUP)
    assert warmups == dict.fromkeys(((arm, server) for arm in ("IDEAT", "OPTIM") for server in SERVERS), 2)


def test_looks_compare_whole_blocks_of_all_servers():
    """No window of a server holds blocks on both sides of a look."""
    planned = experiment(queries=40, repeats=4, warmup=1, stop={"looks": 4})
    trials = trials_of(planned)
    ends = [end for end, _ in plan.looks(planned, 40)]
    assert ends[-1] == 1 + max(trial.block for trial in trials)
    for end in ends:
        last = max(trial.window for trial in trials if trial.block < end)
        assert all(trial.window > last for trial in trials if trial.block >= end)


def test_turns_of_all_servers_count_for_the_balance_of_a_contrast():
    """Four servers with two turns of each arm are as good as one with eight."""
    planned = experiment(queries=24, repeats=1)
    assert outline.unbalanced(trials_of(planned), planned) == ()
    few = experiment(queries=6, repeats=1)
    assert outline.unbalanced(trials_of(few), few)


def test_arms_without_isolation_share_windows_and_blocks_keep_their_server():
    """There are no turns to keep apart."""
    trials = measured(experiment(repeats=2, load={"isolation": "none"}))
    assert len({trial.window for trial in trials}) == 1
    assert Counter(trial.server for trial in trials) == dict.fromkeys(SERVERS, len(trials) // 4)


def test_two_pools_have_their_arms_on_their_own_servers():
    """An arm with its own pool is asked there only."""
    arms = ({"name": "A", "profile": "a", "servers": SERVERS[:2]}, {"name": "B", "profile": "b", "servers": SERVERS[2:]})
    trials = measured(built(tuple(query(f"q{n}") for n in range(8)), arms=arms, server=SERVERS[0], repeats=2))
    assert Counter((trial.arm, trial.server) for trial in trials) == {
        **{("A", server): 8 for server in SERVERS[:2]},
        **{("B", server): 8 for server in SERVERS[2:]},
    }


def test_blocks_handed_over_stay_whole_and_keep_the_order_of_their_arms():
    """The arms of a block move together, and still take turns."""
    lost = [trial for trial in measured(experiment(repeats=2)) if trial.server == SERVERS[3]]
    given = handed_over(lost, SERVERS[:3], count(1_000))
    assert {trial.trial_id for trial in given} == {trial.trial_id for trial in lost}
    servers = defaultdict(set)
    for trial in given:
        servers[trial.block].add(trial.server)
    assert all(len(found) == 1 for found in servers.values())
    assert {len([t for t in given if t.server == server]) for server in SERVERS[:3]} == {len(lost) // 3}
    for server in SERVERS[:3]:
        arms = [arm for arm, _ in groupby(trial.arm for trial in given if trial.server == server)]
        assert len(arms) > 2
        assert len({trial.window for trial in given if trial.server == server}) == len(arms)


class Mortal(Scripted):
    """A server that is gone after some queries."""

    queries = 10**9

    async def _answer(self, request):
        if self.count("POST", "/query") >= self.queries:
            raise httpx.ConnectError("refused")
        return await super()._answer(request)


class Servers:
    """A run on two scripted servers, the second of which may go."""

    def __init__(self, path, *, queries=10**9, slow_s=1.0, **fields):
        self.path = path / "ledger.sqlite"
        self.two = {url: Mortal(task_s=task_s) for url, task_s in zip(SERVERS, (1.0, slow_s), strict=False)}
        self.two[SERVERS[1]].queries = queries
        said = {"repeats": 2, "warmup": 0, "outage": 10.0, "load": {"concurrency": 2}, "session_profile": "arm", "seed": 1}
        self.experiment = experiment(SERVERS[:2], queries=8, timeout=60.0, **{**said, **fields})
        self.stop, self.said = Stop(), []
        self.control: Control | None = None

    async def requeue(self, number):
        """Have a trial of the second server asked again, as soon as so many have ended there; return why it is refused."""
        while True:
            await anyio.sleep(0.1)
            with Ledger.open(self.path) as ledger:
                ended = [each.trial.trial_id for each in ledger.records() if each.trial.server == SERVERS[1]]
            if len(ended) >= number:
                said = {"do": "requeue", "about": ended[0], "who": "ann"}
                return (await self.control.answer(json.dumps(said).encode())).get("error"), ended[0]

    async def run(self, *, only=SERVERS[:2], resume=False):
        """Ask what is left, on the servers that answer; return the records and how many trials are left."""
        async with AsyncExitStack() as stack:
            signed_in = {
                url: await stack.enter_async_context(connect(url, ADMIN, transport=self.two[url].transport())) for url in only
            }
            arms = {}
            for arm in ("IDEAT", "OPTIM"):
                listed = {
                    url: directory.read(await each.profiles(), await each.llm_configurations())
                    for url, each in signed_in.items()
                }
                first = directory.resolve(arm, listed[only[0]], server=SERVERS[0])
                arms[arm] = replace(first, elsewhere=(replace(first, server=SERVERS[1]),))
            planned = trials_of(self.experiment)
            ledger = Ledger.open(self.path, writing=True) if resume else Ledger.create(self.path, planned, arms)
            with ledger:
                book = Book(ledger, AtOnce(ledger))
                known = {trial.trial_id: trial for trial in planned}
                self.control = Control(
                    directory=self.path.parent, stop=self.stop, book=book, plan=known, utc=lambda: datetime.now(UTC)
                )
                await Runner(
                    servers=signed_in,
                    arms=arms,
                    experiment=self.experiment,
                    book=book,
                    watch=lambda *_: None,
                    stop=self.stop,
                    control=self.control,
                ).run(ledger.unsettled())
        with Ledger.open(self.path) as ledger:
            return list(ledger.records()), len(ledger.unsettled())


@pytest.mark.anyio
async def test_both_servers_work_at_the_same_time(tmp_path):
    """A pool of two takes half the time."""
    began_s = anyio.current_time()
    records, left = await Servers(tmp_path).run()
    took_s = anyio.current_time() - began_s
    assert left == 0
    assert Counter(record.expected.server for record in records) == dict.fromkeys(SERVERS[:2], 16)
    assert took_s < 16  # 32 trials of 1 s, two at a time, take 16 s on one server


@pytest.mark.anyio
async def test_a_fast_server_takes_blocks_that_a_slow_one_has_not_begun(tmp_path):
    """The slow one alone would need 10 s for each of its 32 trials, two at a time."""
    began_s = anyio.current_time()
    servers = Servers(tmp_path, slow_s=10.0, repeats=4)
    records, left = await servers.run()
    took_s = anyio.current_time() - began_s
    assert (left, {record.attempts for record in records}) == (0, {1})
    assert took_s < 100
    asked = Counter(record.expected.server for record in records)
    assert asked[SERVERS[0]] > asked[SERVERS[1]]
    blocks = defaultdict(set)
    for record in records:
        blocks[record.trial.block].add(record.expected.server)
    assert all(len(found) == 1 for found in blocks.values())


@pytest.mark.anyio
async def test_blocks_of_a_server_that_is_gone_are_asked_on_the_other(tmp_path):
    """Only trials in flight are asked twice, and no trial is without an answer."""
    servers = Servers(tmp_path, queries=5)
    records, left = await servers.run()
    assert (left, servers.stop.reason) == (0, None)
    assert {record.ending for record in records} == {Ending.SETTLED}
    asked = Counter(record.expected.server for record in records)
    assert asked[SERVERS[1]] <= 5
    assert sum(record.attempts > 1 for record in records) <= 2  # those in flight
    assert all(record.trial.server == record.expected.server for record in records)
    assert all(len(profiles) == 1 for profiles in servers.two[SERVERS[0]].overlaps)


@pytest.mark.anyio
async def test_a_trial_that_a_server_was_to_ask_again_is_asked_on_the_other(tmp_path):
    """It was requeued before its server went away."""
    servers, said = Servers(tmp_path, queries=5), []

    async def during() -> None:
        said.append(await servers.requeue(1))

    async with anyio.create_task_group() as group:
        group.start_soon(during)
        records, left = await servers.run()
    ((refused, name),) = said
    assert (refused, left, servers.stop.reason) == (None, 0, None)
    (again,) = [record for record in records if record.trial.trial_id == name]
    assert (again.ending, again.attempts, again.trial.server) == (Ending.SETTLED, 2, SERVERS[0])


@pytest.mark.anyio
async def test_a_run_stops_when_its_last_server_is_gone(tmp_path):
    """Then the run can be resumed."""
    servers = Servers(tmp_path, queries=5)
    servers.two[SERVERS[0]].queries = 9
    _, left = await servers.run()
    assert left > 0
    assert "no server answers" in servers.stop.reason


@pytest.mark.anyio
async def test_a_resume_without_a_server_asks_its_blocks_on_the_others(tmp_path):
    """A server that never returns does not keep a run from its end."""
    servers = Servers(tmp_path, queries=5)
    servers.two[SERVERS[0]].queries = 9
    await servers.run()
    servers.stop = Stop()
    servers.two[SERVERS[0]].queries = 10**9
    records, left = await servers.run(only=SERVERS[:1], resume=True)
    assert left == 0
    assert {record.ending for record in records} == {Ending.SETTLED}
