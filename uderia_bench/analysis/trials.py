"""The measured trials of a frame as dense arrays over query, arm and slot.

A slot is a repetition of a query on an arm. Where a frame pools several runs, the same repetition
has a slot for each run. A missing value is NaN inside these arrays and nowhere else. Axes are
sorted, so the order of rows in the frame has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast
from zlib import crc32

import numpy as np
import polars as pl

from uderia_bench.errors import UsageError
from uderia_bench.printable import count_of
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.stats.arrays import ROUNDING, Codes, Floats, Mask
from uderia_bench.trial import Outcome, Stage

REQUIRED = ("query_id", "arm", "repeat", "outcome")
ANSWERED_METRIC = "answered"
FOREIGN_TOOLS = "foreign_tools"
LARGEST = 1e101  # size of a value that can be analysed: a sum of cubes of 100,000 such values is finite
SMALLEST = 1e-200  # of a positive value that can be analysed: the ratio of the largest to it is finite
LARGEST_KEPT = 1 << 16  # bytes of an array, of which an analysis may keep some hundred
ALWAYS_KEPT = frozenset({"order", "servers", "windows"})  # one array each, which every comparison asks for

P = ParamSpec("P")
T = TypeVar("T")


def _kept(compute: Callable[Concatenate[Trials, P], T]) -> Callable[Concatenate[Trials, P], T]:
    """Compute a value of ``Trials`` once for the same arguments. An array is read-only, since its callers share it.

    An analysis asks for the same values for every arm and stratum. In a small frame that is most of
    its time, since polars needs as long for a few rows as for thousands. A large array is computed
    each time, so that memory stays bounded.
    """

    @wraps(compute)
    def kept(trials: Trials, /, *arguments: P.args, **named: P.kwargs) -> T:
        key = (compute.__name__, *arguments, *named.items())
        if key in trials.kept:
            return cast("T", trials.kept[key])
        value = compute(trials, *arguments, **named)
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
        if not isinstance(value, np.ndarray) or value.nbytes <= LARGEST_KEPT or compute.__name__ in ALWAYS_KEPT:
            trials.kept[key] = value
        return value

    return kept


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trials:
    """Measured trials. Arrays are ``(query, arm, slot)``; ``asked``: the cell holds a trial, ``answered``: an answered one."""

    queries: tuple[str, ...]
    arms: tuple[str, ...]
    frame: pl.DataFrame
    place: tuple[Codes, Codes, Codes]
    shape: tuple[int, int, int]
    asked: Mask
    answered: Mask
    kept: dict[Hashable, object] = field(default_factory=dict)

    def arm(self, name: str) -> int:
        """Return the index of an arm; an arm without trials is the caller's mistake."""
        if name not in self.arms:
            raise UsageError(f"arm {name!r} has no measured trials in the frame; {near(name, self.arms)}")
        return self.arms.index(name)

    @property
    @_kept
    def levels(self) -> tuple[float, ...]:
        """The levels of a sweep that the trials were asked at, ascending; empty without one."""
        if "level" not in self.frame.columns:
            return ()
        return tuple(float(level) for level in sorted(self.frame["level"].drop_nulls().unique()))

    def at_levels(self, arm: str) -> Floats | None:
        """Return the level each trial of an arm was asked at, ``(query, slot)``; None without a sweep."""
        return self.column("level")[:, self.arm(arm)] if self.levels else None

    @_kept
    def servers(self) -> Floats | None:
        """Return the server of each trial as a code that is the same in every frame; None where the frame does not say."""
        if "server" not in self.frame.columns:
            return None
        names = self.frame["server"].cast(pl.String)
        codes = {name: float(crc32(name.encode())) for name in names.drop_nulls().unique()}
        dense = np.full(self.shape, np.nan)
        dense[self.place] = names.replace_strict(codes, default=np.nan, return_dtype=pl.Float64).to_numpy()
        return dense

    def has(self, column: str) -> bool:
        """Whether the frame has this column, or it follows from the outcome (``answered``)."""
        return column in self.frame.columns or column == ANSWERED_METRIC

    @_kept
    def column(self, name: str) -> Floats:
        """Return a numeric or boolean column as a dense array, NaN where missing."""
        dense = np.full(self.shape, np.nan)
        if name not in self.frame.columns and name == ANSWERED_METRIC:
            return np.where(self.asked, self.answered.astype(np.float64), np.nan)
        if name not in self.frame.columns:
            raise UsageError(f"the frame has no column {name!r}; {near(name, self.frame.columns)}")
        series = self.frame[name]
        if series.dtype == pl.Null:
            return dense
        if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
            raise UsageError(f"column {name!r} holds {series.dtype}, not numbers: a metric is a number or a boolean")
        values = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        dense[self.place] = np.where(np.isfinite(values), values, np.nan)
        return dense

    @_kept
    def order(self) -> Floats | None:
        """Return each trial's place in the order of sending, from 0 to 1; None where the frame does not say."""
        for name in ("sent_at", "seq"):
            if name in self.frame.columns and self.frame[name].null_count() < self.frame.height:
                ranks = self.frame[name].rank("ordinal").cast(pl.Float64)
                dense = np.full(self.shape, np.nan)
                dense[self.place] = ((ranks - 1) / max(self.frame.height - 1, 1)).fill_null(np.nan).to_numpy()
                return dense
        return None

    @_kept
    def windows(self) -> Floats | None:
        """Return the time window of each trial as a code, one for each run and window; None where the frame does not say."""
        if "window" not in self.frame.columns or self.frame["window"].null_count() == self.frame.height:
            return None
        keys = [name for name in ("run_id", "window") if name in self.frame.columns]
        codes = self.frame.select(pl.struct(keys).rank("dense").alias("code"))["code"].cast(pl.Float64)
        dense = np.full(self.shape, np.nan)
        dense[self.place] = codes.set(self.frame["window"].is_null(), np.nan).to_numpy()
        return dense

    @_kept
    def groups(self) -> Codes | None:
        """Return the group of each query as a code; one without is in the group of its id. None where no query has one."""
        if "group" not in self.frame.columns or self.frame["group"].null_count() == self.frame.height:
            return None
        named = self.frame.select("query_id", pl.col("group").cast(pl.String)).drop_nulls("group").unique("query_id")
        of = dict(named.iter_rows())
        return _codes(pl.Series([of.get(query, query) for query in self.queries]))[0]

    def weights(self) -> Floats | None:
        """Return how much each query counts; None where the frame does not say, or says it of no query."""
        if "weight" not in self.frame.columns or self.frame["weight"].null_count() == self.frame.height:
            return None
        of = dict(self.frame.select("query_id", pl.col("weight").cast(pl.Float64)).drop_nulls().unique("query_id").iter_rows())
        return unequal(np.array([of.get(query, 1.0) for query in self.queries]))

    def mask(self, rows: pl.Series) -> Mask:
        """Return a boolean row selection as a dense mask; null counts as False."""
        dense = np.zeros(self.shape, dtype=np.bool_)
        dense[self.place] = rows.fill_null(value=False).to_numpy()
        return dense

    @_kept
    def values(self, metric: Metric) -> Floats:
        """Return a metric's observations: of answered trials only where it needs an answer, without what is ``unusable``."""
        dense = self.column(metric.name)
        if metric.needs_answer:
            dense = np.where(self.answered, dense, np.nan)
        return np.where(is_off_scale(dense, metric), np.nan, dense)

    @_kept
    def unusable(self, metric: Metric) -> Mask:
        """Return where a metric has an unusable value: NaN, infinite, or off the scale of the metric."""
        if metric.name not in self.frame.columns:
            return np.zeros(self.shape, dtype=np.bool_)
        series = self.frame[metric.name]
        if not (series.dtype.is_numeric() or series.dtype == pl.Boolean):
            return np.zeros(self.shape, dtype=np.bool_)
        values = series.cast(pl.Float64)
        found = self.mask(~values.is_finite()) | is_off_scale(self.column(metric.name), metric)
        return found & self.answered if metric.needs_answer else found

    @_kept
    def distinct(self, column: str, arm: str) -> tuple[str, ...]:
        """Return the sorted distinct values of a column on an arm's answered trials (on all, where none was answered).

        Nulls do not count; empty where there is no such column.
        """
        if column not in self.frame.columns:
            return ()
        rows = self.frame.filter(pl.col("arm") == arm)
        answered = rows.filter(pl.col("outcome") == Outcome.ANSWERED)
        values = (answered if answered.height else rows)[column].drop_nulls().unique()
        return tuple(sorted(str(value) for value in values))


