"""Numbers in a text, in the notations of all locales: ``1,234.5``, ``1.234,5``, ``1 234``, ``12,34,567``, ``three``.

A notation may have several readings: ``1.234`` is a fraction in some locales and a thousand in
others, and ``120 340`` is one number or two. All of them are given, because it is worse to fail a
right answer for its locale than to pass one that is wrong by a factor of a thousand. Dates, times,
versions and addresses are not numbers.

No locale is known here, so a library that parses one (babel) cannot be used; the tests check these
notations against babel's data for every locale of CLDR.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MOST_DIGITS = 30  # a longer run of digits is a key or a token
_NOT_NUMBERS = re.compile(
    r"(?<!\d)(?:\d{4}-\d\d-\d\d(?:T[\d:.]+)?|\d{1,2}:\d\d(?::\d\d)?"
    r"|(?!\d{1,3}(?:\.\d{3}){3,}(?![\d.]))\d{1,9}(?:\.\d{1,9}){3,})"
)

# Marks by what they are: fraction, group, sign. One character becomes one, so that positions stay.
_MARKS = str.maketrans(
    {
        **dict.fromkeys("\u066b\u2396", "."),
        **dict.fromkeys("\u066c\u060c\u2e41\uff0c", ","),
        **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f", " "),
        **dict.fromkeys("\u2019\u2018\u02bc\u00b4\u02bb", "'"),
        **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"),
    }
)
_LATEX = (
    (re.compile(r"\{([,.])\}"), r"\1"),  # 9{,}500
    (re.compile(r"\\[,;:! ]"), " "),  # 9\,500
    (re.compile(r"\\[dt]?frac\s?\{(\d{1,9})\}\{(\d{1,9})\}"), "\\1\u2044\\2"),
    (re.compile(r"\\(?:times|cdot)\s?"), "\u00d7"),
    (re.compile(r"\^\{([-+]?\d{1,3})\}"), r"^\1"),
    (re.compile(r"\\([$%&#_])"), r"\1"),
)

_SIGN = r"(?P<sign>(?<![\w)])[-+]|\b(?:minus|negative)\s)?"
_CURRENCY = r"(?:(?:US|AU|CA|NZ|HK)?[$\u20ac\u00a3\u00a5\u20b9]\s?)?"
_PLAIN = r"\d+(?:[.,'_]\d+)*|\.\d+"
_POWER = r"(?P<power>\^[-+]?\d{1,3}|[eE][-+]?\d{1,3}(?![\w.])|\s?[x\u00d7*\u00b7\u22c5]\s?10\^[-+]?\d{1,3})?"
_START = r"(?<!\w)(?<!\d[.,'])"
_BEFORE = rf"(?:(?<!\w)(?:[vV]|[A-Z]{{3}})(?=\d)|{_START}{_SIGN}{_CURRENCY})"
_NUMBER = re.compile(rf"{_BEFORE}(?P<body>{_PLAIN}){_POWER}")
_GROUPS = r"\d{1,3}(?: \d{3})+(?:[.,]\d+)?"
_SPACED = re.compile(rf"{_BEFORE}(?P<body>{_GROUPS})(?!\d|[.,]\d)")
_FRACTION = re.compile(
    r"(?<![\w.,/\u2044])(?:(?P<whole>\d{1,9}) )?(?P<over>\d{1,9})(?P<slash>[/\u2044])(?P<under>\d{1,9})(?![\w/\u2044])"
)

_MAGNITUDES = {  # in the larger languages, by what they multiply with
    word: factor
    for factor, words in (
        (1e3, "k K thousand thousands tausend mille mil tys \u0442\u044b\u0441 \u0442\u0438\u0441 ribu \u5343 \ucc9c"),
        (1e4, "\u4e07 \u842c \ub9cc"),
        (1e5, "lakh lakhs \u0932\u093e\u0916"),
        (
            1e6,
            "M million millions millionen millioner miljoen miljoner mio mn mln millones milioni milh\u00f5es milyon juta",
        ),
        (1e6, "\u043c\u043b\u043d \u0645\u0644\u064a\u0648\u0646 \u0645\u06cc\u0644\u06cc\u0648\u0646"),
        (1e7, "crore crores \u0915\u0930\u094b\u0921\u093c"),
        (1e8, "\u5104 \u4ebf \uc5b5"),
        (1e9, "bn billion billions milliarde milliarden milliard milliards milliarder miljard miljarder mia mrd mld miliardi"),
        (1e9, "milyar miliar \u043c\u043b\u0440\u0434 \u0645\u0644\u064a\u0627\u0631"),
        (1e12, "tn trillion trillions"),
    )
    for word in words.split()
}
_MAGNITUDE = re.compile(
    r"(?:(?P<short>[kKM]|bn|tn)(?!\w)|\s?(?P<cjk>[\u5343\ucc9c\u4e07\u842c\ub9cc\u5104\u4ebf\uc5b5])|\s?(?P<long>[^\s\d.,;:()]{2,10})(?!\w))"
)
_GROUPED = re.compile(r"\d[.,']\d{3}(?!\d)")
_OPENED = re.compile(r"\([^()\da-z]{0,6}\Z")
_CLOSED = re.compile(r"[^()\da-z]{0,8}\)")
_PERCENT = re.compile(r"\s?%")

_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {**{word: place for place, word in enumerate(_UNITS)}, **{word: 10 * place for place, word in enumerate(_TENS, 2)}}
_FACTORS = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_VALUE, _FACTOR = (rf"(?:{'|'.join(sorted(words, key=len, reverse=True))})" for words in (_VALUES, _FACTORS))
_WORDS = re.compile(rf"\b(?:{_VALUE}|an? {_FACTOR})\b(?:(?:[ -]| and )(?:{_VALUE}|{_FACTOR})\b){{0,12}}", re.IGNORECASE)
_NONE = re.compile(r"\b(?:none|no (?=[a-z]{2,30}[^\Ws]s\b(?! (?:is|was)\b)))\b", re.IGNORECASE)
_SINGLE = re.compile(r"\b(?:a|one) single\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number in a text with all its readings, the likeliest first, and its position.

    ``likely`` is False for a second look at characters of another amount, and for a word that only
    sometimes means a number.
    """

    readings: tuple[float, ...]
    start: int
    end: int
    likely: bool = True


