"""How long a user waits before anything happens: the help text, the package, and the parts that are imported where used."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 7
CASES = {
    "python -c pass": ["-c", "pass"],
    "import uderia_bench": ["-c", "import uderia_bench"],
    "uderia-bench --help": ["-m", "uderia_bench", "--help"],
    "import polars, scipy.stats": ["-c", "import polars, scipy.stats"],
}


def median_s(arguments: list[str]) -> float:
    """Return the median wall time of a fresh interpreter."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    found = {name: median_s(arguments) for name, arguments in CASES.items()}
    base = found["python -c pass"]
    for name, seconds in found.items():
        print(f"{name:<28} {seconds * 1000:6.0f} ms  {seconds / base:5.1f} x a bare interpreter")
