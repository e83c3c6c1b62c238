"""A sweep in a report: every arm at every level as a table, and the words on its knee. It computes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from uderia_bench.analysis import Knee, LoadLevel, Sweep
from uderia_bench.report import content, figures
from uderia_bench.report.content import Report
from uderia_bench.report.tables import Cell, Column, Table
from uderia_bench.stats.estimate import Estimate

LATENCY = "latency_s"
REACHED = 0.5  # of a level: below, slots stood empty for most of the time, and its numbers are of another load
RATE = figures.Scale(suffix="/s")
_SHARE = figures.Scale(factor=100.0, suffix="%", share=True, relative=False)


def level_words(report: Report, level: float) -> str:
    """Write a level as it was asked for: so many in flight, or so many a second."""
    return f"{level:g}" if report.facts.arrivals is None else f"{level:g}/s"


def table(report: Report) -> Table | None:
    """Return every arm at every level, with where it stands to the arm's knee; None without a sweep."""
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
            head = (_text("" if at else sweep.arm), _text(level_words(report, level.level)), _text(str(level.trials)))
            numbers = (
                _text(figures.MISSING if level.in_flight is None else f"{level.in_flight:.1f}"),
                _estimate(level.throughput, RATE),
                *(_estimate(level.latency[rank], scale) for rank in ranks),
                _estimate(level.unanswered, _SHARE),
            )
            rows.append((*head, *numbers, *((_text(_side(sweep.knee, level)),) if marked else ())))
    columns = (
        Column(title="arm", right=False),
        Column(title="level"),
        Column(title="trials"),
        Column(title="in flight"),
        Column(title="answers"),
        *(Column(title=f"p{rank}") for rank in ranks),
        Column(title="lost"),
        *((Column(title="knee", right=False),) if marked else ()),
    )
    counted = "trials in flight" if report.facts.arrivals is None else "arrivals a second"
    return Table(
        title=f"Every level of the load ({counted})", columns=columns, rows=tuple(rows), remarks=tuple(_remarks(report))
    )


def knee_words(sweep: Sweep) -> str:
    """Say of one arm where its knee is, with its interval, or why none is marked."""
    place = sweep.knee.in_flight
    if not sweep.knee.found or place is None or place.lo is None or place.hi is None:
        return f"{sweep.arm}: {sweep.knee.reason}."
    return f"{sweep.arm}: {sweep.knee.reason} (knee {place.lo:.1f} to {place.hi:.1f})."


def _remarks(report: Report) -> Iterator[str]:
    for sweep in report.analysis.sweeps:
        yield knee_words(sweep)
        noted = () if sweep.knee.in_flight is None else sweep.knee.in_flight.warnings
        yield from (f"{sweep.arm}: {warning}." for warning in (*noted, *sweep.warnings, *_unreached(report, sweep)))
    yield "In flight: on average while any of the arm's trials was; answers: a second of that time; lost: without an answer."
    yield "Knee: where the light load's straight line meets the ceiling of the Universal Scalability Law fitted to the levels."
    if report.facts.isolation == "none" and len(report.analysis.sweeps) > 1:
        yield "With isolation none the arms' trials overlap: in flight counts an arm's own, and the others load the server too."


def _unreached(report: Report, sweep: Sweep) -> Iterator[str]:
    """Say which levels of a closed loop were never come to: their turns ended before their slots were filled."""
    if report.facts.arrivals is not None:
        return
    short = [level for level in sweep.levels if level.in_flight is not None and level.in_flight < REACHED * level.level]
    if short:
        came_to = ", ".join(f"{level.level:g} came to {level.in_flight:.1f}" for level in short)
        yield f"of the levels asked {came_to} in flight: more queries or repeats would fill them"


def _side(knee: Knee, level: LoadLevel) -> str:
    """Say on which side of its arm's knee a level is."""
    if not knee.found or knee.in_flight is None or knee.in_flight.value is None or level.in_flight is None:
        return ""
    return "beyond" if level.in_flight > knee.in_flight.value else "before"


def _estimate(estimate: Estimate, scale: figures.Scale) -> Cell:
    forms = figures.estimate_forms(estimate, scale)
    missing = figures.NO_INTERVAL in forms[0]
    return Cell(forms=forms[-1:] if missing else forms, notes=estimate.warnings if missing else ())


def _text(text: str) -> Cell:
    return Cell(forms=(text,))
