"""How long a user waits before anything happens: the help text, beside Locust's and a bare interpreter; interleaved.

``python -m bench.start_up [--quick]``
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import clients, figures
from bench.figures import Figure

OURS, LOCUST, BARE = "uderia-bench --help", "locust --help", "python -c pass"
ASKED_S = 0.2  # the aim; so is half of Locust's
CASES = {
    BARE: (sys.executable, "-c", "pass"),
    OURS: (str(Path(sys.executable).with_name("uderia-bench")), "--help"),
    LOCUST: (str(clients.LOCUST_PYTHON.with_name("locust")), "--help"),
    "import uderia_bench": (sys.executable, "-c", "import uderia_bench"),
    "import polars, scipy.stats": (sys.executable, "-c", "import polars, scipy.stats"),
}


def main() -> None:
    """Measure in interleaved rounds and tell the medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    rounds = 3 if options.parse_args().quick else 21
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds + 1):
        for name, command in CASES.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - began)
    kept = {name: each[1:] for name, each in times.items()}  # the first filled the file cache
    medians = {name: statistics.median(each) for name, each in kept.items()}
    asked = {OURS: f"≤ {1000 * ASKED_S:.0f} ms"}
    conditions = f"median of {rounds} interleaved starts"
    told = [
        Figure(
            name=name,
            value=1000 * seconds,
            unit="ms",
            asked=asked.get(name, ""),
            conditions=conditions,
            contrast=name == LOCUST,
        )
        for name, seconds in medians.items()
    ]
    share = statistics.median(ours / locust for ours, locust in zip(kept[OURS], kept[LOCUST], strict=True))
    told.append(Figure(name=f"{OURS} / {LOCUST}", value=share, unit="x", asked="≤ 0.5", conditions=conditions))
    figures.tell("start_up", told)


if __name__ == "__main__":
    main()
