"""Tokens and dollars that a run spent, and the cost of the trials that it did not ask."""

from __future__ import annotations

import polars as pl

from uderia_bench.printable import count_of
from uderia_bench.reading import paid
from uderia_bench.report import figures
from uderia_bench.report.content import Amount, Spending
from uderia_bench.runs.manifest import Manifest
from uderia_bench.trial import Stage


def of(manifest: Manifest, trials: pl.DataFrame) -> Spending:
    """Return what the trials of a run spent: warm-ups, failed trials and session naming included.

    A trial that was not asked costs as much as the mean measured trial of its arm.
    """
    measured = trials.filter(pl.col("stage") == Stage.MEASURED)
    arms = [arm.name for arm in manifest.experiment.arms]
    left = {arm: max(manifest.plan.measured // len(arms) - measured.filter(pl.col("arm") == arm).height, 0) for arm in arms}
    return Spending(
        warmups=trials.height - measured.height,
        spent=Amount(trials=trials.height, tokens=paid.total(trials, paid.TOKENS), usd=paid.total(trials, paid.USD)),
        rest=Amount(
            trials=sum(left.values()),
            tokens=_expected(measured, left, paid.TOKENS),
            usd=_expected(measured, left, paid.USD),
        ),
        saved=manifest.decided is not None,
        looks=manifest.experiment.looks is not None,
    )


def _expected(measured: pl.DataFrame, left: dict[str, int], names: tuple[str, str]) -> float | None:
    expected = 0.0
    for arm, count in left.items():
        each = paid.mean(measured.filter(pl.col("arm") == arm), names)
        if count and each is None:
            return None
        expected += count * (each or 0.0)
    return expected


def sentence(spending: Spending) -> str:
    """Return what was spent, and what was saved or is left, as one sentence."""
    warmups = f", {spending.warmups} for warm-up included" if spending.warmups else ""
    said = f"{_words(spending.spent)} for {count_of(spending.spent.trials, 'trial')}{warmups}"
    rest = spending.rest
    if spending.saved:
        return f"{said}; stopping saved {count_of(rest.trials, 'trial')}, which would have cost about {_words(rest)}"
    if rest.trials:
        unasked = count_of(rest.trials, "trial that was not asked", "trials that were not asked")
        return f"{said}; the {unasked} would cost about {_words(rest)}"
    return f"{said}; no interim look stopped the run, so nothing was saved" if spending.looks else said


def _words(amount: Amount) -> str:
    tokens = None if amount.tokens is None else f"{figures.tokens(amount.tokens)} tokens"
    usd = None if amount.usd is None else figures.usd(amount.usd)
    return " and ".join(filter(None, (tokens, usd))) or "an unknown amount"