def unequal(weights: Floats) -> Floats | None:
    """Return weights, None where all are equal. Raises ``UsageError`` for one that is not a positive number."""
    if not np.all(np.isfinite(weights) & (weights > 0)):
        raise UsageError("column 'weight' must hold positive numbers, or be empty")
    return None if weights.size == 0 or np.ptp(weights) == 0 else weights


def is_off_scale(values: Floats, metric: Metric) -> Mask:
    """Return which values cannot be used.

    A positive metric is not 0 or less, and a rate not outside 0 to 1. Sizes that overflow when they are
    squared, or divided by each other, are not values either.
    """
    if metric.assumption is Assumption.RATE:
        return (values < -ROUNDING) | (values > 1 + ROUNDING)
    extreme: Mask = np.abs(values) > LARGEST
    return extreme | (values < SMALLEST) if metric.assumption is Assumption.POSITIVE else extreme


def measured(frame: pl.DataFrame) -> Trials:
    """Lay out the measured trials of a frame; raises UsageError where the frame is not one of trials."""
    absent = [name for name in REQUIRED if name not in frame.columns]
    if absent:
        raise UsageError(
            f"the frame has no column {', '.join(map(repr, absent))}; trials have {', '.join(REQUIRED)} and the metrics"
        )
    if "stage" in frame.columns:
        frame = frame.filter(pl.col("stage").cast(pl.String).fill_null(Stage.MEASURED) == Stage.MEASURED)
    frame = frame.filter(~suspected(frame))
    for name in REQUIRED:
        if frame[name].null_count():
            raise UsageError(f"column {name!r} has {frame[name].null_count()} empty cells; every trial needs one")
    frame = frame.with_columns(pl.col("query_id", "arm", "outcome").cast(pl.String))
    _refuse_repeated(frame)
    frame = _sorted(frame)
    again = frame.select(pl.int_range(pl.len()).over("query_id", "arm", "repeat").alias("again"))["again"]
    slot_key = pl.DataFrame({"repeat": frame["repeat"], "again": again})
    slots = slot_key.unique().sort("repeat", "again").with_row_index("slot")
    slot = slot_key.join(slots, on=["repeat", "again"], how="left", maintain_order="left")["slot"].to_numpy().astype(np.intp)
    query, queries = _codes(frame["query_id"])
    arm, arms = _codes(frame["arm"])
    shape = (len(queries), len(arms), slots.height)
    asked, answered = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    asked[query, arm, slot] = True
    answered[query, arm, slot] = (frame["outcome"] == Outcome.ANSWERED).to_numpy()
    return Trials(
        queries=queries,
        arms=arms,
        frame=frame,
        place=(query, arm, slot),
        shape=shape,
        asked=asked,
        answered=answered,
    )


