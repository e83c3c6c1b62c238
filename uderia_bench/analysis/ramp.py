"""The ramp of the load: trials sent during it met a server with less load than the later trials."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from uderia_bench.printable import count_of
from uderia_bench.trial import Stage

_NEEDED = frozenset({"server", "stage", "sent_at"})


def ramp_note(trials: pl.DataFrame, ramp_s: float) -> tuple[str, ...]:
    """Count the measured trials that were sent within ``ramp_s`` of the first one sent to their server, warm-ups included.

    A run asked in several sittings has a ramp in each; those of the later ones are not known here, so that there may be more.
    """
    if not ramp_s or not set(trials.columns) >= _NEEDED:
        return ()
    sent = trials.drop_nulls("sent_at")
    inside = (pl.col("sent_at") - pl.col("sent_at").min().over("server")) < timedelta(seconds=ramp_s)
    measured = sent.with_columns(inside.alias("inside")).filter(pl.col("stage") == Stage.MEASURED)
    count = int(measured["inside"].sum())
    if not count:
        return ()
    lighter = "their times are of a lighter load (more warm-ups would take their place)"
    sent_early = f"{count} of {count_of(measured.height, 'measured trial')}"
    return (f"sent while the load still grew: {sent_early}; {lighter}",)
