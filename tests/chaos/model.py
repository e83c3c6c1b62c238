"""Check the protocol of shared runs on random schedules: workers that crash and pause, clocks that drift, a bad store.

    PYTHONPATH=tests python -m chaos.model --schedules 1000000 --processes 2

runs ``uderia_bench/runs/protocol.py`` itself on a simulated store, server and clock. A schedule is one seed: workers of one
or two runs share one server until every trial has a result. It exits with 1 at the first violation, and names the seed.
``--without RULE`` breaks one rule of the protocol, which must be caught.

A query may arrive at most once, and only after its claim. The queries of two workers may never run at once. Each trial must
have exactly one result in the journals, and every schedule must come to its end.

One thing is taken as given: a worker that has asked ``Lease.ours`` sends at once, and the query arrives within ``LATE_S`` or
never. The real worker asks in the line before it sends. A process that is stopped between the two is beyond any client.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from uderia_bench.runs import protocol
from uderia_bench.runs.protocol import Journal, Lease, LeaseLost, NoClearAnswer

DRIFT = 0.1  # a clock's rate is wrong by this share at most
LATE_S = 8.0  # a query arrives within this time of its sending, or never
LONGEST_TASK_S = 50.0
TIMEOUT_S = LONGEST_TASK_S * (1 + 2 * DRIFT)
LOOK_S = 10.0  # after this time a session without the query never gets it
STORE_TIMEOUT_S = 5.0
LONGEST_S = 10_000.0  # of a schedule, on the simulated clock
MOST_WORKERS = 3
COLLECT_EVERY = 500  # schedules
CHUNK = 20_000  # schedules that a process plays at a time
SAY_EVERY = 50  # chunks, so that what was played is known of a call that was cut
RULES = {
    "wait": "a worker takes a server without waiting for the end of a silent lease",
    "own-clock": "a holder goes on sending after its lease ended on its own clock",
    "claim": "a query is sent without a claim in the journal",
    "create-only": "the store replaces an entry that exists",
    "open": "a new holder does not open the journal",
    "look": "a claim without a result is asked again without a look into its session",
}


class Violation(Exception):
    """An invariant does not hold."""


class Call:
    """What a coroutine waits for: an effect at the store or the server, or a time."""

    __slots__ = ("effect", "kind")

    def __init__(self, kind: str, effect: Any) -> None:
        self.kind = kind
        self.effect = effect

    def __await__(self) -> Generator[Call, Any, Any]:
        """Hand the call to the schedule, which resumes the coroutine with the answer."""
        return (yield self)


class Schedule:
    """One random schedule: the time, the events to come, the store and the server."""

    def __init__(self, seed: int, without: str | None = None) -> None:
        self.rng = random.Random(seed)
        self.without = without
        self.t = 0.0
        self.steps = 0
        self.sent = 0
        self.troubles = Counter[str]()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self.objects: dict[str, bytes] = {}
        self.sessions: dict[str, tuple[float, str]] = {}  # when the query's task ends, and its worker
        self.arrived: Counter[str] = Counter()
        self.stops = self.rng.randint(0, 4)  # crashes and pauses left
        self.errors = self.rng.randint(0, 8)  # of the store left
        self.bad = 0.6 * self.rng.random() ** 3  # the share of steps with a crash or a pause, and of calls with an error
        self.quick = self.rng.random() < 0.5
        runs = self.rng.choice((1, 1, 2))
        trials = self.rng.randint(1, 3)
        self.plans = {f"r{number}": [f"r{number}t{trial}" for trial in range(trials)] for number in range(runs)}
        self.workers: list[Worker] = []
        for number in range(self.rng.randint(max(2, runs), MOST_WORKERS)):
            self.at(self.rng.random() * 20, self.begin, f"r{number % runs}")

    def at(self, delay_s: float, what: Callable[..., None], *values: Any) -> None:
        """Have something happen later."""
        self.steps += 1
        heapq.heappush(self._events, (self.t + delay_s, self.steps, what, values))

    def begin(self, run: str) -> None:
        """Start a worker on a run."""
        self.workers.append(Worker(self, run, f"w{len(self.workers) + 1}"))

    def play(self) -> None:
        """Let everything happen; raises ``Violation``."""
        events = self._events
        try:
            while events:
                self.t, _, what, values = heapq.heappop(events)
                what(*values)
                if self.t > LONGEST_S:
                    raise Violation("no end")
        finally:
            for worker in self.workers:
                worker.close()
        self.judge()

    def judge(self) -> None:
        """Compare the journals with the plans."""
        for run, plan in self.plans.items():
            entries = [body for name, body in sorted(self.objects.items()) if name.startswith(f"{run}/")]
            said = [line for body in entries for line in protocol.content(body).decode().splitlines()]
            results = Counter(line.split()[1] for line in said if line.startswith("result"))
            if results != Counter(plan):
                raise Violation(f"results {results} of {plan}")

    def store(self, worker: Worker, coroutine: Work, effect: Callable[[], Any]) -> None:
        """Perform a call of the store, sometimes late, sometimes without a clear answer."""
        random_ = self.rng.random
        there = random_() * (0.2 if self.quick else 2.0)
        if self.errors and random_() < self.bad:
            self.errors -= 1
            kind = self.rng.choice(("refused", "lost", "late"))
            self.troubles[kind] += 1
            if kind != "refused":  # the answer is lost; the effect comes, and may be very late
                self.at(there + (random_() * 150 if kind == "late" else 0.0), effect)
            self.at(random_() * STORE_TIMEOUT_S, worker.resume, coroutine, NoClearAnswer())
        elif self.quick:
            self.at(there, self._answer, worker, coroutine, effect)
        else:
            self.at(there, self._effect, worker, coroutine, effect, random_() * there)

    def _answer(self, worker: Worker, coroutine: Work, effect: Callable[[], Any]) -> None:
        worker.resume(coroutine, effect())

    def _effect(self, worker: Worker, coroutine: Work, effect: Callable[[], Any], back_s: float) -> None:
        self.at(back_s, worker.resume, coroutine, effect())

    def create(self, name: str, body: bytes) -> bool:
        """Create an object."""
        if name in self.objects and self.without != "create-only":
            return False
        self.objects[name] = body
        return True

    def listed(self, folder: str, after: str) -> list[str]:
        """Return the names in a folder."""
        return sorted(name for name in self.objects if name > after and name.startswith(f"{folder}/"))

    def send(self, worker: Worker, coroutine: Work, trial: str, session: str) -> None:
        """Send a query: it arrives soon or never, and its answer may be lost."""
        arrives_s = self.rng.random() * (LATE_S if self.rng.random() < self.bad else 0.2)
        if self.rng.random() >= self.bad:
            self.at(arrives_s, self._arrive, worker, trial, session, coroutine)
            return
        if self.rng.random() < 0.7:
            self.at(arrives_s, self._arrive, worker, trial, session, None)
        self.at(self.rng.random() * LATE_S, worker.resume, coroutine, NoClearAnswer())

    def _arrive(self, worker: Worker, trial: str, session: str, coroutine: Work | None) -> None:
        if self.arrived[trial]:
            raise Violation(f"{trial} arrives twice")
        if any(end > self.t and other != worker.name for end, other in self.sessions.values()):
            raise Violation(f"{trial} runs beside the query of another worker")
        run = trial.partition("t")[0]
        claim = f"claim {trial} {session}".encode()
        if not any(claim in body for name, body in self.objects.items() if name.startswith(f"{run}/")):
            raise Violation(f"{trial} arrives without a claim")
        self.arrived[trial] += 1
        self.sent += 1
        self.sessions[session] = (self.t + self.rng.random() * self.rng.choice((5, LONGEST_TASK_S)), worker.name)
        if coroutine is not None:
            self.at(0.1, worker.resume, coroutine, None)


Work = Coroutine[Call, Any, None]


class SimulatedStore:
    """The store as one worker sees it."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def create(self, name: str, body: bytes) -> Awaitable[bool]:
        """Create an object."""
        return Call("store", partial(self._schedule.create, name, body))

    def read(self, names: list[str]) -> Awaitable[list[bytes]]:
        """Return objects."""
        return Call("store", lambda: [self._schedule.objects[name] for name in names])

    def names(self, folder: str, after: str) -> Awaitable[list[str]]:
        """Return the names in a folder."""
        return Call("store", partial(self._schedule.listed, folder, after))