def suspected(frame: pl.DataFrame) -> pl.Series:
    """Return which trials probably had another profile's tools in their prompt, but are not known to be misrouted."""
    if FOREIGN_TOOLS not in frame.columns or frame[FOREIGN_TOOLS].dtype != pl.Boolean:
        return pl.repeat(value=False, n=frame.height, eager=True)
    misrouted = frame["outcome"].cast(pl.String) == Outcome.MISROUTED
    return frame[FOREIGN_TOOLS].fill_null(value=False) & ~misrouted.fill_null(value=False)


def _refuse_repeated(frame: pl.DataFrame) -> None:
    """Raise where a trial is in the frame twice: a copy is no evidence, and would make every interval too narrow."""
    named = "trial_id" in frame.columns and not frame["trial_id"].null_count()
    rest = ["trial_id"] if named else ["query_id", "repeat", *(name for name in ("turn", "level") if name in frame.columns)]
    key = [*(name for name in ("run_id",) if name in frame.columns), "arm", *rest]
    copies = frame.filter(frame.select(key).is_duplicated())
    if copies.is_empty():
        return
    first = ", ".join(f"{name} {value}" for name, value in zip(key, copies.select(key).row(0), strict=True))
    extra = copies.height - copies.select(key).n_unique()
    raise UsageError(
        f"{count_of(extra, 'trial is', 'trials are')} in the frame more than once, the first {first}: drop the copies with "
        f"frame.unique({key}), or, if they are different trials, number them in {'run_id' if named else 'repeat'!r}"
    )


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by identity, then by whatever else can break a tie, so that equal frames in any order become the same frame."""
    keys = ["query_id", "arm", "repeat"]
    rest = sorted(
        name for name, dtype in frame.schema.items() if name not in keys and not dtype.is_nested() and dtype != pl.Object
    )
    first = [name for name in ("run_id", "trial_id") if name in rest]
    return frame.sort([*keys, *first, *(name for name in rest if name not in first)], maintain_order=True)


def _codes(column: pl.Series) -> tuple[Codes, tuple[str, ...]]:
    names = tuple(sorted(column.unique().to_list()))
    order = {name: code for code, name in enumerate(names)}
    return np.fromiter((order[name] for name in column), dtype=np.intp, count=column.len()), names


def near(name: str, known: Sequence[str]) -> str:
    """Help with a name that is not there: what is near it, or all there is."""
    near = get_close_matches(name, known, n=3)
    return (
        f"did you mean {', '.join(map(repr, near))}?" if near else f"there are {', '.join(map(repr, sorted(known))) or 'none'}"
    )
