"""A run in progress, seen from its ledger alone: how far it is, how the trials end, what the numbers look like so far.

Its numbers are means of the settled trials, without a test. A run that is stopped because such a number looks good has an
unknown error rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from uderia_bench.reading import profile_types
from uderia_bench.reading.metrics import observe
from uderia_bench.report.watch import METRICS, Flight, Look, Seen
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import State
from uderia_bench.trial import Trial


@dataclass(slots=True)
class Watcher:
    """Looks at one ledger again and again; every trial is read once. ``is_running`` returns whether a process still runs it."""

    ledger: Ledger
    is_running: Callable[[], bool] = lambda: True
    _plan: dict[str, Trial] = field(default_factory=dict)
    _seen: dict[str, Seen] = field(default_factory=dict)

    def look(self) -> Look:
        """Return how the run stands now."""
        self._plan = self._plan or {trial.trial_id: trial for trial in self.ledger.plan()}
        begun, flights = self.ledger.progress(), []
        for each in begun:
            known = self._seen.get(each.trial_id)
            if each.state is not State.SETTLED:
                flights.append(Flight(trial=self._plan[each.trial_id], sent_at=each.sent_at))
            elif known is None or known.attempts != each.attempts:  # a resumed run asks some trials again
                self._seen[each.trial_id] = self._read(each.trial_id)
        left, running = len(self.ledger.unsettled()), self.is_running()
        seen = tuple(self._seen.values())
        return Look(
            plan=tuple(self._plan.values()), seen=seen, left=left, running=running, flights=tuple(flights) if running else ()
        )

    def _read(self, trial_id: str) -> Seen:
        record = self.ledger.record(trial_id)
        trace = profile_types.read(record)
        return Seen(
            trial=record.trial,
            attempts=record.attempts,
            outcome=trace.outcome,
            detail=trace.outcome_detail,
            begun_at=record.sent_at or record.due_at,
            last_at=record.last_at,
            values=observe(trace, METRICS),
        )