class Worker:
    """One process: its clock, its pauses, and its work on the trials of a run."""

    def __init__(self, schedule: Schedule, run: str, name: str) -> None:
        self._schedule = schedule
        self.run = run
        self.name = name
        self._rate = 1 + schedule.rng.uniform(-DRIFT, DRIFT)
        self._offset = schedule.rng.random() * 1000
        self._stopped_until = 0.0
        self._dead = False
        store = SimulatedStore(schedule)
        self._lease = Lease(store, "lease", self, worker=name, run=run, timeout_s=TIMEOUT_S)
        self._journal = Journal(store, run, name, self, self._lease)
        self._sessions = 0
        self._main = self._work()
        self._keeper: Work | None = None
        schedule.at(0.0, self.resume, self._main, None)

    def close(self) -> None:
        """Forget what this process was doing."""
        self._main.close()
        self._stop_keeping()

    def now(self) -> float:
        """Return the time on this worker's clock."""
        return self._offset + self._schedule.t * self._rate

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait on this worker's clock."""
        return Call("sleep", seconds / self._rate)

    def resume(self, coroutine: Work, answer: Any) -> None:
        """Go on with a coroutine, unless this process crashes or is stopped now."""
        schedule = self._schedule
        if self._dead or (coroutine is not self._main and coroutine is not self._keeper):
            return
        if schedule.t < self._stopped_until:
            schedule.at(self._stopped_until - schedule.t, self.resume, coroutine, answer)
            return
        if schedule.stops and schedule.rng.random() < schedule.bad:
            schedule.stops -= 1
            if schedule.rng.random() < 0.5:
                schedule.troubles["crash"] += 1
                self._dead = True
                schedule.at(schedule.rng.random() * 100, schedule.begin, self.run)
                return
            schedule.troubles["pause"] += 1
            stopped_s = schedule.rng.random() * 150
            self._stopped_until = schedule.t + stopped_s
            schedule.at(stopped_s, self.resume, coroutine, answer)
            return
        try:
            call = coroutine.throw(answer) if isinstance(answer, Exception) else coroutine.send(answer)
        except StopIteration:
            return
        if call.kind == "store":
            schedule.store(self, coroutine, call.effect)
        elif call.kind == "sleep":
            schedule.at(call.effect, self.resume, coroutine, None)
        else:
            schedule.send(self, coroutine, *call.effect)

    def _break(self) -> None:
        """Break a rule, if this schedule is to be without one."""
        lease: Any = self._lease
        if self._schedule.without == "wait":
            lease._seen = float("-inf")
        elif self._schedule.without == "own-clock":
            lease._until = float("inf") if lease._until > 0 else lease._until

    async def _work(self) -> None:
        while True:
            try:
                self._break()
                if not await self._lease.take():
                    await self.sleep(protocol.LENGTH_S / 3)
                    continue
                self._keeper = self._keep()
                self.resume(self._keeper, None)
                await self._tenure()
                self._stop_keeping()
                await self._lease.release()
            except LeaseLost:
                self._stop_keeping()
            except NoClearAnswer:
                self._stop_keeping()
                await self.sleep(1.0)
            else:
                return

    def _stop_keeping(self) -> None:
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    async def _keep(self) -> None:
        """Renew the lease while this worker works."""
        while True:
            await self.sleep(protocol.LENGTH_S * protocol.RENEWS)
            self._break()
            try:
                await self._lease.renew()
            except NoClearAnswer:
                pass
            except LeaseLost:
                return

    async def _tenure(self) -> None:
        """Work through the run: first what is in doubt, then what is left."""
        if self._schedule.without == "open":
            self._journal._log = protocol.Log(self._journal._store, self.run)
            entries = list(map(protocol.content, await self._journal._log.news()))
        else:
            entries = await self._journal.open()
        claims: dict[str, str] = {}
        left = dict.fromkeys(self._schedule.plans[self.run])
        for line in b"".join(entries).decode().splitlines():
            kind, trial, session = line.split()
            if kind == "claim":
                claims[trial] = session
            else:
                left.pop(trial, None)
                claims.pop(trial, None)
        for trial in [trial for trial in claims if trial in left]:
            if self._schedule.without != "look" and await self._ended(claims[trial]):
                await self._journal.append(f"result {trial} {claims[trial]}\n".encode())
                del left[trial]
        together = self._schedule.rng.choice((1, 2, 3))
        asked = list(left)
        for first in range(0, len(asked), together):
            await self._ask(asked[first : first + together])

    async def _ask(self, trials: list[str]) -> None:
        """Claim some trials at once, send them, wait for their ends, and write the results at once."""
        sessions = {}
        for trial in trials:
            self._sessions += 1
            sessions[trial] = f"{self.name}s{self._sessions}"
        if self._schedule.without != "claim":
            await self._journal.append("".join(f"claim {trial} {sessions[trial]}\n" for trial in trials).encode())
        again = []
        for trial in trials:
            if not self._lease.ours:
                raise LeaseLost
            try:
                await Call("send", (trial, sessions[trial]))
            except NoClearAnswer:
                await self.sleep(LOOK_S * (1 + DRIFT))
                if not await self._ended(sessions[trial]):
                    again.append(trial)
        ended = [trial for trial in trials if trial not in again]
        for trial in ended:
            await self._ended(sessions[trial])
        if ended:
            await self._journal.append("".join(f"result {trial} {sessions[trial]}\n" for trial in ended).encode())
        if again:
            await self._ask(again)

    async def _ended(self, session: str) -> bool:
        """Look into a session, and wait until its query has ended; False where it never arrived."""
        while True:
            found = self._schedule.sessions.get(session)
            if found is None or found[0] <= self._schedule.t:
                return found is not None
            await self.sleep(max(found[0] - self._schedule.t, 0.1))


