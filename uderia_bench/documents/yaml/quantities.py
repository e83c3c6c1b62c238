"""Amounts as people write them: times (``600s``, ``10m``), rates (``2/s``), shares (``10%``); plain numbers work too."""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field

from uderia_bench.documents.yaml.checking import echo, wrong

SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}
"""The seconds of each unit of time: the same in experiments, corpora, gates and options."""

DAYS_PER_MONTH = 365.25 / 12

_SECONDS = {"": 1.0, **SECONDS}
_QUANTITY = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(?P<unit>%|[a-z]*|/\s*[a-z]+)")


_MOST = 10**18  # a larger whole number is a typing mistake


def _quantity(value: Any) -> tuple[float, str] | None:
    """Split a number, or a text of number and unit, into both; None for anything else."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MOST):
        return float(value), ""
    if isinstance(value, str) and (match := _QUANTITY.fullmatch(value.strip())):
        return float(match["number"]), match["unit"].replace(" ", "")
    return None


def _duration(value: Any) -> float:
    quantity = _quantity(value)
    if quantity is None or quantity[1] not in _SECONDS:
        raise wrong(((), f"should be a time such as 600s, 10m or a number of seconds, not {echo(value)}"))
    return quantity[0] * _SECONDS[quantity[1]]


def _rate(value: Any) -> float:
    quantity = _quantity(value)
    unit = quantity[1].removeprefix("/") if quantity else ""
    if quantity is None or (quantity[1] and not quantity[1].startswith("/")) or unit not in _SECONDS:
        raise wrong(((), f"should be a rate such as 2/s, 30/min or a number per second, not {echo(value)}"))
    return quantity[0] / _SECONDS[unit]


def _traffic(value: Any) -> float:
    quantity = _quantity(value)
    unit = quantity[1].removeprefix("/") or "day" if quantity else ""
    days = {"month": DAYS_PER_MONTH, "week": 7.0, **{name: seconds / SECONDS["day"] for name, seconds in SECONDS.items()}}
    if quantity is None or (quantity[1] and not quantity[1].startswith("/")) or unit not in days:
        raise wrong(((), f"should be a number of questions such as 20000/day or 600000/month, not {echo(value)}"))
    return quantity[0] / days[unit]


def _share(value: Any) -> float:
    quantity = _quantity(value)
    if quantity is None or quantity[1] not in {"", "%"}:
        raise wrong(((), f"should be a share such as 10% or 0.10, not {echo(value)}"))
    share = quantity[0] / 100 if quantity[1] == "%" else quantity[0]
    if not 0 <= share <= 1:
        hint = f"; did you mean {quantity[0]:g}%?" if not quantity[1] and 1 < share <= 100 else ""
        raise wrong(((), f"must be between 0 and 1 (100%), not {echo(value)}{hint}"))
    return share


Duration: TypeAlias = Annotated[float, BeforeValidator(_duration), Field(gt=0)]
"""Seconds, more than 0."""

Patience: TypeAlias = Annotated[float, BeforeValidator(_duration), Field(ge=0)]
"""Seconds to wait, 0 or more."""

Rate: TypeAlias = Annotated[float, BeforeValidator(_rate), Field(gt=0)]
"""A number per second, more than 0."""

Traffic: TypeAlias = Annotated[float, BeforeValidator(_traffic), Field(gt=0)]
"""Questions a day, more than 0."""

Share: TypeAlias = Annotated[float, BeforeValidator(_share)]
"""A part of a whole, 0 to 1."""
