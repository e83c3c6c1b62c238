"""Read one trial in full, from a run's ledger or from raw bodies: its trace, metrics and issues."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import polars as pl

from uderia_bench.errors import UsageError
from uderia_bench.json_text import parse_json
from uderia_bench.plugins import Plugins
from uderia_bench.reading import derive, foreign_tools, metrics
from uderia_bench.reading import detectors as detector_registry
from uderia_bench.reading import expected as expectations
from uderia_bench.reading import profile_types as type_registry
from uderia_bench.reading.detectors import Thresholds
from uderia_bench.reading.foreign_tools import Suspicion
from uderia_bench.reading.judge import matches, scores
from uderia_bench.report.trial.inspected import Inspected
from uderia_bench.runs import find, mirror
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.trace import Trace
from uderia_bench.trial import Ending, Serving, Stage, Trial, TrialRecord

_CAPTURE = frozenset({"request", "status", "body"})  # an exchange written down whole, with the body inside


def of_run(run: Run, wanted: str, plugins: Plugins, thresholds: Thresholds) -> Inspected:
    """Return a settled trial of a run by its id or the beginning of it, judged as ``derive`` judges it.

    Raises ``UsageError`` where no trial or more than one is meant, or the trial has not ended yet.
    """
    with Ledger.open(run.directory.ledger) as ledger:
        trial = find.trial(wanted, ledger.plan())
        with closing(ledger.records({trial.query_id})) as records:
            record = next((found for found in records if found.trial.trial_id == trial.trial_id), None)
        if record is None:
            raise UsageError(f"trial {trial.trial_id} has not ended: go on with 'uderia-bench resume {mirror.typed(run.path)}'")
        expected = expectations.of(run.manifest, plugins.expectations, scores.read(run.path))
        others = derive.referenced(ledger, expected, plugins.profile_types)
        judged = matches.by_trial(derive.preferred(ledger, expected, plugins.profile_types))
    read = foreign_tools.marked(type_registry.read(record, plugins.profile_types), _suspicion(run, trial.trial_id))
    trace, _ = replace(expected, preferences=judged).judged(record.trial, read, others)
    return _inspected(record, trace, plugins, thresholds, planned=True)


def _suspicion(run: Run, trial_id: str) -> Suspicion | None:
    """Return what the derivation of the whole run suspected of a trial: one trial alone cannot show it."""
    if not run.directory.parts():
        return None
    trials = run.trials()
    if "foreign_tools" not in trials.columns:
        return None
    found = trials.filter((pl.col("trial_id") == trial_id) & pl.col("foreign_tools"))
    return foreign_tools.noted(found["outcome"][0], found["notes"][0].to_list()) if found.height else None


def of_files(
    task: Path, session: Path | None, plugins: Plugins, thresholds: Thresholds, *, children: Sequence[Path] = ()
) -> Inspected:
    """Return what raw bodies as the REST API returns them say; the body of a captured exchange is taken out of it.

    ``children`` are the sessions of the profiles that a coordinator consulted.

    Raises ``UsageError`` for a file that is missing, is not JSON, or does not hold an object.
    """
    record = TrialRecord(
        trial=_UNPLANNED,
        expected=Serving(server="", profile_id="", profile_tag="", profile_type=""),
        ending=Ending.SETTLED,
        detail=None,
        task=_body(task),
        session=None if session is None else _body(session),
        children=tuple(map(_body, children)),
    )
    return _inspected(record, type_registry.read(record, plugins.profile_types), plugins, thresholds, planned=False)


_UNPLANNED = Trial(
    trial_id="",
    seq=0,
    block=0,
    window=0,
    stage=Stage.MEASURED,
    query_id="",
    prompt="",
    complexity=None,
    tags=(),
    arm="",
    repeat=1,
)


def _inspected(record: TrialRecord, trace: Trace, plugins: Plugins, thresholds: Thresholds, *, planned: bool) -> Inspected:
    return Inspected(
        record=record,
        planned=planned,
        trace=trace,
        metrics=metrics.observe(trace, plugins.metrics),
        issues=detector_registry.detect(trace, plugins.detectors, thresholds),
    )


def _body(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot read: {error.strerror or error}") from error
    try:
        value = parse_json(content).value
    except ValueError as error:
        raise UsageError(f"{path}: not JSON: {error}; save the body of the reply as the server sent it") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: not a JSON object, as every task and session is")
    return orjson.dumps(value["body"]) if _CAPTURE.issubset(value) else content
