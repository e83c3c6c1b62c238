"""Read a JSON value as the type it should have, or as missing. No function here raises."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

LARGEST = 10**12
"""Bound of every number from outside, so that sums of them stay finite and fit the store. An epoch time is 500 times less."""
CACHED = ("cached_tokens", "cached_input_tokens", "cache_read_tokens", "cache_read_input_tokens", "cached_content_token_count")
_TOO_DEEP = '"(nested too deeply to write)"'


def mapping(value: Any) -> dict[str, Any]:
    """Return an object unchanged, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Return a list unchanged, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return a non-empty string, or None."""
    return value if isinstance(value, str) and value else None


def texts(value: Any) -> tuple[str, ...]:
    """Return the non-empty strings of a list."""
    return tuple(item for item in sequence(value) if isinstance(item, str) and item)


def count(value: Any) -> int | None:
    """Return a whole number from 0 to ``LARGEST``, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if 0 <= value <= LARGEST else None


def cached(values: dict[str, Any], input_tokens: int) -> int:
    """Return the input tokens of a call that came from the provider's cache, under any of the providers' names; else 0."""
    known = (count(values.get(name)) for name in CACHED)
    return min(next((tokens for tokens in known if tokens is not None), 0), input_tokens)


def amount(value: Any) -> float | None:
    """Return a quantity (cost, milliseconds) from 0 to ``LARGEST``, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= LARGEST else None


def seconds(milliseconds: Any) -> float | None:
    """Return a duration in seconds, from milliseconds."""
    known = amount(milliseconds)
    return None if known is None else known / 1000


def stamp(value: Any) -> float | None:
    """Return a server timestamp as epoch seconds: ISO 8601 (UTC without an offset), or epoch seconds."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return amount(value)


def canonical(value: Any) -> str:
    """Return a decoded JSON value as text, the same text for equal values."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:  # orjson reads 1,024 levels and writes 254
        return _TOO_DEEP
