"""Full collections while a run asks: held back, made up for, and as before afterwards."""

from __future__ import annotations

import gc

import pytest

from uderia_bench import garbage


@pytest.fixture
def full_collections():
    """Count the collections of everything."""
    counted = []

    def note(phase, info):
        if phase == "start" and info["generation"] == 2:
            counted.append(info)

    gc.callbacks.append(note)
    yield counted
    gc.callbacks.remove(note)


def age(times):
    """Have the middle generation collected that often, as a run does in a while."""
    for _ in range(times):
        gc.collect(1)


def test_nothing_is_looked_through_while_trials_are_in_flight(full_collections):
    """However often the young are collected, everything is not, and a busy moment is not used before it must be."""
    with garbage.held_back() as tidy:
        age(garbage.QUIET_AFTER)
        kept = [[number] for number in range(200_000)]  # CPython would collect everything on the way
        tidy(quiet=False)
        assert (full_collections, len(kept)) == ([], 200_000)
        tidy(quiet=True)
        assert len(full_collections) == 1
        tidy(quiet=True)
        assert len(full_collections) == 1


def test_memory_comes_first_in_the_end(full_collections):
    """Where no moment is ever quiet, a busy one has to do."""
    with garbage.held_back() as tidy:
        age(garbage.AT_LATEST_AFTER - 1)
        tidy(quiet=False)
        assert not full_collections
        age(1)
        tidy(quiet=False)
        assert len(full_collections) == 1


def test_the_collector_is_as_it_was_afterwards():
    """Thresholds are restored and nothing stays frozen, whatever happened between."""
    before = gc.get_threshold()

    def fail():
        assert gc.get_threshold() != before
        assert gc.get_freeze_count() > 0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), garbage.held_back():
        fail()
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
