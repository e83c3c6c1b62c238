"""The error of the clock: |measured - true| answer latency with 500 OPTIM trials in flight, the server in another process.

True is what the server counts from the arrival of the query's request (``server.py``) to the moment it writes the answer;
measured is ``latency_s`` as every report has it. Beside it, under the same load, what a poll every 2 s makes of it.

``python -m bench.clock [--quick]``; five rounds, every figure the median of theirs.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from bench import clients, figures
from bench.clients import Measured
from bench.figures import Figure

LATENCY_S = 6.0
STREAM = {False: "polls alone", True: "with the notification stream"}
ASKED_MS = (2, 15)  # the aim for p50 and p99 of the error
ASKED_REQUESTS = {False: 8, True: 6}


def main() -> None:
    """Measure in interleaved rounds and tell the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    trials, rounds = (60, 1) if quick else (500, 5)
    runs: dict[bool | None, list[Measured]] = {False: [], True: [], None: []}
    for _ in range(rounds):
        for stream in STREAM:
            client = clients.ours(trials, also={"notifications": "on" if stream else "off"})
            runs[stream].append(clients.measure(client, latency_s=LATENCY_S))
        runs[None].append(clients.measure(clients.script(trials), latency_s=LATENCY_S))
    told: list[Figure] = []
    for stream, name in STREAM.items():
        told += _errors(f"error of the answer's latency, {name}", runs[stream], asked=True)
        told.append(_requests(name, runs[stream], f"≤ {ASKED_REQUESTS[stream]}"))
    told += _errors("the same, polled every 2 s as the replaced script does", runs[None], asked=False)
    figures.tell("clock", told)


def _errors(name: str, runs: Sequence[Measured], *, asked: bool) -> list[Figure]:
    """Return p50 and p99 of a way to measure: the median of the runs, the runs beside it."""
    found = []
    for number, (label, limit) in enumerate(zip(("p50", "p99"), ASKED_MS, strict=True)):
        each = [run.answer_error_ms[number] for run in runs]
        conditions = f"runs {figures.series(each)}; {typical(runs).conditions()}"
        wanted = f"≤ {limit} ms" if asked else ""
        found.append(
            Figure(
                name=f"{name}, {label}",
                value=statistics.median(each),
                unit="ms",
                asked=wanted,
                conditions=conditions,
                contrast=not asked,
            )
        )
    return found


def _requests(name: str, runs: Sequence[Measured], asked: str) -> Figure:
    value = statistics.median(run.requests for run in runs)
    return Figure(name=f"requests per trial, {name}", value=value, unit="", asked=asked, conditions=typical(runs).conditions())


def typical(runs: Sequence[Measured]) -> Measured:
    """Return the run in the middle by its median error, whose conditions stand for all."""
    return sorted(runs, key=lambda run: run.answer_error_ms)[len(runs) // 2]


if __name__ == "__main__":
    main()
