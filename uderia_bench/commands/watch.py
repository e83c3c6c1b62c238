"""A run in progress, seen from its ledger alone: how far it is, how the trials end, what the numbers look like so far.

Its numbers are means of the settled trials, without a test. A run that is stopped because such a number looks good has an
unknown error rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from uderia_bench.reading import profile_types
from uderia_bench.report.watch import Flight, Look, Seen, newest
from uderia_bench.runner.control import takes_commands_since
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import State
from uderia_bench.trial import Ending, Trial


@dataclass(slots=True)
class Watcher:
    """Looks at one ledger again and again; every trial is read once. ``is_running`` returns whether a process still runs it."""

    ledger: Ledger
    is_running: Callable[[], bool] = lambda: True
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _plan: dict[str, Trial] = field(default_factory=dict)
    _seen: dict[str, Seen] = field(default_factory=dict)
    _endings: dict[str, tuple[int, Ending | None]] = field(default_factory=dict)

    def look(self) -> Look:
        """Return how the run stands now."""
        self._plan = self._plan or {trial.trial_id: trial for trial in self.ledger.plan()}
        begun, flights = self.ledger.progress(), []
        for each in begun:
            ending = each.attempts, each.ending
            if each.state is not State.SETTLED:
                flights.append(Flight(trial=self._plan[each.trial_id], sent_at=each.sent_at))
                self._seen.pop(each.trial_id, None)  # it is asked again
                self._endings.pop(each.trial_id, None)
            elif self._endings.get(each.trial_id) != ending:
                record = self.ledger.record(each.trial_id)
                self._seen[each.trial_id] = Seen.of(record, profile_types.read(record))
                self._endings[each.trial_id] = ending
        running = self.is_running()
        return Look(
            plan=tuple(self._plan.values()),
            seen=tuple(sorted(self._seen.values(), key=newest)),
            left=len(self.ledger.unsettled()),
            at=self.now(),
            running=running,
            flights=tuple(flights) if running else (),
            since=takes_commands_since(self.ledger.path.parent),
            actions=self.ledger.actions(),
        )
