"""Times in flight of the trials, in UTC: from the send to the end of the task.

The end is the one that the client observed. A trial that an interrupted sitting left running is picked up by the
next sitting, hours later, when it has long ended. Its end is computed from the time the server took, so
that the pause between the sittings does not count as in flight.
"""

from __future__ import annotations

import polars as pl

from uderia_bench.trial import PICKED_UP

SENT, DONE, SERVED, NOTES = "sent_at", "done_at", "task_s", "notes"


def flights(frame: pl.DataFrame) -> pl.DataFrame | None:
    """Return the trials that say when they were in flight, ``done_at`` being the end of that; None without these columns.

    A trial that was picked up ended as long after its send as the server took. It is excluded where that is unknown.
    """
    if not {SENT, DONE} <= set(frame.columns):
        return None
    timed = frame.drop_nulls([SENT, DONE])
    if timed.schema.get(NOTES) != pl.List(pl.String):  # a table made by hand
        return timed
    picked_up = pl.col(NOTES).list.eval(pl.element().str.ends_with(PICKED_UP)).list.any().fill_null(value=False)
    watched, others = timed.filter(~picked_up), timed.filter(picked_up)
    if others.is_empty() or SERVED not in timed.columns:
        return watched
    took = pl.duration(microseconds=(pl.col(SERVED).cast(pl.Float64) * 1e6).round())
    ended = others.drop_nulls(SERVED).with_columns(
        pl.min_horizontal(DONE, pl.col(SENT) + took).cast(timed[DONE].dtype).alias(DONE)
    )
    return pl.concat([watched, ended])
