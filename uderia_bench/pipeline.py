"""The whole job, from an experiment to a run directory with its reports: plan, connect, run, derive, compare, write.

It prints nothing but progress and decides no exit code; the command line does both, from the report's one rule.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import polars as pl

from uderia_bench import (
    agreement,
    baselines,
    checks,
    complexity,
    conversations,
    derive,
    diff,
    embedded,
    gates,
    judgements,
    judging,
    logs,
    manifest,
    plan,
    pricing,
    rendering,
    results,
    sitting,
    store,
)
from uderia_bench.analysis import Analysis, analyse
from uderia_bench.analysis.ramp import ramp_note
from uderia_bench.detectors import DEFAULTS, Severity, Thresholds
from uderia_bench.documents import Override
from uderia_bench.errors import Interrupted, StoreError
from uderia_bench.experiment import SIM, Experiment
from uderia_bench.gates import Against
from uderia_bench.gateway import directory
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import from_environment
from uderia_bench.ledger import Ledger
from uderia_bench.plugins import Plugins
from uderia_bench.pricing import PriceTable
from uderia_bench.report.content import GateResult, IssueSummary, PricedModel, Report, Saving
from uderia_bench.report.costs import costs, priced_models
from uderia_bench.report.issues import summarise
from uderia_bench.report.savings import savings
from uderia_bench.sitting import Surroundings
from uderia_bench.store import RunDirectory
from uderia_bench.trial import Outcome, Stage


def start(experiment: Experiment, *, output: Path, run_id: str | None, around: Surroundings) -> RunDirectory:
    """Run an experiment into a new run directory, as far as nobody interrupts it.

    Raises ``StoreError`` where the directory cannot be made and ``CannotRun`` where the servers or profiles are not there; then
    nothing is left behind.
    """
    trials = plan.build(experiment, experiment.queries)
    started_at = datetime.now(UTC)
    run = store.create(output, run_id or f"{started_at:%Y%m%d-%H%M%S}-{_slug(experiment.name)}")
    try:
        sitting.first(experiment, trials, run, around, started_at)
    except BaseException:
        run.remove_if_unused()
        raise
    return run


def resume(run: RunDirectory, around: Surroundings, overrides: Iterable[str | Override] = ()) -> RunDirectory:
    """Ask what an interrupted run left unasked; what was answered is not asked again. ``overrides`` set what ends it early.

    A run that a declared look has decided has nothing left to ask.
    """
    facts = manifest.amended(run.manifest(), overrides)
    if not facts.get("decided"):
        sitting.again(facts, run, around)
    return run


def ask_judge(run: RunDirectory, plugins: Plugins, around: Surroundings) -> None:
    """Have the run's judge score what it has not scored yet; a run without a judge, or one that is not over, is left alone."""
    facts = run.manifest()
    if facts["state"] == "complete" and manifest.experiment_of(facts).judge is not None:
        with logs.into(run.log, as_json=around.log_as_json):
            anyio.run(judging.ask, run, plugins, around.environ)


def conclude(run: RunDirectory, plugins: Plugins, thresholds: Thresholds = DEFAULTS) -> Report:
    """Derive a run's Parquet, compare its arms and write its reports; returns the report for printing and judging."""
    facts = run.manifest()
    prices = PriceTable(own=manifest.experiment_of(facts).prices, served=pricing.served(facts.get("servers", {})))
    derived = derive.run(
        run,
        metrics=plugins.metrics,
        types=plugins.profile_types,
        detectors=plugins.detectors,
        thresholds=thresholds,
        expected=manifest.expected(facts, plugins.expectations, judgements.read(run.path).scores),
        prices=prices,
    )
    found = {
        "damaged": _damaged(run, derived),
        "baseline": pinned(run, facts),
        "prices": [asdict(priced) for priced in priced_models(run.trials(), run.derived("steps"), prices)],
    }
    run.write_manifest({**manifest.derived(facts, plugins.metrics), **found})
    made = judge(run, plugins)
    results.keep(run, made, plugins)
    rendering.leave(run, made)
    return made


def pinned(run: RunDirectory, facts: dict[str, Any]) -> dict[str, str] | None:
    """Return the run that the experiment's baseline names, for the manifest; None where it names none, or none that is there.

    It is looked up once: wherever the name points later, the report of this run says what it was held against.
    """
    name, known = manifest.experiment_of(facts).baseline, facts.get("baseline")
    if name is None or known is not None:
        return known
    try:
        found = store.find(name, run.path.parent, beside=baselines.folder_of(facts))
    except StoreError:
        return None
    return {"run_id": found.run_id, "path": os.path.relpath(found.path, run.path.resolve())}


