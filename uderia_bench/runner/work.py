"""A worker of a shared run: takes one server after the other, and asks what is left there, until the run is complete.

``runs/protocol.py`` says who decides what. A server is left when all its trials have results, or when those that are left
could not be asked now. A worker whose lease was lost comes back to the server when that is free again.
"""

from __future__ import annotations

import random
import socket
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import anyio
import structlog

from uderia_bench.documents.experiment import SIM, Experiment
from uderia_bench.documents.experiment_parts import Budget
from uderia_bench.errors import CannotRun, Interrupted, StoreError, UsageError
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.printable import count_of
from uderia_bench.runner import heartbeat, progress, scratch, sitting
from uderia_bench.runner.budget import Account
from uderia_bench.runner.gauge import Collect, Gauge, collector_paused
from uderia_bench.runner.hooks import Hooks
from uderia_bench.runner.journaled import open_journaled
from uderia_bench.runner.runner import Runner, changed, first_of
from uderia_bench.runner.signals import listened_to
from uderia_bench.runner.stop import Stop
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log as logs
from uderia_bench.runs import manifest, protocol, shared
from uderia_bench.runs.bucket import Bucket, Objects, SteadyClock
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.outage import Outage
from uderia_bench.runs.protocol import Journal, Lease, LeaseLost, Log, NoClearAnswer
from uderia_bench.runs.shared import SharedRun
from uderia_bench.trial import Serving, Trial

TELL_AFTER_S = 10.0  # of waiting for other workers
SILENT_S = 120.0  # the worker ends after the store has failed for so long
log = structlog.get_logger(__name__)


