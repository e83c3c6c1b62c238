"""CPU cost of a trial for this client and for others, from the trial's session to its committed ledger row.

1,000 trials are in flight. Each client and the server run in separate processes on separate cores. Rounds are
interleaved, and ratios are taken within a round. The other clients keep nothing of what they read. A saturated client,
whose core is always busy, sends later and polls less than it should. That makes its cost look lower, and the
conditions mention it. So httpx is measured twice: started at the pace of the others, when it never gets all trials in
flight, and all at once, as ``asyncio.gather`` does.

``python -m bench.client_cost [--quick]``
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Mapping, Sequence

from bench import clients, cpu_by_part, figures
from bench.clients import Client, Measured
from bench.figures import Figure

LONG_S, SHORT_S = 6.0, 2.0  # L, the latency of an answer
OURS, OURS_SHORT = "uderia-bench, L 6 s", "uderia-bench, L 2 s"
ASKED_MS = 4.5  # a trial at 8 requests; of it 0.30 a request in HTTP, and 1 in what is neither HTTP nor ledger nor decoding
PACED, AT_ONCE = "httpx 1 s", "httpx 1 s, begun at once"
LAST_ROUND_ONLY = frozenset({PACED, AT_ONCE})  # one and four minutes of a full core
ASKED_TIMES = {AT_ONCE: 20, "Locust 25 ms, L 6 s": 20, "Locust 25 ms, L 2 s": 10}  # the aim; httpx with 1,000 in flight
MORE_USERS = 32
BESIDE = frozenset({PACED, f"Locust 25 ms, {MORE_USERS} users, L 2 s"})  # cheaper than what is asked for, so said with it


def contenders(*, quick: bool) -> dict[str, tuple[Client, float]]:
    """Return the clients by name, each with L. Locust at 25 ms has few users, or its core would be full.

    With more of them a trial costs it less, as it costs every client: that is shown beside it.
    """
    many, threads = (60, 60) if quick else (1000, 500)
    users, each = (4, 1) if quick else (8, 2)
    return {
        OURS: (clients.ours(many), LONG_S),
        OURS_SHORT: (clients.ours(many), SHORT_S),
        PACED: (clients.stock_httpx(many, every_s=1.0), LONG_S),
        AT_ONCE: (clients.stock_httpx(many, every_s=1.0, per_s=math.inf), LONG_S),
        "script 2 s": (clients.script(threads, every_s=2.0), LONG_S),
        "Locust 1 s": (clients.locust(threads, trials_each=1, every_s=1.0), LONG_S),
        "Locust 25 ms, L 6 s": (clients.locust(users, trials_each=each, every_s=0.025), LONG_S),
        "Locust 25 ms, L 2 s": (clients.locust(users, trials_each=6 * each, every_s=0.025), SHORT_S),
        f"Locust 25 ms, {MORE_USERS} users, L 2 s": (clients.locust(MORE_USERS, trials_each=2 * each, every_s=0.025), SHORT_S),
    }


def main() -> None:
    """Measure in interleaved rounds and tell medians and ratios, then where ours goes."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    wanted = contenders(quick=asked.quick)
    runs: dict[str, list[Measured]] = {name: [] for name in wanted}
    for left in reversed(range(1 if asked.quick else asked.rounds)):
        for name, (client, latency_s) in wanted.items():
            if name not in LAST_ROUND_ONLY or left == 0:
                runs[name].append(clients.measure(client, latency_s=latency_s))
    trials = len(runs[OURS][0].told["trials"])
    sampled = clients.ours(2 * trials, load=clients.together(trials), by_part=True)  # as long again, for more moments
    parts = clients.measure(sampled, latency_s=LONG_S)
    figures.tell("client_cost", [*costs(runs), *ratios(runs), *by_part(parts)])


def costs(runs: Mapping[str, Sequence[Measured]]) -> list[Figure]:
    """Return what each client pays for a trial, and how wrong it is for that."""
    found = []
    for name, each in runs.items():
        middle = sorted(each, key=lambda run: run.cpu_ms)[len(each) // 2]
        answer, end = middle.answer_error_ms, middle.end_error_ms
        conditions = (
            f"{middle.conditions()}; error p50, p99 {figures.series(answer)} ms to the answer, "
            f"{figures.series(end)} to the end; runs {figures.series(run.cpu_ms for run in each)}"
        )
        wanted = f"≤ {ASKED_MS} ms at 8 requests" if name == OURS else ""
        found.append(Figure(name=f"CPU per trial, {name}", value=middle.cpu_ms, unit="ms", asked=wanted, conditions=conditions))
    return found


def ratios(runs: Mapping[str, Sequence[Measured]]) -> list[Figure]:
    """Return how many times dearer the others are at the same L, in the median of the rounds."""
    found = []
    for name, each in runs.items():
        if name in (OURS, OURS_SHORT):
            continue
        base = runs[OURS_SHORT if name.endswith("L 2 s") else OURS]
        times = [theirs.cpu_ms / ours.cpu_ms for theirs, ours in zip(each, base[-len(each) :], strict=True)]
        found.append(
            Figure(
                name=f"{name} costs as much as so many of ours",
                value=statistics.median(times),
                unit="x",
                asked=f"≥ {ASKED_TIMES[name]}" if name in ASKED_TIMES else "",
                contrast=name in BESIDE,
                conditions=f"{each[-1].load()}; ours {base[-1].load()}; rounds {figures.series(times)}",
            )
        )
    return found


def by_part(run: Measured) -> list[Figure]:
    """Return where the CPU of one trial of ours goes; the ledger's thread is the ledger's."""
    ms = {part: 1000 * seconds / run.trials for part, seconds in run.told["parts"].items()}
    ms[cpu_by_part.LEDGER] = ms.get(cpu_by_part.LEDGER, 0.0) + ms.pop(cpu_by_part.OTHER_THREADS)
    conditions = f"sampled in a separate run; {run.conditions()}"
    named = (cpu_by_part.HTTP, cpu_by_part.LEDGER, cpu_by_part.DECODE)
    found = [
        (f"of a trial of ours: {part}", spent, "") for part, spent in sorted(ms.items(), key=lambda item: item[1], reverse=True)
    ]
    found += [
        ("of a trial of ours: HTTP, per request", ms[cpu_by_part.HTTP] / run.requests, "≤ 0.30 ms"),
        (
            "of a trial of ours: neither HTTP nor ledger nor decoding",
            sum(ms.values()) - sum(ms.get(part, 0.0) for part in named),
            "≤ 1 ms",
        ),
    ]
    return [Figure(name=name, value=value, unit="ms", asked=asked, conditions=conditions) for name, value, asked in found]


if __name__ == "__main__":
    main()