def notation(text: str) -> str:
    """Return a plain text with ASCII digits, common marks and without LaTeX."""
    text = text.translate(_MARKS)
    for pattern, instead in _LATEX:
        text = pattern.sub(instead, text)
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(each)) if not each.isascii() and each.isdecimal() else each for each in text)


def amounts(text: str) -> Iterator[Amount]:
    """Yield the numbers of a plain text. Positions are in its ``notation``."""
    return amounts_in(notation(text))


def amounts_in(text: str) -> Iterator[Amount]:
    """Yield the numbers of a text that ``notation`` returned."""
    masked = _NOT_NUMBERS.sub(lambda match: "_" * len(match[0]), text)
    spaced = [found for match in _SPACED.finditer(masked) for found in _spaced(match)]
    yield from spaced
    covered = iter(sorted((amount.start, amount.end) for amount in spaced))
    start = end = -1
    for match in _NUMBER.finditer(masked):
        while end <= match.start("body") and (following := next(covered, None)):
            start, end = following
        yield from _numbers(masked, match, alone=not start <= match.start("body") < end)
    yield from _fractions(masked)
    for match in _WORDS.finditer(masked):
        yield Amount(readings=(float(_spoken(match[0].lower())),), start=match.start(), end=match.end())
    for pattern, value in ((_NONE, 0.0), (_SINGLE, 1.0)):
        for match in pattern.finditer(masked):
            yield Amount(readings=(value,), start=match.start(), end=match.end(), likely=False)


