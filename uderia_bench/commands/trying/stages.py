"""The stages of a test of changes: a race on half of the queries, then a comparison on the other half.

A stage is an experiment that the ordinary runner asks, so it can be resumed, watched and reported as any
run. ``forward`` takes the next step of a test and may be called again after each interruption.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from uderia_bench.commands import conclude
from uderia_bench.commands.run import resume, settled_or_interrupted, slug, start
from uderia_bench.commands.trying import declared
from uderia_bench.documents import experiment as documents
from uderia_bench.documents.changes import Changes
from uderia_bench.documents.corpus import Corpus, Query
from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.yaml.document import Document
from uderia_bench.errors import CannotRun, Interrupted, UsageError
from uderia_bench.plugins import Plugins
from uderia_bench.reading import paid
from uderia_bench.reading.levers import propose
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.report import trying
from uderia_bench.report.content import Report
from uderia_bench.report.trying import Tried
from uderia_bench.runner import outline, plan
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import adoptions, mirror
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.lock import Lock
from uderia_bench.runs.run import Run

KEEP = 4
"""Changes that the screening leaves to confirm. More would need more trials there, and a stricter level for each."""

LOOKS = 5
"""Looks of the screening. Ten changes are five after the first, and four after the second, where it ends."""

_MARGINS = {"latency_s": 0.10}
_USUAL_MARGIN = 0.05
_MOST_REPEATS = 20
_KEPT = (
    "server", "servers", "sim", "seed",
    "timeout", "grace", "outage", "on_quota", "sessions", "session_profile", "keep_answers", "notifications",
    "traffic", "prices", "warmup",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user chose. ``levers`` are names, () for those that answer an issue; ``texts`` are skills by name."""

    arm: str | None = None
    metric: str | None = None
    levers: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    repeats: int | None = None
    budget_usd: float | None = None
    traffic: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A test that can begin: its declaration, its screening, its expected trials and cost, and what the budget left out."""

    lock: Lock
    screening: Experiment
    trials: int
    usd: float | None
    left_out: tuple[str, ...] = ()


def proposal(run: Run, wishes: Wishes, plugins: Plugins, around: Surroundings, output: Path) -> Proposal:
    """Return the test of the changes that a run's findings suggest, without changing the server."""
    if mirror.origin(output) is not None:
        raise UsageError("a test of changes copies a profile, which one process makes: give --output a directory")
    arm = declared.arm_of(run, wishes.arm)
    metric = declared.goal_of(run, arm, wishes.metric)
    if metric not in {each.name for each in BUILT_IN}:
        raise UsageError(f"--metric {metric}: no built-in metric has this name; 'uderia-bench metrics' lists them")
    number = adoptions.count(output) + 1
    parts = declared.halves(declared.queries_of(run), seed=run.experiment.seed + number)
    setting = declared.setting_of(run, arm, parts.screen, wishes.texts, around)
    found = {each.name: each.changes for each in propose(setting, plugins.levers, named=wishes.levers) if each.name != arm}
    if not found:
        issues = ", ".join(sorted(setting.issues)) or "none"
        shown = (
            f"{len(parts.screen)} of {len(parts.screen) + len(parts.confirm)} queries screen, and their issues are: {issues}"
        )
        raise UsageError(f"no change is proposed for {arm} ({shown}); name levers with --levers")
    lock = Lock(
        run=run.run_id,
        source=os.path.relpath(run.path, output),
        arm=arm,
        metric=metric,
        margin=run.experiment.margins.get(metric, _MARGINS.get(metric, _USUAL_MARGIN)),
        candidates=found,
        screen=tuple(query.id for query in parts.screen),
        confirm=tuple(query.id for query in parts.confirm),
        repeats=wishes.repeats or run.experiment.repeats,
        level=adoptions.ALPHA,
        test=number,
    )
    return _within(wishes.budget_usd, run, lock, parts.screen, wishes)


