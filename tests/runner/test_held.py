"""The record of a trial in flight: what is handed out stays as it is, what is set is in the next one."""

from __future__ import annotations

import pytest
import traces

from uderia_bench.runner.held import Held

pytestmark = pytest.mark.anyio


async def test_what_was_handed_out_is_never_changed():
    """A record that may be on its way to the disk is not touched by what is set afterwards."""
    held = Held(traces.record(polls=0))
    first = held.record
    held.set(polls=1)
    held.set(polls=2, task_id="task-2")
    assert (first.polls, held.record.polls, held.record.task_id) == (0, 2, "task-2")
    assert held.record is held.record


async def test_one_field_can_be_asked_for():
    """As it was given, as it was set, and as the record has it afterwards."""
    held = Held(traces.record(polls=3))
    assert held.get("polls") == 3
    held.set(polls=4)
    assert held.get("polls") == held.record.polls == held.get("polls") == 4


async def test_notes_add_up():
    """Each is behind those before it, whether or not the record was looked at meanwhile."""
    held = Held(traces.record(notes=("one",)))
    held.note("two")
    held.note("three")
    assert held.record.notes == ("one", "two", "three")
    held.note("four")
    assert held.record.notes == ("one", "two", "three", "four")
