"""Map records of a ledger to results in several processes, in the order of the plan.

The processes are forked, because metrics and plug-ins are functions of any kind, which cannot be sent to
another process. A forked process may hang in a library whose threads it does not have. So it only
reads its own ledger and computes in Python, and the frames are made by the process that called.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import current_process, get_context
from pathlib import Path
from typing import Any, TypeVar

from uderia_bench.errors import StoreError
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import TrialRecord

WORTH_IT = 500  # trials; fewer are derived before the processes have started
CHUNK = 20  # trials that a process derives at a time: few, so that no process has much left when the others are done
AHEAD = 6  # chunks for each process, so that memory stays bounded

_Result = TypeVar("_Result")
_Work = Callable[[TrialRecord], _Result]
_ours: list[tuple[Ledger, _Work[Any]]] = []  # in a forked process: its ledger, and what to do


def cores() -> int:
    """Return the number of cores that this process may use; 1 where it may not fork, as on other systems and in a daemon."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" and not current_process().daemon else 1


def each(ledger: Ledger, work: _Work[_Result], *, processes: int) -> Generator[_Result]:
    """Yield the result of every settled record. An error of ``work`` is raised here."""
    rows = ledger.settled_rows()
    if processes < 2 or len(rows) < WORTH_IT:
        yield from map(work, ledger.records_of(rows))
        return
    first, rows = rows[:1], rows[1:]
    yield from map(work, ledger.records_of(first))  # what this imports, the processes have from the start
    pool = ProcessPoolExecutor(processes, get_context("fork"), initializer=_begin, initargs=(ledger.path, work))
    try:
        waiting: deque[Future[list[Any]]] = deque()
        for start in range(0, len(rows), CHUNK):
            waiting.append(pool.submit(_work_on, rows[start : start + CHUNK]))
            if len(waiting) > AHEAD * processes:
                yield from waiting.popleft().result()
        yield from chain.from_iterable(future.result() for future in waiting)
    except BrokenProcessPool as error:
        raise StoreError(
            f"{ledger.path}: a process that derived it was ended, perhaps for lack of memory: try again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(path: Path, work: _Work[Any]) -> None:
    """Open the ledger in a new process. Ctrl-C is for the process that called."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ours.append((Ledger.open(path), work))


def _work_on(rows: list[int]) -> list[Any]:
    ((ledger, work),) = _ours
    return list(map(work, ledger.records_of(rows)))
