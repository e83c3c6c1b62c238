"""The lines of a report on a judge's preferences."""

import polars as pl

from uderia_bench.report import judge


def test_no_ties_are_no_negative_share():
    """1 - 0.9 - 0.1 is a little less than 0."""
    pairs = pl.DataFrame(
        {
            "query_id": [f"q{number}" for number in range(10)],
            "group": pl.Series([None] * 10, dtype=pl.String),
            "preference": [1.0] * 9 + [0.0],
            "same": [False] * 10,
            "flipped": [False] * 10,
            "baseline_chars": [10] * 10,
            "candidate_chars": [12] * 10,
        }
    )
    (said,) = judge._contrast("A", "B", pairs, 0.95)
    assert said == (
        "B is preferred to A in 90% of 10 pairs, A in 10%, and 0% are ties. The order of the answers decided 0% of the pairs"
    )
