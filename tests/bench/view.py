"""The live view beside a run: how soon a trial is seen, what it costs the run, and how large folders and runs open.

Seen: 20 trials a second, the view's page open in Chromium; a trial is seen when its link is in the page. Disturbance: rounds of
500 trials in flight without a view, and with three open pages, in turns; the truth is the server's. Sizes: a run of 10,000
trials whose bodies are those of real answers of the embedded server, and a folder of 200 runs.

``python -m bench.view [--quick]``. Without Chromium the pages are WebSockets, and nothing is measured in a browser.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bench import figures, machine
from bench.figures import Figure
from bench.server import Server, serve
from browser.chromium import BROWSER, DRIVER, Chromium, chromium

from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State

COMMAND = [sys.executable, "-m", "uderia_bench"]
RATE = 20  # trials a second
IN_FLIGHT = 500
TABS = 3
RUNS = 200
UPDATES = 40
SEEN = """
window.seen = {};
new MutationObserver(() => {
  for (const link of document.querySelectorAll('#part-latest a[href*="/trials/"]'))
    window.seen[link.textContent] = window.seen[link.textContent] || Date.now();
}).observe(document.body, {childList: true, subtree: true});
"""
_CREDENTIALS = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One run: p99 of its clock's error, CPU of a trial, and the growth of the view's memory."""

    error_ms: float
    cpu_ms: float
    trials: int
    grown_mb: float | None = None


