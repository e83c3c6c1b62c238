"""The embedded Uderia for benchmarks: in a separate process on a separate core, without random faults or limits.

It records what a client can only estimate: the true latency of each task, and how many requests arrived. The true
latency runs from the moment a request's handler is entered to the moment the answer is written as an event, on the
server's clock. It leaves out the way from the client's call to the handler: the client's code, the loopback, the
server's event loop.
"""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import machine

PROMPT = "system usage for the past 4 days"  # a planner's task of 45 KB, the size the figures are asked for
PROFILE = "OPTIM"
SPEED_1_LATENCY_S = 15.5  # median of PROMPT's latency at speed 1
RAMP_PER_S = 250.0  # at which clients begin trials that are to be in flight together
KEEP_ALIVE_S = 75  # as a proxy before a real server has it: a client that asks seldom keeps its connections
TERMINAL = ("complete", "error", "cancelled")
# Of Python's garbage collector: the usual number of objects, the usual number of young collections, and so many of those
# until all objects are looked at that it never happens. After 10,000 tasks it takes .3 s, in which no request is answered.
_COLLECT = (700, 10, 10**6)
_COUNTED = ("session", "query", "task", "cancel", "details")  # calls of a trial; signing in belongs to no trial
_LAST_WORD_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running embedded server."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Return the CPU seconds it has used."""
        return machine.cpu_seconds(self.pid)

    def truth(self) -> dict[str, dict[str, Any]]:
        """Return what happened in each task, by task id."""
        return {task["task_id"]: task for task in self._get("/sim/truth")}

    def requests(self) -> int:
        """Return how many requests of trials have arrived."""
        calls = self._calls()
        return sum(calls.get(name, 0) for name in _COUNTED)

    def queries(self) -> int:
        """Return how many queries have arrived."""
        return self._calls().get("query", 0)

    def _calls(self) -> dict[str, int]:
        return self._get("/sim/faults")["calls"]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=_LAST_WORD_S) as answer:
            return json.load(answer)


def speed_for(latency_s: float) -> float:
    """Return the speed at which the median answer to ``PROMPT`` takes about this long."""
    return SPEED_1_LATENCY_S / latency_s


@contextlib.contextmanager
def serve(*, speed: float) -> Iterator[Server]:
    """Serve at a speed on the servers' core until the block ends.

    The last trial is like the first: no cold start, nothing learned, no trouble by chance. There is no capacity limit: what is
    measured is the program, not the server it plays.
    """
    command = [sys.executable, "-m", "bench.server", str(speed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None, "its standard input is a pipe"
        assert child.stdout is not None, "its standard output is a pipe"
        try:
            yield Server(json.loads(child.stdout.readline())["url"], child.pid)
        finally:
            child.stdin.close()  # it ends with it
            try:
                child.wait(_LAST_WORD_S)
            except subprocess.TimeoutExpired:
                child.kill()


def sign_in(url: str) -> tuple[str, str]:
    """Return a token and the id of ``PROFILE``."""
    token = call(url, "POST", "/api/v1/auth/login", {"username": "admin", "password": "admin"})["token"]
    return token, next(found["id"] for found in profiles(url, token) if found["tag"] == PROFILE)


def profiles(url: str, token: str) -> list[dict[str, Any]]:
    """Return the documents of all profiles."""
    return call(url, "GET", "/api/v1/profiles", token=token)["profiles"]


def call(url: str, method: str, path: str, body: object = None, *, token: str = "") -> Any:
    """Make one request, and return the JSON of its answer."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}{path}", data=content, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=_LAST_WORD_S) as answer:
        return json.load(answer)


if __name__ == "__main__":
    from uderia_bench.sim import serving
    from uderia_bench.sim.config import Settings

    machine.take(machine.server_core())
    gc.set_threshold(*_COLLECT)
    serving.serve(
        Settings(speed=float(sys.argv[1]), login_limit=0, tasks_per_s=0, learning=False, cold_start=False, chance=False),
        exit_with_parent=True,
        keep_alive_s=KEEP_ALIVE_S,
    )
