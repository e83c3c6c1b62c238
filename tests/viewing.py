"""The view at the usual priority. At its own it waits for all other processes, and so stands still on a busy machine."""

from __future__ import annotations

import sys
from pathlib import Path

CODE = """
from uderia_bench.cli.app import main
from uderia_bench.view import priority
priority.lower = lambda: None
main()
"""
COMMAND = [sys.executable, "-c", CODE]
CUSTOM = "import os\nos.SCHED_IDLE = os.SCHED_BATCH\nos.nice = lambda _: 0\n"


def usual(folder: Path) -> dict[str, str]:
    """Return an environment in which a view that a run starts has the usual priority; a file in a folder sees to it."""
    (folder / "usual").mkdir()
    (folder / "usual" / "sitecustomize.py").write_text(CUSTOM)
    return {"PYTHONPATH": str(folder / "usual")}
