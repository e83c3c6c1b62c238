"""Frozen dataclasses as values that JSON can hold, by one rule for every kind of result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from uderia_bench.report.figures import finite


def record(value: Any, *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a dataclass as a mapping of its fields, except those named in ``without``."""
    return {each.name: data(getattr(value, each.name)) for each in fields(value) if each.name not in without}


def data(value: Any) -> Any:
    """Return any value of a result as JSON types.

    A number that is not finite becomes None. A mapping by percentile (50, 95) gets the keys
    ``p50`` and ``p95``.
    """
    match value:
        case float():
            return finite(value)
        case Mapping():
            return {f"p{key}" if isinstance(key, int) else key: data(part) for key, part in value.items()}
        case tuple() | list():
            return [data(part) for part in value]
        case Enum() | datetime():
            return value.value if isinstance(value, Enum) else value.isoformat()
    return record(value) if is_dataclass(value) else value
