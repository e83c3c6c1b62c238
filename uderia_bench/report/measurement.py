"""Quality of the measurement: lateness and load of the load generator, and the error that polling adds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from uderia_bench.analysis.clock import POLLED, QUANTISATION
from uderia_bench.printable import count_of
from uderia_bench.report import content, figures, standing
from uderia_bench.report.content import Report
from uderia_bench.runs.generator import GeneratorRecord

_MEDIAN = 50


def measurement(report: Report) -> tuple[str, ...]:
    """Return what the run measured about its load generator, in sentences; () where it measured nothing."""
    found = report.facts.generator
    return () if found is None else tuple(_sentences(report, found))


def as_mapping(report: Report) -> dict[str, Any] | None:
    """Return the same for a program, with derived figures; None where the run measured nothing."""
    found = report.facts.generator
    if found is None:
        return None
    return {
        **asdict(found),
        "littles_law": found.little,
        "held_up": report.analysis.held_up,
        "invalid": [standing.without_mark(reason) for reason in report.analysis.invalid],
    }


def open_share(report: Report, arms: Sequence[str], metrics: Sequence[str]) -> str | None:
    """Return where the times of a table come from, and what error polling adds to them.

    The error is the median of each arm. None for a table without such times.
    """
    if not set(metrics) & set(POLLED):
        return None
    shares = {arm: share for arm in arms if (share := _quantisation(report, arm)) is not None}
    if not shares:
        return None
    if not any(shares.values()):
        return "Times come from server timestamps, so polling adds no error."
    each = ", ".join(f"{figures.percentage(share)} on {arm}" for arm, share in shares.items())
    return f"Polling adds an error to the times (median): {each}."


def _sentences(report: Report, found: GeneratorRecord) -> Iterator[str]:
    if found.sittings > 1:
        yield f"The run had {found.sittings} sittings. Rates are of the worst one, times and counts of all."
    if found.lag_mean_s is not None:
        lag = f"Event loop delay: mean {_ms(found.lag_mean_s)}, p99 {_ms(found.lag_p99_s)}, maximum {_ms(found.lag_max_s)}"
        yield f"{lag}. It stalled {count_of(found.stalls or 0, 'time')}, {found.stalled_s or 0.0:.2g} s in total."
    if found.send_late_p99_s is not None:
        polls = "" if found.poll_late_p99_s is None else f", polls {_ms(found.poll_late_p99_s)}"
        yield f"Delay behind schedule (p99): queries {_ms(found.send_late_p99_s)}{polls}.{_rate(found)}"
    if found.cpu_share is not None and found.asking_s is not None:
        yield f"CPU: {figures.percentage(found.cpu_share)} of a core over {found.asking_s:.3g} s."
    if found.little is not None:
        load = f"{found.in_flight:.3g} in flight, {found.arrival_rate:.3g}/s for {found.flight_s:.3g} s each"
        yield f"Little's law: {load}. The two sides differ by {figures.percentage(found.little)}."
    trials = sum(arm.trials for arm in report.analysis.arms)
    if report.analysis.held_up:
        yield f"The event loop delayed the round trip of {report.analysis.held_up} of {count_of(trials, 'measured trial')}."


def _rate(found: GeneratorRecord) -> str:
    if found.asked_rate is None or found.achieved_rate is None:
        return ""
    missed = ((found.sent_late, "sent late"), (found.never_sent, "never sent"))
    counted = "".join(f", {count} {words}" for count, words in missed if count)
    return f" Arrivals: {found.achieved_rate:.3g}/s of {found.asked_rate:.3g}/s planned{counted}."


def _quantisation(report: Report, arm: str) -> float | None:
    summary = content.metric_summary(report.analysis, arm, QUANTISATION)
    return None if summary is None or _MEDIAN not in summary.percentiles else summary.percentiles[_MEDIAN].value


def _ms(seconds: float | None) -> str:
    return figures.MISSING if seconds is None else f"{1000 * seconds:.3g} ms"
