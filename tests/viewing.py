"""The view at the usual priority. At its own it waits for all other processes, and so stands still on a busy machine."""

from __future__ import annotations

import sys

CODE = """
from uderia_bench.cli.app import main
from uderia_bench.view import priority
priority.lower = lambda: None
main()
"""
COMMAND = [sys.executable, "-c", CODE]
