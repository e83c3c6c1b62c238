"""Dask as the engine of a run in a store: starts workers of the run in the processes of Dask workers.

Dask may start a task twice, or lose it. The guarantees are those of ``runs/protocol.py``, so a lost task is started again on
another Dask worker. Progress and the end of the run are read from the store. Each Dask worker has one task at most.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from uderia_bench.errors import BenchError, CannotRun, Interrupted, StoreError, UsageError
from uderia_bench.runner import dask_task, progress, sitting
from uderia_bench.runner import work as workers
from uderia_bench.runner.dask_engine import WORKER_S, Engine, fit
from uderia_bench.runner.dask_task import Assignment, Failure
from uderia_bench.runner.journals import Journals
from uderia_bench.runner.runner import first_of
from uderia_bench.runner.signals import listened_to
from uderia_bench.runner.stop import Stop
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log as logs
from uderia_bench.runs import protocol
from uderia_bench.runs.shared import SharedRun

if TYPE_CHECKING:
    from distributed import Client, Future

TICK_S = 0.25  # between two looks at the tasks
END_S = 5.0  # for tasks to end, once the run is complete
HARD_S = 30.0  # for tasks to cancel their trials in flight
MOST_LOST = 10  # tasks lost, one after the other, without a result between them


def work(run: SharedRun, around: Surroundings, engine: Engine, *, length_s: float = protocol.LENGTH_S) -> None:
    """Let Dask workers work on a run until it is complete; raises as ``work.work``."""
    local = engine.number is not None
    commands = workers.experiment_of(run).commands
    sitting.require_permission(commands, around, where="this machine" if local else "the Dask workers")
    go_on = f"go on with 'uderia-bench work {run.url} --on {engine.name}'"
    assignment = Assignment(
        command=uuid.uuid4().hex,
        url=run.url,
        go_on=go_on,
        length_s=length_s,
        allow_plain_http=around.allow_plain_http,
        trusted=around.trust.hosts,
        allow_commands=bool(commands),
    )
    crew = Crew(run=run, around=around, engine=engine, assignment=assignment)
    try:
        with logs.into(None, as_json=around.log_as_json):
            anyio.run(crew.work)
    except KeyboardInterrupt as stopped:
        raise Interrupted(f"interrupted: {go_on}") from stopped
    except CannotRun as error:
        raise type(error)(f"{error}; then {go_on}") from error
    except StoreError as error:
        raise Interrupted(f"{error}; when that is mended, {go_on}") from error
    except OSError as error:
        raise Interrupted(f"{engine.name}: the Dask scheduler has gone: {go_on}") from error


@dataclass(slots=True, kw_only=True)
class Crew:
    """The tasks of one command, by the address of their Dask worker; ``failures`` of those that ended before the run did."""

    run: SharedRun
    around: Surroundings
    engine: Engine
    assignment: Assignment
    tasks: dict[str, Future] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    complete: bool = False
    lost: int = 0

    async def work(self) -> None:
        """Keep a task on each Dask worker until the run is complete; raises the first failure where it is not."""
        stop = Stop(listened_to(), say=self.around.say)
        journals = Journals(self.run)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(stop.listen)
                async with self.engine.connected() as client:
                    await self._work(client, stop, journals)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            raise first_of(failures) from failures
        if self.complete:
            return
        if stop.soft.is_set():
            raise KeyboardInterrupt
        failure = min(self.failures, key=lambda each: each.exit_code)
        kinds: dict[int, type[BenchError]] = {kind.exit_code: kind for kind in (UsageError, CannotRun, Interrupted)}
        raise kinds[failure.exit_code](failure.message)

    async def _work(self, client: Client, stop: Stop, journals: Journals) -> None:
        client.subscribe_topic(self.assignment.command, self._tell(set()))
        await journals.read()
        with progress.shown(len(self.run.plan) - len(journals.settled), self.around.console) as watch:
            journals.watch = watch
            async with anyio.create_task_group() as group:
                group.start_soon(journals.follow)
                group.start_soon(self._pass_on, client, stop, group.cancel_scope)
                await self._lead(client, stop, journals)
                group.cancel_scope.cancel()

    async def _lead(self, client: Client, stop: Stop, journals: Journals) -> None:
        """Start tasks, and lost ones again, until the run is complete or every task has ended."""
        most = self.engine.number or len(self.run.servers)
        idle_since = anyio.current_time()
        while not self._ended(journals):
            there = await client.nthreads()
            for address, task in list(self.tasks.items()):
                if task.done() or address not in there:
                    del self.tasks[address]
                    await self._take(address, task, journals)
            if not stop.soft.is_set():
                free = [address for address in there if address not in self.tasks and address not in self.used]
                await self._start(client, free[: most - len(self.tasks) - len(self.failures)])
            if self.tasks:
                idle_since = anyio.current_time()
            elif self.failures or stop.soft.is_set() or self._ended(journals):
                break
            elif anyio.current_time() - idle_since > WORKER_S:
                raise Interrupted(f"{self.engine.name}: no Dask worker is left: {self.assignment.go_on}")
            await anyio.sleep(TICK_S)
        if self.tasks:
            with anyio.move_on_after(END_S):
                await self._ask(client)
                await client.gather(list(self.tasks.values()), errors="skip")

    def _ended(self, journals: Journals) -> bool:
        self.complete = self.complete or journals.done == set(self.run.servers)
        return self.complete

    async def _start(self, client: Client, addresses: list[str]) -> None:
        if addresses and self.engine.number is None:
            with anyio.move_on_after(END_S):  # a worker may be paused, or on its way out
                await fit(client, addresses)
        for address in addresses:
            self.tasks[address] = client.submit(
                dask_task.run,
                self.assignment,
                key=f"uderia-bench-{uuid.uuid4().hex}",
                workers=[address],
                retries=0,
                pure=False,
            )

    async def _take(self, address: str, task: Future, journals: Journals) -> None:
        """Take the result of a task that has ended. Its loss counts, and another one is started for it."""
        from distributed.scheduler import KilledWorker  # noqa: PLC0415

        if task.status == "finished":
            failure = await task.result()
            self.complete = self.complete or failure is None
            self.used.add(address)
            if failure is not None:
                where = "" if self.engine.number else f"on Dask worker {address}: "
                self.failures.append(Failure(exit_code=failure.exit_code, message=f"{where}{failure.message}"))
            return
        error = await task.exception() if task.status == "error" else None
        if error is not None and not isinstance(error, KilledWorker):
            raise error
        task.release()
        self.lost = 1 if journals.news else self.lost + 1
        journals.news = False
        if self.lost > MOST_LOST:
            raise Interrupted(
                f"{self.engine.name}: {self.lost} Dask workers were lost one after the other, without a result between them;"
                f" look for the reason in their logs, then {self.assignment.go_on}"
            )
        self.around.say(f"Dask worker {address} was lost: another one continues its trials")

    async def _pass_on(self, client: Client, stop: Stop, scope: anyio.CancelScope) -> None:
        """Pass a stop on to the tasks, and cancel the scope where a hard stop does not end them."""
        await stop.soft.wait()
        await self._ask(client)
        await stop.hard.wait()
        await self._ask(client)
        await anyio.sleep(HARD_S)
        scope.cancel()

    async def _ask(self, client: Client) -> None:
        """Ask the tasks to stop. A Dask worker that does not answer is left alone."""
        if self.tasks:
            with anyio.move_on_after(END_S):
                await client.run(dask_task.ask_to_stop, self.assignment.command, workers=list(self.tasks), on_error="ignore")

    def _tell(self, told: set[str]) -> Any:
        def tell(event: tuple[float, str]) -> None:
            if event[1] not in told:  # each task says it
                told.add(event[1])
                self.around.say(event[1])

        return tell
