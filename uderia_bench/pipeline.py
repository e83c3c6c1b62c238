"""The whole job, from an experiment to a run directory with its reports: plan, connect, run, derive, compare, write.

It prints nothing but progress and decides no exit code; the command line does both, from the report's one rule.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import polars as pl
import structlog
from rich.console import Console

from uderia_bench import (
    agreement,
    checks,
    complexity,
    conversations,
    derive,
    embedded,
    gates,
    judgements,
    judging,
    logs,
    manifest,
    plan,
    progress,
    rendering,
    store,
)
from uderia_bench.analysis import Analysis, analyse
from uderia_bench.detectors import DEFAULTS, Severity, Thresholds
from uderia_bench.errors import CallFailed, Interrupted
from uderia_bench.experiment import SIM, Experiment
from uderia_bench.gateway import directory
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import from_environment
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.ledger import Ledger
from uderia_bench.plugins import Plugins
from uderia_bench.pricing import PriceTable
from uderia_bench.report.content import GateResult, IssueSummary, Report
from uderia_bench.report.costs import costs
from uderia_bench.report.issues import summarise
from uderia_bench.runner import Conditions, Runner
from uderia_bench.stop import Stop
from uderia_bench.store import RunDirectory
from uderia_bench.trial import Expected, Outcome, Stage, Trial

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a run takes from the process around it: environment (for credentials only), terminal, how to log and to sign in."""

    environ: Mapping[str, str]
    console: Console
    log_as_json: bool = False
    allow_plain_http: bool = False


def start(experiment: Experiment, *, output: Path, run_id: str | None, around: Surroundings) -> RunDirectory:
    """Run an experiment into a new run directory, as far as nobody interrupts it.

    Raises ``StoreError`` where the directory cannot be made and ``CannotRun`` where the servers or profiles are not there; then
    nothing is left behind.
    """
    trials = plan.build(experiment, experiment.queries)
    started_at = datetime.now(UTC)
    run = store.create(output, run_id or f"{started_at:%Y%m%d-%H%M%S}-{_slug(experiment.name)}")
    try:
        with _served(experiment) as addresses:
            anyio.run(_start, experiment, trials, run, addresses, around, started_at)
    except BaseException:
        run.remove_if_unused()
        raise
    return run


def resume(run: RunDirectory, around: Surroundings) -> RunDirectory:
    """Ask what an interrupted run left unasked; what was answered is not asked again."""
    experiment = manifest.experiment_of(run.manifest())
    with _served(experiment) as addresses:
        anyio.run(_resume, experiment, run, addresses, around)
    return run


def ask_judge(run: RunDirectory, plugins: Plugins, around: Surroundings) -> None:
    """Have the run's judge score what it has not scored yet; a run without a judge, or one that is not over, is left alone."""
    facts = run.manifest()
    if facts["state"] == "complete" and manifest.experiment_of(facts).judge is not None:
        with logs.into(run.log, as_json=around.log_as_json):
            anyio.run(judging.ask, run, plugins, around.environ)


def conclude(run: RunDirectory, plugins: Plugins, thresholds: Thresholds = DEFAULTS) -> Report:
    """Derive a run's Parquet, compare its arms and write its reports; returns the report for printing and judging."""
    derive.run(
        run,
        metrics=plugins.metrics,
        types=plugins.profile_types,
        detectors=plugins.detectors,
        thresholds=thresholds,
        expected=manifest.expected(run.manifest(), plugins.expectations, judgements.read(run.path).scores),
        prices=PriceTable(own=manifest.experiment_of(run.manifest()).prices),
    )
    run.write_manifest(manifest.derived(run.manifest(), plugins.metrics))
    made = judge(run, plugins)
    rendering.leave(run, made)
    return made


