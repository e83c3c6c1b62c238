"""The priority of the view's process, below that of a run on the same machine."""

from __future__ import annotations

import os
from contextlib import suppress

_LOWEST = 19  # of the steps of ``nice``


def lower() -> None:
    """Let this process use only CPU time that no other process of its session wants.

    Call it before threads start, because on Linux a thread keeps the policy that it inherits. The idle policy of Linux gives
    the CPU back as soon as a process of the run wakes. A process that is only nice keeps it to the end of its time slice, and
    the run's clock waits for that.
    """
    with suppress(AttributeError, OSError):
        os.nice(_LOWEST)
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
