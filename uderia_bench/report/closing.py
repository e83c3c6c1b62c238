"""The last line: what the exit code stands for, from the same standing. A nightly job's log ends in it."""

from __future__ import annotations

from uderia_bench.printable import plain
from uderia_bench.report import content
from uderia_bench.report.content import Report, Standing


def closing(report: Report) -> str | None:
    """Return the line, the missed gates named in it; None where nothing was planned that could be missed."""
    standing = content.standing(report)
    missed = content.missed(report)
    count = f"{len(missed)} of {len(report.gates)} gates" if len(report.gates) > 1 else "gate"
    gates = f"{count} missed: {'; '.join(plain(gate.name) for gate in missed)}"
    if standing is Standing.INVALID:
        reason = plain(content.invalid_reasons(report)[0]).rstrip(".")
        return f"Not valid (exit {int(standing)}): {reason}{f'; {gates}' if missed else ''}"
    if standing is Standing.GATE_MISSED:
        return f"{gates[:1].upper()}{gates[1:]} (exit {int(standing)})"
    if report.gates:
        return f"All {len(report.gates)} gates passed." if len(report.gates) > 1 else "The gate passed."
    return None
