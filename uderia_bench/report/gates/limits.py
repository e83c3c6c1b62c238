"""The limit at the end of a gate, in the unit of its metric.

It is read exactly, so that 99.9% of 1,000 trials is 999 trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import inf, ulp

from uderia_bench.documents.yaml.quantities import SECONDS
from uderia_bench.reading.metrics.metric import WORK, Assumption, Metric
from uderia_bench.report.gates.gate import OPERATORS
from uderia_bench.report.gates.reader import Reader, Word

_PERCENT = {"%": Decimal("0.01")}
_THOUSANDS = {"k": Decimal(1000)}
_TIMES = {unit: Decimal(str(seconds)) for unit, seconds in SECONDS.items()}
_SHORT = 2  # characters of a unit of time that an error names: m, and not min
_UNITS: dict[str, Mapping[str, Decimal]] = {  # unit of a metric: units of its limit
    "s": _TIMES,
    "ms": {unit: 1000 * seconds for unit, seconds in _TIMES.items()},
    "usd": {"usd": Decimal(1), "$": Decimal(1)},
    "tokens": _THOUSANDS,
    "1": _THOUSANDS,
}


def limit(reader: Reader, metric: Metric | None) -> float:
    """Read a number and its unit.

    ``metric`` None means a share of trials. A number without unit is in the metric's unit.
    """
    number = reader.number()
    share = _is_share(metric)
    units = _PERCENT if share else _UNITS.get(metric.unit, {}) if metric is not None else {}
    value = Decimal(number.text)
    if reader.sees_unit():
        unit = reader.unit()
        if unit.text not in units:
            what = "a share" if share or metric is None else metric.name
            short = [name for name in units if name not in _TIMES or len(name) <= _SHORT]
            allowed = f"use {' or '.join(short)}" if units else "leave it out"
            raise reader.misread(f"{unit.text!r} is not a unit of {what}: {allowed}", unit)
        value *= units[unit.text]
    if share and not 0 <= value <= 1:
        raise reader.misread(f"a share must be between 0% and 100%, not {number.text}; write 99% or 0.99", number)
    return float(value)


def refuse_impossible(reader: Reader, operator: Word, value: float, *, metric: Metric | None) -> None:
    """Raise ``Misread`` for a condition that no value of the metric meets, as a time below 0.

    ``metric`` None means a share of trials.
    """
    if _is_share(metric):
        scale = "a share is never below 0% or above 100%"
        possible = (0.0, 1.0)
    elif metric is not None and metric.assumption is Assumption.POSITIVE:
        scale = f"{metric.name} is always above 0"
        possible = (ulp(0.0), inf)
    elif metric is not None and metric.family in WORK:
        scale = f"{metric.name} is never below 0"
        possible = (0.0, inf)
    else:
        return
    refuse_outside(reader, operator, value, possible=possible, scale=scale)


def refuse_outside(reader: Reader, operator: Word, value: float, *, possible: tuple[float, float], scale: str) -> None:
    """Raise ``Misread`` for a condition that no number of a range meets. ``scale`` describes the range."""
    low, high = possible
    tried = (low, high, min(max(value, low), high))
    if not any(OPERATORS[operator.text](each, value) for each in tried):
        condition = Word(reader.text, operator.start, len(reader.text.rstrip()))
        raise reader.misread(f"this gate can never pass, because {scale}; write another comparison or limit", condition)


def _is_share(metric: Metric | None) -> bool:
    return metric is None or metric.assumption is Assumption.RATE or metric.kind is bool
