"""Facts of an answer as a set: its numbers and the names in it.

Two answers in different words agree where their sets agree. A name is a word that differs from
prose by its form: an identifier (``sales_db``, ``OrderDate``), a date, a version, or text in back
quotes.
"""

from __future__ import annotations

import re

from uderia_bench.reading.expectations.amounts import amounts

MOST_FACTS = 500
"""Facts kept of one answer, in order. A larger answer is a listing, and its first 500 entries identify it."""

_NAMES = re.compile(
    r"`[^`\n]{1,80}`"
    r"|\b\d{4}-\d\d-\d\d\b"
    r"|\b\d+(?:\.\d+){3,}\b"
    r"|\b[^\W_]+(?:_[^\W_]+)+\b"
    r"|\b[A-Z]?[a-z0-9]+(?:[A-Z][a-z0-9]*)+\b"
)


def facts(text: str) -> frozenset[str]:
    """Return the numbers and names in a plain text, at most ``MOST_FACTS``."""
    names = [match[0].strip("`").casefold() for match in _NAMES.finditer(text)]
    numbers = [f"{amount.readings[0]:.12g}" for amount in amounts(text) if amount.likely]
    return frozenset([*names, *numbers][:MOST_FACTS])


def agreement(one: frozenset[str], other: frozenset[str]) -> float | None:
    """Return the share of facts that both sets have (Jaccard index, 0 to 1); None where both are empty."""
    together = one | other
    return len(one & other) / len(together) if together else None
