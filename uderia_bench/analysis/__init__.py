"""Frames, metrics and contrasts in; estimates per arm and comparisons with verdicts out.

``analyse`` takes a run through all of it, and ``notebook`` a frame of the user. One comparison goes through ``trials`` (a frame
as arrays), ``strata`` (its parts), ``pairs`` (two arms, unit by unit), ``effects`` (size, interval, p), ``contrast``,
``families`` (correction for several) and ``verdict``. ``summary`` and ``percentiles`` describe single arms.

Reports import ``analysis.values`` only, which needs neither polars nor scipy.
"""
