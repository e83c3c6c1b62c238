"""Start a run and go on with one: plan, connect, ask.

The command line prints the report and decides the exit code.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.yaml.document import Override
from uderia_bench.errors import Interrupted, UsageError
from uderia_bench.printable import count_of
from uderia_bench.runner import dask_engine, on_dask, plan, sitting
from uderia_bench.runner import work as workers
from uderia_bench.runner.dask_engine import Engine
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import directory, mirror
from uderia_bench.runs.bucket import Bucket, NotThere
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.lock import Lock
from uderia_bench.runs.protocol import LENGTH_S
from uderia_bench.runs.run import Run
from uderia_bench.runs.shared import SharedRun

MOST_IN_A_SECOND = 100  # runs of one name in one directory


def start(
    experiment: Experiment,
    *,
    output: Path,
    run_id: str | None,
    around: Surroundings,
    at_once: int | None = None,
    join: bool = False,
    on: str | None = None,
    lock: Lock | None = None,
) -> Run:
    """Run an experiment into a new run directory, or into a store, there on ``at_once`` servers at the same time.

    ``join``: work on the run of that id if it exists in the store. ``on`` names the engine that works on a run in a store.
    The manifest of a run directory has ``lock``.

    Raises ``StoreError`` if the directory cannot be made and ``CannotRun`` if a server or a profile is not there; both leave
    nothing behind. Raises ``Interrupted``, with the way to go on, if the run stops early.
    """
    trials = plan.build(experiment, experiment.queries)
    started_at = datetime.now(UTC)
    default = f"{started_at:%Y%m%d-%H%M%S}-{slug(experiment.name)}"
    if (url := mirror.origin(output)) is not None:
        if any(arm.changes for arm in experiment.arms):
            raise UsageError("changes: one process must make and delete the copies of profiles: give --output a directory")
        if join and run_id is None:
            raise UsageError("--join needs --run-id: workers that join a run name the same id")
        bucket, run_id = Bucket(url), directory.valid(f"{default}-{uuid.uuid4().hex[:4]}" if run_id is None else run_id)
        tasks_on = engine(on, at_once)

        def begin() -> SharedRun:
            return workers.begin(experiment, trials, bucket, run_id, around, started_at)

        shared = joined(experiment, f"{bucket.url}/{run_id}", begin, around) if join else begin()
        return work(shared, around, at_once=at_once, tasks_on=tasks_on)
    for option, value in (("--join", join), ("--at-once", at_once), ("--on", on)):
        if value:
            raise UsageError(f"{option} is for a run in a store: give --output an address such as s3://bucket/prefix")
    made = unnamed(output, default) if run_id is None else directory.create(output, run_id)
    try:
        return sitting.first(experiment, trials, made, around, started_at, lock)
    except BaseException:
        made.remove_if_unused()
        raise


def joined(experiment: Experiment, url: str, begin: Callable[[], SharedRun], around: Surroundings) -> SharedRun:
    """Return the run at an address, and begin it where there is none.

    Raises ``RunExists`` if the run there has another experiment.
    """
    try:
        shared = SharedRun.open(url)
    except NotThere:
        try:
            return begin()
        except directory.RunExists:  # another worker began it meanwhile
            shared = SharedRun.open(url)
    if shared.manifest.get("experiment_hash") != experiment.content_hash:
        raise directory.RunExists(f"{url} has another experiment or corpus: choose another --run-id")
    around.say(f"joins {url}")
    return shared


def work(
    shared: SharedRun,
    around: Surroundings,
    *,
    at_once: int | None = None,
    length_s: float = LENGTH_S,
    tasks_on: Engine | None = None,
) -> Run:
    """Work on a run of a store until it is complete, and return it as a directory of this machine.

    This process asks ``at_once`` servers at the same time, by default all that are free. With ``tasks_on``, the
    workers of that engine do it. Raises ``Interrupted``, with the way to go on, if trials are left.
    """
    if tasks_on is None:
        workers.work(shared, around, at_once=at_once, length_s=length_s)
    else:
        on_dask.work(shared, around, tasks_on, length_s=length_s)
    return Run.open(RunDirectory(mirror.run(shared.url)))


def engine(on: str | None, at_once: int | None) -> Engine | None:
    """Return the engine that ``--on`` names, once it can be used; None without the option."""
    if on is None:
        return None
    if at_once is not None:
        raise UsageError("--at-once: with --on, each task asks one server at a time; leave one of the two options out")
    return dask_engine.reached(on)


def resume(found: RunDirectory, around: Surroundings, overrides: Iterable[str | Override] = ()) -> Run:
    """Ask the trials that an interrupted run has left; ``overrides`` change what ends it early.

    A run that a declared interim look decided has nothing left to ask. On a run in a store, this is one more worker.
    """
    if (url := mirror.address(found.path)) is not None:
        if tuple(overrides):
            raise UsageError(f"{url}: several workers may be at work, so --set and --grace cannot change the run")
        return work(SharedRun.open(url), around)
    run = Run.open(found, overrides)
    return run if run.manifest.decided else sitting.again(run, around)


def settled_or_interrupted(run: Run) -> None:
    """Raise ``Interrupted``, with the way to go on, if a run has trials left to ask."""
    with Ledger.open(run.directory.ledger) as ledger:
        left = len(ledger.unsettled())
    if left and not run.manifest.decided:
        because = f"{run.manifest.stopped}; " if run.manifest.stopped else ""
        raise Interrupted(f"{because}{count_of(left, 'trial is', 'trials are')} left: {sitting.how_to_go_on(run.directory)}")


def unnamed(output: Path, run_id: str) -> RunDirectory:
    """Make the directory of a run without a given id. If runs start in one second, the later ones have a number."""
    for suffix in ("", *(f"-{number}" for number in range(2, MOST_IN_A_SECOND))):
        with suppress(directory.RunExists):
            return directory.create(output, run_id + suffix)
    return directory.create(output, run_id)


def slug(name: str) -> str:
    """Return an experiment's name as part of a run id."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in name.lower())
    return "-".join(part for part in kept.split("-") if part)[:40] or "run"
