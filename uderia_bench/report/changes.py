"""Measured changes: which arm needs fewer tokens or costs less, without being worse on success or checks.

They come before the savings that detectors estimate, because only a comparison shows what a change does.
"""

from __future__ import annotations

from uderia_bench.analysis.values import Comparison, Verdict
from uderia_bench.printable import plain
from uderia_bench.report import content, decision, figures
from uderia_bench.report.content import Report
from uderia_bench.report.table import Table, left

_GOALS = ("cost_usd", "total_tokens")
GUARDS = ("answered", "checks_passed_ratio")
"""Metrics on which a recommended change must not be worse."""


def measured(report: Report) -> Table | None:
    """Return the arms that measurably save cost or tokens, the largest saving first; None without any."""
    seen = (_better(report, each) for each in report.analysis.comparisons)
    found = sorted(filter(None, seen), key=_size)
    rows = [
        (
            plain(each.baseline),
            plain(each.candidate),
            each.metric,
            figures.effect_forms(each.effect, content.definition(report, each.metric))[0],
            str(each.n_queries),
        )
        for each in found
    ]
    columns = (left("instead of"), left("use"), left("metric"), "effect", "n")
    remark = "These effects are measured. The arm to use is not worse on success and checks. n counts queries."
    return Table.of("What to change, as measured", columns, rows, remark) if rows else None


def _better(report: Report, found: Comparison) -> Comparison | None:
    """Return a comparison with the better arm as candidate, None for one without a saving or with a loss elsewhere."""
    if found.stratum != content.OVERALL or found.metric not in _GOALS:
        return None
    if found.verdict is Verdict.WORSE:
        found = decision.from_view_of(found, found.baseline)
    worse = any(
        decision.from_view_of(other, found.candidate).verdict is Verdict.WORSE
        for other in report.analysis.comparisons
        if other.metric in GUARDS
        and other.stratum == content.OVERALL
        and {other.baseline, other.candidate} == {found.baseline, found.candidate}
    )
    return found if found.verdict is Verdict.BETTER and not worse else None


def _size(found: Comparison) -> float:
    return found.effect.value if found.effect.value is not None else 1.0
