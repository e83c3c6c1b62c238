"""One sitting of a run: connects to the servers, opens the ledger, and asks trials until the plan is done or a stop.

A run can be resumed however a sitting ends. The run is claimed before its ledger exists, and the
manifest is written after the ledger. If a signal, a full disk or a lost server ends the sitting early,
the message names the command that resumes the run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import structlog

from uderia_bench.documents.experiment import SIM, Experiment
from uderia_bench.documents.experiment_parts import Arm
from uderia_bench.documents.memory import AS_IS
from uderia_bench.errors import CallFailed, CannotRun, Interrupted, StoreError, Unreachable
from uderia_bench.gateway import directory, embedded
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.reading import profile_types
from uderia_bench.runner import copies, interim, progress
from uderia_bench.runner.book import open_book
from uderia_bench.runner.budget import Account
from uderia_bench.runner.control import Control
from uderia_bench.runner.gauge import Gauge, collector_paused
from uderia_bench.runner.hooks import Hooks
from uderia_bench.runner.managed import SETTLE_S, Managed
from uderia_bench.runner.memory import Memory
from uderia_bench.runner.outline import describe
from uderia_bench.runner.runner import Runner
from uderia_bench.runner.signals import listened_to
from uderia_bench.runner.stop import Stop
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import log as logs
from uderia_bench.runs import manifest, mirror
from uderia_bench.runs.actions import Action, paused
from uderia_bench.runs.changes import Change
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.interim import Decided
from uderia_bench.runs.journal import ChangeJournal
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.lock import Lock
from uderia_bench.runs.manifest import Manifest
from uderia_bench.runs.outage import Outage
from uderia_bench.runs.run import Run
from uderia_bench.trace import Trace
from uderia_bench.trial import Serving, Trial, TrialRecord

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Signed-in servers by their names in the experiment, the configuration of each arm, and facts for the manifest.

    ``copies`` are the changes of the servers that make the copies of profiles.
    """

    servers: Mapping[str, Uderia]
    arms: Mapping[str, Serving]
    facts: Mapping[str, Any]
    copies: tuple[Change, ...] = ()


def first(
    experiment: Experiment,
    trials: Sequence[Trial],
    made: RunDirectory,
    around: Surroundings,
    started_at: datetime,
    lock: Lock | None = None,
) -> Run:
    """Start a run in its new directory and ask its trials.

    Raises ``Interrupted``, with the command that resumes the run, if it stops early.
    """

    async def work(session: Session) -> Run:
        begun = replace(begin(experiment, trials, made.run_id, session, around, started_at), lock=lock)
        with Ledger.create(made.ledger, trials, session.arms) as ledger:
            run = Run(directory=made, manifest=begun).written(begun)  # after the ledger: from here on the run can be resumed
            with logs.into(made.log, as_json=around.log_as_json):
                return await _ask(run, session, ledger, around)

    return _sit(experiment, made, around, work, began={})


def begin(
    experiment: Experiment, trials: Sequence[Trial], run_id: str, session: Session, around: Surroundings, started_at: datetime
) -> Manifest:
    """Return the manifest of a run that is about to start; print what its plan cannot balance."""
    outline = describe(trials, experiment)
    for each in outline.unbalanced:
        around.say(each.warning)
    return manifest.begun(
        experiment,
        trials,
        run_id=run_id,
        arms=session.arms,
        servers=session.facts,
        started_at=started_at,
        turns={share.arm: share.turns for share in outline.arms if share.turns},
        confounded=tuple((each.baseline, each.candidate, each.reason) for each in outline.unbalanced),
        looks=outline.looks,
    )


def again(run: Run, around: Surroundings) -> Run:
    """Resume a run with its (changed) manifest; raises as ``first``. A complete run is returned unchanged."""
    with Ledger.open(run.directory.ledger) as ledger:
        if run.manifest.complete and not ledger.unsettled():
            return run

    async def work(session: Session) -> Run:
        directory = run.directory
        with logs.into(directory.log, as_json=around.log_as_json), Ledger.open(directory.ledger, writing=True) as ledger:
            run.written(run.manifest)
            embedded_arms = [arm for arm, expected in session.arms.items() if SIM in expected.servers]
            if forgotten := ledger.forget(SIM, embedded_arms):
                # The embedded server was a child of the interrupted process: its sessions and tasks are gone.
                log.warning("the embedded server is a new one: asking again", trials=forgotten)
            return await _ask(run, session, ledger, around)

    return _sit(run.experiment, run.directory, around, work, began=run.manifest.arms)


def how_to_go_on(run: RunDirectory) -> str:
    """Return the words that name the command which resumes a run."""
    return f"go on with 'uderia-bench resume {mirror.typed(run.path)}'"