def judge(run: RunDirectory, plugins: Plugins) -> Report:
    """Compare the arms of a derived run as its experiment planned."""
    facts = run.manifest()
    experiment = manifest.experiment_of(facts)
    trials = run.trials()
    measured = trials.filter(trials["stage"] == Stage.MEASURED.value)
    outcomes = Counter(Outcome(value) for value in measured["outcome"])
    present = set(measured["arm"])
    planned = [(contrast.baseline, contrast.candidate) for contrast in experiment.contrasts]
    found = analyse(
        trials,
        metrics=plugins.metrics,
        contrasts=tuple(pair for pair in planned if present.issuperset(pair)),
        warnings=(
            *complexity.disagreements(trials),
            *(
                f"{candidate} against {baseline} is not compared: one of them has no measured trial (yet)"
                for baseline, candidate in planned
                if not present.issuperset((baseline, candidate))
            ),
        ),
        margins=experiment.margins,
        correction=experiment.correction,
        confidence=experiment.confidence,
        seed=experiment.seed,
    )
    issues = _issues(run, trials, plugins)
    return Report(
        facts=manifest.facts(facts, outcomes, files=tuple(str(run.path / name) for name in (*rendering.LEFT, "trials"))),
        analysis=found,
        metrics=plugins.metrics,
        costs=costs(trials, tuple(summary.arm for summary in found.arms)),
        issues=issues,
        conversations=conversations.carry_over(trials),
        judge=judging.told(experiment.judge, judgements.read(run.path), run.derived("checks")),
        gates=_gates(experiment, found, issues, plugins),
    )


def _issues(run: RunDirectory, trials: pl.DataFrame, plugins: Plugins) -> tuple[IssueSummary, ...]:
    """Sum up what detectors, checks and repeats show; of what an older derivation wrote no table for, nothing is said."""
    found, steps = run.derived("issues"), run.derived("steps")
    judged, stated = run.derived("checks"), run.derived("answers")
    summaries = (
        *(() if found is None or steps is None else summarise(found, trials, steps, plugins.detectors)),
        *(() if judged is None else checks.summary(judged)),
        *(() if stated is None else agreement.summary(stated)),
    )
    return tuple(sorted(summaries, key=lambda issue: list(Severity).index(Severity(issue.severity)), reverse=True))


def _gates(
    experiment: Experiment, found: Analysis, issues: tuple[IssueSummary, ...], plugins: Plugins
) -> tuple[GateResult, ...]:
    """Judge the experiment's gates; one that cannot be read any more (a plug-in that is gone) is missed, and says why."""
    names = gates.names_of(experiment, plugins.metrics, [detector.name for detector in plugins.detectors])
    results: list[GateResult] = []
    for text in experiment.gates:
        try:
            results += gates.judge([gates.parse(text, names)], found, issues)
        except gates.Misread as wrong:
            results.append(GateResult(name=text, passed=False, detail=wrong.message))
    return tuple(results)


def settled_or_interrupted(run: RunDirectory) -> None:
    """Raise ``Interrupted``, with how to go on, where a run has trials left to ask."""
    with Ledger.open(run.ledger) as ledger:
        left = len(ledger.unsettled())
    if left:
        raise Interrupted(f"{left} trials are left: go on with 'uderia-bench resume {run.path}'")


def profiles(server: str, around: Surroundings) -> tuple[directory.Profile, ...]:
    """Return a server's profiles with the models they are configured with; ``sim`` is the embedded one."""

    async def ask(address: str) -> tuple[directory.Profile, ...]:
        async with connect(
            address, from_environment(around.environ, embedded=server == SIM), allow_plain_http=around.allow_plain_http
        ) as uderia:
            return directory.read(await uderia.profiles(), await uderia.llm_configurations())

    if server != SIM:
        return anyio.run(ask, server)
    with embedded.serve(seed=0, speed=1.0) as address:
        return anyio.run(ask, address)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    """Signed-in servers by the experiment's names for them, what each arm is configured with, and facts for the manifest."""

    servers: Mapping[str, Uderia]
    arms: Mapping[str, Expected]
    facts: Mapping[str, Any]


@contextmanager
def _served(experiment: Experiment) -> Iterator[dict[str, str]]:
    """Yield the address of every server by name, with the embedded one started where an arm wants it."""
    names = dict.fromkeys(experiment.server_of(arm.name) for arm in experiment.arms)
    addresses = {name: name for name in names if name != SIM}
    with ExitStack() as stack:
        if SIM in names:
            sim = experiment.sim
            seed = experiment.seed if sim.seed is None else sim.seed
            faults = None if sim.faults is None else Path(sim.faults)
            addresses[SIM] = stack.enter_context(embedded.serve(seed=seed, speed=sim.speed, faults=faults))
        yield addresses


