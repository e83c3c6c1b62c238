"""Facts about the run, as labelled lines: what was asked, where, when and by which versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from uderia_bench.analysis.settings import EXPLORATORY_RATE
from uderia_bench.printable import count_of
from uderia_bench.report import content, spending
from uderia_bench.report.content import Report, RunFacts

_UNDECIDED = "~: undecided, these data are not enough"
_HASH_SHOWN = 12  # characters: enough to tell two corpora apart; the manifest has the whole hash


def about(report: Report) -> tuple[tuple[str, str], ...]:
    """Return (label, text) lines.

    Runs on the embedded server name its speed, so that a simulated number cannot pass for a real
    one.
    """
    return tuple(_lines(report))


def method(report: Report) -> tuple[str, ...]:
    """Return how to read the tables."""
    level = f"{100 * report.analysis.confidence:.4g}%"
    arms = f"Arms: mean ± half of its {level} confidence interval."
    if not report.analysis.comparisons:
        return (arms,)
    n = "n: number of queries. The repeats of a query are averaged first, and a group of queries counts as one."
    if content.scope(report) is content.Scope.THIS_QUERY:
        n = "n: number of repeats. The numbers hold for this query only."
    equivalent = f"two one-sided tests rule out a difference of the margin. The {level} interval may reach a little beyond it"
    found = f"p below {1 - report.analysis.confidence:.2g} for planned metrics, {EXPLORATORY_RATE:.2f} for the others"
    return (
        arms,
        f"vs base: change of a typical query with its {level} interval. It can differ from the change of the means.",
        f"p: how often chance alone would show a difference this large. {n}",
        f"better, worse: significant ({found}) and larger than the margin.",
        f"equivalent, same: {equivalent}. {_UNDECIDED}.",
    )


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    facts, seed = report.facts, report.analysis.seed
    yield "run", f"{facts.run_id}, experiment {facts.experiment}"
    if facts.embedded_speed is not None:
        yield "server", content.embedded(facts.embedded_speed)
    else:
        yield "server", ", ".join(facts.servers)
    yield "corpus", f"{facts.corpus} ({facts.corpus_hash[:_HASH_SHOWN]}), {count_of(facts.queries, 'query')}"
    design = f"{count_of(facts.repeats, 'repeat')}, isolation {facts.isolation}{_turns(facts)}, {_load(facts)}"
    yield "design", f"{design}, seed {facts.seed}" + (f", analysis seed {seed}" if seed != facts.seed else "")
    yield "trials", f"{sum(facts.settled.values())} of {facts.planned} finished"
    if report.spending is not None:
        yield "spent", spending.sentence(report.spending)
    if facts.started_at is not None:
        yield "when", _when(facts.started_at, facts.ended_at)
    if facts.versions:
        yield "versions", ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    for note in facts.notes:
        yield "note", note


def _load(facts: RunFacts) -> str:
    """Describe the load: trials in flight, or arrivals per second, in turn for a sweep."""
    ramp = f" after a ramp of {facts.ramp_s:g} s" if facts.ramp_s else ""
    levels = ", ".join(f"{level:g}" for level in facts.levels)
    if facts.arrivals is None:
        return f"concurrency {f'{levels} in turn' if levels else facts.concurrency}{ramp}"
    return f"arrivals {facts.arrivals}{f' at {levels}/s in turn' if levels else ''}{ramp}"


def _when(started: datetime, ended: datetime | None) -> str:
    begun = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    if ended is None:
        return f"started {begun}, not finished"
    seconds = round((ended - started).total_seconds())
    minutes, rest = divmod(seconds, 60)
    return f"{begun}, for {f'{minutes} min {rest} s' if minutes else f'{rest} s'}"


def _turns(facts: RunFacts) -> str:
    """Return how many turns the arms took, of the arm with the fewest."""
    return f" ({count_of(min(facts.turns.values()), 'turn')} per arm)" if facts.turns else ""
