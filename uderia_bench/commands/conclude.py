"""Conclude a run: derive its tables, compare its arms, write its reports."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, replace

import anyio
import polars as pl

from uderia_bench.analysis import complexity_labels, conversations
from uderia_bench.analysis.analyse import analyse
from uderia_bench.analysis.memory import Declared
from uderia_bench.analysis.ramp import ramp_note
from uderia_bench.analysis.values import Analysis
from uderia_bench.commands import diff, label, report, results
from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.memory import AS_IS
from uderia_bench.errors import StoreError
from uderia_bench.plugins import Plugins
from uderia_bench.printable import count_of
from uderia_bench.reading import derive, pricing
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.detectors import DEFAULTS, Severity, Thresholds
from uderia_bench.reading.judge import scores
from uderia_bench.reading.pricing import PriceTable
from uderia_bench.reading.tables import identity
from uderia_bench.report import facts, findings, judge, memory, spending
from uderia_bench.report import labels as labels_report
from uderia_bench.report.content import GateResult, IssueSummary, PricedModel, Report, Saving
from uderia_bench.report.costs import costs, priced_models
from uderia_bench.report.gates import grammar
from uderia_bench.report.gates.evaluate import evaluate
from uderia_bench.report.gates.gate import Against, Misread, names_of
from uderia_bench.report.issues import summarise
from uderia_bench.report.monthly import month
from uderia_bench.report.results import results as results_of
from uderia_bench.report.savings import savings
from uderia_bench.runner import judging
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import find, log
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.manifest import Pinned
from uderia_bench.runs.run import Run
from uderia_bench.trial import Outcome, Stage

_COLUMNS = {
    "steps": ("trial_id", "arm", "stage", "kind", "class", "path", "index", "parent", "input_tokens", "output_tokens"),
    "answers": (*(column.name for column in identity.COLUMNS), "facts"),
}
"""The columns of large tables that a report needs."""


def ask_judge(run: Run, plugins: Plugins, around: Surroundings) -> None:
    """Have the run's judge score the answers it has not scored yet; a run without a judge, or not complete, is left alone."""
    if run.manifest.complete and run.experiment.judge is not None:
        with log.into(run.directory.log, as_json=around.log_as_json):
            anyio.run(judging.ask, run, plugins, around.environ, around.trust)


def conclude(run: Run, plugins: Plugins, thresholds: Thresholds = DEFAULTS) -> tuple[Run, Report]:
    """Derive a run's Parquet, compare its arms and write its reports; return the run as it is now, and its report."""
    prices = PriceTable(own=run.experiment.prices, served=pricing.served(run.manifest.servers))
    reading = derive.Reading(
        metrics=plugins.metrics,
        types=plugins.profile_types,
        detectors=plugins.detectors,
        thresholds=thresholds,
        expected=expectations.of(run.manifest, plugins.expectations, scores.read(run.path)),
        prices=prices,
        keep_answers=run.experiment.keep_answers,
    )
    derived = derive.run(run.directory, reading)
    run = run.noted(
        metrics={metric.name: metric.definition for metric in plugins.metrics},
        damaged=_damaged(run, derived),
        baseline=pinned(run),
        prices=tuple(asdict(priced) for priced in priced_models(run.trials(), run.derived("steps"), prices)),
    )
    made = report_on(run, plugins)
    results.keep(run, made, plugins)
    report.leave(run, made)
    return run, made


def pinned(run: Run) -> Pinned | None:
    """Return the run that the experiment's baseline names, or None if there is no such run.

    It is looked up once: the report stays comparable with the same run, wherever the name points later.
    """
    name, known = run.experiment.baseline, run.manifest.baseline
    if name is None or known is not None:
        return known
    try:
        found = find.directory(name, run.path.parent, beside=run.manifest.experiment_folder)
    except StoreError:
        return None
    return Pinned(run_id=found.run_id, path=os.path.relpath(found.path, run.path.resolve()))


def damage(run: Run) -> tuple[str, ...]:
    """Name the settled trials of a run that cannot be read from its ledger."""
    names = run.manifest.damaged
    return (f"{len(names)} settled trials cannot be read from the damaged ledger: {', '.join(names)}",) if names else ()


def _damaged(run: Run, derived: int) -> tuple[str, ...]:
    """Name the settled trials that could not be derived, because the ledger is damaged."""
    with Ledger.open(run.directory.ledger) as ledger:
        return tuple(ledger.damaged()) if derived < ledger.settled_count() else ()


def _memory(run: Run) -> Declared | None:
    """Return which arms differ in the server's memory; None where the run managed none."""
    states = {arm.name: arm.memory for arm in run.experiment.arms if arm.memory != AS_IS}
    profiles = {name: f"{arm.profile_id} on {arm.server}" for name, arm in run.manifest.arms.items()}
    return Declared(states=states, profiles=profiles, paraphrases=run.manifest.corpus.paraphrases) if states else None


