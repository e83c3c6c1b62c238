"""Check the answer of one trial against its expectations, and compute the share that passed.

Only answered trials are checked. A trial without an answer already counts against ``answered``, and
failing its checks as well would count it twice. Its checks are kept with ``passed`` None and the
reason.
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

UNANSWERED = "not checked: the trial ended "
"""Start of what a check found where the trial has no answer; the outcome follows."""

GROUPS: dict[str, Callable[[list[bool]], bool]] = {"any": any, "all": all}
"""Kinds that contain other expectations, and how the results of the parts combine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Result of one expectation in one trial. ``expected`` is the corpus's text, ``found`` a quotation of the answer."""

    kind: str
    expected: str
    weight: float
    passed: bool | None
    found: str


def check(answer: Answer, expected: Sequence[Expectation], kinds: Kinds) -> tuple[Check, ...]:
    """Check every expectation, in the order of the corpus.

    Raises ``ExpectationFailed``, which names the kind, where a kind raises.
    """
    checks = []
    for one in expected:
        result = _result(answer, one, kinds)
        checks.append(Check(kind=one.kind, expected=one.said, weight=one.weight, passed=result.passed, found=result.found))
    return tuple(checks)


def passed_ratio(checks: Sequence[Check]) -> float | None:
    """Return the weight of the passed checks / the weight of all checks with a result; None without any."""
    decided = [check for check in checks if check.passed is not None]
    total = sum(check.weight for check in decided)
    return sum(check.weight for check in decided if check.passed) / total if decided else None


def _result(answer: Answer, expectation: Expectation, kinds: Kinds) -> Judged:
    trace = answer.trace
    if trace.outcome is not Outcome.ANSWERED:
        return Judged(passed=None, found=f"{UNANSWERED}{trace.outcome.value}")
    if expectation.kind in GROUPS:
        return _group(answer, expectation.kind, expectation.value, kinds)
    return _single(answer, expectation.kind, expectation.value, kinds)


def _single(answer: Answer, name: str, value: Any, kinds: Kinds) -> Judged:
    kind = kinds.get(name)
    if kind is None:
        return Judged(passed=None, found=f"no installed distribution has the expectation {name!r}")
    try:
        return kind.judge(answer, value)
    except Exception as error:
        raise ExpectationFailed(f"expectation {name} raised {type(error).__name__}: {error}") from error


def _group(answer: Answer, name: str, parts: Sequence[Expectation], kinds: Kinds) -> Judged:
    """Check a group by those of its parts that have a result; the quotations are from the parts that decided."""
    results = [(part.kind, _result(answer, part, kinds)) for part in parts]
    known = [result.passed for _, result in results if result.passed is not None]
    if not known:
        return Judged(passed=None, found=quoted("; ".join(f"{kind}: {result.found}" for kind, result in results)))
    passed = GROUPS[name](known)
    decided = [f"{kind}: {result.found}" for kind, result in results if result.passed is passed]
    return Judged(passed=passed, found=quoted("; ".join(decided)))
