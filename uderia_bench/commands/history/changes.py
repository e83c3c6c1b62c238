"""Differences between the manifests of two runs that can explain a change in their numbers.

Fields that differ in every run, such as ids and times, and fields that are measured are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_NEW_EVERY_NIGHT = (
    "run_id",
    "state",
    "started_at",
    "ended_at",
    "experiment_hash",
    "experiment_file",
    "plan",
    "metrics",
    "baseline",
    "generator",
    "hooks",
    "damaged",
    "decided",
    "stopped",
    "left",
)
_LONGEST = 60  # characters of a value
_MOST = 12  # differences said; more of them are a new experiment


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one line a difference, ``path: before -> after``, in the order of the paths."""
    old, new = dict(_flat(before)), dict(_flat(after))
    found = [
        f"{path}: {_said(old, path)} -> {_said(new, path)}" for path in sorted({*old, *new}) if old.get(path) != new.get(path)
    ]
    more = len(found) - _MOST
    return (*found[:_MOST], f"and {more} more differences") if more > 0 else tuple(found)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted path; entries of a list go by their name, id or model where they have one."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if path or key not in _NEW_EVERY_NIGHT:
                yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            named = inner if isinstance(inner, Mapping) else {}
            name = next((str(named[key]) for key in ("name", "id", "model") if named.get(key)), str(at))
            yield from _flat(inner, f"{path}.{name}")
    else:
        yield path, value


def _said(values: Mapping[str, Any], path: str) -> str:
    if path not in values:
        return "(nothing)"
    text = str(values[path])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