def report_on(run: Run, plugins: Plugins) -> Report:
    """Compare the arms of a derived run as its experiment planned."""
    experiment, every = run.experiment, run.trials()
    trials = _counted(run, every)
    measured = trials.filter(trials["stage"] == Stage.MEASURED.value)
    outcomes = Counter(Outcome(value) for value in measured["outcome"])
    present = set(measured["arm"])
    said, preferences = scores.read(run.path), run.derived("preferences")
    planned = [(contrast.baseline, contrast.candidate) for contrast in experiment.contrasts]
    found = analyse(
        trials,
        metrics=plugins.metrics,
        contrasts=tuple(pair for pair in planned if present.issuperset(pair)),
        warnings=(
            *complexity_labels.disagreements(trials),
            *ramp_note(trials, experiment.load.ramp),
            *memory.left_changed(run.manifest.changes, run.run_id),
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
        looked=run.manifest.looked,
        confounded={(baseline, candidate): reason for baseline, candidate, reason in run.manifest.plan.confounded},
        conditions=run.manifest.load_record,
        memory=_memory(run),
        preferences=preferences,
        untrusted=judge.untrusted(experiment.judge, said, measured),
        judged=judge.looked(experiment.judge, said),
    )
    issues = _issues(run, trials, plugins)
    against = _against(run, plugins)
    made = Report(
        facts=facts.of(
            run.manifest,
            outcomes,
            notes=(*damage(run), *_cancelled(every.height - trials.height), *filter(None, [against.whence])),
        ),
        analysis=found,
        metrics=plugins.metrics,
        spending=spending.of(run.manifest, every),
        costs=costs(trials, tuple(summary.arm for summary in found.arms)),
        prices=tuple(PricedModel(**priced) for priced in run.manifest.prices),
        savings=_savings(run, trials),
        issues=issues,
        conversations=conversations.carry_over(trials),
        judge=(
            *judge.told(
                experiment.judge,
                said,
                checks=run.derived("checks"),
                preferences=preferences,
                trials=measured,
                confidence=experiment.confidence,
            ),
            *labels_report.told(label.compared(run)),
            *label.calibrated(run),
        ),
        gates=_gates(experiment, found, issues, plugins, against),
        results=results_of(trials, run.derived("checks")),
        warnings=against.notes,
    )
    return made if experiment.traffic is None else replace(made, month=month(made, trials, experiment.traffic))


def _counted(run: Run, trials: pl.DataFrame) -> pl.DataFrame:
    """Return the trials to report on, without those that were cancelled because the run stopped."""
    return trials if run.manifest.complete else trials.filter(pl.col("outcome") != Outcome.CANCELLED.value)


def _cancelled(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    cancelled = f"{count_of(count, 'trial was', 'trials were')} cancelled when the run stopped"
    return (f"{cancelled}. Cancelled trials do not count, and resume asks them again.",)


def _of(run: Run, table: str, trials: pl.DataFrame) -> pl.DataFrame | None:
    """Return the rows of a derived table that belong to these trials, None where the run has no such table."""
    found = run.derived(table, _COLUMNS.get(table))
    if found is None:
        return None
    return found.join(trials.select("trial_id"), on="trial_id", how="semi", maintain_order="left")


def _savings(run: Run, trials: pl.DataFrame) -> tuple[Saving, ...]:
    """Rank what could be saved; () for a run without a table of issues."""
    found = _of(run, "issues", trials)
    return () if found is None else savings(found, trials)


def _issues(run: Run, trials: pl.DataFrame, plugins: Plugins) -> tuple[IssueSummary, ...]:
    """Sum up what detectors, checks and repeats show; a table that an older version did not write is skipped."""
    found, steps, judged, stated = (_of(run, name, trials) for name in ("issues", "steps", "checks", "answers"))
    summaries = (
        *(() if found is None or steps is None else summarise(found, trials, steps, plugins.detectors)),
        *(() if judged is None else findings.failed_checks(judged)),
        *(() if stated is None else findings.disagreements(stated)),
    )
    return tuple(sorted(summaries, key=lambda issue: list(Severity).index(Severity(issue.severity)), reverse=True))


def _gates(
    experiment: Experiment, found: Analysis, issues: tuple[IssueSummary, ...], plugins: Plugins, against: Against
) -> tuple[GateResult, ...]:
    """Evaluate the experiment's gates. A gate that cannot be read any more, as of a missing plug-in, counts as missed."""
    names = names_of(experiment, plugins.metrics, [detector.name for detector in plugins.detectors])
    results: list[GateResult] = []
    for text in experiment.gates:
        try:
            results += evaluate([grammar.parse(text, names)], found, issues, against)
        except Misread as wrong:
            results.append(GateResult(name=text, passed=False, detail=wrong.message))
    return tuple(results)


def _against(run: Run, plugins: Plugins) -> Against:
    """Compare a run with the baseline that its experiment names, for the gates that use it.

    On the first night there is no baseline yet; the gates then say how to name one. ``check`` refuses a baseline that no gate
    uses, so the comparison is never made in vain.
    """
    named, known = run.experiment.baseline, run.manifest.baseline
    if named is None:
        return Against(why="the experiment names no baseline")
    if known is None:
        return Against(why=f"no run is found as {named} yet; 'uderia-bench baseline save {named} {run.run_id}' names this one")
    baseline = RunDirectory((run.path / known.path).resolve())
    if not baseline.begun:
        return Against(why=f"the baseline {named} was run {known.run_id}, which is no longer in {baseline.path.parent}")
    return diff.against(baseline, run, plugins)
