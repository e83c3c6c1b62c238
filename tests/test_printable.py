"""Texts that are safe to print, and numbers with their nouns."""

import pytest

from uderia_bench.printable import count_of


@pytest.mark.parametrize(
    ("number", "one", "said"),
    [
        (0, "query", "0 queries"),
        (1, "query", "1 query"),
        (2000, "query", "2,000 queries"),
        (2, "measured trial", "2 measured trials"),
        (2, "entry", "2 entries"),
        (2, "day", "2 days"),
    ],
)
def test_a_noun_agrees_with_its_number(number, one, said):
    """One has the singular, every other number the plural of the last word."""
    assert count_of(number, one) == said


def test_a_verb_agrees_with_its_number():
    """The plural of several words is given."""
    assert [count_of(n, "trial is", "trials are") for n in (1, 2)] == ["1 trial is", "2 trials are"]