def damage(facts: dict[str, Any]) -> tuple[str, ...]:
    """Say what of a run could not be read, from its manifest."""
    names = facts.get("damaged") or ()
    if not names:
        return ()
    return (f"{len(names)} settled trials cannot be read from the damaged ledger: {', '.join(names)}",)


def _damaged(run: RunDirectory, derived: int) -> tuple[str, ...]:
    """Name the settled trials that could not be derived, because the ledger is damaged."""
    with Ledger.open(run.ledger) as ledger:
        return ledger.damaged() if derived < ledger.settled_count() else ()


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
            *ramp_note(trials, experiment.load.ramp),
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
        looked=manifest.looked(facts),
        conditions=manifest.generator(facts),
    )
    issues = _issues(run, trials, plugins)
    against = _against(run, facts, plugins)
    return Report(
        facts=manifest.facts(facts, outcomes, notes=(*damage(facts), *filter(None, [against.whence]))),
        analysis=found,
        metrics=plugins.metrics,
        costs=costs(trials, tuple(summary.arm for summary in found.arms)),
        prices=tuple(PricedModel(**priced) for priced in facts.get("prices", ())),
        savings=_savings(run, trials),
        issues=issues,
        conversations=conversations.carry_over(trials),
        judge=judging.told(experiment.judge, judgements.read(run.path), run.derived("checks")),
        gates=_gates(experiment, found, issues, plugins, against),
        warnings=against.notes,
    )


def _savings(run: RunDirectory, trials: pl.DataFrame) -> tuple[Saving, ...]:
    """Rank what could be saved; a run derived before there were detectors says nothing."""
    found = run.derived("issues")
    return () if found is None else savings(found, trials)


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
    experiment: Experiment, found: Analysis, issues: tuple[IssueSummary, ...], plugins: Plugins, against: Against
) -> tuple[GateResult, ...]:
    """Judge the experiment's gates; one that cannot be read any more (a plug-in that is gone) is missed, and says why."""
    names = gates.names_of(experiment, plugins.metrics, [detector.name for detector in plugins.detectors])
    results: list[GateResult] = []
    for text in experiment.gates:
        try:
            results += gates.judge([gates.parse(text, names)], found, issues, against)
        except gates.Misread as wrong:
            results.append(GateResult(name=text, passed=False, detail=wrong.message))
    return tuple(results)


def _against(run: RunDirectory, facts: dict[str, Any], plugins: Plugins) -> Against:
    """Hold a run against the baseline its experiment names.

    On the first night there is none yet, and what its gates say is how to have one. An experiment names one only where a
    gate compares with it (``check``), so that no comparison is made for nothing.
    """
    named, pinned = manifest.experiment_of(facts).baseline, facts.get("baseline")
    if named is None:
        return Against(why="the experiment names no baseline")
    if pinned is None:
        return Against(why=f"no run is found as {named} yet; 'uderia-bench baseline save {named} {run.run_id}' names this one")
    baseline = RunDirectory((run.path / pinned["path"]).resolve())
    if not baseline.begun:
        return Against(why=f"the baseline {named} was run {pinned['run_id']}, which is no longer in {baseline.path.parent}")
    return diff.against(baseline, run, plugins)


def settled_or_interrupted(run: RunDirectory) -> None:
    """Raise ``Interrupted``, with how to go on, where a run has trials left to ask."""
    with Ledger.open(run.ledger) as ledger:
        left = len(ledger.unsettled())
    facts = run.manifest()
    if left and not facts.get("decided"):
        reason = facts.get("stopped")
        because = f"{reason}; " if reason else ""
        raise Interrupted(f"{because}{left} trials are left: {sitting.how_to_go_on(run)}")


def profiles(server: str, around: Surroundings) -> tuple[directory.Profile, ...]:
    """Return a server's profiles with the models they are configured with; ``sim`` is the embedded one."""

    async def ask(address: str) -> tuple[directory.Profile, ...]:
        async with connect(
            address, from_environment(around.environ, embedded=server == SIM), allow_plain_http=around.allow_plain_http
        ) as uderia:
            return directory.read(await uderia.profiles(), await uderia.llm_configurations())

    with logs.into(None, as_json=around.log_as_json):
        if server != SIM:
            return anyio.run(ask, server)
        with embedded.serve(seed=0, speed=1.0) as address:
            return anyio.run(ask, address)


def _slug(name: str) -> str:
    """Return an experiment's name as part of a run id."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:40] or "run"
