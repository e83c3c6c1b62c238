"""A run in progress, a view of it and its readers, as processes that the benchmarks of the view start, stop and measure.

The run and its view have the clients' core, in one session, as with ``run --view``: Linux shares the CPU between sessions
before it looks at priorities (``sched(7)``, "The autogroup feature"). The readers have the servers' core and the idle policy
of the scheduler. So the server, which has the truth, waits for no reader: both stand for other machines.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import machine
from bench.server import Server
from browser.chromium import BROWSER, DRIVER
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

COMMAND = [sys.executable, "-m", "uderia_bench"]
RUN_ID = "seen"
_RECONNECT_S = 0.5
_CREDENTIALS = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}


@contextmanager
def run(folder: Path, server: Server, trials: int, load: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a run of one arm, and yield it once it is a run; kill it at the end if it still goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    queries = "\n".join(f"  - {{id: q{n}, prompt: how many databases are on the system?}}" for n in range(50))
    (folder / "c.yaml").write_text(f"version: 1\nname: c\nqueries:\n{queries}\n")
    arms = [{"name": "OPTIM", "profile": "OPTIM"}]
    said = {"version": 1, "name": "view", "server": server.url, "corpus": "c.yaml", "arms": arms, "warmup": 0}
    said |= {"repeats": max(trials // 50, 1), "load": load}
    (folder / "e.json").write_text(json.dumps(said))
    environ = {**os.environ, **_CREDENTIALS, "OPENBLAS_NUM_THREADS": "1"}
    command = [*COMMAND, "run", "e.json", "--run-id", RUN_ID]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=folder, env=environ, **quiet) as process:
        os.sched_setaffinity(process.pid, {machine.client_core()})
        deadline = time.monotonic() + 60
        while not (folder / f"output/{RUN_ID}/manifest.json").exists() and process.poll() is None:
            assert time.monotonic() < deadline, "the run does not begin"
            time.sleep(0.02)
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def view(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a view; yield its address, with the token, and its process."""
    command = [*COMMAND, "view", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(process.pid, {machine.client_core()})
        assert process.stdout is not None, "its standard output is a pipe"
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)


@contextmanager
def sockets(url: str, count: int = 1) -> Iterator[threading.Event]:
    """Read the changes of a page ``count`` times without drawing them, while the yielded event is set, as it is at first."""
    wanted, ended = threading.Event(), threading.Event()
    wanted.set()
    for _ in range(count):
        threading.Thread(target=_read, args=(url, wanted, ended), daemon=True).start()
    try:
        yield wanted
    finally:
        wanted.clear()
        ended.set()


def _read(url: str, wanted: threading.Event, ended: threading.Event) -> None:
    """Connect again after a view that was stopped has closed the connection."""
    _elsewhere(threading.get_native_id())  # the threads of its connections inherit this
    address, token = url.partition("?token=")[::2]
    to, headers = f"{address.replace('http', 'ws')}/live", {"authorization": f"Bearer {token}"}
    while not ended.is_set():
        if not wanted.wait(_RECONNECT_S):
            continue
        with suppress(WebSocketException, OSError), connect(to, additional_headers=headers, open_timeout=60) as socket:
            while wanted.is_set():
                with suppress(TimeoutError):
                    socket.recv(timeout=_RECONNECT_S)
        ended.wait(_RECONNECT_S)


@contextmanager
def tabs(url: str, count: int) -> Iterator[int]:
    """Open the page in so many tabs of a Chromium that yields to every other process; yield its process group."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    service = Service(DRIVER, popen_kw={"process_group": 0})
    browser = webdriver.Chrome(options=options, service=service)
    group = service.process.pid
    try:
        browser.get(url)
        for _ in range(count - 1):
            browser.switch_to.new_window("tab")
            browser.get(url.partition("?")[0])
        for pid in members(group):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                _elsewhere(int(thread.name))
        yield group
    finally:
        os.killpg(group, signal.SIGCONT)
        browser.quit()


def _elsewhere(thread: int) -> None:
    """Have a thread run where it delays no run: on the servers' core, while nothing else does."""
    with suppress(OSError):
        os.sched_setaffinity(thread, {machine.server_core()})
        os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def members(group: int) -> list[int]:
    """Return the processes of a process group."""
    found = []
    for each in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if os.getpgid(int(each.name)) == group:
                found.append(int(each.name))
    return found


def page(url: str, run_id: str = RUN_ID) -> str:
    """Return the address of a run's page, with the token of the view's address."""
    return url.replace("/?", f"/runs/{run_id}?")


def memory_mb(pid: int) -> float:
    """Return the memory that a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