def _numbers(text: str, match: re.Match[str], *, alone: bool) -> Iterator[Amount]:
    """Yield a number, and what it is with the power, percent sign or magnitude that follows it."""
    body = match["body"]
    if len(body) > _MOST_DIGITS:
        return
    start, end = match.start("body"), match.end("body")
    sign = _sign(text, match)
    readings = [sign * value for value in _readings(body)]
    if _GROUPED.search(body) and _OPENED.search(text, max(0, start - 8), start) and _CLOSED.match(text, end):
        readings += [-value for value in readings]  # how accountants write a negative number
    if match["power"]:
        powered = tuple(filter(math.isfinite, (_powered(value, match["power"]) for value in readings)))
        footnote = match["power"].startswith("^") and readings and abs(readings[0]) not in (2, 10)
        yield from _amount((*readings, *powered) if footnote else powered, start, match.end(), likely=alone)
        if match["power"].startswith("^") and not footnote:
            yield from _amount(readings, start, end, likely=False)
        return
    magnitude = _MAGNITUDE.match(text, end)
    factor = _factor(magnitude) if magnitude else None
    yield from _amount(readings, start, end, likely=alone and factor is None)
    if magnitude is not None and factor is not None:
        yield from _amount([value * factor for value in readings], start, magnitude.end(), likely=alone)
    if percent := _PERCENT.match(text, end):
        yield from _amount([value / 100 for value in readings], start, percent.end(), likely=False)


def _spaced(match: re.Match[str]) -> Iterator[Amount]:
    """Yield a number whose digits are in groups with spaces between them."""
    if len(match["body"]) <= _MOST_DIGITS and not match["body"].startswith("0"):
        readings = [_sign(match.string, match) * value for value in _readings(match["body"].replace(" ", ""))]
        yield from _amount(readings[:1], match.start("body"), match.end("body"), likely=True)


def _fractions(text: str) -> Iterator[Amount]:
    for match in _FRACTION.finditer(text):
        under = int(match["under"])
        if under and (match["slash"] == "\u2044" or not match["whole"]):
            value = int(match["whole"] or 0) + int(match["over"]) / under
            yield Amount(readings=(value,), start=match.start(), end=match.end(), likely=match["slash"] == "\u2044")


def _amount(readings: Iterable[float], start: int, end: int, *, likely: bool) -> Iterator[Amount]:
    finite = tuple(dict.fromkeys(value for value in readings if math.isfinite(value)))
    if finite:
        yield Amount(readings=finite, start=start, end=end, likely=likely)


def _sign(text: str, match: re.Match[str]) -> float:
    """Return -1 for a negative number. A sign after another number joins the two: ``5 - 3``, ``5 minus 3``."""
    sign = match.groupdict().get("sign")
    if not sign or sign == "+":
        return 1.0
    return 1.0 if re.search(r"\d\s?$", text[max(0, match.start() - 3) : match.start("sign")]) else -1.0


def _powered(value: float, power: str) -> float:
    exponent = int(re.sub(r".*(?:\^|[eE])", "", power))
    try:
        return value**exponent if power.startswith("^") else value * 10.0**exponent
    except (OverflowError, ZeroDivisionError):
        return math.inf


def _factor(match: re.Match[str]) -> float | None:
    return _MAGNITUDES.get(match["short"] or match["cjk"] or match["long"].lower())


def _readings(body: str) -> Iterator[float]:
    body = body.replace("'", "").replace("_", "")
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
    """Return whether digits are in groups: of three, of four (East Asia), or of two before the last three (India)."""
    first, *others = map(len, body.split(mark))
    if body.startswith("0") or not first:
        return False
    by_two = len(others) > 1 and first <= 2 and others[-1] == 3 and set(others[:-1]) == {2}
    return by_two or (first <= 3 and set(others) == {3}) or (first <= 4 and set(others) == {4})


def _spoken(words: str) -> int:
    """Return the value of English number words: ``twenty-one``, ``a hundred and five``."""
    total = current = 0
    for word in re.findall(r"[a-z]+", words):
        if word in _VALUES:
            current += _VALUES[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        elif word in _FACTORS:
            total += max(current, 1) * _FACTORS[word]
            current = 0
    return total + current
