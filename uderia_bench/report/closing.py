"""The last line of a report: what the exit code means.

It comes from the same rule as the exit code (``standing.of``).
"""

from __future__ import annotations

from uderia_bench.printable import plain
from uderia_bench.report import standing
from uderia_bench.report.content import Report
from uderia_bench.report.standing import Standing


def closing(report: Report, *, leaving: bool = False) -> str | None:
    """Return the line with the missed gates; None where the run has no gate and is finished and valid.

    ``leaving`` is for the command that exits with the code. Other commands call it the run's exit
    code, because they exit with 0 themselves.
    """
    state = standing.of(report)
    code = f"(exit {int(state)})" if leaving else f"(exit code of the run: {int(state)})"
    gates = _missed(report)
    invalid = [plain(reason).rstrip(".") for reason in standing.invalid_reasons(report)[:1]]
    if state is Standing.INTERRUPTED:
        so_far = "; ".join((*(f"not valid so far: {reason}" for reason in invalid), *(f"so far {said}" for said in gates)))
        return f"Not finished {code}: {standing.undone(report.facts)}{f'; {so_far}' if so_far else ''}"
    if state is Standing.INVALID:
        return f"Not valid {code}: {'; '.join((*invalid, *gates))}"
    if state is Standing.GATE_MISSED:
        return f"{gates[0][:1].upper()}{gates[0][1:]} {code}"
    if report.gates:
        return f"All {len(report.gates)} gates passed." if len(report.gates) > 1 else "The gate passed."
    return None


def _missed(report: Report) -> tuple[str, ...]:
    """Name the missed gates; () where every gate passed."""
    missed = standing.missed(report)
    count = f"{len(missed)} of {len(report.gates)} gates" if len(report.gates) > 1 else "gate"
    return (f"{count} missed: {'; '.join(plain(gate.name) for gate in missed)}",) if missed else ()
