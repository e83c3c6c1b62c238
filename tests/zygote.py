"""``uderia-bench`` in a new process without its imports: forked from a process that has imported everything.

Imports are half of what a command costs, and the tests run hundreds. What is forked has its own arguments, directory,
environment, limits, signals and output, and exits with the code of an interpreter. Start-up time cannot be told from it.
A run on a busy machine is valid (``BUSY``), so that its exit code does not depend on what else the machine does.
The view has ``SCHED_BATCH`` instead of ``SCHED_IDLE``, with which it would stand still on such a machine.

The forking process runs no code of ours beyond imports, so that no lock is held and no pool of threads has begun when it forks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import math
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import IO, Any, Never

LAZY = (  # what our modules import where they use it
    *("aiohttp", "duckdb", "polars", "pyarrow.dataset", "pyarrow.parquet", "scipy.optimize", "scipy.stats"),
    *("anyio._backends._asyncio", "genai_prices", "genai_prices.data", "rich.live", "rich.progress", "pandas"),
)
BUSY = ("CPU_LIMIT", "FLOOR_S", "LATENESS_FLOOR_S", "RATE_LIMIT")
"""Limits of ``analysis/conditions.py`` that a run exceeds on a busy machine, and then exits with 5. A command has none."""
FORWARD = "forward"
HEAD = 8  # bytes that hold a number of an answer
WAIT_S = 200.0  # for the end of a command: the longest takes 20 s where the machine does nothing else
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Process:
    """A command that was started; as much of ``subprocess.Popen`` as the tests use."""

    arguments: tuple[str, ...]
    answers: socket.socket
    said: tuple[IO[bytes], IO[bytes]]
    pid: int = field(init=False)
    returncode: int | None = None

    def __post_init__(self) -> None:
        """Learn its process id."""
        self.pid = self._answer()

    def wait(self, timeout: float | None = WAIT_S) -> int:
        """Return the exit code once it has ended; negative where a signal ended it."""
        if self.returncode is None:
            self.answers.settimeout(timeout)
            try:
                self.returncode = self._answer()
            except (BlockingIOError, TimeoutError) as error:
                expired = subprocess.TimeoutExpired(["uderia-bench", *self.arguments], timeout or 0.0)
                if timeout:
                    expired.add_note(f"stderr until then: {self.stderr()[-2000:]}")
                raise expired from error
            self.answers.close()
        return self.returncode

    def stderr(self) -> str:
        """Return what it said on stderr so far, where that is no other stream."""
        if self.said[1].closed:
            return ""
        size = os.fstat(self.said[1].fileno()).st_size
        return os.pread(self.said[1].fileno(), size, 0).decode(errors="replace")

    def poll(self) -> int | None:
        """Return the exit code where it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0.0)
        return None

    def communicate(self, timeout: float | None = WAIT_S) -> tuple[str, str]:
        """Return what it said on stdout and stderr, once it has ended; one that does not is killed."""
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        out, err = (file.seek(0) or file.read().decode(errors="replace") for file in self.said)
        self.close()
        return out, err

    def close(self) -> None:
        """Close the files of its output."""
        for file in self.said:
            file.close()

    def send_signal(self, number: int) -> None:
        """Send it a signal, where it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def _answer(self) -> int:
        return int(_receive(self.answers, HEAD))


def start(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str],
    limits: Mapping[str, int],
    streams: Mapping[int, IO[bytes] | int | None] = MappingProxyType({}),
    through: socket.socket | None = None,
) -> Process:
    """Start a command.

    ``limits`` are resources by their name in ``resource``, and how much of each it may have.
    ``streams`` are what it has as file 1 or 2, where that is not a file whose content is returned.
    None means that the file is closed. ``through`` leads to the process to fork from, where another
    process has started it. Processes share that way: a request is one byte with a file, which no other can come between.
    """
    closed = [number for number, stream in streams.items() if stream is None]
    asked = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "limits": dict(limits), "closed": closed}
    said = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - closed when they have been read
    given = [streams.get(number) or file for number, file in enumerate(said, 1)]
    answers, theirs = socket.socketpair()
    with theirs, tempfile.TemporaryFile() as request:
        request.write(json.dumps(asked).encode())
        request.seek(0)
        fds = [request.fileno(), theirs.fileno(), *(file if isinstance(file, int) else file.fileno() for file in given)]
        socket.send_fds(through or _zygote(), [b"?"], fds)
    return Process(arguments=arguments, answers=answers, said=said)


def run(*arguments: str, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    process = start(*arguments, cwd=cwd, env=env, limits={})
    out, err = process.communicate()
    return subprocess.CompletedProcess(arguments, process.wait(), out, err)


def executable(path: Path) -> None:
    """Write a program that runs the command for a script, which has to inherit the descriptor of ``requests``."""
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" {FORWARD} {requests()} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def requests() -> int:
    """Return the file descriptor through which this process forks commands."""
    return _zygote().fileno()


def _forward(channel: socket.socket, arguments: list[str]) -> int:
    """Run a command with the output of this process, pass signals on to it, and return its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # one that comes before there is a command to pass it on to waits
    process = start(*arguments, cwd=Path.cwd(), env=os.environ, limits={}, streams={1: 1, 2: 2}, through=channel)

    def forward(received: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(process.pid, received)

    for number in SIGNALS:
        signal.signal(number, forward)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    code = process.wait(None)
    process.close()
    return code if code >= 0 else 128 - code


@functools.cache
def _zygote() -> socket.socket:
    """Start the process to fork from, once; return where it takes requests, until this process ends."""
    requests, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, __file__, str(theirs.fileno())]
        # One thread of OpenBLAS, in what is forked too: threads that began with an import do not live on in a fork.
        env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(command, env=env, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)

    def end() -> None:
        requests.close()
        process.wait()

    atexit.register(end)
    return requests