def _sit(
    experiment: Experiment,
    directory: RunDirectory,
    around: Surroundings,
    work: Callable[[Session], Awaitable[Run]],
    began: Mapping[str, Serving],
) -> Run:
    async def signed_in(addresses: Mapping[str, str]) -> Run:
        async with session(experiment, addresses, around, began, run_id=directory.run_id) as signed:
            return await work(signed)

    require_permission(experiment.commands, around)
    # Signing in is logged to the terminal, before the run directory exists.
    with (
        interruptible(directory),
        directory.claimed(),
        logs.into(None, as_json=around.log_as_json),
        served(experiment) as addresses,
    ):
        return anyio.run(signed_in, addresses)


def require_permission(commands: Sequence[str], around: Surroundings, *, where: str = "this machine") -> None:
    """Raise ``CannotRun`` unless the user allows the commands: a document's author could else run any on this machine."""
    listed = "; ".join(commands)
    if commands and not around.may(f"The experiment runs commands on {where}: {listed}. Run them?"):
        raise CannotRun(f"the experiment runs commands on {where}: {listed}; if you trust them, use --allow-commands")


@contextmanager
def interruptible(run: RunDirectory) -> Iterator[None]:
    """Turn ``KeyboardInterrupt`` into ``Interrupted``, with the command that resumes the run, if there is a run."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if not run.begun:
            raise
        raise Interrupted(f"interrupted: {how_to_go_on(run)}") from stopped


@contextmanager
def served(experiment: Experiment) -> Iterator[dict[str, str]]:
    """Yield the address of every server by name; start the embedded server if an arm uses it."""
    names = experiment.asked_servers
    addresses = {name: name for name in names if name != SIM}
    with ExitStack() as stack:
        if SIM in names:
            sim = experiment.sim
            seed = experiment.seed if sim.seed is None else sim.seed
            faults = None if sim.faults is None else Path(sim.faults)
            addresses[SIM] = stack.enter_context(embedded.serve(seed=seed, speed=sim.speed, faults=faults))
        yield addresses


@asynccontextmanager
async def session(
    experiment: Experiment,
    addresses: Mapping[str, str],
    around: Surroundings,
    began: Mapping[str, Serving],
    *,
    run_id: str = "",
) -> AsyncGenerator[Session]:
    """Sign in to every server and find the profile of every arm, before the run directory has a ledger.

    ``began`` is what the arms began with, in a run that is resumed. There, a server that does not answer is
    left out where others of its pool do. Copies of profiles have ids of the run.
    """
    async with AsyncExitStack() as stack:
        servers: dict[str, Uderia] = {}
        listed: dict[str, dict[str, Any]] = {}
        facts: dict[str, Any] = {}
        for name, address in addresses.items():
            try:
                uderia = await stack.enter_async_context(around.connect(name, address))
            except Unreachable as error:
                if not began or all(len(arm.servers) == 1 for arm in began.values() if name in arm.servers):
                    raise
                around.say(f"{error}: its trials go to the other servers")
                continue
            servers[name] = uderia
            configurations = await uderia.llm_configurations()
            listed[name] = await uderia.profiles()
            facts[name] = {"llm_configurations": configurations, "costs": await uderia.costs()}
        profiles = {name: directory.read(listed[name], facts[name]["llm_configurations"]) for name in listed}
        made: list[Change] = []
        for arm in (each for each in experiment.arms if each.changes):
            for name in listed.keys() & experiment.servers_of(arm.name):
                copy = copies.copy(arm, run_id, name, listed[name], facts[name]["llm_configurations"])
                profiles[name] = (*profiles[name], copy.profile)
                made += copy.changes
        arms = {
            arm.name: _resolved(copies.served(arm, run_id), experiment.servers_of(arm.name), profiles, began)
            for arm in experiment.arms
        }
        yield Session(servers=servers, arms=arms, facts=facts, copies=tuple(made))


def _resolved(
    arm: Arm, servers: Sequence[str], listed: Mapping[str, tuple[directory.Profile, ...]], began: Mapping[str, Serving]
) -> Serving:
    """Find the profile of an arm on all its servers; raise ``CannotRun`` where they would serve it with different models."""
    if not any(server in listed for server in servers):
        raise Unreachable(f"no server of arm {arm.name} answers: {', '.join(servers)}")
    first, *others = (
        directory.resolve(arm.profile, listed[server], server=server) if server in listed else began[arm.name].on(server)
        for server in servers
    )
    for other in others:
        if (other.profile_type, other.models) != (first.profile_type, first.models):
            has = " and ".join(f"{', '.join(each.models) or each.profile_type} on {each.server}" for each in (first, other))
            raise CannotRun(f"arm {arm.name} has {has}: an arm needs the same models on all its servers, or one arm for each")
    return replace(first, elsewhere=tuple(others))


async def _ask(run: Run, session: Session, ledger: Ledger, around: Surroundings) -> Run:
    """Ask the unsettled trials of the ledger; return the run with its progress in the manifest."""
    experiment = run.experiment
    left = ledger.unsettled()
    stop = Stop(listened_to(), say=around.say)
    with progress.shown(len(left), around.console) as watch, collector_paused() as collect:
        gauge = Gauge(collect=collect)
        outages: list[Outage] = []
        hooks = Hooks(experiment=experiment, directory=run.path, environ=around.environ, stop=stop)
        log.info("run begins", run=run.run_id, trials=len(left))
        asked_again = {trial.trial_id for trial in left}
        before = (record for record in ledger.records() if record.trial.trial_id not in asked_again)
        planned = {trial.trial_id: trial for trial in ledger.plan()}
        looks = interim.of(experiment, plan=tuple(planned.values()), before=before, stop=stop)
        speed = experiment.sim.speed if set(session.servers) == {SIM} else 1.0
        journal = ChangeJournal(run.directory.ledger, around.seal)
        managed = Managed(servers=session.servers, journal=journal, folder=run.path, settle_s=SETTLE_S / speed)

        def settled(record: TrialRecord, trace: Trace) -> None:
            watch(trace)
            if looks is not None:
                looks(record, trace)

        memory = _memory(run, session, managed)
        try:
            async with (
                hooks.run(),
                copies.made(session.copies, managed),
                nullcontext() if memory is None else memory.run(left=len(left)),
                open_book(ledger) as book,
            ):
                if paused(ledger.actions()):  # in an earlier sitting, which ended before the pause did
                    await book.act(Action(at=datetime.now(UTC), who="uderia-bench resume", what="resume"))
                runner = Runner(
                    servers=session.servers,
                    arms=session.arms,
                    experiment=experiment,
                    book=book,
                    watch=settled,
                    stop=stop,
                    spent=Account.carried(ledger.account(), trials=len(planned) - len(left)),
                    gauge=gauge,
                    outages=outages,
                    locks=around.locks,
                    hooks=hooks,
                    control=Control(directory=run.path, stop=stop, book=book, plan=planned, utc=lambda: datetime.now(UTC)),
                    skips=looks.skips if looks is not None else lambda _: False,
                    memory=memory,
                    understand=profile_types.totals if looks is None else profile_types.read,  # any metric may be looked at
                )
                await runner.run(left)
            ended = _ended(run, ledger, stop.reason, gauge, outages, hooks, None if looks is None else looks.decision())
        except StoreError as error:
            raise Interrupted(f"{error}; when that is mended, {how_to_go_on(run.directory)}") from error
        except CannotRun as error:
            _ended(run, ledger, stop.reason or str(error), gauge, outages, hooks)
            raise type(error)(f"{error}; then {how_to_go_on(run.directory)}") from error
        if experiment.sessions == "archive" and ended.manifest.complete:
            await archive(session.servers, session.arms, ledger)
        return ended


def _memory(run: Run, session: Session, managed: Managed) -> Memory | None:
    """Return what brings the servers into the states that the arms name, None where no arm names one."""
    if all(arm.memory == AS_IS for arm in run.experiment.arms):
        return None
    return Memory(experiment=run.experiment, arms=session.arms, managed=managed)


def _ended(
    run: Run,
    ledger: Ledger,
    stopped: str | None,
    gauge: Gauge,
    outages: Sequence[Outage],
    hooks: Hooks,
    decided: Decided | None = None,
) -> Run:
    """Write into the manifest how far the run came, why it ``stopped``, and the measurements of the load generator.

    A run that an interim look decided is complete.
    """
    left = len(ledger.unsettled()) if decided is None else 0
    log.info("run ends", run=run.run_id, left=left, reason=stopped, **ledger.counts())
    return run.written(
        run.manifest.ended(
            left=left,
            at=datetime.now(UTC),
            stopped=stopped,
            record=gauge.conditions(),
            decided=decided,
            outages=outages,
            hooks=hooks.ran,
            actions=ledger.actions(),
            changes=ledger.changes(),
        )
    )


async def archive(servers: Mapping[str, Uderia], arms: Mapping[str, Serving], ledger: Ledger) -> None:
    """Archive the run's sessions, because old sessions slow a server down; a failure is only logged."""
    for arm, server, session_id in ledger.sessions():
        try:
            await servers[arms[arm].on(server).server].archive(session_id)
        except KeyError:
            log.warning("session not archived", session=session_id, error=f"{server} is away")
        except (CallFailed, CannotRun) as error:
            log.warning("session not archived", session=session_id, error=str(error))
