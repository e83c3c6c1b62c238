"""What an expectation is: a kind with a name and a pure judgement, what it judges, and what it finds. It knows no corpus file.

Three ends of a judgement, as everywhere: passed, not passed, and None where the question does not arise (no plan in a
profile that plans none, the other query was not answered). None counts on neither side of a ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uderia_bench.reading.judge.asks import Opinion
from uderia_bench.trace import Trace

MOST_TEXT = 200_000
"""Characters of an answer that are judged: a hundred pages; what is beyond is a runaway and must not stall ``derive``."""

_MOST_QUOTED = 160  # characters of an answer that a report repeats to show why


def _no_opinion(_: str) -> Opinion | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a judgement may look at: the trace, the answer as plain text, other queries' answers, a judge's opinions.

    ``others`` are plain answers by query id, of the same arm and repetition; a query that was not answered is not in it.
    ``opinion_of`` returns what a judge said of this answer by a rubric, None where none was asked or answered.
    """

    trace: Trace
    text: str
    others: Mapping[str, str] = field(default_factory=dict)
    opinion_of: Callable[[str], Opinion | None] = _no_opinion


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Whether what was expected holds, and what was found instead or as proof, short enough to quote."""

    passed: bool | None
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationKind:
    """A kind of expectation: ``judge`` takes the answer and what the corpus says under ``name``; it must not raise."""

    name: str
    doc: str
    judge: Callable[[Answer, Any], Judged]


def quoted(text: str) -> str:
    """Return text on one line, cut to what a report can repeat."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_QUOTED else f"{line[: _MOST_QUOTED - 1]}…"
