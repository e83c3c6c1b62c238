"""Expectations about the numbers of an answer: ``number``."""

from __future__ import annotations

import math

from uderia_bench.documents.expectation import Number
from uderia_bench.reading.expectations.amounts import Amount, amounts_in, notation
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted

_SAME_UNIT = (("%", "percent", "per cent", "pct"), ("$", "usd", "us$", "dollars"), ("€", "eur", "euro", "euros"))
_ROUNDING = 1e-9  # relative; decimal fractions are not exact in binary


def _number(answer: Answer, value: Number) -> Judged:
    text = notation(answer.text)
    stated = [amount for amount in amounts_in(text) if value.unit is None or _has_unit(text, amount, value.unit)]
    right = any(_is_near(reading, value) for amount in stated for reading in amount.readings)
    shown = ", ".join(dict.fromkeys(text[amount.start : amount.end] for amount in stated))
    return Judged(passed=right, found=quoted(shown or f"no number{f' in {value.unit}' if value.unit else ''}"))


def _is_near(reading: float, value: Number) -> bool:
    return abs(reading - value.value) <= value.tolerance or math.isclose(reading, value.value, rel_tol=_ROUNDING)


def _has_unit(text: str, amount: Amount, unit: str) -> bool:
    """Return whether the unit, or another name of it, follows the number or, as for a currency, comes before it."""
    wanted = unit.casefold()
    names = next((names for names in _SAME_UNIT if wanted in names), (wanted,))
    longest = max(map(len, names)) + 2
    after = text[amount.end : amount.end + longest].casefold().lstrip()
    before = text[max(0, amount.start - longest) : amount.start].casefold().rstrip()
    return any((after.startswith(name) and not after[len(name) :][:1].isalpha()) or before.endswith(name) for name in names)


KINDS: tuple[ExpectationKind, ...] = (
    ExpectationKind(
        name="number",
        doc="The answer has this number within the tolerance, in the notation of any locale (1,234.5, 1.234,5, 12,34,567.5, "
        "3 million, 10^6, three), with its unit next to it where one is given.",
        judge=_number,
    ),
)
