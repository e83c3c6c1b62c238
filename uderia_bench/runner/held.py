"""The record of a trial in flight, and what the gateway's errors make of its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import structlog

from uderia_bench.errors import CallFailed, NoAnswer, Throttled
from uderia_bench.trial import Ending, TrialRecord

log = structlog.get_logger(__name__)


class Held:
    """The record of a trial in flight: replaced, never changed, so that what is committed can be trusted.

    What is set is kept aside until the record is looked at: a record has two dozen fields, and one is made where several were.
    """

    def __init__(self, record: TrialRecord, *, picked_up: bool = False) -> None:
        self._record = record
        self._news: dict[str, Any] = {}
        self.picked_up = picked_up  # sent by another process: its monotonic clock is not ours
        self.begun_s = anyio.current_time()

    @property
    def record(self) -> TrialRecord:
        """The record as it is now."""
        if self._news:
            self._record = replace(self._record, **self._news)
            self._news = {}
        return self._record

    def set(self, **changes: Any) -> None:
        """Replace fields of the record."""
        self._news.update(changes)

    def get(self, field: str) -> Any:
        """Return one field as it is now, for less than the record costs."""
        return self._news[field] if field in self._news else getattr(self._record, field)

    def note(self, text: str) -> None:
        """Say something about the trial that a reader of its numbers should know."""
        self.set(notes=(*self.get("notes"), text))


@asynccontextmanager
async def endings(record: TrialRecord, *, picked_up: bool = False) -> AsyncIterator[Held]:
    """Hold a record; what the gateway raises while it is held becomes the trial's ending."""
    held = Held(record, picked_up=picked_up)
    try:
        yield held
    except CallFailed as error:
        ending = _ending(error, accepted=held.record.task_id is not None)
        held.set(ending=ending, detail=str(error))
        log.warning("trial not answered", trial=record.trial.trial_id, ending=ending.value, error=str(error))


def _ending(error: CallFailed, *, accepted: bool) -> Ending:
    """Say how a trial ended whose call failed. What the server took it no longer refuses: it is only out of sight."""
    if accepted or isinstance(error, NoAnswer):
        return Ending.UNREACHABLE
    return Ending.RATE_LIMITED if isinstance(error, Throttled) else Ending.REFUSED
