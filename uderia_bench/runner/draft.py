"""The record of a trial in flight, which a failed call ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio
import structlog

from uderia_bench.errors import CallFailed, NoAnswer, Throttled
from uderia_bench.gateway.uderia import on_429
from uderia_bench.printable import count_of
from uderia_bench.trial import THROTTLED, Ending, TrialRecord

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Draft:
    """The record of a trial in flight.

    Each change replaces ``record`` by a new one, so that a record that is on its way to the ledger
    stays as it is. ``picked_up``: another process sent the query, so its monotonic times are not ours.
    """

    record: TrialRecord
    picked_up: bool = False
    begun_s: float = field(default_factory=anyio.current_time)
    throttled: int = 0

    def note(self, text: str) -> None:
        """Add a note for people who read this trial's numbers."""
        self.record = replace(self.record, notes=(*self.record.notes, text))

    def throttle(self) -> None:
        """Count an answer HTTP 429."""
        self.throttled += 1

    def unsent(self, detail: str | None = None) -> None:
        """Take back that the query was sent."""
        self.record = replace(self.record, sent_s=None, sent_at=None, detail=detail or self.record.detail)


@asynccontextmanager
async def drafted(record: TrialRecord, *, picked_up: bool = False) -> AsyncIterator[Draft]:
    """Yield the draft of a trial; a failed call inside ends the block and becomes the trial's ending."""
    draft = Draft(record=record, picked_up=picked_up)
    before = on_429.set(draft.throttle)
    try:
        yield draft
    except CallFailed as error:
        ending = _ending(error, accepted=draft.record.task_id is not None)
        draft.record = replace(draft.record, ending=ending, detail=str(error))
        log.warning("trial not answered", trial=record.trial.trial_id, ending=ending.value, error=str(error))
    finally:
        on_429.reset(before)
        if draft.throttled:
            draft.note(f"{THROTTLED}, {count_of(draft.throttled, 'time')}")


def _ending(error: CallFailed, *, accepted: bool) -> Ending:
    """Return the ending of a trial whose call failed; a query that was accepted can only be unreachable."""
    if accepted or isinstance(error, NoAnswer):
        return Ending.UNREACHABLE
    return Ending.RATE_LIMITED if isinstance(error, Throttled) else Ending.REFUSED