def play(seed: int, without: str | None = None) -> Schedule:
    """Play one schedule; raises ``Violation`` with the seed."""
    schedule = Schedule(seed, without)
    try:
        schedule.play()
    except Violation as violation:
        raise Violation(f"seed {seed}: {violation}") from None
    return schedule


def many(first: int, schedules: int, without: str | None = None) -> tuple[int, int, Counter[str], str | None]:
    """Play schedules; return how many, their steps, their troubles, and the first violation."""
    steps, troubles = 0, Counter[str]()
    gc.disable()  # what a schedule leaves is collected now and then
    for seed in range(first, first + schedules):
        try:
            schedule = play(seed, without)
        except Violation as violation:
            return seed - first + 1, steps, troubles, str(violation)
        steps += schedule.steps
        if seed % COLLECT_EVERY == 0:
            gc.collect()
        troubles.update(schedule.troubles)
    return schedules, steps, troubles, None


def main() -> int:
    """Play many schedules and print what happened in them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the first schedule's seed")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--without", choices=sorted(RULES), help="break this rule")
    options = parser.parse_args()
    began = time.monotonic()
    chunk = max(1, min(CHUNK, options.schedules // options.processes))
    firsts = range(options.first, options.first + options.schedules, chunk)
    played, steps, troubles = 0, 0, Counter[str]()
    with ProcessPoolExecutor(options.processes) as pool:
        for count, (number, more, met, violation) in enumerate(
            pool.map(many, firsts, (min(chunk, firsts.stop - first) for first in firsts), [options.without] * len(firsts)), 1
        ):
            played, steps = played + number, steps + more
            troubles += met
            if violation:
                print(f"violation in {violation}, after {played} schedules")
                pool.shutdown(cancel_futures=True)
                return 1
            if count % SAY_EVERY == 0:
                print(f"{played} schedules so far, {time.monotonic() - began:.0f} s", flush=True)
    met = ", ".join(f"{times} {name}" for name, times in sorted(troubles.items()))
    print(f"{played} schedules, {steps} steps in {time.monotonic() - began:.0f} s without a violation; {met}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
