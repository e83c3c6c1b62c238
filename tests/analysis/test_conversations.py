"""Carry-over: later turns against the first of their own conversation."""

from __future__ import annotations

import polars as pl

from uderia_bench.analysis.conversations import carry_over


def trials(*rows):
    """Return trials (query, arm, turn, input tokens); None is a trial that failed."""
    return pl.DataFrame(
        [
            {
                "query_id": query, "arm": arm, "repeat": 1, "turn": turn, "stage": "measured",
                "outcome": "failed" if tokens is None else "answered", "input_tokens": tokens,
            }
            for query, arm, turn, tokens in rows
        ]
    )  # fmt: skip


def test_later_turns_are_set_against_their_own_first():
    """1,000 and 300 more in turn 2 are 650 in the mean; only one conversation has a third turn."""
    table = trials(
        ("a", "A", 1, 10_000), ("a", "A", 2, 11_000), ("a", "A", 3, 12_500), ("b", "A", 1, 20_000), ("b", "A", 2, 20_300),
        ("a", "B", 1, 5_000), ("a", "B", 2, 4_000),
    )  # fmt: skip
    assert carry_over(table) == (
        "A: input tokens over the first turn: +650 in turn 2 (mean of 2), +2,500 in turn 3 (mean of 1)",
        "B: input tokens over the first turn: -1,000 in turn 2 (mean of 1)",
    )


def test_without_a_first_turn_or_a_later_one_there_is_nothing_to_say():
    """A failed first turn is no ground to compare with; single questions carry nothing."""
    assert carry_over(trials(("a", "A", 1, None), ("a", "A", 2, 11_000))) == ()
    assert carry_over(trials(("a", "A", 1, 1), ("b", "A", 1, 1))) == ()
    assert carry_over(pl.DataFrame({"query_id": ["q"]})) == ()
