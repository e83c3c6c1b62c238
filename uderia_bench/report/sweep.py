"""A sweep in a report: every arm at every level as a table, and where throughput stops growing."""

from __future__ import annotations

from collections.abc import Iterator

from uderia_bench.analysis.values import Knee, LoadLevel, Sweep
from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.table import Cell, Table, left
from uderia_bench.stats.estimate import Estimate

LATENCY = "latency_s"
REACHED = 0.5  # share of a level: below it the load was in fact another one
RATE = figures.Scale(suffix="/s")


def level_words(report: Report, level: float) -> str:
    """Return a level as it was asked for: trials in flight, or arrivals per second."""
    return f"{level:g}" if report.facts.arrivals is None else f"{level:g}/s"


def table(report: Report) -> Table | None:
    """Return every arm at every level, before or beyond the arm's knee. None without a sweep."""
    sweeps = report.analysis.sweeps
    if not sweeps:
        return None
    marked = any(sweep.knee.found for sweep in sweeps)
    times = (level.latency[rank].value for sweep in sweeps for level in sweep.levels for rank in sorted(level.latency))
    scale = figures.scale_of(content.definition(report, LATENCY), *times)
    ranks = sorted({rank for sweep in sweeps for level in sweep.levels for rank in level.latency})
    rows = []
    for sweep in sweeps:
        for at, level in enumerate(sweep.levels):
            numbers = (
                figures.MISSING if level.in_flight is None else f"{level.in_flight:.1f}",
                _estimate(level.throughput, RATE),
                *(_estimate(level.latency[rank], scale) for rank in ranks),
                _estimate(level.unanswered, figures.SHARE),
            )
            side = (_side(sweep.knee, level),) if marked else ()
            rows.append(("" if at else sweep.arm, level_words(report, level.level), str(level.trials), *numbers, *side))
    latencies, knee = (f"p{rank}" for rank in ranks), (left("knee"),) if marked else ()
    columns = (left("arm"), "level", "trials", "in flight", "answers/s", *latencies, "lost", *knee)
    counted = "trials in flight" if report.facts.arrivals is None else "arrivals per second"
    return Table.of(f"Levels of load ({counted})", columns, rows, *_remarks(report))


def knee_words(sweep: Sweep) -> str:
    """Return where an arm's knee is, with its interval, or why there is none."""
    place = sweep.knee.in_flight
    if not sweep.knee.found or place is None or place.lo is None or place.hi is None:
        return f"{sweep.arm}: {sweep.knee.reason}."
    return f"{sweep.arm}: {sweep.knee.reason} (knee {place.lo:.1f} to {place.hi:.1f})."


def _remarks(report: Report) -> Iterator[str]:
    for sweep in report.analysis.sweeps:
        yield knee_words(sweep)
        noted = () if sweep.knee.in_flight is None else sweep.knee.in_flight.warnings
        yield from (f"{sweep.arm}: {warning}." for warning in (*noted, *sweep.warnings, *_unreached(report, sweep)))
    yield "In flight: the mean while any trial of the arm was in flight. Lost: trials without an answer."
    yield "Knee: the load from which more trials in flight mostly wait (Universal Scalability Law fitted to the levels)."
    if report.facts.isolation == "none" and len(report.analysis.sweeps) > 1:
        yield "With isolation none, trials of several arms overlap. In flight counts one arm, but all arms load the server."


def _unreached(report: Report, sweep: Sweep) -> Iterator[str]:
    """Return which levels of a closed loop were not reached, because too few trials were left to fill them."""
    if report.facts.arrivals is not None:
        return
    short = [level for level in sweep.levels if level.in_flight is not None and level.in_flight < REACHED * level.level]
    if short:
        reached = ", ".join(f"{level.level:g} reached {level.in_flight:.1f}" for level in short)
        lower = "so their numbers are of a lower load. Add queries or repeats to reach them"
        yield f"some levels were not reached ({reached} in flight), {lower}"


def _side(knee: Knee, level: LoadLevel) -> str:
    """Return on which side of its arm's knee a level is."""
    if not knee.found or knee.in_flight is None or knee.in_flight.value is None or level.in_flight is None:
        return ""
    return "beyond" if level.in_flight > knee.in_flight.value else "before"


def _estimate(estimate: Estimate, scale: figures.Scale) -> Cell:
    forms = figures.estimate_forms(estimate, scale)
    missing = figures.NO_INTERVAL in forms[0]
    return Cell(forms=forms[-1:] if missing else forms, notes=estimate.warnings if missing else ())
