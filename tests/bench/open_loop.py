"""An open loop at 50 queries per second: accuracy of its send times, and both times when the server stops for 10 s.

The server is stopped with SIGSTOP and continued with SIGCONT. Queries that are due meanwhile wait. Response time, from
when a query was due, includes that wait. Service time, from when it was sent, includes it only for queries that were
already on their way.

``python -m bench.open_loop [--quick]``
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any

from bench import clients, figures, server
from bench.clients import Client, Measured
from bench.figures import Figure

RATE = 50.0
LATENCY_S = 2.0
STALL_S = 10.0
BEFORE, AFTER = 0.25, 0.25  # shares of the queries before and after the stall, in a run twice as long as it
ASKED_MS = 2  # the aim for p99 of the pacing error
_LOOKS_EVERY_S = 0.02


def main() -> None:
    """Measure the pacing, then the stall, and tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    rounds, stall_s = (1, 2.0) if quick else (3, STALL_S)
    trials = int(2 * stall_s * RATE)
    client = clients.ours(trials, load={"arrivals": "constant", "rate": f"{RATE:g}/s"})
    paced = [clients.measure(client, latency_s=LATENCY_S) for _ in range(rounds)]
    run, first = stalled(client, after=int(BEFORE * trials), stall_s=stall_s)
    figures.tell("open_loop", [*pacing(paced), *two_times(run, first, stall_s)])


def pacing(runs: Sequence[Measured]) -> list[Figure]:
    """Return the pacing error: the median of the runs."""
    found = []
    for label, share, asked in (("p50", 0.5, ""), ("p99", 0.99, f"≤ {ASKED_MS} ms")):
        each = [
            1000 * clients.at_rank(sorted(abs(trial["sent_s"] - trial["due_s"]) for trial in run.told["trials"]), share)
            for run in runs
        ]
        conditions = f"{RATE:g}/s asked, runs {figures.series(each)}; {runs[0].conditions()}"
        found.append(
            Figure(name=f"pacing error, {label}", value=statistics.median(each), unit="ms", asked=asked, conditions=conditions)
        )
    return found


def stalled(client: Client, *, after: int, stall_s: float) -> tuple[Measured, int]:
    """Run a client against a server that stands still once so many queries have come; return also how many had come."""
    with server.serve(speed=server.speed_for(LATENCY_S)) as served:
        arrived = 0

        def stall() -> None:
            nonlocal arrived
            while (arrived := served.queries()) < after + clients.WARM_UP:
                time.sleep(_LOOKS_EVERY_S)
            os.kill(served.pid, signal.SIGSTOP)
            time.sleep(stall_s)
            os.kill(served.pid, signal.SIGCONT)

        meanwhile = threading.Thread(target=stall, daemon=True)
        before_s, requests = served.cpu_s(), served.requests()
        meanwhile.start()
        told = client.run(served.url)
        meanwhile.join()
        run = clients.measured(
            client.name,
            told,
            served.truth(),
            server_cpu_s=served.cpu_s() - before_s,
            requests=served.requests() - requests,
        )
    return run, arrived - clients.WARM_UP


def two_times(run: Measured, first: int, stall_s: float) -> list[Figure]:
    """Return both times of the queries that were due while the server stood still, and of all others."""
    trials = sorted(run.told["trials"], key=lambda trial: trial["due_s"])
    begins_s = trials[first]["due_s"]
    inside = [trial for trial in trials if begins_s <= trial["due_s"] < begins_s + stall_s]
    outside = [trial for trial in trials if trial["due_s"] < begins_s - 2 * LATENCY_S or trial["due_s"] > begins_s + stall_s]
    found = []
    for where, group in (("due in the stall", inside), ("due before or after", outside)):
        for name, column in (("response", "response_s"), ("service", "latency_s")):
            values = sorted(trial[column] for trial in group if trial[column] is not None)
            found += _spread(f"{name} time, {where}", values, group, stall_s)
    return found


def _spread(name: str, values: Sequence[float], group: Sequence[Any], stall_s: float) -> list[Figure]:
    conditions = (
        f"{RATE:g}/s asked, L {LATENCY_S:g} s, the server stopped for {stall_s:g} s; {len(values)} of {len(group)} trials"
    )
    return [
        Figure(name=f"{name}, {label}", value=value, unit="s", conditions=conditions, contrast="in the stall" in name)
        for label, value in (("p50", clients.at_rank(values, 0.5)), ("p99", clients.at_rank(values, 0.99)))
    ]


if __name__ == "__main__":
    main()
