"""Winner of the simple queries and of the complex queries, by the rules of docs/explanation/winner.md.

Success comes first in both classes. For simple queries the winner is then better on one of time and
cost and not worse on the other. For complex queries answer quality decides next, then the preference of a judge.
What decides next names no arm that answers less often, and time and cost name none whose answers pass fewer checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uderia_bench.analysis.strata import COMPLEX, SIMPLE
from uderia_bench.analysis.values import UNTRUSTED, Comparison, Verdict, Winner

TIME, COST, TOKENS = "latency_s", "cost_usd", "total_tokens"
SUCCESS, QUALITY, PREFERENCE = "answered", "checks_passed_ratio", "preference"
METRICS = (TIME, COST, TOKENS, SUCCESS, QUALITY, PREFERENCE)  # what the rules read, so what every complexity must be tested on

MATERIAL = 0.05
"""Points of success rate by which a winner may not fall short, where the experiment sets no margin."""

_DECIDED = (Verdict.BETTER, Verdict.WORSE)


def winners(comparisons: Sequence[Comparison], contrasts: Sequence[tuple[str, str]]) -> tuple[Winner, ...]:
    """Name the winner of each class of queries that occurs, per contrast."""
    found = []
    for baseline, candidate in contrasts:
        for stratum, rule in ((SIMPLE, _simple), (COMPLEX, _complex)):
            by_metric = {
                comparison.metric: comparison
                for comparison in comparisons
                if (comparison.baseline, comparison.candidate, comparison.stratum) == (baseline, candidate, stratum)
            }
            if by_metric:
                arm, reason = rule(by_metric, baseline, candidate)
                found.append(
                    Winner(
                        stratum=stratum.removeprefix("complexity="),
                        baseline=baseline,
                        candidate=candidate,
                        arm=arm,
                        reason=reason,
                    )
                )
    return tuple(found)


def answers_more(success: Comparison | None) -> str | None:
    """Return the arm whose success rate is higher, significantly or by more than the margin; None where neither is."""
    if success is None or not _judged(success) or success.effect.value is None:
        return None
    material = MATERIAL if success.margin is None else success.margin
    if success.verdict in _DECIDED:
        return success.candidate if success.verdict is Verdict.BETTER else success.baseline
    if success.verdict is Verdict.INCONCLUSIVE and abs(success.effect.value) > material:
        return success.candidate if success.effect.value > 0 else success.baseline
    return None


def untrusted(comparison: Comparison) -> bool:
    """Whether a comparison rests on a judge that failed its probes."""
    return any(warning.startswith(UNTRUSTED) for warning in comparison.warnings)


def _judged(comparison: Comparison | None) -> bool:
    """Whether a comparison has pairs and passed the validity checks, so that its verdict may count."""
    return comparison is not None and comparison.n_pairs > 0 and comparison.verdict not in {Verdict.INVALID, Verdict.STRUCTURAL}


def _simple(by_metric: Mapping[str, Comparison], baseline: str, candidate: str) -> tuple[str | None, str]:
    """Success decides where it differs significantly; otherwise time and cost, unless the winner answers worse."""
    success, quality = by_metric.get(SUCCESS), by_metric.get(QUALITY)
    reliable = answers_more(success)
    if success is not None and reliable and success.verdict in _DECIDED:
        return reliable, f"success {success.verdict} for {candidate}"
    arm, said = _if_as_reliable(*_quicker_or_cheaper(by_metric, baseline, candidate), reliable)
    if arm and quality is not None and _judged(quality) and quality.verdict in _DECIDED:
        right = candidate if quality.verdict is Verdict.BETTER else baseline
        if right != arm:
            return None, f"a trade-off: {said}, but more answers of {right} pass their checks"
    return arm, said


def _if_as_reliable(arm: str | None, said: str, reliable: str | None) -> tuple[str | None, str]:
    """Withhold a winner where the other arm is the ``reliable`` one."""
    if arm and reliable and arm != reliable:
        return None, f"a trade-off: {said}, but {reliable} answers more often, which may be chance"
    return arm, said


def _quicker_or_cheaper(by_metric: Mapping[str, Comparison], baseline: str, candidate: str) -> tuple[str | None, str]:
    """Better on one of time and cost and not worse on the other."""
    time, cost = by_metric.get(TIME), by_metric.get(COST)
    stands_in = ""
    if not _judged(cost):
        cost = by_metric.get(TOKENS)
        stands_in = " (total tokens stand in for cost, which is not judged here)"
    if time is None or cost is None or not (_judged(time) and _judged(cost)):
        return None, f"no winner: time and cost cannot both be judged{stands_in}"
    said = f"time {time.verdict}, {'tokens' if stands_in else 'cost'} {cost.verdict} for {candidate}{stands_in}"
    verdicts = {time.verdict, cost.verdict}
    if verdicts >= set(_DECIDED):
        return None, f"a trade-off: {said}"
    if Verdict.BETTER in verdicts:
        return candidate, said
    if Verdict.WORSE in verdicts:
        return baseline, said
    return None, f"no winner: {said}"


def _complex(by_metric: Mapping[str, Comparison], baseline: str, candidate: str) -> tuple[str | None, str]:
    """Success decides; where it does not, answer quality, then a judge that has passed its probes."""
    said = []
    for metric, name in ((SUCCESS, "success"), (QUALITY, "answer quality"), (PREFERENCE, "the judge's preference")):
        comparison = by_metric.get(metric)
        if metric == PREFERENCE and (comparison is None or untrusted(comparison)):
            continue
        if comparison is None or not _judged(comparison):
            said.append(f"{name} cannot be judged")
            continue
        said.append(f"{name} {comparison.verdict} for {candidate}")
        if comparison.verdict in _DECIDED:
            arm = candidate if comparison.verdict is Verdict.BETTER else baseline
            return _if_as_reliable(arm, ", ".join(said), answers_more(by_metric.get(SUCCESS)))
    return None, f"no winner: {', '.join(said)}"
