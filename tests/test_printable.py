"""Texts that are safe to print, and numbers with their nouns."""

import pytest

from uderia_bench.printable import count_of, without_passwords


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


@pytest.mark.parametrize(
    ("said", "masked"),
    [
        ("http://user:pw@host:5050/x", "http://***@host:5050/x"),
        ("http://user:p/w@host", "http://***@host"),
        ("http://user:p@w@host: not an address", "http://***@host: not an address"),
        ("https://tda_0123456789@host", "https://***@host"),
        ("http://:pw@host", "http://***@host"),
        ("--server user:pw@host: should be an address", "--server ***@host: should be an address"),
        ("('user:pw@host')", "('***@host')"),
        ("--set server=user:pw@host", "--set server=***@host"),
        ("http://localhost:5050/a@b, corpus.yaml:3: @IDEAT", "http://localhost:5050/a@b, corpus.yaml:3: @IDEAT"),
        ("queries.1: mail to somebody@example.org", "queries.1: mail to somebody@example.org"),
    ],
)  # fmt: skip
def test_an_address_is_repeated_without_its_credentials(said, masked):
    """User, password and token go, with or without a scheme. Other signs of @ stay."""
    assert without_passwords(said) == masked
