"""Clients side by side: each in its own process with its own server, measured by both.

A client prints one line of JSON. ``wall_s`` and ``cpu_s`` run from its first session to its last stored answer.
``trials`` has the ``task_id`` of each trial, ``sent_s`` (on the client's clock) and ``seen_s`` (from there to when the
client saw the end). A client that has better values adds ``latency_s`` and ``task_s``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import server

WARM_UP = 3  # trials with which ours pays for its imports before it is measured
LOCUST_PYTHON = Path(__file__).resolve().parents[2] / ".venv-bench/bin/python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client to start: its name, the module under ``bench`` it is, its arguments after the server's address."""

    name: str
    module: str
    arguments: tuple[str, ...]
    python: str = sys.executable

    def run(self, url: str) -> dict[str, Any]:
        """Run it to its end and return what it tells."""
        command = [self.python, "-m", f"bench.{self.module}", url, *self.arguments]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])


def ours(
    trials: int, *, load: dict[str, Any] | None = None, also: dict[str, Any] | None = None, by_part: bool = False
) -> Client:
    """Return this project's client with that many trials, all in flight unless ``load`` says otherwise."""
    arguments = (str(trials), "--load", json.dumps(load or together(trials)), "--also", json.dumps(also or {}))
    return Client(name="uderia-bench", module="ours", arguments=(*arguments, *(("--by-part",) if by_part else ())))


def together(trials: int) -> dict[str, Any]:
    """Return the load that has so many trials in flight, begun at the same even rate as those of the other clients."""
    return {"concurrency": trials, "ramp": f"{trials / server.RAMP_PER_S:g}s"}


def stock_httpx(trials: int, *, every_s: float, per_s: float = server.RAMP_PER_S) -> Client:
    """Return a stock ``httpx.AsyncClient`` with a connection a trial; it begins ``per_s`` trials a second."""
    return Client(
        name=f"httpx.AsyncClient, polls every {every_s:g} s",
        module="stock_httpx",
        arguments=(str(trials), str(every_s), str(per_s)),
    )


def script(trials: int, *, every_s: float = 2.0) -> Client:
    """Return the replaced script's way: a ``requests`` session polling every 2 s, a thread a trial."""
    return Client(
        name=f"requests in threads, polls every {every_s:g} s",
        module="script",
        arguments=(str(trials), str(every_s)),
        python=str(LOCUST_PYTHON),
    )


def locust(users: int, *, trials_each: int, every_s: float) -> Client:
    """Return Locust's ``FastHttpUser``, each user asking one trial after the other."""
    return Client(
        name=f"Locust, polls every {every_s:g} s",
        module="locust_user",
        arguments=(str(users), str(trials_each), str(every_s)),
        python=str(LOCUST_PYTHON),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One client's run. Errors are absolute, in ms, ``(p50, p99)``; ``busy`` is the share of its core it used."""

    client: str
    trials: int
    in_flight: int
    latency_s: float
    cpu_ms: float
    requests: float
    rate: float
    answer_error_ms: tuple[float, float]
    end_error_ms: tuple[float, float]
    busy: float
    server_busy: float
    told: dict[str, Any]

    def load(self) -> str:
        """Return how much was asked, in words."""
        return (
            f"{self.in_flight:,} in flight, L {self.latency_s:.1f} s, {self.requests:.1f} requests per trial, "
            f"{self.rate:.0f} trials/s"
        )

    def conditions(self) -> str:
        """Return what the figures hold under, in words."""
        return f"{self.load()}, client {self.busy:.0%} and server {self.server_busy:.0%} of a core"


def measure(client: Client, *, latency_s: float) -> Measured:
    """Run a client against a fresh server whose answers take ``latency_s`` or so."""
    with server.serve(speed=server.speed_for(latency_s)) as served:
        before_s, requests = served.cpu_s(), served.requests()
        told = client.run(served.url)
        used_s, requests, truth = served.cpu_s() - before_s, served.requests() - requests, served.truth()
    return measured(client.name, told, truth, server_cpu_s=used_s, requests=requests)


def measured(
    name: str, told: dict[str, Any], truth: dict[str, dict[str, Any]], *, server_cpu_s: float, requests: int
) -> Measured:
    """Hold what a client told against the truth of its tasks; a trial without an answer is counted and has no error."""
    trials = told["trials"]
    pairs = [(trial, truth[trial["task_id"]]) for trial in trials if trial["task_id"] in truth]
    answered = [(seen, true) for seen, true in pairs if true["latency_s"] is not None and seen["seen_s"] is not None]
    return Measured(
        client=name,
        trials=len(trials),
        in_flight=most_at_once((seen["sent_s"], seen["sent_s"] + seen["seen_s"]) for seen, _ in answered),
        latency_s=statistics.median(true["latency_s"] for _, true in answered),
        cpu_ms=1000 * told["cpu_s"] / len(trials),
        requests=requests / len(trials),
        rate=len(trials) / told["wall_s"],
        answer_error_ms=errors_ms([(seen.get("latency_s", seen["seen_s"]), true["latency_s"]) for seen, true in answered]),
        end_error_ms=errors_ms([(seen.get("task_s", seen["seen_s"]), true["task_s"]) for seen, true in answered]),
        busy=told["cpu_s"] / told["wall_s"],
        server_busy=server_cpu_s / told["wall_s"],
        told=told,
    )


def errors_ms(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the median and the 99th percentile of |measured - true|, in ms, from pairs in seconds."""
    errors = sorted(1000 * abs(measured - true) for measured, true in pairs)
    return statistics.median(errors), at_rank(errors, 0.99)


def at_rank(ordered: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the ordered values do not exceed (nearest rank: the worse one of two)."""
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def most_at_once(intervals: Iterable[tuple[float, float]]) -> int:
    """Return how many intervals overlap at most; one that begins as another ends does not overlap it."""
    moments = sorted(moment for start, end in intervals for moment in ((start, 1), (end, -1)))
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most
