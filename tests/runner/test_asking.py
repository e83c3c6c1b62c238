"""The record of a trial in flight."""

from __future__ import annotations

from dataclasses import replace

import pytest
import traces

from uderia_bench.runner.draft import Draft

pytestmark = pytest.mark.anyio


async def test_a_record_that_was_read_does_not_change():
    """A record on its way to the ledger keeps its values when the trial goes on."""
    draft = Draft(record=traces.record(polls=0))
    first = draft.record
    draft.record = replace(draft.record, polls=2, task_id="task-2")
    assert (first.polls, draft.record.polls, draft.record.task_id) == (0, 2, "task-2")


async def test_notes_add_up():
    """Each note follows those before it."""
    draft = Draft(record=traces.record(notes=("one",)))
    draft.note("two")
    draft.record = replace(draft.record, polls=4)
    draft.note("three")
    assert draft.record.notes == ("one", "two", "three")
