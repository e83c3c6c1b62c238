"""The live view beside a run: how soon a trial is seen, what it costs the run, and how large folders and runs open.

Seen: 20 trials a second, the view's page open in Chromium; a trial is seen when its link is in the page. Cost:
``disturbance``. Sizes: a run of 10,000 trials whose bodies are those of real answers of the embedded server, and a
folder of 200 runs.

``python -m bench.view [--quick]``, 18 minutes or two. Without Chromium the pages are WebSockets, and nothing is measured
in a browser.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
from bench import beside, disturbance, figures
from bench.figures import Figure
from bench.server import serve
from browser.chromium import BROWSER, DRIVER, chromium

from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import Entry, State
from uderia_bench.view.following import REREAD_S

RATE = 20  # trials a second
RUNS = 200
UPDATES = 5  # in a burst, each far enough from the last to be published by itself
APART_S = 0.6
BURSTS = 8
LAST_S = 3.0  # before the end of the run; later trials may be seen in the report only
SEEN = """
window.seen = {};
new MutationObserver(() => {
  for (const link of document.querySelectorAll('#part-latest a[href*="/trials/"]'))
    window.seen[link.textContent] = window.seen[link.textContent] || Date.now();
}).observe(document.body, {childList: true, subtree: true});
"""


def main() -> None:
    """Measure, and tell the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        told = [*_seen(folder / "seen", 160 if quick else 300)] if BROWSER and DRIVER else []
        blocks, segment_s = (1, 12.0) if quick else (8, 14.0)
        told += disturbance.measure(folder / "load", blocks=blocks, segment_s=segment_s, browser=bool(BROWSER and DRIVER))
        told += _sizes(folder / "size", 2_000 if quick else 10_000)
    figures.tell("view", told)


def _seen(folder: Path, trials: int) -> Iterator[Figure]:
    """Measure the time between the end of a trial and its link in the page."""
    load = {"arrivals": "constant", "rate": f"{RATE}/s", "isolation": "none"}
    seen: dict[str, float] = {}
    folder.mkdir()
    with (
        serve(speed=100.0) as server,
        beside.view(folder) as (url, _),
        chromium() as browser,
        beside.run(folder, server, trials, load) as process,
    ):
        browser.get(beside.page(url))
        browser.execute_script(SEEN)
        began_s = ended_s = time.time()
        while process.poll() is None:
            time.sleep(0.5)
            with suppress(Exception):  # the page becomes its report
                seen |= browser.execute_script("return window.seen") or {}
                ended_s = time.time()
    with Ledger.open(folder / "output/seen/ledger.sqlite") as ledger:
        done = {each.trial.trial_id: each.done_at.timestamp() for each in ledger.records() if each.done_at is not None}
    # Those that ended while the page was open, and long enough before it became the report.
    counted = {name: at_s for name, at_s in done.items() if began_s < at_s < ended_s - LAST_S}
    late = [seen[name] / 1000 - at_s if name in seen else inf for name, at_s in counted.items()]
    conditions = f"{len(late)} trials at {RATE}/s, in headless Chromium; p50 {statistics.median(late):.2f} s"
    yield Figure(name="a settled trial is visible, p95", value=float(np.quantile(late, 0.95)), unit="s", asked="< 1 s",
                 conditions=conditions)  # fmt: skip


def _sizes(folder: Path, trials: int) -> Iterator[Figure]:
    """Open a large run in progress and a large folder."""
    with serve(speed=200.0) as server, beside.run(folder, server, 100, {"concurrency": 16, "isolation": "none"}) as process:
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

        settle(0, trials - UPDATES * BURSTS)
        with beside.view(folder) as (url, view):
            took_s, page = _timed(beside.page(url, "large"), url)
            assert "In flight" in page
            conditions = "the first request; earlier trials are read meanwhile"
            name = f"a run of {trials:,} trials in progress opens in"
            yield Figure(name=name, value=took_s, unit="s", asked="< 1.5 s", conditions=conditions)
            while _read(url) < trials - UPDATES * BURSTS:
                time.sleep(0.5)
            with beside.sockets(beside.page(url, "large")):
                time.sleep(REREAD_S)
                idle_ms, busy_ms = [], []
                for first in range(trials - UPDATES * BURSTS, trials, UPDATES):
                    idle_ms.append(_cpu_ms(view.pid, lambda _: None, 0))
                    busy_ms.append(_cpu_ms(view.pid, lambda at: settle(at, at + 1), first))
            name = f"CPU of the view for an update at {trials:,} trials"
            conditions = (
                f"median of {BURSTS} bursts of {UPDATES} trials that settle {APART_S} s apart, less as long an idle each;"
                f" one page; bursts {figures.series(busy_ms)} ms, idle {figures.series(idle_ms)} ms"
            )
            value = update_ms(idle_ms, busy_ms, updates=UPDATES)
            yield Figure(name=name, value=value, unit="ms", asked="< 20 ms", conditions=conditions)
    shutil.rmtree(large.path)
    for number in range(1, RUNS):
        shutil.copytree(small.path, folder / f"output/run{number:03}", ignore=shutil.ignore_patterns("ledger*"))
    with beside.view(folder) as (url, _):
        took_s, page = _timed(url.replace("/?", "/runs?"), url)
        assert f"{RUNS} runs" in page
        yield Figure(
            name=f"a list of {RUNS} runs opens in", value=took_s, unit="s", asked="< 1 s", conditions="the first request"
        )


def update_ms(idle_ms: Sequence[float], busy_ms: Sequence[float], *, updates: int) -> float:
    """Return what an update costs: the median of the bursts, each less the idle before it."""
    return statistics.median((busy - idle) / updates for idle, busy in zip(idle_ms, busy_ms, strict=True))


def _read(url: str) -> int:
    """Return how many trials of the large run the view has read."""
    state = json.loads(_timed(beside.page(url, "large"), url, accept="application/json")[1])
    return int(state["progress"]["read"])


def _timed(url: str, with_token: str, *, accept: str = "text/html") -> tuple[float, str]:
    address, token = url.partition("?token=")[0], with_token.partition("?token=")[2]
    asked = urllib.request.Request(address, headers={"authorization": f"Bearer {token}", "accept": accept})
    began = time.perf_counter()
    with urllib.request.urlopen(asked) as answer:
        text = answer.read().decode()
    return time.perf_counter() - began, text


def _cpu_ms(pid: int, update: Callable[[int], None], first: int) -> float:
    """Return the CPU that a process used in the time of a burst of updates. ``update`` gets the number of each."""
    before_ms = _on_cpu_ms(pid)
    for number in range(first, first + UPDATES):
        update(number)
        time.sleep(APART_S)
    return _on_cpu_ms(pid) - before_ms


def _on_cpu_ms(pid: int) -> float:
    """Return the CPU of all threads of a process. The scheduler counts it in ns, ``/proc/PID/stat`` in ticks of 10 ms."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e6


if __name__ == "__main__":
    main()
