"""Asks the judge about the answers of a finished run, for every score that is missing.

A judge that is down costs the run only its scores: after a few failures in a row no more calls are
made, and the report names the missing scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import anyio
import structlog

from uderia_bench.documents.experiment_parts import Judge
from uderia_bench.errors import CallFailed, NotSignedIn
from uderia_bench.gateway.credentials import secret_of
from uderia_bench.gateway.judge import Endpoint, Transport, connect
from uderia_bench.gateway.trust import Trust
from uderia_bench.plugins import Plugins
from uderia_bench.reading import expected as expectations
from uderia_bench.reading import profile_types as type_registry
from uderia_bench.reading.judge import scores
from uderia_bench.reading.judge.asks import Ask, asks, read
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run

KEY = "UDERIA_JUDGE_KEY"
"""The environment's name of the judge's key; an endpoint on this machine mostly needs none."""


GIVE_UP = 3  # failures in a row after which a judge counts as down: one may be chance, three cost three time limits
log = structlog.get_logger(__name__)


async def ask(
    run: Run, plugins: Plugins, environ: Mapping[str, str], trust: Trust, *, transport: Transport | None = None
) -> None:
    """Ask the run's judge for every score that is missing; without a judge, or without a rubric, nothing happens."""
    judge = run.experiment.judge
    missing = list(_missing(run, plugins)) if judge is not None else []
    if judge is None or not missing:
        return
    try:
        if key := secret_of(environ, KEY):
            trust.require(judge.url, environ, what=f"your {KEY}", judge=True)
        async with connect(judge.url, model=judge.model, key=key, transport=transport) as endpoint:
            await _Asking(run, judge, endpoint).all(missing)
    except NotSignedIn as refused:
        scores.note(run.path, str(refused))


def _missing(run: Run, plugins: Plugins) -> Iterator[Ask]:
    expected = expectations.of(run.manifest, plugins.expectations)
    known = set(scores.read(run.path).scores)
    with Ledger.open(run.directory.ledger) as ledger:
        for record in ledger.records():
            if not expected.rubrics(record.trial):
                continue
            trace = type_registry.read(record, plugins.profile_types)
            for case in expected.cases(record.trial, trace):
                for each in asks(case, expected.judge) if expected.judge else ():
                    if each.key not in known:
                        known.add(each.key)
                        yield each


class _Asking:
    """The calls of one run, some at a time, until they are done or the judge is down."""

    def __init__(self, run: Run, judge: Judge, endpoint: Endpoint) -> None:
        self._run, self._judge, self._endpoint = run, judge, endpoint
        self._failures = 0  # in a row

    async def all(self, missing: Iterable[Ask]) -> None:
        """Make every call."""
        slots = anyio.Semaphore(self._judge.concurrency)
        async with anyio.create_task_group() as group:
            for each in missing:
                await slots.acquire()
                if self._failures >= GIVE_UP:
                    return
                group.start_soon(self._one, each, slots)

    async def _one(self, each: Ask, slots: anyio.Semaphore) -> None:
        try:
            with anyio.fail_after(self._judge.timeout):
                score = read(each, await self._endpoint.complete(each.messages))
        except (CallFailed, TimeoutError) as error:
            self._failures += 1
            said = (
                str(error)
                if isinstance(error, CallFailed)
                else f"judge {self._judge.url}: no reply in {self._judge.timeout:g} s"
            )
            log.warning("the judge did not answer", error=said)
            scores.note(self._run.path, said)
        else:
            self._failures = 0
            if score is not None:
                scores.keep(self._run.path, each.key, score)
            else:
                log.warning("the judge gave no score", case=each.case)
        finally:
            slots.release()
