"""Map records of a ledger to results in several processes, some records at a time, in the order of the plan.

The processes are forked, because metrics and plug-ins are functions of any kind, which cannot be sent to
another process. A forked process may hang in a library whose threads it does not have. So it only
reads its own ledger and computes in Python, and the frames are made by the process that called.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
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
_Work = Callable[[Iterable[TrialRecord]], _Result]
_ours: list[tuple[Ledger, _Work[Any]]] = []  # in a forked process: its ledger, and what to do


def cores() -> int:
    """Return the number of cores that this process may use; 1 where it may not fork, as on other systems and in a daemon."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" and not current_process().daemon else 1


def each(ledger: Ledger, work: _Work[_Result], *, processes: int) -> Generator[_Result]:
    """Yield the results of ``work`` on the settled records, ``CHUNK`` records at a time. An error of it is raised here."""
    rows = ledger.settled_rows()
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    alone = len(chunks) if processes < 2 or len(rows) < WORTH_IT else 1
    for chunk in chunks[:alone]:  # what the first one imports, forked processes have from the start
        yield work(ledger.records_of(chunk))
    if alone == len(chunks):
        return
    pool = ProcessPoolExecutor(processes, get_context("fork"), initializer=_begin, initargs=(ledger.path, work))
    try:
        waiting: deque[Future[Any]] = deque()
        for chunk in chunks[alone:]:
            waiting.append(pool.submit(_work_on, chunk))
            if len(waiting) > AHEAD * processes:
                yield waiting.popleft().result()
        yield from (future.result() for future in waiting)
    except BrokenProcessPool as error:
        raise StoreError(
            f"{ledger.path}: a process that derived it was ended, perhaps for lack of memory: try again"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(path: Path, work: _Work[Any]) -> None:
    """Open the ledger in a new process. Ctrl-C is for the process that called."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()  # a look at what the caller has would copy its memory
    _ours.append((Ledger.open(path), work))


def _work_on(rows: list[int]) -> Any:
    ((ledger, work),) = _ours
    return work(ledger.records_of(rows))