def _receive(channel: socket.socket, size: int) -> bytes:
    """Return as many bytes; raises ``EOFError`` where the other side has gone."""
    body = b""
    while len(body) < size:
        more = channel.recv(size - len(body))
        if not more:
            raise EOFError
        body += more
    return body


def _import_everything() -> None:
    package = importlib.import_module("uderia_bench")
    for module in pkgutil.walk_packages(package.__path__, "uderia_bench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LAZY:
        importlib.import_module(name)
    main = importlib.import_module("typer.main")
    main.get_command = functools.cache(main.get_command)
    main.get_command(importlib.import_module("uderia_bench.cli.app").app)  # half of a short command's CPU time
    for limit in BUSY:
        setattr(importlib.import_module("uderia_bench.analysis.conditions"), limit, math.inf)
    priority = importlib.import_module("uderia_bench.view.priority")
    priority.os = SimpleNamespace(**{**vars(os), "nice": lambda _: 0, "SCHED_IDLE": getattr(os, "SCHED_BATCH", None)})
    gc.collect()
    gc.freeze()


def _fork_on_request(requests: socket.socket) -> dict[str, Any]:
    """Fork for every request; returns in what was forked, as the command it is to be."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, fds, _, _ = socket.recv_fds(requests, 1, 4)
        if not asked:
            sys.exit()
        if os.fork() == 0:
            requests.close()
            with os.fdopen(fds[0]) as file:
                request = json.load(file)
            _wait_for_command(*fds[1:])
            return request
        for fd in fds:
            os.close(fd)


def _wait_for_command(answers: int, stdout: int, stderr: int) -> None:
    """Fork once more: returns in the command; who waits for it tells its process id and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if (child := os.fork()) == 0:
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for fd in (answers, stdout, stderr):
            os.close(fd)
        return
    os.close(stdout)
    os.close(stderr)
    os.write(answers, b"%*d" % (HEAD, child))
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(answers, b"%*d" % (HEAD, os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(request: dict[str, Any]) -> None:
    """Run the command as an interpreter that was started for it would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup or a CI runner may have set it: a test that hangs up must be heard
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    for name, limit in request["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=os.environ.get("PYTHONIOENCODING"))
    for number in request["closed"]:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)
    sys.argv = ["uderia-bench", *request["arguments"]]
    embedded = importlib.import_module("uderia_bench.gateway.embedded")
    embedded.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": _fork_server})
    try:
        importlib.import_module("uderia_bench.cli.app").main()
    except SystemExit as end:
        _exit(end)


def _fork_server(command: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """Fork the embedded server from the command instead of starting an interpreter, which costs 0.35 s of CPU."""
    child = functools.partial(_serve, command[3:])
    return subprocess.Popen(command, **how, preexec_fn=child, restore_signals=False)  # noqa: PLW1509 - waits for no lock


def _serve(arguments: list[str]) -> Never:
    """Be the embedded server in a child that has its streams and no other file of the command."""
    gc.enable()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    sys.stdin, sys.stdout, sys.stderr = (open(number, "w" if number else "r") for number in range(3))  # noqa: PTH123, SIM115
    try:
        code = importlib.import_module("uderia_bench.sim.__main__").main(arguments)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - its last words, as an interpreter's are
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(code)


def _exit(end: SystemExit) -> Never:
    """Exit as an interpreter does after its last statement, without taking its modules apart: that is two thirds of a command.

    Threads are waited for, ``atexit`` functions called, and streams flushed: 120 says that one could not be
    (https://docs.python.org/3/library/sys.html#sys.exit).
    """
    if end.code is not None and not isinstance(end.code, int):
        raise end
    code = end.code or 0
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            code = 120
    os._exit(code & 0xFF)


if __name__ == "__main__":
    if sys.argv[1] == FORWARD:
        sys.exit(_forward(socket.socket(fileno=int(sys.argv[2])), sys.argv[3:]))
    _import_everything()
    _become(_fork_on_request(socket.socket(fileno=int(sys.argv[1]))))
