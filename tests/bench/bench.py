"""``make bench``: every benchmark beside this file, one after the other, each in a process of its own.

Figures are ratios measured side by side in one run where there is something to compare with: machines are noisy, ratios less.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run them all, or those named; return how many failed."""
    wanted = sys.argv[1:]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    failed = 0
    for script in sorted(HERE.glob("*.py")):
        if script.name == Path(__file__).name or (wanted and script.stem not in wanted):
            continue
        print(f"\n== {script.stem}", flush=True)
        failed += subprocess.run([sys.executable, str(script)], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