def main() -> None:
    """Measure, and tell the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = [*_seen(folder / "seen", 100 if quick else 300)] if BROWSER and DRIVER else []
        told += _disturbance(folder / "load", 500 if quick else 2_000, rounds=1 if quick else 3)
        told += _sizes(folder / "size", 2_000 if quick else 10_000)
    figures.tell("view", told)


def _seen(folder: Path, trials: int) -> Iterator[Figure]:
    """Measure the time between the end of a trial and its link in the page."""
    with serve(speed=100.0) as server:
        process = _run(folder, server, trials, {"arrivals": "constant", "rate": f"{RATE}/s", "isolation": "none"})
        with _view(folder) as (url, _), chromium() as browser:
            browser.get(_of(url, "seen"))
            browser.execute_script(SEEN)
            seen: dict[str, float] = {}
            while process.poll() is None:
                time.sleep(0.5)
                with suppress(Exception):  # the page becomes its report
                    seen |= browser.execute_script("return window.seen") or {}
    with Ledger.open(folder / "output/seen/ledger.sqlite") as ledger:
        done = {record.trial.trial_id: record.done_at for record in ledger.records()}
    late = [seen[name] / 1000 - at.timestamp() for name, at in done.items() if name in seen and at is not None]
    late = [seconds for seconds in late if seconds > 0]  # the first ones had ended before the page was open
    conditions = f"{len(late)} of {len(done)} trials at {RATE}/s, in headless Chromium; p50 {statistics.median(late):.2f} s"
    yield Figure(name="a settled trial is visible, p95", value=float(np.quantile(late, 0.95)), unit="s", asked="< 1 s",
                 conditions=conditions)  # fmt: skip


def _disturbance(folder: Path, trials: int, *, rounds: int) -> Iterator[Figure]:
    """Compare runs with and without a view, in turns."""
    found: dict[bool, list[Round]] = {False: [], True: []}
    for number in range(rounds):
        for viewed in (False, True) if number % 2 == 0 else (True, False):
            found[viewed].append(_round(folder / f"{number}-{viewed}", trials, viewed=viewed))
    for name, unit, read in (
        ("error of the answer's latency, p99", "ms", lambda one: one.error_ms),
        ("CPU of a trial", "ms", lambda one: one.cpu_ms),
    ):
        without, beside = ([read(one) for one in found[viewed]] for viewed in (False, True))
        ratio = statistics.median(b / w for w, b in zip(without, beside, strict=True))
        conditions = (
            f"{trials:,} trials, {IN_FLIGHT} in flight, {TABS} {'pages' if BROWSER else 'WebSockets'}; {unit} without"
            f" {figures.series(without)}, with {figures.series(beside)}"
        )
        yield Figure(name=f"{name}, with a view / without", value=ratio, unit="x", asked="< 1.05", conditions=conditions)
    grown = [one.grown_mb for one in found[True] if one.grown_mb is not None]
    yield Figure(name="memory of the view, grown during a run", value=max(grown), unit="MB", asked="< 20 MB",
                 conditions=f"runs {figures.series(grown)}; from the first 100 trials to the end of {trials:,}")  # fmt: skip


def _round(folder: Path, trials: int, *, viewed: bool) -> Round:
    with serve(speed=2.6) as server:
        process = _run(folder, server, trials, {"concurrency": IN_FLIGHT, "isolation": "none"})
        run = folder / "output/seen"
        grown = None
        if viewed:
            with _view(folder) as (url, pid), _pages(_of(url, "seen")):
                before = None
                while process.poll() is None and _state(run) == "running":
                    before = before or (_memory_mb(pid) if _settled(run) > 100 else None)
                    after = _memory_mb(pid)
                    time.sleep(0.2)
                grown = None if before is None else after - before
        process.wait()
        truth = server.truth()
    return _measured(run, truth, process.usage, grown)


def _measured(run: Path, truth: dict[str, dict[str, Any]], usage: Any, grown: float | None) -> Round:
    trials = RunDirectory(run).trials().filter(pl.col("outcome") == "answered")
    pairs = zip(trials["task_id"], trials["latency_s"], strict=True)
    errors = [abs(latency - truth[task]["latency_s"]) * 1000 for task, latency in pairs if task in truth]
    error_ms = float(np.quantile(errors, 0.99))
    return Round(error_ms=error_ms, cpu_ms=usage * 1000 / trials.height, trials=trials.height, grown_mb=grown)


def _sizes(folder: Path, trials: int) -> Iterator[Figure]:
    """Open a large run in progress and a large folder."""
    with serve(speed=200.0) as server:
        process = _run(folder, server, 100, {"concurrency": 16, "isolation": "none"})
        process.wait()
    small = RunDirectory(folder / "output/seen")
    large = RunDirectory(folder / "output/large")
    with Ledger.open(small.ledger) as ledger:
        records, arms = list(ledger.records()), ledger.arms()
    plan = [replace(records[n % len(records)].trial, trial_id=f"t{n:05}", seq=n, query_id=f"q{n % 500}") for n in range(trials)]
    large.path.mkdir()
    manifest = json.loads((small.path / "manifest.json").read_bytes())
    large.write_manifest({**manifest, "run_id": "large", "state": "running", "ended_at": None})
    with Ledger.create(large.ledger, plan, arms) as ledger, large.claimed():

        def settle(first: int, last: int) -> None:
            entries = [replace(records[n % len(records)], trial=plan[n]) for n in range(first, last)]
            ledger.write([Entry(state=State.SETTLED, record=each) for each in entries])

        settle(0, trials - UPDATES)
        with _view(folder) as (url, pid):
            took_s, page = _timed(_of(url, "large"), url)
            assert "In flight" in page
            conditions = "the first request; earlier trials are read meanwhile"
            name = f"a run of {trials:,} trials in progress opens in"
            yield Figure(name=name, value=took_s, unit="s", asked="< 1.5 s", conditions=conditions)
            while _read(url) < trials - UPDATES:
                time.sleep(0.5)
            with _sockets(_of(url, "large"), url):
                time.sleep(1.0)
                idle_s, idle = _cpu_over(pid, 5.0, lambda: None)
                busy_s, _ = _cpu_over(pid, 0.0, lambda: _settle_slowly(settle, trials - UPDATES, trials))
            update_ms = (busy_s - idle_s / idle * UPDATES * 0.5) * 1000 / UPDATES
            name = f"CPU of the view for an update at {trials:,} trials"
            conditions = f"{UPDATES} trials that settle 0.5 s apart, one page; idle {idle_s / idle:.1%} of a core"
            yield Figure(name=name, value=update_ms, unit="ms", asked="< 20 ms", conditions=conditions)
    shutil.rmtree(large.path)
    for number in range(1, RUNS):
        shutil.copytree(small.path, folder / f"output/run{number:03}", ignore=shutil.ignore_patterns("ledger*"))
    with _view(folder) as (url, _):
        took_s, page = _timed(url.replace("/?", "/runs?"), url)
        assert f"{RUNS} runs" in page
        yield Figure(
            name=f"a list of {RUNS} runs opens in", value=took_s, unit="s", asked="< 1 s", conditions="the first request"
        )


def _settle_slowly(settle: Callable[[int, int], None], first: int, last: int) -> None:
    for number in range(first, last):
        settle(number, number + 1)
        time.sleep(0.5)


def _read(url: str) -> int:
    """Return how many trials of the large run the view has read."""
    state = json.loads(_timed(_of(url, "large"), url, accept="application/json")[1])
    return int(state["progress"]["read"])


def _run(folder: Path, server: Server, trials: int, load: dict[str, Any]) -> Any:
    """Start a run of one arm, whose CPU is known at its end."""
    folder.mkdir(parents=True)
    queries = "\n".join(f"  - {{id: q{n}, prompt: how many databases are on the system?}}" for n in range(50))
    (folder / "c.yaml").write_text(f"version: 1\nname: c\nqueries:\n{queries}\n")
    arms = [{"name": "OPTIM", "profile": "OPTIM"}]
    said = {"version": 1, "name": "view", "server": server.url, "corpus": "c.yaml", "arms": arms, "warmup": 0}
    said |= {"repeats": max(trials // 50, 1), "load": load}
    (folder / "e.json").write_text(json.dumps(said))
    environ = {**os.environ, **_CREDENTIALS, "OPENBLAS_NUM_THREADS": "1"}
    process = _Timed([*COMMAND, "run", "e.json", "--run-id", "seen"], cwd=folder, env=environ, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (folder / "output/seen/manifest.json").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


class _Timed(subprocess.Popen[bytes]):
    """A process whose CPU seconds are known at its end."""

    @property
    def usage(self) -> float:
        """User and system seconds, as the ledger thread and the analysis used them too."""
        return self._usage

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        pid, status, usage = os.wait4(self.pid, wait_flags)
        self._usage = usage.ru_utime + usage.ru_stime
        return pid, status


@contextmanager
def _view(folder: Path) -> Iterator[tuple[str, int]]:
    """Start a view; yield its address and process id."""
    with subprocess.Popen([*COMMAND, "view", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None, "its standard output is a pipe"
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def _pages(url: str) -> Iterator[None]:
    """Open the pages in a browser, or as WebSockets where there is none."""
    if not (BROWSER and DRIVER):
        with _sockets(url, url):
            yield
        return
    with chromium() as browser:
        _tabs(browser, url)
        yield


def _tabs(browser: Chromium, url: str) -> None:
    browser.get(url)
    for _ in range(TABS - 1):
        browser.switch_to.new_window("tab")
        browser.get(url)


@contextmanager
def _sockets(url: str, with_token: str) -> Iterator[None]:
    """Listen to a run's changes with one thread."""
    import threading

    from websockets.sync.client import connect

    address, token = url.partition("?token=")[::2]
    token = token or with_token.partition("?token=")[2]
    with connect(address.replace("http", "ws") + "/live", additional_headers={"authorization": f"Bearer {token}"}) as socket:
        threading.Thread(target=lambda: [None for _ in socket], daemon=True).start()
        yield


def _timed(url: str, with_token: str, *, accept: str = "text/html") -> tuple[float, str]:
    address, token = url.partition("?token=")[0], with_token.partition("?token=")[2]
    asked = urllib.request.Request(address, headers={"authorization": f"Bearer {token}", "accept": accept})
    began = time.perf_counter()
    with urllib.request.urlopen(asked) as answer:
        text = answer.read().decode()
    return time.perf_counter() - began, text


def _of(url: str, run_id: str) -> str:
    return url.replace("/?", f"/runs/{run_id}?")


def _cpu_over(pid: int, seconds: float, work: Any) -> tuple[float, float]:
    """Return the CPU seconds that a process used, and how long that took."""
    before, began = machine.cpu_seconds(pid), time.monotonic()
    work()
    time.sleep(seconds)
    return machine.cpu_seconds(pid) - before, time.monotonic() - began


def _memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _state(run: Path) -> str | None:
    return RunDirectory(run).state()


def _settled(run: Path) -> int:
    with Ledger.open(run / "ledger.sqlite") as ledger:
        return ledger.settled_count()


if __name__ == "__main__":
    main()
