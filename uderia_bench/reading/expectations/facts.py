"""What an answer states, as a set: its numbers and the names of things. It decides nothing about right and wrong.

Two answers in other words state the same where their sets agree. Names are what can be told from prose without a dictionary:
identifiers (``sales_db``, ``OrderDate``), dates, versions, and whatever stands in back quotes.
"""

from __future__ import annotations

import re

from uderia_bench.reading.expectations.amounts import amounts

MOST_FACTS = 500
"""Facts kept of one answer, in order: a larger answer is a listing, and its first 500 entries tell two listings apart."""

_NAMES = re.compile(
    r"`[^`\n]{1,80}`"
    r"|\b\d{4}-\d\d-\d\d\b"
    r"|\b\d+(?:\.\d+){3,}\b"
    r"|\b[^\W_]+(?:_[^\W_]+)+\b"
    r"|\b[A-Z]?[a-z0-9]+(?:[A-Z][a-z0-9]*)+\b"
)


def facts(text: str) -> frozenset[str]:
    """Return the numbers and names a plain text states, at most ``MOST_FACTS``."""
    names = [match[0].strip("`").casefold() for match in _NAMES.finditer(text)]
    numbers = [f"{amount.readings[0]:.12g}" for amount in amounts(text)]
    return frozenset([*names, *numbers][:MOST_FACTS])


def agreement(one: frozenset[str], other: frozenset[str]) -> float | None:
    """Return the share of all facts that both state (Jaccard), 1 for the same facts; None where neither states any."""
    together = one | other
    return len(one & other) / len(together) if together else None
