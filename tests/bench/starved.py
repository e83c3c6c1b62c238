"""Detection of a starved load generator: the same run twice, alone and next to busy loops.

64 trials are in flight on the embedded server at 50 times an agent's speed. In the starved run, runner, server and
loops share one core. The quiet run must be valid (exit 0), the starved one invalid (exit 5). The other figures come
from its manifest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import figures
from bench.figures import Figure

ROOT = Path(__file__).resolve().parents[2]
BUSY = 48  # a fair share of the core is then a quarter of what the quiet run uses of it, 8 %
EXPERIMENT = ROOT / "configs/quickstart.yaml"
LOAD = ("load.concurrency=64", "sim.speed=50", "repeats=5")
VALID, INVALID = 0, 5  # exit codes
SHOWN = (
    ("lag, mean", "lag_mean_s", 1000, "ms"),
    ("lag, p99", "lag_p99_s", 1000, "ms"),
    ("lag, most", "lag_max_s", 1000, "ms"),
    ("sends late, p99", "send_late_p99_s", 1000, "ms"),
    ("polls late, p99", "poll_late_p99_s", 1000, "ms"),
    ("CPU of a core", "cpu_share", 100, "%"),
    ("in flight", "in_flight", 1, ""),
    ("arrivals", "arrival_rate", 1, "/s"),
    ("Little's law", "littles_law", 100, "% off"),
    ("trials held up", "held_up", 1, ""),
)


@contextmanager
def busy(core: int) -> Iterator[None]:
    """Keep a core busy with loops of their own processes."""
    loop = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    loops = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for each in loops:
            each.kill()
            each.wait()


def run(output: Path, name: str, cores: set[int]) -> tuple[int, dict[str, float | None]]:
    """Run the experiment on these cores; return its exit code and what it measured."""
    options = [part for pair in LOAD for part in ("--set", pair)]
    command = [
        sys.executable,
        "-m",
        "uderia_bench",
        "run",
        str(EXPERIMENT),
        *options,
        "--output",
        str(output),
        "--run-id",
        name,
    ]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),  # its server inherits them
    )
    report = json.loads((output / name / "report.json").read_text())
    for reason in report["measurement"]["invalid"]:
        print(f"{name}: {reason}")
    return done.returncode, report["measurement"]


def main() -> int:
    """Tell of both runs side by side; return 1 where either was judged wrongly."""
    if not hasattr(os, "sched_setaffinity"):
        print("needs Linux: a process is pinned to a core")
        return 0
    cores = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory() as place:
        quiet_code, quiet = run(Path(place), "quiet", cores)
        with busy(min(cores)):
            starved_code, starved = run(Path(place), "starved", {min(cores)})
    print(f"{len(cores)} cores; starved: one core shared with {BUSY} busy loops\n{'':<18}{'quiet':>12}{'starved':>12}")
    for label, key, factor, unit in SHOWN:
        texts = ("-" if (value := found[key]) is None else f"{factor * value:.3g}" for found in (quiet, starved))
        print(f"{label:<18}{''.join(f'{text:>12}' for text in texts)} {unit}")
    told = [
        _exit_code("quiet", quiet_code, VALID, quiet, f"{len(cores)} cores"),
        _exit_code("starved", starved_code, INVALID, starved, f"one core shared with {BUSY} busy loops"),
    ]
    figures.tell("starved", told)
    return int((quiet_code, starved_code) != (VALID, INVALID))


def _exit_code(name: str, code: int, wanted: int, found: dict[str, float | None], where: str) -> Figure:
    lag_s = found["lag_p99_s"]
    lag = "not measured" if lag_s is None else f"{figures.digits(1000 * lag_s)} ms"
    return Figure(
        name=f"exit code of a {name} run",
        value=code,
        unit="",
        asked=f"{wanted}",
        conditions=f"{', '.join(LOAD)}; {where}; event-loop lag p99 {lag}",
    )


if __name__ == "__main__":
    sys.exit(main())
