"""Every expectation of one trial against its answer: one check each, and the share that passed. It writes nothing.

Only answered trials are judged, as everywhere in the statistics: a trial that ended otherwise counts against ``answered``,
and failing its checks too would count it twice. Its checks are kept with ``passed`` None and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uderia_bench.documents.expectation import Expectation
from uderia_bench.errors import ExpectationFailed
from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged, quoted
from uderia_bench.trial import Outcome

Kinds = Mapping[str, ExpectationKind]

GROUPS: dict[str, Callable[[list[bool]], bool]] = {"any": any, "all": all}
"""Kinds that hold others, and how the parts make the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation of one trial, judged; ``expected`` is what the corpus says, ``found`` what the answer shows."""

    kind: str
    expected: str
    weight: float
    passed: bool | None
    found: str


def check(answer: Answer, expected: Sequence[Expectation], kinds: Kinds) -> tuple[Check, ...]:
    """Judge every expectation, in the order they are written; raises ``ExpectationFailed``, naming the kind that raises."""
    return tuple(
        Check(
            kind=expectation.kind,
            expected=expectation.said,
            weight=expectation.weight,
            passed=judged.passed,
            found=judged.found,
        )
        for expectation in expected
        for judged in (_judged(answer, expectation, kinds),)
    )


def passed_ratio(checks: Sequence[Check]) -> float | None:
    """Return the weight of what passed / the weight of what could be judged; None where nothing could."""
    judged = [check for check in checks if check.passed is not None]
    total = sum(check.weight for check in judged)
    return sum(check.weight for check in judged if check.passed) / total if judged else None


def _judged(answer: Answer, expectation: Expectation, kinds: Kinds) -> Judged:
    trace = answer.trace
    if trace.outcome is not Outcome.ANSWERED:
        return Judged(passed=None, found=quoted(f"not judged: {trace.outcome.value}"))
    if expectation.kind in GROUPS:
        return _group(answer, expectation.kind, expectation.value, kinds)
    return _single(answer, expectation.kind, expectation.value, kinds)


def _single(answer: Answer, name: str, value: Any, kinds: Kinds) -> Judged:
    kind = kinds.get(name)
    if kind is None:
        return Judged(passed=None, found=f"no installed distribution brings the expectation {name!r}")
    try:
        return kind.judge(answer, value)
    except Exception as error:
        raise ExpectationFailed(f"expectation {name} raised {type(error).__name__}: {error}") from error


def _group(answer: Answer, name: str, parts: Sequence[Expectation], kinds: Kinds) -> Judged:
    """Judge a group by those of its parts that can be judged; the quotes are of the parts that decided."""
    judged = [(part.kind, _judged(answer, part, kinds)) for part in parts]
    known = [result.passed for _, result in judged if result.passed is not None]
    if not known:
        return Judged(passed=None, found=quoted("; ".join(f"{kind}: {result.found}" for kind, result in judged)))
    passed = GROUPS[name](known)
    decided = [f"{kind}: {result.found}" for kind, result in judged if result.passed is passed]
    return Judged(passed=passed, found=quoted("; ".join(decided)))
