"""A Dask task: one worker of a run in a store, in the process of a Dask worker and with that process's environment.

The command that submits the task gives it an ``Assignment``, which has no credentials. ``ask_to_stop`` is called beside the
task, in the same process.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from dataclasses import dataclass

import anyio
from rich.console import Console

from uderia_bench.errors import BenchError
from uderia_bench.gateway.kept_tokens import KeptTokens, default_file
from uderia_bench.gateway.trust import Trust
from uderia_bench.runner import work
from uderia_bench.runner.stop import Stop
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs.shared import SharedRun

HEED_S = 0.2  # between two looks at whether to stop
_ASKED: Counter[str] = Counter()  # how often each command has asked its tasks in this process to stop
_ONE = threading.Lock()  # a process has one log and one garbage collector, so it works on one run at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a task needs of the command: the run, the permissions that the user gave, and the words that continue the run.

    ``command`` is the id of the command, by which it reaches its tasks and receives their messages.
    """

    command: str
    url: str
    go_on: str
    length_s: float
    allow_plain_http: bool
    trusted: tuple[str, ...]
    allow_commands: bool

    def around(self) -> Surroundings:
        """Return the surroundings of this process, with the permissions of the command."""
        tokens = default_file(os.environ)
        return Surroundings(
            environ=os.environ,
            console=Console(quiet=True),
            allow_plain_http=self.allow_plain_http,
            trust=Trust(self.trusted),
            kept=KeptTokens(tokens),
            locks=tokens.parent / "servers",
            may=lambda _: self.allow_commands,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a task ended before the run was complete. Errors themselves may not survive being pickled."""

    exit_code: int
    message: str


def run(assignment: Assignment) -> Failure | None:
    """Work on a run, one server at a time, until it is complete; return why trials are left otherwise."""
    from distributed import get_worker  # noqa: PLC0415 - of an extra

    worker = get_worker()
    key = worker.get_current_task()

    def orphaned() -> bool:
        """Whether Dask has released the task, as it does when the command has gone. A thread goes on all the same."""
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    async def listen(stop: Stop) -> None:
        heard = 0
        while True:
            while heard < max(_ASKED[assignment.command], orphaned()):
                heard += 1
                stop.ask()
            await anyio.sleep(HEED_S)

    def say(text: str) -> None:
        worker.log_event(assignment.command, text)

    try:
        with _ONE:
            shared = SharedRun.open(assignment.url)
            ways = work.Ways(listen=listen, say=say, go_on=assignment.go_on, one_of_many=True)
            work.work(shared, assignment.around(), at_once=1, length_s=assignment.length_s, ways=ways)
    except BenchError as error:
        return Failure(exit_code=error.exit_code, message=str(error))
    return None


def ask_to_stop(command: str) -> None:
    """Ask the tasks of a command in this process for a soft stop, the next time for a hard one."""
    _ASKED[command] += 1
