"""``make bench``: every benchmark beside this file, one after the other, each in a process of its own.

Figures are ratios measured side by side in one run where there is something to compare with: machines are noisy, ratios less.
What the benchmarks tell goes into ``output/bench.json``, and as the tables of the README into ``output/bench.md``.

``python -m bench.bench [NAME ...] [--quick] [--json]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import figures, machine
from bench.figures import Figure

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parents[1] / "output"
# In the order of the tables: what is asked of the client first. Those of QUICK take --quick.
BENCHES = (
    "start_up",
    "clock",
    "client_cost",
    "open_loop",
    "storage",
    "wire",
    "ledger",
    "derive",
    "intervals",
    "embedded_server",
    "resume",
)
QUICK = frozenset({"start_up", "clock", "client_cost", "open_loop", "storage", "intervals"})


def main() -> int:
    """Run them all, or those named; return how many failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all without")
    options.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not how fast")
    options.add_argument("--json", action="store_true", help="print the JSON alone; what the benchmarks print goes to stderr")
    asked = options.parse_args()
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
    OUTPUT.mkdir(exist_ok=True)
    (OUTPUT / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    (OUTPUT / "bench.md").write_text(tables(around, told))
    if asked.json:
        print(json.dumps(document))
    return failed


def run(name: str, *, quick: bool, out: Any) -> tuple[int, tuple[Figure, ...]]:
    """Run one benchmark; return its exit code and the figures it left, if it leaves any."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick and name in QUICK else [])]
        code = subprocess.run(command, check=False, stdout=out, env={**os.environ, figures.FOLDER: folder}).returncode
        return code, figures.read(Path(folder), name)


def tables(around: Mapping[str, Any], told: Mapping[str, Sequence[Figure]]) -> str:
    """Return the README's tables: the machine, then a table a benchmark that leaves figures."""
    first = f"{around['cpu']}, {around['cores']} cores, {around['system']}, Python {around['python']}"
    note = " Small sizes: not for reading." if around["quick"] else ""
    parts = [f"{first}; load {around['load_before']} before.{note}"]
    parts += [f"**{name}**\n\n{figures.markdown(found)}" for name, found in told.items() if found]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main())
