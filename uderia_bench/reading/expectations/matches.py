"""``matches``: a regular expression finds something in the answer.

Why the ``regex`` package: Python's own cannot be stopped, and one careless pattern of a corpus would hang ``derive``.
"""

from __future__ import annotations

import regex

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted

MOST_SECONDS = 1.0
"""Time a pattern may take on one answer: an honest one needs milliseconds on ``MOST_TEXT`` characters."""


def _judge(answer: Answer, value: str) -> Judged:
    try:
        match = regex.search(value, answer.text, regex.MULTILINE, timeout=MOST_SECONDS)
    except TimeoutError:
        return Judged(passed=None, found=f"the pattern took more than {MOST_SECONDS:g} s on this answer; make it simpler")
    except regex.error as error:
        return Judged(passed=None, found=f"no regular expression: {error}")
    return Judged(passed=match is not None, found=quoted(answer.text if match is None else match[0]))


MATCHES = ExpectationKind(
    name="matches",
    doc="A regular expression finds something in the answer; ^ and $ are the ends of lines, case matters unless (?i).",
    judge=_judge,
)
