"""Analytics of the context-window snapshots of a session."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from uderia_bench.sim.sessions import Session

_BUDGET = ("available", "model_limit", "used", "utilization_pct")
_MODULE = ("allocated", "condensed", "module_id", "used", "utilization_pct")


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 1) if values else 0.0


def _spread(values: list[Any]) -> dict[str, Any]:
    """Return the frequencies of texts, or mean, minimum and maximum of numbers."""
    if any(isinstance(value, str) for value in values):
        return {"frequency": dict(Counter(map(str, values)))}
    return {"avg": _mean([float(value) for value in values]), "max": max(values), "min": min(values)}


def analytics(session: Session) -> dict[str, Any]:
    """Return the figures of all turns, and their totals by module."""
    snapshots = [(turn, turn.get("context_window_snapshot_event") or {}) for turn in session.turns()]
    found = [(turn, snapshot) for turn, snapshot in snapshots if "contributions" in snapshot]
    used: defaultdict[str, list[float]] = defaultdict(list)
    metadata: defaultdict[str, defaultdict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    adjustments: Counter[str] = Counter()
    for _, snapshot in found:
        adjustments.update(snapshot["dynamic_adjustments"])
        for module in snapshot["contributions"]:
            used[module["module_id"]].append(module["utilization_pct"])
            for name, value in module["metadata"].items():
                metadata[module["module_id"]][name].append(value)
    utilization = [snapshot["budget"]["utilization_pct"] for _, snapshot in found]
    aggregates = {
        "adjustment_frequency": dict(adjustments),
        "avg_utilization_pct": _mean(utilization),
        "max_utilization_pct": max(utilization, default=0.0),
        "module_avg_utilization": {name: _mean(values) for name, values in used.items()},
        "module_condensation_count": dict.fromkeys(used, 0),
        "module_metadata": {name: {key: _spread(values) for key, values in keys.items()} for name, keys in metadata.items()},
        "total_condensations": 0,
    }
    turns = [
        {
            "budget": {name: snapshot["budget"][name] for name in _BUDGET},
            "condensation_count": 0,
            "dynamic_adjustments": snapshot["dynamic_adjustments"],
            "modules": [{name: module[name] for name in _MODULE} for module in snapshot["contributions"]],
            "profile_type": snapshot["resolution"]["profile_type"],
            "turn_number": turn["turn"],
        }
        for turn, snapshot in found
    ]
    return {
        "aggregates": aggregates,
        "context_window_type": found[-1][1]["context_window_type"] if found else None,
        "session_id": session.id,
        "session_name": session.name,
        "status": "success",
        "turn_count": len(turns),
        "turns": turns,
    }
