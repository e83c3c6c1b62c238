"""Expectations about the words of an answer: ``contains``, ``not_contains``, ``one_of`` and ``matches``."""

from __future__ import annotations

import re

import regex

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.plain_text import folded

MOST_SECONDS = 1.0
"""Time limit of ``matches`` for one answer. An honest pattern needs milliseconds on ``MOST_TEXT`` characters."""

_AROUND = 60  # characters quoted before and after the words that were found


def place(text: str, words: str) -> str | None:
    """Return the part of ``text`` around ``words``, or None if they are not in it; case and white space do not matter.

    A number matches whole: ``3`` is found neither in ``13`` nor in ``3.5``.
    """
    wanted = folded(words)
    before = r"(?<!\d)(?<!\d[.,])" if wanted[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if wanted[-1:].isdigit() else ""
    searched = folded(text)
    match = re.search(f"{before}{re.escape(wanted)}{after}", searched)
    return None if match is None else searched[max(0, match.start() - _AROUND) : match.end() + _AROUND]


def _contains(answer: Answer, value: str) -> Judged:
    found = place(answer.text, value)
    return Judged(passed=found is not None, found=quoted(answer.text if found is None else found))


def _not_contains(answer: Answer, value: str) -> Judged:
    found = _contains(answer, value)
    return Judged(passed=not found.passed, found=found.found)


def _one_of(answer: Answer, value: tuple[str, ...]) -> Judged:
    found = next((found for words in value if (found := place(answer.text, words)) is not None), None)
    return Judged(passed=found is not None, found=quoted(answer.text if found is None else found))


def _matches(answer: Answer, value: str) -> Judged:
    # The ``regex`` package has a timeout; with ``re`` one careless pattern of a corpus would hang ``derive``.
    try:
        match = regex.search(value, answer.text, regex.MULTILINE, timeout=MOST_SECONDS)
    except TimeoutError:
        return Judged(passed=None, found=f"the pattern took more than {MOST_SECONDS:g} s on this answer; make it simpler")
    except regex.error as error:
        return Judged(passed=None, found=f"not a regular expression: {error}")
    return Judged(passed=match is not None, found=quoted(answer.text if match is None else match[0]))


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(
        name="contains",
        doc="The answer contains this text. Case and white space do not matter, and a number matches whole.",
        judge=_contains,
    ),
    ExpectationKind(
        name="not_contains",
        doc="The answer does not contain this text, by the rules of contains.",
        judge=_not_contains,
    ),
    ExpectationKind(
        name="one_of",
        doc="The answer contains at least one of these texts, by the rules of contains.",
        judge=_one_of,
    ),
    ExpectationKind(
        name="matches",
        doc="A regular expression matches somewhere in the answer. ^ and $ match at line ends; case matters unless (?i).",
        judge=_matches,
    ),
)
