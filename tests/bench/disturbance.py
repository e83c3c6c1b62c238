"""What a view costs the run beside it, in segments of one run with 500 trials in flight.

In a segment there is no view, or a view with three WebSockets that draw nothing, or a view with three windows of Chromium.
The first tells what the view costs; the second what it costs to read it on the machine of the run. The segments
alternate, in the orders ABC and CBA, so that a trend of the machine cancels out. The processes of a condition are stopped by
a signal in the other segments. Trials of the first seconds of a segment do not count.

Chromium has the lowest priority, since a reader's browser is usually on another machine. The truth of the clock is the
server's.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench import beside, figures, machine
from bench.figures import Figure
from bench.server import serve

from uderia_bench import plugins
from uderia_bench.reading import profile_types
from uderia_bench.report.watch import METRICS
from uderia_bench.runs.ledger import Ledger

IN_FLIGHT = 500
SPEED = 2.6  # of the server: an answer takes about 6 s
TABS = 3
LEAD_S = 4.0  # of a segment, in which the processes that were stopped catch up
READ = 600  # trials of a segment that are compared with the truth
NONE, SOCKETS, BROWSER = "no view", "WebSockets", "Chromium"
_LATENCY = next(metric for metric in METRICS if metric.name == "latency_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Some seconds of a run in one condition. Times are of the wall clock, ``cpu`` is seconds by process."""

    condition: str
    began_s: float
    ended_s: float
    cpu: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured in one segment."""

    error_ms: float
    cpu_ms: float


def measure(folder: Path, *, blocks: int, segment_s: float, browser: bool) -> Iterator[Figure]:
    """Measure in so many blocks, each of two segments per condition."""
    conditions = (NONE, SOCKETS, BROWSER) if browser else (NONE, SOCKETS)
    order = [each for _ in range(blocks) for each in (*conditions, *reversed(conditions))]
    trials = round(len(order) * segment_s * IN_FLIGHT / 5)
    with serve(speed=SPEED) as server:
        with (
            beside.run(folder, server, trials, {"concurrency": IN_FLIGHT, "isolation": "none"}) as process,
            beside.view(folder) as (url, view),
            ExitStack() as readers,
        ):
            page = beside.page(url)
            time.sleep(LEAD_S)  # the run has all its trials in flight
            readers.enter_context(beside.sockets(page, TABS))
            group = readers.enter_context(beside.windows(page, TABS)) if browser else None
            ours = {"run": [process.pid], "server": [server.pid], "view": [view.pid]}
            if group is not None:
                ours["Chromium"] = beside.members(group)
            began_mb = beside.memory_mb(view.pid)
            segments = [_segment(each, segment_s, ours, view.pid, group) for each in order]
            view.send_signal(signal.SIGCONT)
            time.sleep(LEAD_S)
            grown_mb = beside.memory_mb(view.pid) - began_mb
        truth = server.truth()
    yield from ratios(segments, _costs(folder / "output" / beside.RUN_ID / "ledger.sqlite", segments, truth))
    seconds = segments[-1].ended_s - segments[0].began_s
    yield Figure(name="memory of the view, grown during a run", value=grown_mb, unit="MB", asked="< 20 MB",
                 conditions=f"over {seconds:.0f} s and {len(truth):,} trials")  # fmt: skip


def _segment(condition: str, seconds: float, ours: Mapping[str, Sequence[int]], view: int, group: int | None) -> Segment:
    """Let the processes of a condition go on, stop the others, and measure after the lead."""
    if group is not None:
        os.killpg(group, signal.SIGCONT if condition == BROWSER else signal.SIGSTOP)
    os.kill(view, signal.SIGSTOP if condition == NONE else signal.SIGCONT)
    time.sleep(LEAD_S)
    began_s, before = time.time(), _cpu(ours)
    time.sleep(seconds - LEAD_S)
    ended_s, after = time.time(), _cpu(ours)
    return Segment(condition=condition, began_s=began_s, ended_s=ended_s,
                   cpu={name: after[name] - before[name] for name in ours})  # fmt: skip


def _cpu(ours: Mapping[str, Sequence[int]]) -> dict[str, float]:
    return {name: sum(map(machine.cpu_seconds, pids)) for name, pids in ours.items()}


def _costs(path: Path, segments: Sequence[Segment], truth: Mapping[str, Mapping[str, Any]]) -> list[Cost]:
    """Return the clock's error of the trials sent in each segment, and the CPU of those that ended in it."""
    types = plugins.load().profile_types
    starts = [each.began_s for each in segments]
    sent = [0] * len(segments)
    errors: list[list[float]] = [[] for _ in segments]
    with Ledger.open(path) as ledger:
        step = max(ledger.settled_count() // (len(segments) * READ), 1)
        for record in ledger.records():
            sent_s = record.sent_at.timestamp() if record.sent_at else 0.0
            at = bisect(starts, sent_s) - 1
            if at < 0 or sent_s >= segments[at].ended_s:
                continue
            sent[at] += 1
            known = truth.get(record.task_id or "", {}).get("latency_s")
            if sent[at] % step == 0 and known is not None:
                latency = _LATENCY.read(profile_types.read(record, types))
                errors[at] += [] if latency is None else [abs(float(latency) - known) * 1000]
    # As many trials end in a segment as are sent: the number in flight is constant.
    return [
        Cost(error_ms=float(np.quantile(found, 0.99)), cpu_ms=segment.cpu["run"] * 1000 / count)
        for segment, found, count in zip(segments, errors, sent, strict=True)
    ]


def ratios(segments: Sequence[Segment], costs: Sequence[Cost]) -> Iterator[Figure]:
    """Yield the ratios of each condition with a view to that without, each the median over blocks."""
    conditions = list(dict.fromkeys(each.condition for each in segments))
    for condition in conditions[1:]:
        readers = f"{TABS} {'windows of Chromium' if condition == BROWSER else 'WebSockets that draw nothing'}"
        for name, unit, read in (
            ("error of the answer's latency, p99", "ms", lambda one: one.error_ms),
            ("CPU of a trial", "ms", lambda one: one.cpu_ms),
        ):
            size = 2 * len(conditions)
            blocks = [(segments[at : at + size], costs[at : at + size]) for at in range(0, len(segments), size)]
            without, beside_it = (
                [
                    statistics.mean(read(cost) for segment, cost in zip(*block, strict=True) if segment.condition == each)
                    for block in blocks
                ]
                for each in (NONE, condition)
            )
            yield Figure(
                name=f"{name}, with {readers} / without a view",
                value=statistics.median(b / a for a, b in zip(without, beside_it, strict=True)),
                unit="x",
                asked="< 1.05",
                conditions=f"{IN_FLIGHT} in flight; {unit} without {figures.series(without)}, with {figures.series(beside_it)};"
                f" {_shares(segments, condition)}",
            )


def _shares(segments: Sequence[Segment], condition: str) -> str:
    """Return the share of a core that each process used."""
    ours = [each for each in segments if each.condition == condition]
    seconds = sum(each.ended_s - each.began_s for each in ours)
    return ", ".join(f"{name} {sum(each.cpu[name] for each in ours) / seconds:.0%}" for name in ours[0].cpu) + " of a core"


def main() -> None:
    """Measure, and tell the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--blocks", type=int, default=1)
    options.add_argument("--segment", type=float, default=14.0)
    options.add_argument("--no-browser", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures.tell(
            "disturbance",
            list(measure(Path(name) / "load", blocks=asked.blocks, segment_s=asked.segment, browser=not asked.no_browser)),
        )


if __name__ == "__main__":
    main()
