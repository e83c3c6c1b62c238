"""The machine under the benchmarks: which core is whose, what a process has used of one, and how the machine is named."""

from __future__ import annotations

import os
import platform
import resource
from pathlib import Path

CONNECTIONS = 4096  # file descriptors a client or server of 1,000 connections needs, with room
_TICKS = os.sysconf("SC_CLK_TCK")


def client_core() -> int:
    """Return the core that clients are pinned to."""
    return min(os.sched_getaffinity(0))


def server_core() -> int:
    """Return the core that servers are pinned to: another than the clients', where there is another."""
    return max(os.sched_getaffinity(0))


def take(core: int) -> None:
    """Pin this process to a core and let it have as many connections as it needs."""
    os.sched_setaffinity(0, {core})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, CONNECTIONS)), hard))


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds a process has used, on Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def describe() -> dict[str, str | int | float]:
    """Return what a reader needs to know about the machine; the load is what others do on it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "load_before": round(os.getloadavg()[0], 2),
    }
