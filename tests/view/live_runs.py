"""Runs in progress made by hand: a directory with a manifest, a plan and a claim, and trials that settle one by one."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson
from exchanges import event, final_answer, head, task
from experiments import built, queries
from ledgers import mark_asked, settle
from records import ARM, trial

from uderia_bench.runs import manifest
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run
from uderia_bench.trial import Ending, TrialRecord

ZERO = datetime(2026, 11, 29, 10, 0, 0, tzinfo=UTC)


@dataclass
class Live:
    """A run in progress."""

    run: Run
    ledger: Ledger

    @property
    def run_id(self) -> str:
        """Its name."""
        return self.run.run_id

    def send(self, seq, attempts=1) -> None:
        """Have a trial in flight."""
        mark_asked(self.ledger, record(seq, attempts=attempts, task=None, done_at=None))

    def settle(self, seq, **changes) -> None:
        """Have a trial end."""
        settle(self.ledger, record(seq, **changes))

    def ends(self) -> None:
        """Complete the run."""
        self.run = self.run.noted(state="complete", ended_at=datetime.now(UTC))


def record(seq, *, ending=Ending.SETTLED, answer="the answer", seconds=2.0, **changes) -> TrialRecord:
    """Return a record that settled ``seq`` seconds after the start, with an answer after ``seconds``."""
    events = [*head("OPTIM"), final_answer(seconds, answer), event("done", 2.5)]
    full = TrialRecord(
        trial=trial(seq), expected=ARM, ending=ending, detail=None, sent_s=0.0, accepted_s=0.1, seen_lo_s=2.0, seen_hi_s=2.6,
        sent_at=ZERO, done_at=ZERO + timedelta(seconds=seq), task=orjson.dumps(task(events)),
    )  # fmt: skip
    return replace(full, **changes)


@contextmanager
def running(output, run_id="live", count=10, *, plan=None, asked=None, arms=("OPTIM",), **experiment):
    """Yield a run in progress of so many trials on OPTIM, or of a plan."""
    plan = [trial(seq) for seq in range(count)] if plan is None else plan
    serving = dict.fromkeys(arms, ARM)
    made = manifest.begun(
        built(queries(count) if asked is None else asked, arms=arms, name="small", **experiment),
        plan, run_id=run_id, arms=serving, servers={}, started_at=ZERO,
    )  # fmt: skip
    directory = RunDirectory(output / run_id)
    directory.path.mkdir(parents=True)
    with Ledger.create(directory.ledger, plan, serving) as ledger, directory.claimed():
        yield Live(run=Run(directory=directory, manifest=made).written(made), ledger=ledger)
