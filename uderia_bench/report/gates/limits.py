"""The number a gate ends in, in the unit of what it limits; exact, so that 99.9% of 1,000 trials is 999 of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.report.gates.reader import Reader

_PERCENT = {"%": Decimal("0.01")}
_THOUSANDS = {"k": Decimal(1000)}
_UNITS: dict[str, Mapping[str, Decimal]] = {  # a metric's unit: the units its limit may be written in
    "s": {"s": Decimal(1), "ms": Decimal("0.001"), "min": Decimal(60)},
    "ms": {"ms": Decimal(1), "s": Decimal(1000)},
    "usd": {"usd": Decimal(1), "$": Decimal(1)},
    "tokens": _THOUSANDS,
    "1": _THOUSANDS,
}


def limit(reader: Reader, metric: Metric | None) -> float:
    """Read a number and its unit; ``metric`` None means a share of trials. A bare number is in the metric's own unit."""
    number = reader.number()
    share = metric is None or metric.assumption is Assumption.RATE or metric.kind is bool
    units = _PERCENT if share else _UNITS.get(metric.unit, {}) if metric is not None else {}
    value = Decimal(number.text)
    if reader.sees_unit():
        unit = reader.unit()
        if unit.text not in units:
            what = "a share" if share or metric is None else metric.name
            allowed = f"is written in {' or '.join(units)}" if units else "has no unit"
            raise reader.misread(f"{what} {allowed}, not in {unit.text!r}", unit)
        value *= units[unit.text]
    if share and not 0 <= value <= 1:
        raise reader.misread(f"a share lies between 0% and 100%, not at {number.text}; write 99% or 0.99", number)
    return float(value)
