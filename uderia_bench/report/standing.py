"""The state of a run as a whole, and the reasons for it. The exit code and every format take it from here."""

from __future__ import annotations

from enum import IntEnum

from uderia_bench.analysis.values import Verdict
from uderia_bench.errors import Interrupted, InvalidContrast
from uderia_bench.printable import count_of
from uderia_bench.report.content import OVERALL, GateResult, Report, RunFacts
from uderia_bench.trial import Outcome

_INVALID = "invalid: "  # prefix of a reason that makes a comparison invalid


class Standing(IntEnum):
    """State of the run as a whole; the value is the exit code.

    The printed result and the exit code therefore come from one rule.
    """

    FINE = 0
    GATE_MISSED = 1
    INTERRUPTED = Interrupted.exit_code
    INVALID = InvalidContrast.exit_code


def of(report: Report) -> Standing:
    """Return the state of the run.

    An interrupted run comes first, then an invalid comparison, then a missed gate, as for the exit
    codes (docs/reference/exit-codes.md, "Exit codes").
    """
    if report.facts.interrupted:
        return Standing.INTERRUPTED
    if invalid_reasons(report):
        return Standing.INVALID
    return Standing.GATE_MISSED if missed(report) else Standing.FINE


def missed(report: Report) -> tuple[GateResult, ...]:
    """Return the gates that the run missed."""
    return tuple(gate for gate in report.gates if not gate.passed)


def undone(facts: RunFacts) -> str | None:
    """Return how many trials ``resume`` will ask; None for a finished run."""
    if not facts.interrupted:
        return None
    left = _unsettled(facts) if facts.left is None else facts.left
    return f"{count_of(left, 'trial')} left to ask" if left else "there are trials left to ask"


def unread(facts: RunFacts) -> str | None:
    """Return how many trials of a finished run have no outcome because the ledger is damaged.

    None where every trial has one.
    """
    missing = 0 if facts.interrupted else _unsettled(facts)
    return f"{missing:,} of {count_of(facts.planned, 'trial')} cannot be read from the damaged ledger" if missing else None


def _unsettled(facts: RunFacts) -> int:
    return max(0, facts.planned - sum(facts.settled.values()))


def without_mark(reason: str) -> str:
    """Return a reason of the analysis without its leading mark."""
    return reason.removeprefix(_INVALID)


def invalid_reasons(report: Report) -> tuple[str, ...]:
    """Return why the run or its overall comparisons are invalid, each reason once."""
    invalid = [c for c in report.analysis.comparisons if c.stratum == OVERALL and c.verdict is Verdict.INVALID]
    reasons = [w for c in invalid for w in c.warnings if w.startswith(_INVALID)]
    arms = report.analysis.arms
    silent = any(arm.trials for arm in arms) and not any(arm.outcomes.get(Outcome.ANSWERED) for arm in arms)
    nothing = ("no measured trial was answered",) if silent else ()
    return tuple(dict.fromkeys(map(without_mark, (*nothing, *report.analysis.invalid, *reasons)))) or (
        ("a validity check failed",) if invalid else ()
    )