def _within(budget: float | None, run: Run, lock: Lock, queries: Sequence[Query], wishes: Wishes) -> Proposal:
    """Return the test of as many changes as a budget allows, the first ones."""
    trials = run.trials()
    mean = paid.mean(trials.filter(trials["arm"] == lock.arm), paid.USD)
    if budget is not None and mean is None:
        raise UsageError(f"--budget: run {run.run_id} does not say what a trial costs")
    names = list(lock.candidates)
    while True:
        kept = replace(lock, candidates={name: lock.candidates[name] for name in names})
        screening = _experiment(run, kept, "screen", queries, kept.candidates, wishes)
        count = expected_trials(screening, confirming=len(lock.confirm) * lock.repeats)
        usd = None if mean is None else mean * count
        if budget is None or usd is None or usd <= budget:
            left_out = tuple(lock.candidates)[len(names) :]
            return Proposal(lock=kept, screening=screening, trials=count, usd=usd, left_out=left_out)
        if len(names) == 1:
            raise UsageError(f"--budget {budget:g}: a test of one change costs about ${usd:.2f}")
        names.pop()


def expected_trials(screening: Experiment, *, confirming: int) -> int:
    """Return how many trials a test asks at most, with ``confirming`` trials of each arm in the second stage."""
    left = len(screening.contrasts)
    whole = screening.warmup + len(screening.queries) * screening.repeats
    ends = [0, *(end - screening.warmup for end, _ in plan.looks(screening, len(screening.queries)) or ((whole, 1.0),))]
    trials = (left + 1) * screening.warmup
    for before, end in pairwise(ends):
        trials += (left + 1) * (end - before)
        left = min(left, max(KEEP, -(-left // 2)))
        if left <= KEEP:
            break
    return trials + (left + 1) * (confirming + screening.warmup)


def forward(
    run: Run, wishes: Wishes, plugins: Plugins, around: Surroundings, output: Path, *, allowed: bool
) -> tuple[Run, Tried]:
    """Take a test to its end: screen the changes that a run suggests, confirm them, and note what is adopted.

    ``run`` is the run with the findings, or a run of the test itself, which then goes on. Raises ``CannotRun`` unless
    changes of the server are ``allowed``, and ``Interrupted``, with the way to go on, if a stage stops early.
    """
    if run.manifest.lock is not None:
        run = _resumed(run, around)
    else:
        found = proposal(run, wishes, plugins, around, output)
        if not (allowed or run.experiment.manage_server):
            count = len(found.lock.candidates)
            many = f"{count} copies of the profile of {found.lock.arm}" if count > 1 else f"a copy of {found.lock.arm}"
            raise CannotRun(f"'try' needs {many} on the server (--dry-run lists them): allow it with --manage-server")
        run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-try-{slug(found.lock.arm)}-screen"
        noted = adoptions.begin(output, run_id)
        lock = replace(found.lock, level=noted.level, test=noted.number).sealed()
        run = start(found.screening, output=output, run_id=run_id, around=around, lock=lock)
    screened = run
    if _lock(run).screened is None:
        screened, report = _settled(run, plugins)
        run = _confirming(screened, report, wishes, around) or screened
    else:
        screened = Run.open(RunDirectory(run.path.parent / str(_lock(run).screened)))
        report = conclude.report_on(screened, plugins)
    confirmed = None
    if run is not screened:
        run, confirmed = _settled(run, plugins)
    tried = trying.tried(_lock(screened), screened, report, run, confirmed)
    adoptions.end(run.path.parent, screened.run_id, tried.adopted)
    run.directory.write("try.json", trying.to_json(tried))
    return run, tried


def _lock(run: Run) -> Lock:
    assert run.manifest.lock is not None, "a run of a test has its declaration"
    return run.manifest.lock


def _resumed(run: Run, around: Surroundings) -> Run:
    """Ask what an interrupted stage has left."""
    return run if run.manifest.complete else resume(run.directory, around)


def _settled(run: Run, plugins: Plugins) -> tuple[Run, Report]:
    """Write the report of a stage; raises ``Interrupted`` if it has trials left."""
    try:
        settled_or_interrupted(run)
    except Interrupted as error:
        raise Interrupted(f"{error}; 'uderia-bench try {mirror.typed(run.path)}' does so and goes on with the test") from error
    return conclude.conclude(run, plugins)


def _confirming(screened: Run, report: Report, wishes: Wishes, around: Surroundings) -> Run | None:
    """Begin the second stage, or go on with it; None where no change is left to confirm."""
    lock = _lock(screened).after(screened.run_id)
    run_id = f"{screened.run_id.removesuffix('-screen')}-confirm"
    directory = RunDirectory(screened.path.parent / run_id)
    if directory.begun:
        return _resumed(Run.open(directory), around)
    left = {name: lock.candidates[name] for name in trying.promising(lock, screened, report, keep=KEEP)}
    if not left:
        return None
    queries = tuple(query for query in _every_query(screened, lock) if query.id in lock.confirm)
    spent = None if report.spending is None else report.spending.spent.usd
    budget = screened.experiment.budget.usd
    rest = None if budget is None else max(budget - (spent or 0.0), 0.01)
    made = _experiment(screened, lock, "confirm", queries, left, replace(wishes, budget_usd=rest))
    return start(made, output=screened.path.parent, run_id=run_id, around=around, lock=lock)


def _every_query(screened: Run, lock: Lock) -> tuple[Query, ...]:
    """Return all queries of a test, from the run with the findings."""
    source = RunDirectory((screened.path.parent / lock.source).resolve())
    if not source.begun:
        raise CannotRun(f"run {lock.run}, whose queries are to confirm, is no longer in {source.path.parent}")
    return declared.queries_of(Run.open(source))


def _experiment(
    run: Run, lock: Lock, part: str, queries: Sequence[Query], changes: Mapping[str, Any], wishes: Wishes
) -> Experiment:
    """Return the experiment of one stage, which repeats queries until its plan is balanced. One change has nothing to race."""
    own, screens = run.experiment, part == "screen"
    said = own.model_dump(mode="json", include=set(_KEPT))
    load = own.load.at(own.load.levels[0]).model_dump(mode="json", exclude={"sweep"}, exclude_none=True)
    arm = own.arm(lock.arm)
    profile = arm.model_dump(mode="json", include={"profile", "server", "servers"}, exclude_defaults=True)
    data = {
        **{name: value for name, value in said.items() if value is not None},
        "version": 1,
        "name": f"try-{slug(lock.arm)}-{part}",
        "arms": [
            {"name": lock.arm, **profile, "changes": arm.changes.model_dump(mode="json")},
            *({"name": name, **profile, "changes": _both(arm.changes, changed)} for name, changed in changes.items()),
        ],
        "load": load,
        "margins": {lock.metric: lock.margin},
        "manage_server": True,
        "budget": {} if wishes.budget_usd is None else {"usd": wishes.budget_usd},
        **({} if wishes.traffic is None else {"traffic": wishes.traffic}),
    }
    if screens and len(changes) > 1:
        data |= {"race": {"metric": lock.metric, "keep": KEEP}, "stop": {"metrics": [lock.metric], "looks": LOOKS}}
    else:
        data |= {"confidence": 1 - lock.level}
    for repeats in range(1 if screens else lock.repeats, _MOST_REPEATS + 1):
        document = Document.of({**data, "repeats": repeats}, file=f"try ({part})")
        made = documents.parse(document, corpora=(Corpus(name=f"{part}ing half of {lock.run}", queries=tuple(queries)),))
        if not outline.unbalanced(plan.build(made, made.queries), made):
            return made
    raise UsageError(f"{len(queries)} queries are too few for {len(changes)} changes: name fewer with --levers")


def _both(own: Changes, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of an arm with a candidate's."""
    said: dict[str, dict[str, Any]] = own.model_dump(mode="json")
    return {name: {**values, **changed.get(name, {})} for name, values in said.items()}
