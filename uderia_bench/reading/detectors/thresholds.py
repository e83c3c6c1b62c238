"""Thresholds of the detectors: each has a name, a default and the origin of that default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from uderia_bench.errors import UsageError


def _threshold(default: float, doc: str, origin: str) -> Any:
    return field(default=default, metadata={"doc": doc, "origin": origin})


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Thresholds of the built-in detectors. Each field's metadata has its doc and the origin of its default."""

    strategic_tokens: float = _threshold(
        10_000, "tokens of strategic planning in one turn", "original specification: more than 10,000 tokens"
    )
    tokens_per_llm_call: float = _threshold(
        10_000, "mean tokens of an LLM call", "original specification: more than 10,000 tokens per LLM call"
    )
    tool_repeats: float = _threshold(
        3, "calls of one tool with the same arguments in one phase", "original specification: more than 3 calls of one tool"
    )
    simple_phases: float = _threshold(
        2,
        "phases that a simple query takes, reports and dates aside",
        "original specification: simple queries take 1 or 2 steps",
    )
    correction_ratio: float = _threshold(0.1, "self-correction's share of the turn's tokens", "our choice: a tenth of a turn")
    unattributed_ratio: float = _threshold(
        0.05, "share of the turn's tokens that belong to no logged call", "the default margin of total_tokens"
    )


def changed(assignments: Iterable[str]) -> Thresholds:
    """Return the defaults with ``name=value`` changes; raises ``UsageError`` for an unknown name or a bad value."""
    names = [threshold.name for threshold in fields(Thresholds)]
    values: dict[str, float] = {}
    for assignment in assignments:
        name, _, written = assignment.partition("=")
        if name.strip() not in names:
            raise UsageError(f"threshold {assignment!r}: unknown name; use one of {', '.join(names)}")
        try:
            value = float(written)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise UsageError(f"threshold {assignment!r}: the value must be a number of 0 or more")
        values[name.strip()] = value
    return replace(Thresholds(), **values)
