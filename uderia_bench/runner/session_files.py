"""Reads the session files of a trial: its own, and those of the profiles that a coordinator consulted."""

from __future__ import annotations

from dataclasses import replace

import anyio
import structlog

from uderia_bench.errors import CallFailed, Gone
from uderia_bench.gateway import task_file
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.runner.draft import Draft
from uderia_bench.trial import Ending

LATE_READS = 3  # reads of a session file whose turn is not written yet (docs/reference/seed.md, "Session file")
LATE_WAIT_S = 0.5
MOST_CHILDREN = 16  # sessions of consulted profiles that are read for one trial
MOST_CHILD_BYTES = 2**26  # of these sessions together, so that a record fits the ledger
CHILDREN_WAIT_S = 30.0  # for reading them
log = structlog.get_logger(__name__)


async def read_session(uderia: Uderia, draft: Draft, session_id: str) -> None:
    """Read the session file, again while it lacks the turn of an ended task.

    A session that stays missing is noted; the task alone is enough for most numbers.
    """
    settled = draft.record.ending is Ending.SETTLED
    turn, task_id = draft.record.trial.turn, draft.record.task_id
    for look in range(LATE_READS):
        if look:
            await anyio.sleep(LATE_WAIT_S)
        try:
            file = await uderia.session(session_id)
        except Gone as error:
            missing = f"no session file: {error}"
            continue
        except CallFailed as error:
            missing = f"no session file: {error}"
            break
        decoded = (*draft.record.decoded, (file.body, file.data))
        draft.record = replace(draft.record, session=file.body, decoded=decoded)
        if not settled or file.turn_of(task_id, turn) is not None:
            return
        missing = "the session file has no turn of the task"
    draft.note(missing)


async def read_children(uderia: Uderia, draft: Draft) -> None:
    """Read the sessions of the profiles that a coordinator consulted, and of those that they consulted.

    A session that is missing is only logged: the reader of the record marks the totals as a
    lower bound.
    """
    waiting = list(task_file.child_sessions(draft.record.task or draft.record.session or b""))
    seen = {draft.record.session_id}
    children: list[bytes] = []
    with anyio.move_on_after(CHILDREN_WAIT_S):
        while waiting and len(seen) <= MOST_CHILDREN:
            session_id = waiting.pop(0)
            if session_id in seen:
                continue
            seen.add(session_id)
            try:
                file = await uderia.session(session_id)
            except CallFailed as error:
                trial_id = draft.record.trial.trial_id
                log.warning("session of a consulted profile not read", trial=trial_id, session=session_id, error=str(error))
                continue
            if sum(map(len, children)) + len(file.body) <= MOST_CHILD_BYTES:
                children.append(file.body)
            waiting += task_file.child_sessions(file.body)
    draft.record = replace(draft.record, children=tuple(children))
