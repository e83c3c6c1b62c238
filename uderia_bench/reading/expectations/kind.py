"""Types of an expectation: the kind, the answer it looks at, and the result.

A result is passed, failed, or None where the expectation does not apply: the profile type makes no
plan, or the other query was not answered. None is left out of both sides of a ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uderia_bench.reading.judge.asks import Opinion
from uderia_bench.trace import Trace

MOST_TEXT = 200_000
"""Characters of an answer that are checked, about 100 pages. The rest is left out, so that ``derive`` cannot stall."""

_MOST_QUOTED = 160  # characters of an answer that a report quotes


def _no_opinion(_: str) -> Opinion | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Everything an expectation may look at: the trace, the answer as plain text, and what others say.

    ``others`` maps query ids to plain answers of the same arm and repetition. A query without an
    answer is not in it. ``opinion_of`` returns a judge's scores of this answer for a rubric, or
    None without scores.
    """

    trace: Trace
    text: str
    others: Mapping[str, str] = field(default_factory=dict)
    opinion_of: Callable[[str], Opinion | None] = _no_opinion


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Result of one expectation: whether it passed, and a short quotation that shows why."""

    passed: bool | None
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationKind:
    """A kind of expectation.

    ``judge`` takes the answer and the value that the corpus gives under ``name``. It must not
    raise.
    """

    name: str
    doc: str
    judge: Callable[[Answer, Any], Judged]


def quoted(text: str) -> str:
    """Return text on one line, cut to the length a report quotes."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_QUOTED else f"{line[: _MOST_QUOTED - 1]}…"
