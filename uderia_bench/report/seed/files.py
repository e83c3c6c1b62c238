"""The quick comparison of two profiles on one query, and its file ``test_run_<timestamp>.json``.

The keys are those of docs/reference/protocol.md, "Upstream scripts". Differences are profile 1
minus profile 2, in percent of profile 2. Additional keys say which repeat is shown, and hold all
other repeats and the statistics. A number that was not measured is null. A tie has no winner.
Tokens per LLM call have no winner, because the number of calls depends on the architecture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from uderia_bench.analysis.values import Analysis, Comparison
from uderia_bench.report.content import OVERALL, Scope
from uderia_bench.report.figures import finite
from uderia_bench.report.formats.data import record
from uderia_bench.trial import Outcome

_NO_EFFICIENCY_WINNER = "not compared: LLM calls differ by architecture"
_JUDGED = ("latency_s", "total_tokens", "cost_usd")  # docs/reference/seed.md compares time, tokens, cost

_METRICS = {  # key of the file: metric
    "total_input_tokens": "input_tokens",
    "total_output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "llm_call_count": "llm_calls",
    **{name: name for name in ("tokens_per_llm_call", "ms_per_token", "cost_usd")},
}
_EFFICIENCY = {"tokens_per_call": "tokens_per_llm_call", "ms_per_token": "ms_per_token", "llm_calls": "llm_calls"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedTrial:
    """One repeat. ``metrics`` are its values by name, as in the table of trials."""

    repeat: int
    outcome: str
    session_id: str | None = None
    task_id: str | None = None
    execution_path: str | None = None
    tools_used: tuple[str, ...] = ()
    llm_call_s: tuple[float, ...] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedProfile:
    """One side of the comparison with all its repeats, at least one."""

    arm: str
    profile_id: str | None
    profile_tag: str | None
    profile_type: str | None
    provider: str | None
    model: str | None
    trials: tuple[SeedTrial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedComparison:
    """One query on two profiles. ``analysis`` is set only if it is of this query alone."""

    query: str
    at: datetime
    profile1: SeedProfile
    profile2: SeedProfile
    embedded_speed: float | None = None
    analysis: Analysis | None = None


def representative(profile: SeedProfile) -> SeedTrial:
    """Return the answered repeat of median latency, or the first repeat where none was answered.

    Of two middle repeats it is the faster one.
    """
    timed = [(t.metrics.get("latency_s"), t) for t in profile.trials if is_answered(t)]
    ordered = sorted(((s, t) for s, t in timed if s is not None), key=lambda pair: (pair[0], pair[1].repeat))
    return ordered[(len(ordered) - 1) // 2][1] if ordered else profile.trials[0]


def is_answered(trial: SeedTrial) -> bool:
    """Whether the trial was answered. Only answered trials can win."""
    return trial.outcome == Outcome.ANSWERED


def to_test_run(comparison: SeedComparison) -> str:
    """Return the machine-readable file."""
    return json.dumps(as_dict(comparison), indent=2, allow_nan=False) + "\n"


def as_dict(comparison: SeedComparison) -> dict[str, Any]:
    """Return the machine-readable file as JSON types."""
    sides = {"profile1": comparison.profile1, "profile2": comparison.profile2}
    shown = {key: representative(profile) for key, profile in sides.items()}
    return {
        "test_metadata": {
            "timestamp": comparison.at.isoformat(),
            "query": comparison.query,
            "scope": Scope.THIS_QUERY.value,
            "embedded_speed": comparison.embedded_speed,
            "generator": "uderia-bench",
        },
        **{key: _profile(profile, shown[key]) for key, profile in sides.items()},
        "comparison": _difference(comparison, shown["profile1"], shown["profile2"]),
    }


def basis(profile: SeedProfile) -> str:
    """Return which repeat the numbers are of."""
    trial = representative(profile)
    answered = sum(map(is_answered, profile.trials))
    if not answered:
        return f"no repeat of {len(profile.trials)} was answered"
    return f"repeat {trial.repeat}: the median latency of {answered} answered repeats, {len(profile.trials)} asked"


def _profile(profile: SeedProfile, trial: SeedTrial) -> dict[str, Any]:
    return {
        "profile_info": record(profile, without=("arm", "trials")),
        "execution": _execution(trial),
        "metrics": _metrics(trial),
        "self_correction": {"correction_count": _number(trial, "corrections")},
        "rag": {"rag_used": None if (used := trial.metrics.get("rag_used")) is None else bool(used)},
        "basis": basis(profile),
        "repeats": [
            {"repeat": other.repeat, "execution": _execution(other), "metrics": _metrics(other)} for other in profile.trials
        ],
    }


def _execution(trial: SeedTrial) -> dict[str, Any]:
    return {
        "session_id": trial.session_id,
        "task_id": trial.task_id,
        "status": "complete" if is_answered(trial) else str(trial.outcome),
        "duration_ms": _milliseconds(trial),
        "execution_path": trial.execution_path,
    }


def _metrics(trial: SeedTrial) -> dict[str, Any]:
    return {
        **{key: _number(trial, metric) for key, metric in _METRICS.items()},
        "tools_used": list(trial.tools_used),
        "llm_call_durations": [round(1000 * seconds) for seconds in trial.llm_call_s],
    }


def _difference(comparison: SeedComparison, one: SeedTrial, two: SeedTrial) -> dict[str, Any]:
    tokens = {
        name: _pair(_number(one, f"{name}_tokens"), _number(two, f"{name}_tokens")) for name in ("input", "output", "total")
    }
    time = _pair(_milliseconds(one), _milliseconds(two))
    sides = (("profile1", one), ("profile2", two))
    efficiency = {f"{key}_{name}": _number(trial, metric) for name, metric in _EFFICIENCY.items() for key, trial in sides}
    return {
        "token_difference": tokens,
        "time_difference": {
            "profile1_ms": time["profile1"],
            "profile2_ms": time["profile2"],
            "absolute_ms": time["absolute"],
            "percentage": time["percentage"],
            "profile1_seconds": finite(one.metrics.get("latency_s")),
            "profile2_seconds": finite(two.metrics.get("latency_s")),
        },
        "efficiency": efficiency,
        "percentage_base": "profile2",
        "winner": _winner(comparison, time, tokens["total"], both=is_answered(one) and is_answered(two)),
        "judged": {c.metric: _judged(c) for c in _comparisons(comparison)},
    }


def _pair(one: float | None, two: float | None) -> dict[str, float | None]:
    absolute = None if one is None or two is None else one - two
    return {
        "profile1": one,
        "profile2": two,
        "absolute": absolute,
        "percentage": None if absolute is None or not two else 100 * absolute / two,
    }


def _winner(
    comparison: SeedComparison, time: dict[str, float | None], tokens: dict[str, float | None], *, both: bool
) -> dict[str, str | None]:
    """Name the lower number as winner where both answered; overall only an arm that wins both."""
    by_time, by_tokens = (_lower(comparison, pair) if both else None for pair in (time, tokens))
    return {
        "tokens": by_tokens,
        "time": by_time,
        "efficiency": None,
        "efficiency_note": _NO_EFFICIENCY_WINNER,
        "overall": by_time if by_time == by_tokens else None,
    }


def _lower(comparison: SeedComparison, pair: dict[str, float | None]) -> str | None:
    absolute = pair["absolute"]
    if not absolute:
        return None
    return comparison.profile1.arm if absolute < 0 else comparison.profile2.arm


def _comparisons(comparison: SeedComparison) -> tuple[Comparison, ...]:
    found = comparison.analysis.comparisons if comparison.analysis else ()
    return tuple(c for c in found if c.stratum == OVERALL and c.metric in _JUDGED)


def _judged(comparison: Comparison) -> dict[str, Any]:
    return {
        "verdict": comparison.verdict.value,
        "candidate": comparison.candidate,
        "ratio": finite(comparison.effect.value),
        "lo": finite(comparison.effect.lo),
        "hi": finite(comparison.effect.hi),
        "p": finite(comparison.p if comparison.p_adjusted is None else comparison.p_adjusted),
        "n": comparison.n_pairs,
        "advice": comparison.advice,
    }


def _number(trial: SeedTrial, name: str) -> float | None:
    return finite(trial.metrics.get(name))


def _milliseconds(trial: SeedTrial) -> int | None:
    seconds = _number(trial, "latency_s")
    return None if seconds is None else round(1000 * seconds)
