"""Scripts that start the command at the same moment, as ``parallel`` does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import zygote

from uderia_bench import __version__

LARGE = "x" * 100_000  # more of the environment than a socket takes at once


def test_commands_start_together(tmp_path: Path) -> None:
    """Each says the version: no request meets another on the way to the process that forks."""
    program = tmp_path / "uderia-bench"
    zygote.executable(program)
    environ = {**os.environ, "LARGE": LARGE}
    started = [
        subprocess.Popen([program, "--version"], env=environ, pass_fds=[zygote.requests()], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    assert all(__version__ in process.communicate(timeout=zygote.WAIT_S)[0] for process in started)
