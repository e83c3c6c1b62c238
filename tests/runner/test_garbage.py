"""Collections while a run asks: held back, made up for, and as before afterwards."""

from __future__ import annotations

import gc

import pytest

from uderia_bench.runner import garbage


@pytest.fixture
def collections():
    """Count the collections."""
    counted = []

    def note(phase, info):
        if phase == "start":
            counted.append(info)

    gc.callbacks.append(note)
    yield counted
    gc.callbacks.remove(note)


def pile_up(objects):
    """Make so many objects that a collector counts, and keep them."""
    return [[number] for number in range(objects)]


def test_nothing_is_looked_through_while_trials_are_in_flight(collections):
    """However much is made, nothing is collected by itself, and a busy moment is not used before it must be."""
    with garbage.held_back() as tidy:
        gc.collect()
        collections.clear()
        kept = pile_up(20 * garbage.QUIET_AFTER)  # CPython would collect 300 times on the way
        tidy(quiet=False)
        assert (collections, len(kept)) == ([], 20 * garbage.QUIET_AFTER)
        tidy(quiet=True)
        assert [each["generation"] for each in collections] == [2]
        tidy(quiet=True)
        assert len(collections) == 1


def test_memory_comes_first_in_the_end(collections):
    """Where no moment is ever quiet, a busy one has to do."""
    with garbage.held_back() as tidy:
        gc.collect()
        collections.clear()
        kept = pile_up(garbage.AT_LATEST_AFTER - 1_000)
        tidy(quiet=False)
        assert not collections
        kept += pile_up(1_000)
        tidy(quiet=False)
        assert len(collections) == 1


def test_a_cycle_is_collected_at_a_quiet_moment():
    """What a failing trial leaves behind is gone after the next quiet moment."""
    with garbage.held_back() as tidy:
        gc.collect()
        for _ in range(garbage.QUIET_AFTER):
            cycle = []
            cycle.append(cycle)
        before = len(gc.get_objects())
        tidy(quiet=True)
        assert before - len(gc.get_objects()) >= garbage.QUIET_AFTER - 1


@pytest.mark.parametrize("worked", [True, False])
def test_the_collector_is_as_it_was_afterwards(worked):
    """It works again if it worked, and nothing stays frozen, whatever happened between."""

    def fail():
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 0
        raise ZeroDivisionError

    (gc.enable if worked else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError), garbage.held_back():
            fail()
        assert (gc.isenabled(), gc.get_freeze_count()) == (worked, 0)
    finally:
        gc.enable()