def begin(
    experiment: Experiment, trials: Sequence[Trial], bucket: Bucket, run_id: str, around: Surroundings, started_at: datetime
) -> SharedRun:
    """Write the plan of a new run into a store, once the store has shown that it can keep workers apart."""
    if experiment.looks is not None:
        raise UsageError("stop: interim looks need all trials in one process: remove stop and race, or use a directory")
    if experiment.budget != Budget():
        raise UsageError("budget: each worker would spend all of it: remove budget, or give --output a directory")
    if experiment.changes:
        raise UsageError("memory: one process must undo what it changes: write memory: as-is, or give --output a directory")

    async def signed_in(addresses: Mapping[str, str]) -> SharedRun:
        async with sitting.session(experiment, addresses, around, {}) as session:
            begun = sitting.begin(experiment, trials, run_id, session, around, started_at)
            return SharedRun.begin(bucket, run_id, begun.to_json(), session.arms, trials)

    bucket.probe()
    with logs.into(None, as_json=around.log_as_json), sitting.served(experiment) as addresses:
        return anyio.run(signed_in, addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways between a worker and the person who started it: how it learns of a stop, and where its messages go.

    ``listen`` runs as long as the worker, and may use its ``Stop``. ``go_on`` names the command that continues the run.
    ``one_of_many``: others were started together with it, so a wait for them is no news.
    """

    listen: Callable[[Stop], Coroutine[Any, Any, None]]
    say: Callable[[str], None]
    go_on: str
    one_of_many: bool = False

    @classmethod
    def of_process(cls, run: SharedRun, around: Surroundings) -> Self:
        """Return those of a process with a terminal: its signals and its console. Call it in the main thread."""
        return cls(listen=Stop.listen, say=around.say, go_on=f"go on with 'uderia-bench work {run.url}'")


def work(
    run: SharedRun,
    around: Surroundings,
    *,
    at_once: int | None = None,
    length_s: float = protocol.LENGTH_S,
    ways: Ways | None = None,
) -> None:
    """Work on a run until it is complete, on ``at_once`` servers at the same time, by default on all that are free.

    Raises ``Interrupted``, with the way to go on, if trials are left.
    """
    ways = ways or Ways.of_process(run, around)
    experiment = experiment_of(run)
    sitting.require_permission(experiment.commands, around)
    with scratch.folder() as folder:
        try:
            with logs.into(folder / "log.jsonl", as_json=around.log_as_json), sitting.served(experiment) as addresses:
                worker = Worker(
                    run=run,
                    experiment=experiment,
                    around=around,
                    ways=ways,
                    folder=folder,
                    addresses=addresses,
                    length_s=length_s,
                )
                try:
                    left = anyio.run(worker.work, at_once or len(run.servers))
                finally:
                    run.keep_log(worker.name, folder / "log.jsonl")
        except KeyboardInterrupt as stopped:
            raise Interrupted(f"interrupted: {ways.go_on}") from stopped
        except (NoClearAnswer, StoreError) as error:
            raise Interrupted(f"{error}; when that is mended, {ways.go_on}") from error
    if left:
        raise Interrupted(f"{'; '.join(left)}: {ways.go_on}")


def experiment_of(run: SharedRun) -> Experiment:
    """Return the experiment of a run, as its plan has it."""
    return manifest.from_json(run.manifest, file=f"{run.url}/{shared.PLAN}").experiment


@dataclass(slots=True, kw_only=True)
class Worker:
    """One process that works on a shared run, in a lane for each server that it asks at the same time.

    ``folder`` is for its ledgers. ``left`` has why trials of a server are left, "" where all have results.
    """

    run: SharedRun
    experiment: Experiment
    around: Surroundings
    ways: Ways
    folder: Path
    addresses: Mapping[str, str]
    length_s: float
    name: str = field(default_factory=lambda: f"{socket.gethostname()[:40]}-{uuid.uuid4().hex[:12]}")
    clock: SteadyClock = field(default_factory=SteadyClock)
    left: dict[str, str] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)

    async def work(self, at_once: int) -> tuple[str, ...]:
        """Work until every server is done; return why trials are left, nothing for a complete run."""
        stop = Stop(listened_to(), say=self.ways.say)
        store = Objects(self.run.bucket)
        servers = list(self.run.servers)
        random.shuffle(servers)  # so that workers that start together begin on different servers
        leases = {server: self._lease(server, store) for server in servers}
        with progress.shown(len(self.run.plan), self.around.console) as watch, collector_paused() as collect:
            held = _Held(worker=self, stop=stop, store=store, watch=watch, collect=self._alone(collect))
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(self.ways.listen, stop)
                    group.start_soon(heartbeat.beat, self.around.environ)
                    async with anyio.create_task_group() as lanes:
                        for _ in range(min(at_once, len(servers))):
                            lanes.start_soon(self._take_turns, leases, held)
                    group.cancel_scope.cancel()
            except BaseExceptionGroup as failures:
                raise first_of(failures) from failures
        if stop.soft.is_set():
            raise KeyboardInterrupt
        return tuple(filter(None, self.left.values()))

    def _alone(self, collect: Collect) -> Collect:
        """Collect garbage as if idle only where no other lane of this worker has trials in flight."""

        def collected(*, idle: bool) -> None:
            collect(idle=idle and len(self._busy) == 1)

        return collected

    async def _take_turns(self, leases: Mapping[str, Lease], held: _Held) -> None:
        """Visit one server after the other until all are done, or those that are left are in other lanes."""
        heard_s = began_s = self.clock.now()
        told = False
        while not held.stop.soft.is_set():
            worked = False
            for server in [server for server in leases if server not in self.left and server not in self._busy]:
                self._busy.add(server)
                try:
                    if (reason := await self._visit(server, leases[server], held)) is not None:
                        self.left[server], worked = reason, True
                    heard_s = self.clock.now()
                except NoClearAnswer as error:
                    log.warning("no clear answer of the store", error=str(error))
                    if self.clock.now() - heard_s > SILENT_S:
                        raise
                finally:
                    self._busy.discard(server)
            waiting = [server for server in leases if server not in self.left and server not in self._busy]
            if not waiting:
                return
            if not worked:
                holders = [f"worker {leases[server].holder} has {server}" for server in waiting if self._tells(leases[server])]
                if holders and not told and self.clock.now() - began_s > TELL_AFTER_S:
                    told = True
                    self.ways.say(f"waiting: {', '.join(holders)}")
                await held.stop.sleep(self.length_s / 12)

    def _tells(self, lease: Lease) -> bool:
        """Whether to print who has a server."""
        return lease.holder is not None and not (self.ways.one_of_many and lease.run == self.run.url)

    async def _visit(self, server: str, lease: Lease, held: _Held) -> str | None:
        """Work on a server if it is free; return why trials are left, "" for none, None to come back later."""
        try:
            if shared.done(await Log(held.store, self.run.journal(server)).newest()):
                return ""
            return await self._hold(server, lease, held) if await lease.take() else None
        except LeaseLost:
            log.warning("lease lost", server=server)
            return None
        except CannotRun as error:
            return str(error)

    def _lease(self, server: str, store: Objects) -> Lease:
        return Lease(
            store,
            self.run.lease(server),
            self.clock,
            worker=self.name,
            run=self.run.url,
            timeout_s=self.experiment.timeout,
            length_s=self.length_s,
        )

    async def _hold(self, server: str, lease: Lease, held: _Held) -> str:
        """Work on a server while renewing its lease; return why trials are left, "" where all have results.

        The server is released if no query of this run can still run there. Otherwise its lease ends by itself.
        """
        tenure = _Tenure(held, server, lease)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(tenure.keep)
                group.start_soon(tenure.obey, held.stop)
                await tenure.ask()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise first_of(failures) from failures
        finally:
            if tenure.idle and lease.ours:
                with suppress(NoClearAnswer):
                    await lease.release()
        because = f"{tenure.stop.reason}; " if tenure.stop.reason else ""
        return f"{because}{count_of(tenure.left, 'trial is', 'trials are')} left on {server}" if tenure.left else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """What the lanes of a worker share."""

    worker: Worker
    stop: Stop
    store: Objects
    watch: progress.Watch
    collect: Collect


class _Tenure:
    """The time in which a worker holds a server. ``idle``: nothing of the run can still run there; ``left``: trials to ask."""

    def __init__(self, held: _Held, server: str, lease: Lease) -> None:
        self.worker = worker = held.worker
        self.idle = True
        self.left = 0
        self.stop = Stop(say=worker.ways.say)
        self._held = held
        self._server = server
        self._lease = lease
        self._journal = Journal(held.store, worker.run.journal(server), worker.name, worker.clock, lease)
        self._outages: list[Outage] = []
        self._hooks = Hooks(
            experiment=worker.experiment, directory=worker.folder, environ=worker.around.environ, stop=self.stop
        )

    async def keep(self) -> None:
        """Renew the lease; raises ``LeaseLost``."""
        while True:
            await anyio.sleep(self.worker.length_s * protocol.RENEWS)
            try:
                await self._lease.renew()
            except NoClearAnswer as error:
                log.warning("lease not renewed", server=self._server, error=str(error))

    async def obey(self, stop: Stop) -> None:
        """Stop softly, and then hard, when the worker is to stop."""
        await stop.soft.wait()
        self.stop.soft.set()
        await stop.hard.wait()
        self.stop.hard.set()

    async def ask(self) -> None:
        """Ask what is left on the server, and write the facts for the manifest into the journal."""
        worker = self.worker
        entries = await self._journal.open()
        path = worker.folder / f"{uuid.uuid4().hex}.sqlite"
        with worker.run.ledger(path, self._server, entries) as ledger:
            gauge = Gauge(collect=self._held.collect)
            arms = {name: arm.on(self._server) for name, arm in worker.run.arms.items() if self._server in arm.servers}
            if self._server == SIM:  # that of an earlier process is gone, with its sessions
                ledger.forget(SIM, arms)
            left = ledger.unsettled()
            log.info("server taken", server=self._server, worker=worker.name, trials=len(left))
            self.idle = not ledger.in_doubt()
            if left:
                async with worker.around.connect(self._server, worker.addresses[self._server]) as uderia:
                    if (reason := await changed(uderia, arms)) is not None:
                        raise CannotRun(reason)
                    self.idle = False
                    await self._run(uderia, arms, ledger, left, gauge)
                    if worker.experiment.sessions == "archive" and not ledger.unsettled():
                        await sitting.archive({self._server: uderia}, arms, ledger)
            self.left, self.idle = len(ledger.unsettled()), not ledger.in_doubt()
            said = manifest.from_json(worker.run.manifest).ended(
                left=self.left,
                at=datetime.now(UTC),
                stopped=self.stop.reason,
                record=gauge.conditions(),
                decided=None,
                outages=self._outages,
                hooks=self._hooks.ran,
            )
            await self._journal.append(shared.sitting(said.to_json(), self.left))

    async def _run(
        self, uderia: Uderia, arms: Mapping[str, Serving], ledger: Ledger, left: Sequence[Trial], gauge: Gauge
    ) -> None:
        worker = self.worker
        async with self._hooks.run(), open_journaled(ledger, self._journal, self._lease) as book:
            runner = Runner(
                servers={self._server: uderia},
                arms=arms,
                experiment=worker.experiment,
                book=book,
                watch=lambda _, trace: self._held.watch(trace),
                stop=self.stop,
                spent=Account.carried(ledger.account(), trials=len(ledger.plan()) - len(left)),
                gauge=gauge,
                outages=self._outages,
                locks=worker.around.locks,
                hooks=self._hooks,
            )
            await runner.run(left)
