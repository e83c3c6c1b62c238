"""Reads single JSON values as what they should be, or as missing; it knows no field names and never raises."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import orjson

LARGEST_COUNT = 2**53  # beyond it JSON numbers lose units, and no token count comes near
_TOO_DEEP = '"(nested too deeply to write)"'


def mapping(value: Any) -> dict[str, Any]:
    """Return an object as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Return a list as it is, anything else as an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return a non-empty string, anything else as missing."""
    return value if isinstance(value, str) and value else None


def texts(value: Any) -> tuple[str, ...]:
    """Return the non-empty strings of a list."""
    return tuple(item for item in sequence(value) if isinstance(item, str) and item)


def count(value: Any) -> int | None:
    """Return a number of things (0 or more, whole), anything else as missing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if 0 <= value <= LARGEST_COUNT else None


def amount(value: Any) -> float | None:
    """Return a finite quantity of 0 or more (cost, milliseconds), anything else as missing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def seconds(milliseconds: Any) -> float | None:
    """Return a duration given in milliseconds in seconds."""
    known = amount(milliseconds)
    return None if known is None else known / 1000


def stamp(value: Any) -> float | None:
    """Return a server stamp (ISO 8601, UTC where it says nothing, or epoch seconds) as epoch seconds."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return amount(value)


def canonical(value: Any) -> str:
    """Return a decoded JSON value as text in which equal values are equal strings."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # orjson reads 1,024 levels and writes 254
        return _TOO_DEEP
