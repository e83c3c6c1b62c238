"""Trials inside a ramp are counted, and only those that are measured."""

from datetime import UTC, datetime, timedelta

import polars as pl

from uderia_bench.analysis.ramp import ramp_note

BEGUN = datetime(2026, 11, 24, 10, tzinfo=UTC)


def sent(*rows):
    """Make trials of (server, stage, seconds after the beginning)."""
    times = [None if at is None else BEGUN + timedelta(seconds=at) for _, _, at in rows]
    return pl.DataFrame({"server": [row[0] for row in rows], "stage": [row[1] for row in rows], "sent_at": times})


def test_measured_trials_inside_the_ramp_are_counted_by_server():
    """Ten seconds from the first sent to each server, warm-ups count as the first and never as measured."""
    trials = sent(
        ("one", "warmup", 0),
        ("one", "measured", 9.9),
        ("one", "measured", 10),
        ("two", "measured", 100),
        ("two", "measured", 109),
        ("two", "measured", None),
    )
    (note,) = ramp_note(trials, 10.0)
    assert note.startswith("sent while the load still grew: 3 of 4 measured trials; their times are of a lighter load")


def test_nothing_is_said_where_there_is_nothing_to_say():
    """No ramp, a ramp that only warm-ups were sent in, a frame that does not know."""
    trials = sent(("one", "warmup", 0), ("one", "measured", 30))
    assert ramp_note(trials, 0.0) == ()
    assert ramp_note(trials, 10.0) == ()
    assert ramp_note(trials.drop("sent_at"), 10.0) == ()
