"""The planned trial, its outcome and its raw record.

A record has the server's bodies as undecoded bytes. They are stored first;
``reading/profile_types`` interprets them and finds what is wrong in them.

There are two clocks. ``*_s`` are seconds on the run's monotonic clock, from the sitting's start
unless a field says otherwise, and are for durations. ``*_at`` are UTC and are for people. The
server's timestamps are a third clock; the trace has them, as differences only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

PICKED_UP = "after an interruption"
"""End of the note of a trial that an earlier sitting left running. Its end was seen late, so its polled times are too long."""


THROTTLED = "the server answered HTTP 429"
"""Beginning of the note of a trial with requests that the server refused for a time."""


class Stage(StrEnum):
    """Whether a trial is measured; warm-ups are stored and left out of the statistics."""

    MEASURED = "measured"
    WARMUP = "warmup"


class Outcome(StrEnum):
    """Outcome of a trial, as stored. Only ``ANSWERED`` trials enter the statistics of latency and tokens."""

    ANSWERED = "answered"
    FAILED = "failed"  # the agent did not answer, even if the server calls it a success
    MISROUTED = "misrouted"  # another profile or model served it or took part
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"  # the server did not accept it
    UNREACHABLE = "unreachable"
    LOST = "lost"  # the server no longer knows it


class Ending(StrEnum):
    """End of a trial as the client saw it. For ``SETTLED``, the bodies that came back decide the outcome."""

    SETTLED = "settled"  # the task reached a terminal status
    TIMED_OUT = "timed_out"  # the timeout came first
    CANCELLED = "cancelled"  # the client cancelled it
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One query on one arm, one repetition, as planned.

    ``seq`` is the order of sending, from 0. ``block`` numbers the trials of one query and
    repetition on all arms. ``window`` numbers the part of the plan in which only one arm uses the
    server. ``repeat`` counts from 1, per stage. ``turn`` is the position in the query's
    conversation, from 1: the turns of a conversation are trials of one session, each asked after
    the one before has ended. ``level`` is the load in a sweep: trials in flight, or trials per
    second. ``group`` names the queries that depend on each other, None for a query alone.
    ``weight`` is how much the query counts in estimates, None where all count the same. ``server``
    is the name of the server to ask, which all trials of a block share where their arms share
    servers. It is None in runs of earlier versions, which ask each arm on one server.
    """

    trial_id: str
    seq: int
    block: int
    window: int
    stage: Stage
    query_id: str
    prompt: str
    complexity: str | None
    tags: tuple[str, ...]
    arm: str
    repeat: int
    turn: int = 1
    level: float | None = None
    group: str | None = None
    weight: float | None = None
    server: str | None = None

    @property
    def conversation(self) -> tuple[str, str, Stage, int]:
        """Key that the turns of one conversation share, and no other trial of the plan."""
        return self.query_id, self.arm, self.stage, self.repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Profile and models that should serve an arm's trials, from the server's configuration when the run began.

    ``models`` are ``"Provider/model"`` in the server's spelling: the profile's base model, then
    those of a dual-model profile. They are empty where the server does not name them; then only the
    turn's own model is allowed. ``elsewhere`` is the same arm on the other servers of its pool.
    """

    server: str
    profile_id: str
    profile_tag: str
    profile_type: str
    models: tuple[str, ...] = ()
    elsewhere: tuple[Serving, ...] = ()

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers on which the arm is asked."""
        return (self.server, *(other.server for other in self.elsewhere))

    def on(self, server: str | None) -> Serving:
        """Return what serves the arm on one of its servers. An arm with one server is asked there, whatever ``server`` is."""
        if not self.elsewhere:
            return self
        return {each.server: replace(each, elsewhere=()) for each in (self, *self.elsewhere)}[server or self.server]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """Raw record of a trial: its times, the client's view of the end, and the JSON bodies as they came.

    ``due_s`` (``due_at`` in UTC) is when the trial should have been sent. In an open loop, the
    schedule says when. In a closed loop, it is when a slot was free and the run was not paused; for
    a later turn, when the turn before had ended. ``sent_s`` is taken before the query's POST
    request, ``accepted_s`` when its 202 was read, and ``stall_s`` is how long the client's event
    loop was blocked between the two. ``seen_lo_s`` and ``seen_hi_s`` are the last poll that was not
    terminal and the first that was, in seconds from the send. A moment that did not come is None.

    ``attempts`` counts how often the whole trial was asked, ``polls`` the reads of its task.
    ``children`` are the bodies of the sessions of the profiles that a coordinator consulted, in no
    order. ``decoded`` has bodies that were already decoded, so that a reader need not decode them
    again.
    """

    trial: Trial
    expected: Serving
    ending: Ending
    detail: str | None
    attempts: int = 1
    polls: int = 0
    session_id: str | None = None
    task_id: str | None = None
    due_s: float | None = None
    sent_s: float | None = None
    accepted_s: float | None = None
    stall_s: float | None = None
    seen_lo_s: float | None = None
    seen_hi_s: float | None = None
    due_at: datetime | None = None
    sent_at: datetime | None = None
    accepted_at: datetime | None = None
    done_at: datetime | None = None
    task: bytes | None = None
    session: bytes | None = None
    children: tuple[bytes, ...] = ()
    notes: tuple[str, ...] = ()
    decoded: tuple[tuple[bytes, Any], ...] = field(default=(), compare=False, repr=False)

    @property
    def last_at(self) -> datetime | None:
        """When its end was seen; for a trial whose server went away, the last moment before that."""
        return self.done_at or self.accepted_at or self.sent_at or self.due_at
