"""Similarity of two texts by their shared words, in place of an embedding model."""

from __future__ import annotations

import math
import re

_STOP = frozenset(
    re.findall(
        r"\w+",
        """
        a all an and any are as at available be by can do does each exist existing for from get give has have how i in is it
        list many me my of on or our please should show tell that the their there these this those to us we what when where
        which who why will with you your
        """,
    )
)
_LONGEST_UNINFLECTED = 3


def words(text: str) -> frozenset[str]:
    """Return the content words of a text without plural endings, all words if there are no others."""
    found = re.findall(r"[a-z0-9_]+", text.lower())
    content = [word for word in found if word not in _STOP] or found
    return frozenset(word.removesuffix("s") if len(word) > _LONGEST_UNINFLECTED else word for word in content)


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the cosine similarity of two sets of words, from 0 to 1."""
    if not one or not other:
        return 0.0
    return len(one & other) / math.sqrt(len(one) * len(other))
