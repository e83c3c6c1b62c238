"""The functions that compare arms of a frame of trials in a notebook: ``compare`` and ``query_effects``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
import polars as pl

from uderia_bench.analysis.contrast import OWN, findings
from uderia_bench.analysis.families import verdicts
from uderia_bench.analysis.percentiles import lazy, names_of
from uderia_bench.analysis.query_effects import query_effects as effects_of_queries
from uderia_bench.analysis.settings import DEFAULT_CONFIDENCE, Correction, Settings
from uderia_bench.analysis.strata import ALL, Stratum
from uderia_bench.analysis.trials import Trials, measured, near
from uderia_bench.analysis.validity import MOST_UNUSABLE
from uderia_bench.analysis.values import Comparison
from uderia_bench.errors import UsageError
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.reading.metrics.metric import Assumption, Direction, Metric
from uderia_bench.trial import Outcome

NO_WINDOWS = "the trials have no `window` column, so p and the interval do not include drift of the provider during the run"


def compare(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    baseline: str,
    candidate: str,
    metrics: str | Sequence[str],
    margins: Mapping[str, float | str] | None = None,
    correction: Correction = "holm",
    confidence: float = DEFAULT_CONFIDENCE,
    seed: int = 0,
    definitions: tuple[Metric, ...] | None = None,
    pool: bool = False,
) -> list[Comparison]:
    """Compare two arms of a frame of trials on ``metrics``, in that order.

    The frame needs ``query_id, arm, repeat, outcome`` and the metrics' columns. Four more columns are
    used where the frame has them. ``stage``: warm-ups are left out. ``group``: a group of queries is the
    unit of inference. ``window``: p and the interval include drift between time windows. ``weight``: how much
    a query counts.

    The metrics with a margin are the primary family. Without any margin, all metrics asked for are. A
    margin of 0.10, or ``"10%"``, is [1/1.1, 1.1] for a ratio, ten points for a rate, and for an amount a tenth of the
    smaller of the two means. Margins of metrics that are not asked for are ignored, so that one dict
    serves many calls. A misspelt one is an error.

    ``definitions`` (default: the built-in metrics) state which direction is better. A column without a
    definition is compared as a ratio where its values are positive, else as a difference, and it is
    never called better or worse.

    A frame with trials of several runs is refused, because a night can differ from the next by more
    than the arms do. ``pool=True`` compares them as one run, as for the shards of one night. Raises
    ``UsageError`` for a call that cannot be answered.
    """
    asked = names_of(metrics)
    given = {name: _margin(name, said) for name, said in (margins or {}).items()}
    declared = {name: given[name] for name in asked if name in given}
    settings = Settings(margins=declared, correction=correction, confidence=confidence, seed=seed)
    trials = _trials(frame)
    if not pool:
        _of_one_run(trials.frame)
    trials.arm(baseline), trials.arm(candidate)
    if baseline == candidate:
        raise UsageError(f"baseline and candidate are the same arm, {baseline!r}: compare two")
    by_name = {metric.name: metric for metric in (BUILT_IN if definitions is None else definitions)}
    unknown = [name for name in given if name not in by_name and not trials.has(name)]
    for name in unknown:
        if get_close_matches(name, [metric for metric in asked if metric not in declared]):
            raise UsageError(f"a margin is given for {name!r}, which is no metric and no column; {near(name, asked)}")
    chosen = tuple(by_name.get(name) or _own(trials, name) for name in asked)
    everything = Stratum(name=ALL, where=trials.asked)
    found = findings(
        trials, chosen, everything, baseline=baseline, candidate=candidate, settings=settings, declared=not declared
    )
    if trials.windows() is None:
        found = [one if one.only_shown else replace(one, warnings=(*one.warnings, NO_WINDOWS)) for one in found]
    return list(verdicts(found, settings))


def _trials(frame: pl.DataFrame | pl.LazyFrame) -> Trials:
    """Lay out a caller's frame. A misspelt outcome is an error, because it would count as not answered."""
    trials = measured(lazy(frame).collect())
    if unknown := sorted({*trials.frame["outcome"].unique()} - {outcome.value for outcome in Outcome}):
        raise UsageError(f"column 'outcome' has {unknown[0]!r}; {near(unknown[0].lower(), [each.value for each in Outcome])}")
    return trials


def _of_one_run(frame: pl.DataFrame) -> None:
    runs = frame["run_id"].unique().sort().to_list() if "run_id" in frame.columns else []
    if len(runs) > 1:
        named = ", ".join([*runs[:3], *(["…"] if len(runs) > 3 else [])])
        raise UsageError(
            f"the frame has trials of {len(runs)} runs ({named}): load one of them, compare two with ub.diff, or pass "
            "pool=True for the shards of one night"
        )


def _own(trials: Trials, name: str) -> Metric:
    """Define an undefined column from its values: a ratio where they are positive, except a few zeros."""
    values = trials.column(name)
    values = values[np.isfinite(values)]
    boolean = trials.frame[name].dtype == pl.Boolean
    zeros = np.count_nonzero(values == 0)
    ratio = bool(np.all(values >= 0)) and zeros <= MOST_UNUSABLE * values.size  # a few zeros do not change the estimand
    positive = Assumption.POSITIVE if ratio else Assumption.AMOUNT
    return Metric(
        name=name,
        family=OWN,
        doc="a column of the caller's frame",
        unit="1",
        kind=bool if boolean else float,
        direction=Direction.NEUTRAL,
        assumption=Assumption.RATE if boolean else positive,
        read=lambda _: None,
    )


def _margin(name: str, said: Any) -> float:
    """Read a margin as experiments read it where it is a text."""
    if isinstance(said, str):
        from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - only a margin as text needs it

        from uderia_bench.documents.yaml.quantities import Share  # noqa: PLC0415

        try:
            return float(TypeAdapter(Share).validate_python(said))
        except ValidationError as error:
            raise UsageError(f"margin {said!r} of {name!r} should be a share such as '10%' or 0.10, at most 100%") from error
    if said is True or said is False or not isinstance(said, Real):
        raise UsageError(f"margin {said!r} of {name!r} should be a share such as '10%' or 0.10")
    return float(said)


def query_effects(
    frame: pl.DataFrame | pl.LazyFrame,
    metric: str,
    *,
    baseline: str,
    candidate: str,
    confidence: float = DEFAULT_CONFIDENCE,
    definitions: tuple[Metric, ...] | None = None,
) -> pl.DataFrame:
    """Return the effect of each query on a metric, shrunk towards the corpus, the largest first.

    The columns are ``query_id``, ``raw`` (as seen), ``value`` (shrunk) with ``lo`` and ``hi``, ``false_sign`` (the
    probability that the effect goes the other way), and ``changed``. Of the queries that are called
    changed, at most 10 % have not changed, on average. A ratio is candidate / baseline. The frame needs
    repeats, and otherwise what ``compare`` needs. Raises ``UsageError`` for a frame without repeats or
    with too few queries.
    """
    trials = _trials(frame)
    by_name = {known.name: known for known in (BUILT_IN if definitions is None else definitions)}
    chosen = by_name.get(metric) or _own(trials, metric)
    found = effects_of_queries(trials, chosen, baseline, candidate, confidence=confidence)
    if isinstance(found, str):
        raise UsageError(f"no effects of single queries on {metric}: {found}")
    rows = [
        {"query_id": one.query} | {name: getattr(one, name) for name in ("raw", "value", "lo", "hi", "false_sign", "changed")}
        for one in found.queries
    ]
    return pl.DataFrame(rows)
