"""``make bench``: run every benchmark in this folder, one after the other, each in a separate process.

Where there is something to compare with, a figure is a ratio measured side by side in one run, because machines are
noisy and ratios are less so. The figures go into ``output/bench.json``. ``--publish`` makes them the project's
published figures: ``results.json`` and ``table.md`` in this folder, and the figures with a limit in
``docs/explanation/benchmarks.md``.

``python -m bench.bench [NAME ...] [--quick] [--json]``, then ``python -m bench.bench --publish``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import figures, machine
from bench.figures import Figure

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
OUTPUT = ROOT / "output" / "bench.json"
RESULTS, TABLE = HERE / "results.json", HERE / "table.md"
PAGE = ROOT / "docs" / "explanation" / "benchmarks.md"
MARKS = ("<!-- bench -->\n", "<!-- /bench -->")
# In the order of the tables: what is asked of the client first. Those of QUICK take --quick.
BENCHES = (
    "start_up",
    "clock",
    "client_cost",
    "open_loop",
    "storage",
    "starved",
    "soak",
    "wire",
    "ledger",
    "derive",
    "intervals",
    "designs",
    "embedded_server",
    "resume",
    "pool",
    "scale",
    "view",
)
QUICK = frozenset({"start_up", "clock", "client_cost", "open_loop", "storage", "intervals", "designs", "scale", "view"})


def main() -> int:
    """Run them all, or those named; return how many failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all without")
    options.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not how fast")
    options.add_argument("--json", action="store_true", help="print the JSON alone; what the benchmarks print goes to stderr")
    options.add_argument("--publish", action="store_true", help="run nothing; make what was found the project's figures")
    asked = options.parse_args()
    if asked.publish:
        publish(OUTPUT.read_text())
        return 0
    if unknown := set(asked.names).difference(BENCHES):
        options.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    around = {**machine.describe(), "quick": asked.quick}
    told: dict[str, tuple[Figure, ...]] = {}
    failed = 0
    for name in asked.names or BENCHES:
        began = time.perf_counter()
        print(f"\n== {name}", file=sys.stderr, flush=True)
        code, told[name] = run(name, quick=asked.quick, out=sys.stderr if asked.json else sys.stdout)
        failed += code != 0
        print(f"{name}: {time.perf_counter() - began:.0f} s" + (f", failed with {code}" if code else ""), file=sys.stderr)
    document = {"machine": around, "benches": {name: [asdict(one) for one in found] for name, found in told.items() if found}}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(document, indent=1) + "\n")
    if asked.json:
        print(json.dumps(document))
    return failed


def run(name: str, *, quick: bool, out: Any) -> tuple[int, tuple[Figure, ...]]:
    """Run one benchmark; return its exit code and the figures it left, if it leaves any."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick and name in QUICK else [])]
        code = subprocess.run(command, check=False, stdout=out, env={**os.environ, figures.FOLDER: folder}).returncode
        return code, figures.read(Path(folder), name)


def publish(found: str) -> None:
    """Publish the figures of a run. Figures of ``--quick`` are refused."""
    document = json.loads(found)
    if document["machine"]["quick"]:
        sys.exit("figures of --quick are not for publishing")
    RESULTS.write_text(found)
    TABLE.write_text(tables(document))
    before, begin, rest = PAGE.read_text().partition(MARKS[0])
    PAGE.write_text(f"{before}{begin}{summary(document)}{MARKS[1]}{rest.partition(MARKS[1])[2]}")


def summary(document: Mapping[str, Any]) -> str:
    """Return the table of the docs page: limits that were set, and figures of other tools."""
    every = (Figure(**one) for found in document["benches"].values() for one in found)
    return f"{_machine(document['machine'])}\n\n{figures.markdown(figures.headline(every))}\n"


def tables(document: Mapping[str, Any]) -> str:
    """Return all figures, one table per benchmark."""
    parts = [_machine(document["machine"])]
    parts += [f"## {name}\n\n{figures.markdown(Figure(**one) for one in found)}" for name, found in document["benches"].items()]
    return "\n\n".join(parts) + "\n"


def _machine(around: Mapping[str, Any]) -> str:
    return (
        f"{around['cpu']}, {around['cores']} cores, {around['system']}, Python {around['python']}; "
        f"load {around['load_before']} before."
    )


if __name__ == "__main__":
    sys.exit(main())
