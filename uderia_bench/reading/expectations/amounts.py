"""The numbers a text states, whatever the locale: ``1,234.5``, ``1.234,5``, ``1 234.5``, ``1'234`` and, in English, ``three``.

Where a notation can be read in two ways (``1.234`` is a fraction here and a thousand elsewhere)
both readings are given: to fail a right answer for its locale is worse than to pass one that is
wrong by exactly a factor of a thousand. Dates, times and versions are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SMALL = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORD = re.compile(rf"\b(?:{'|'.join(_SMALL)})\b", re.IGNORECASE)
_NO_NUMBER = re.compile(r"(?<!\d)(?:\d{4}-\d\d-\d\d(?:T[\d:.]+)?|\d{1,2}:\d\d(?::\d\d)?|\d{1,9}(?:\.\d{1,9}){3,})")
_SPACES = r"[ \u00a0\u202f'\u2019]"  # what stands between groups of three digits: spaces, and the Swiss apostrophe
_SPACED = rf"[1-9]\d{{0,2}}(?:{_SPACES}\d{{3}})+(?:[.,]\d+)?(?!\d)"
_NUMBER = re.compile(rf"(?<![\w.,])(?P<sign>[-+\u2212])?(?P<body>{_SPACED}|\d+(?:[.,]\d+)*)(?P<power>[eE][-+]?\d{{1,3}})?")
_MOST_DIGITS = 30  # a longer run of digits is a key or a token, and no quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number in a text, every way it can be read, and where it stands."""

    readings: tuple[float, ...]
    start: int
    end: int


def amounts(text: str) -> Iterator[Amount]:
    """Give the numbers of a text in order."""
    masked = _NO_NUMBER.sub(lambda match: "_" * len(match[0]), text)
    for match in _NUMBER.finditer(masked):
        if len(match["body"]) > _MOST_DIGITS:
            continue
        sign = -1.0 if match["sign"] in {"-", "\u2212"} else 1.0
        power = float(f"1{match['power']}") if match["power"] else 1.0
        if readings := tuple(sign * power * value for value in _readings(match["body"])):
            yield Amount(readings=readings, start=match.start(), end=match.end())
    for match in _WORD.finditer(masked):
        yield Amount(readings=(float(_SMALL.index(match[0].lower())),), start=match.start(), end=match.end())


def _readings(body: str) -> Iterator[float]:
    body = re.sub(_SPACES, "", body)
    marks = [mark for mark in body if mark in ".,"]
    if not marks:
        yield float(body)
    elif len(set(marks)) == 2:
        yield from _both_marks(body, group=marks[0], fraction=marks[-1])
    elif len(marks) > 1:
        if _is_grouped(body, marks[0]):
            yield float(body.replace(marks[0], ""))
        elif marks[0] == ",":  # a list without spaces
            yield from map(float, body.split(","))
    else:
        yield float(body.replace(",", "."))
        if _is_grouped(body, marks[0]):
            yield float(body.replace(marks[0], ""))


def _both_marks(body: str, *, group: str, fraction: str) -> Iterator[float]:
    whole, _, decimals = body.rpartition(fraction)
    if group != fraction and _is_grouped(whole, group):
        yield float(f"{whole.replace(group, '')}.{decimals}")


def _is_grouped(body: str, mark: str) -> bool:
    first, *others = body.split(mark)
    return 1 <= len(first) <= 3 and not first.startswith("0") and all(len(other) == 3 for other in others)
