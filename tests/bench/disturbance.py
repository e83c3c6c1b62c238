"""What a view costs the run beside it, in segments of one run with 500 trials in flight.

In a segment there is no view, or a view with three WebSockets that draw nothing, or a view with three tabs of Chromium, of
which one is seen. Six segments are a block, in the orders ABC and CBA, so that a trend of the machine cancels out. The
processes of a condition are stopped by a signal in the other segments. Trials of the first seconds of a segment do not count.

The truth of the clock is the server's. A figure is the trimmed geometric mean of the blocks' ratios: a busy second of the
machine changes one block only, and fewer blocks are needed than for their median. Its interval comes from resampled blocks.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from bisect import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench import beside, figures, machine
from bench.figures import Figure
from bench.server import serve
from scipy.stats import trim_mean

from uderia_bench import plugins
from uderia_bench.reading import profile_types
from uderia_bench.report.watch import METRICS
from uderia_bench.runs.ledger import Ledger

IN_FLIGHT = 500
SPEED = 2.6  # of the server: an answer takes about 6 s
TABS = 3
LEAD_S = 4.0  # of a segment, in which the processes that were stopped catch up
TRIMMED = 0.2  # of the blocks, at each end
RESAMPLES = 2_000
SEED = 22
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
    """What was measured of the trials sent in one segment: each error of the clock, and the CPU of all."""

    errors_ms: np.ndarray
    trials: int
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
            reading = readers.enter_context(beside.sockets(page, TABS))
            group = readers.enter_context(beside.tabs(page, TABS)) if browser else None
            ours = {"run": [process.pid], "server": [server.pid], "view": [view.pid]}
            if group is not None:
                ours["Chromium"] = beside.members(group)
            began_mb = beside.memory_mb(view.pid)
            segments = []
            for condition in order:
                (reading.set if condition == SOCKETS else reading.clear)()
                segments.append(_segment(condition, segment_s, ours, view.pid, group))
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
        for record in ledger.records():
            sent_s = record.sent_at.timestamp() if record.sent_at else 0.0
            at = bisect(starts, sent_s) - 1
            if at < 0 or sent_s >= segments[at].ended_s:
                continue
            sent[at] += 1
            known, latency = (
                truth.get(record.task_id or "", {}).get("latency_s"),
                _LATENCY.read(profile_types.read(record, types)),
            )
            if known is not None and latency is not None:
                errors[at].append(abs(float(latency) - known) * 1000)
    # As many trials end in a segment as are sent: the number in flight is constant.
    return [
        Cost(errors_ms=np.array(found), trials=count, cpu_ms=segment.cpu["run"] * 1000)
        for segment, found, count in zip(segments, errors, sent, strict=True)
    ]


def _error_ms(costs: Sequence[Cost], share: float) -> float:
    return float(np.quantile(np.concatenate([each.errors_ms for each in costs]), share))


def _cpu_ms(costs: Sequence[Cost]) -> float:
    return sum(each.cpu_ms for each in costs) / sum(each.trials for each in costs)


def ratios(segments: Sequence[Segment], costs: Sequence[Cost]) -> Iterator[Figure]:
    """Yield the ratio of each condition with a view to that without: the mean of the blocks, with its interval."""
    conditions = list(dict.fromkeys(each.condition for each in segments))
    size = 2 * len(conditions)
    blocks: list[dict[str, list[Cost]]] = []
    for at in range(0, len(segments), size):
        block: dict[str, list[Cost]] = {each: [] for each in conditions}
        for segment, cost in zip(segments[at : at + size], costs[at : at + size], strict=True):
            block[segment.condition].append(cost)
        blocks.append(block)
    for condition in conditions[1:]:
        readers = f"{TABS} {'tabs of Chromium' if condition == BROWSER else 'WebSockets that draw nothing'}"
        measures: tuple[tuple[str, Callable[[Sequence[Cost]], float], str], ...] = (
            ("error of the answer's latency, p99", partial(_error_ms, share=0.99), "< 1.05"),
            ("error of the answer's latency, p50", partial(_error_ms, share=0.5), ""),
            ("CPU of a trial", _cpu_ms, "< 1.05"),
        )
        for name, read, asked in measures:
            without, beside_it = (read([cost for block in blocks for cost in block[each]]) for each in (NONE, condition))
            found = np.array([read(block[condition]) / read(block[NONE]) for block in blocks])
            mean, lo, hi = _mean(found)
            yield Figure(
                name=f"{name}, with {readers} / without a view",
                value=mean,
                unit="x",
                asked=asked,
                conditions=f"mean of {len(blocks)} blocks, 95% interval {lo:.3g} to {hi:.3g}; {IN_FLIGHT} in flight;"
                f" all trials {figures.digits(without)} ms without, {figures.digits(beside_it)} ms with;"
                f" {_shares(segments, condition)}",
            )


def _mean(ratios: np.ndarray) -> tuple[float, float, float]:
    """Return the trimmed geometric mean of the blocks' ratios and its 95 % interval, from blocks drawn with replacement."""
    logs = np.log(ratios)
    drawn = np.random.default_rng(SEED).choice(logs, size=(RESAMPLES, len(logs)))
    ends = np.quantile(trim_mean(drawn, TRIMMED, axis=1), (0.025, 0.975))
    mean, lo, hi = np.exp([trim_mean(logs, TRIMMED), *ends])
    return float(mean), float(lo), float(hi)


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
