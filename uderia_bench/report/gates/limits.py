"""The limit at the end of a gate, in the unit of its metric.

It is read exactly, so that 99.9% of 1,000 trials is 999 trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from uderia_bench.documents.yaml.quantities import SECONDS
from uderia_bench.reading.metrics.metric import Assumption, Metric
from uderia_bench.report.gates.reader import Reader

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
    share = metric is None or metric.assumption is Assumption.RATE or metric.kind is bool
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
