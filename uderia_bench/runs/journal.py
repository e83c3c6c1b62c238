"""The journal of what a run changes on its servers, in the run's ledger.

A change is committed, with the state before it, before it is sent. So a run that dies at any time leaves a list of
what ``uderia-bench restore`` has to undo.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from uderia_bench.runs.changes import Change, ChangeState, Noted
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.seal import Seal
from uderia_bench.trial import TrialRecord


@dataclass(frozen=True, slots=True)
class ChangeJournal:
    """The changes in one ledger. Every call commits and syncs, so that a power cut loses no change that was sent."""

    path: Path
    seal: Seal = field(default_factory=Seal)

    def plan(self, change: Change) -> Noted:
        """Commit a change that is about to be sent."""
        with self._open() as ledger:
            return ledger.plan_change(change, self.seal)

    def mark(self, noted: Noted, state: ChangeState) -> None:
        """Commit how far a change has come."""
        with self._open() as ledger:
            ledger.mark_change(replace(noted, state=state), self.seal)

    def is_own(self, noted: Noted) -> bool:
        """Whether a run of this user on this machine noted a change, exactly as it is here."""
        with Ledger.open(self.path) as ledger:
            return ledger.is_sealed(noted, self.seal)

    def outstanding(self) -> tuple[Noted, ...]:
        """Return the changes that are not restored, the newest first, as they must be undone."""
        with Ledger.open(self.path) as ledger:
            return tuple(noted for noted in reversed(ledger.changes()) if noted.state is not ChangeState.RESTORED)

    def in_doubt(self) -> tuple[TrialRecord, ...]:
        """Return the trials whose query is, or may be, on a server, and whose end was not seen."""
        with Ledger.open(self.path) as ledger:
            found = (ledger.pending(trial_id) for trial_id in sorted(ledger.in_doubt()))
            return tuple(record for record in found if record is not None)

    @contextmanager
    def _open(self) -> Iterator[Ledger]:
        with Ledger.open(self.path, writing=True) as ledger:
            yield ledger
            ledger.sync()
