"""``contains``: the answer says these words."""

from __future__ import annotations

import re

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.reading.expectations.plain_text import folded

_AROUND = 60  # characters before and after the words that show where they stand


def place(text: str, words: str) -> str | None:
    """Return where ``words`` stand in ``text``, case and white space aside, or None.

    A figure is found whole: ``3`` is neither in ``13`` nor in ``3.5``.
    """
    wanted = folded(words)
    before = r"(?<!\d)(?<!\d[.,])" if wanted[:1].isdigit() else ""
    after = r"(?!\d|[.,]\d)" if wanted[-1:].isdigit() else ""
    searched = folded(text)
    match = re.search(f"{before}{re.escape(wanted)}{after}", searched)
    return None if match is None else searched[max(0, match.start() - _AROUND) : match.end() + _AROUND]


def _judge(answer: Answer, value: str) -> Judged:
    found = place(answer.text, value)
    return Judged(passed=found is not None, found=quoted(answer.text if found is None else found))


CONTAINS = ExpectationKind(
    name="contains",
    doc="The answer has this text in it; case and white space do not matter, a figure is found whole.",
    judge=_judge,
)