async def _start(
    experiment: Experiment,
    trials: Sequence[Trial],
    run: RunDirectory,
    addresses: Mapping[str, str],
    around: Surroundings,
    started_at: datetime,
) -> None:
    async with _session(experiment, addresses, around) as session:
        facts = manifest.begun(
            experiment, trials, run_id=run.run_id, arms=session.arms, servers=session.facts, started_at=started_at
        )
        run.write_manifest(facts)
        with Ledger.create(run.ledger, trials, session.arms) as ledger:
            await _work(experiment, run, session, ledger, around)


async def _resume(experiment: Experiment, run: RunDirectory, addresses: Mapping[str, str], around: Surroundings) -> None:
    async with _session(experiment, addresses, around) as session:
        with Ledger.open(run.ledger) as ledger:
            await _work(experiment, run, session, ledger, around)


@asynccontextmanager
async def _session(experiment: Experiment, addresses: Mapping[str, str], around: Surroundings) -> AsyncGenerator[_Session]:
    """Sign in everywhere and find every arm's profile before anything is written."""
    async with AsyncExitStack() as stack:
        servers: dict[str, Uderia] = {}
        listed: dict[str, tuple[directory.Profile, ...]] = {}
        facts: dict[str, Any] = {}
        for name, address in addresses.items():
            credentials = from_environment(around.environ, embedded=name == SIM)
            servers[name] = await stack.enter_async_context(
                connect(address, credentials, allow_plain_http=around.allow_plain_http)
            )
            configurations = await servers[name].llm_configurations()
            listed[name] = directory.read(await servers[name].profiles(), configurations)
            facts[name] = {"llm_configurations": configurations, "costs": await servers[name].costs()}
        arms = {
            arm.name: directory.resolve(arm.profile, listed[server], server=server)
            for arm in experiment.arms
            for server in (experiment.server_of(arm.name),)
        }
        yield _Session(servers=servers, arms=arms, facts=facts)


async def _work(experiment: Experiment, run: RunDirectory, session: _Session, ledger: Ledger, around: Surroundings) -> None:
    """Ask what the ledger has left, and say in the manifest how far it came."""
    left = ledger.unsettled()
    stop = Stop((signal.SIGINT, signal.SIGTERM), say=lambda text: around.console.print(text, highlight=False))
    with run.claimed(), logs.into(run.log, as_json=around.log_as_json), progress.shown(len(left), around.console) as watch:
        log.info("run begins", run=run.run_id, trials=len(left))
        runner = Runner(
            servers=session.servers,
            arms=session.arms,
            conditions=_conditions(experiment),
            book=ledger,
            watch=watch,
            stop=stop,
        )
        try:
            await runner.run(left)
        finally:
            complete = not ledger.unsettled()
            run.write_manifest(manifest.ended(run.manifest(), complete=complete, ended_at=datetime.now(UTC)))
            log.info("run ends", run=run.run_id, complete=complete, **ledger.counts())
        if experiment.sessions == "archive" and complete:
            await _archive(session, ledger)


def _conditions(experiment: Experiment) -> Conditions:
    single = experiment.load.isolation == "trial"
    return Conditions(
        concurrency=1 if single else experiment.load.concurrency,
        caps={arm.name: arm.concurrency for arm in experiment.arms if arm.concurrency is not None},
        timeout_s=experiment.timeout,
        bare_sessions=not experiment.session_carries_profile,
        seed=experiment.seed,
    )


async def _archive(session: _Session, ledger: Ledger) -> None:
    """Put the run's sessions away; old sessions slow a server down, and a failure here takes nothing from the run."""
    for record in ledger.records():
        if record.session_id is not None:
            try:
                await session.servers[record.expected.server].archive(record.session_id)
            except CallFailed as error:
                log.warning("session not archived", session=record.session_id, error=str(error))


def _slug(name: str) -> str:
    """Return an experiment's name as part of a run id."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:40] or "run"
