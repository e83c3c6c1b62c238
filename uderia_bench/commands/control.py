"""Commands to a run in progress, sent to its process."""

from __future__ import annotations

import getpass
import socket
from typing import Any

import orjson

from uderia_bench.errors import CannotRun, UsageError
from uderia_bench.runner.control import socket_path
from uderia_bench.runs.directory import RunDirectory

TIMEOUT_S = 10.0
_LARGEST = 1 << 28  # bytes of a reply, which may hold a task
_STATE = {"state", "in_flight", "concurrency"}


def ask(directory: RunDirectory, what: str, about: str = "", *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Give a command to a run and return its state.

    The state of a run without a process is in its manifest. Raises ``CannotRun`` where no process takes another
    command, and ``UsageError`` where the run refuses this one.
    """
    said = {"do": what, "about": about, "who": _who()}
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(timeout_s)
            line.connect(socket_path(directory.path))
            line.sendall(orjson.dumps(said) + b"\n")
            with line.makefile("rb") as replies:
                reply: Any = orjson.loads(replies.readline(_LARGEST))
    except (OSError, orjson.JSONDecodeError) as error:
        state = "abandoned" if directory.abandoned() else directory.state()
        running = state == "running"
        if what == "status" and not running:
            return {"state": state, "in_flight": 0, "concurrency": None, "budget": None, "asked_again": 0}
        why = f"its process does not answer ({error})" if running else "no process works on it now"
        raise CannotRun(f"run {directory.run_id} takes no commands: {why}") from error
    if not isinstance(reply, dict) or not (reply.keys() >= _STATE or reply.keys() & {"error", "task"}):
        raise CannotRun(f"run {directory.run_id} takes no commands: what answers is not this version of uderia-bench")
    if "error" in reply:
        raise UsageError(str(reply["error"]))
    return dict(reply)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "somebody"
