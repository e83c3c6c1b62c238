"""Cost of trials in tokens and dollars, session naming included.

``total_tokens`` and ``cost_usd`` leave session naming out, because that makes profiles comparable.
A bill does not, so every total of a run, forecast and budget adds it here.
"""

from __future__ import annotations

import polars as pl

from uderia_bench.trace import Tokens

TOKENS = ("total_tokens", "naming_tokens")
USD = ("cost_usd", "naming_cost_usd")
"""Columns of trials that add up to the cost: the turn first, then session naming."""


def tokens(read: Tokens) -> int:
    """Return the tokens of one trial; an unknown part counts as 0."""
    return sum(part or 0 for part in (read.input, read.output, read.naming_input, read.naming_output))


def usd(read: Tokens) -> float:
    """Return the dollars of one trial; an unknown part counts as 0."""
    return (read.cost_usd or 0.0) + (read.naming_cost_usd or 0.0)


def total(trials: pl.DataFrame, names: tuple[str, str]) -> float | None:
    """Return the sum over trials; None where no turn has a value. A trial without a value counts as 0."""
    turn = names[0]
    if turn not in trials.columns or trials[turn].null_count() == trials.height:
        return None
    return sum(float(trials[name].sum()) for name in names if name in trials.columns)


def mean(trials: pl.DataFrame, names: tuple[str, str]) -> float | None:
    """Return the mean over the trials whose turn has a value; None where no turn has one."""
    known = trials.drop_nulls(names[0]) if names[0] in trials.columns else trials.clear()
    spent = total(known, names)
    return None if spent is None else spent / known.height
