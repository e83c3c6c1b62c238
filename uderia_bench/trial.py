"""What is asked and what came back: the planned trial, how it ended, and its raw record. Values only.

The record holds the server's bodies as bytes, undecoded: they are stored before anybody interprets them, and whatever is
wrong in them is found by the readers (``profile_types``), never by the runner.

Two clocks, kept apart by name: ``*_s`` are seconds on the run's monotonic clock (0 at the sitting's start, where a field does
not say otherwise) and are for durations; ``*_at`` are UTC and are for people. The server's own stamps are a third clock and
live in the trace, as differences only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

PICKED_UP = "after an interruption"
"""How the note of a trial ends that an earlier sitting had left running: its times are not those of one watched throughout."""


class Stage(StrEnum):
    """Whether a trial counts: warm-ups are kept and never measured."""

    MEASURED = "measured"
    WARMUP = "warmup"


class Outcome(StrEnum):
    """How a trial ended, in the words of the store; only ``ANSWERED`` feeds latency and token statistics."""

    ANSWERED = "answered"
    FAILED = "failed"  # the agent did not answer, whatever status the server gave
    MISROUTED = "misrouted"  # another profile or model served it or took part
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"  # the server would not take it
    UNREACHABLE = "unreachable"
    LOST = "lost"  # the server forgot it


class Ending(StrEnum):
    """What the client itself saw of the end; ``SETTLED`` leaves the outcome to the bodies that came back."""

    SETTLED = "settled"  # the task reached a terminal status
    TIMED_OUT = "timed_out"  # our deadline passed first
    CANCELLED = "cancelled"  # we stopped it ourselves
    RATE_LIMITED = "rate_limited"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One query on one arm, one repetition, as planned.

    ``seq`` is the order of sending (from 0), ``block`` the trials of one query and repetition on all arms, ``window`` the
    stretch of the plan in which one arm has the server to itself; ``repeat`` counts from 1, per stage. ``turn`` is the place
    in its query's conversation, from 1: the turns of a conversation are trials of one session, each asked when the one before
    has ended. ``level`` is the load it is asked at where a sweep has several: trials in flight, or trials a second.
    ``group`` names the queries that depend on each other, None for a query on its own.
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

    @property
    def conversation(self) -> tuple[str, str, Stage, int]:
        """What the turns of one conversation share, and no other trial of the plan."""
        return self.query_id, self.arm, self.stage, self.repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What an arm's trials should be served by, as the server's own configuration had it when the run began.

    ``models`` are ``"Provider/model"`` in the server's spelling: the profile's base model first, then those of a dual-model
    profile. Empty where the server does not say (then only the turn's own model is allowed).
    """

    server: str
    profile_id: str
    profile_tag: str
    profile_type: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """Everything a trial left behind, uninterpreted: times, the client's ending, and the two raw JSON bodies.

    ``due_s``, and ``due_at`` by UTC, is when it should have been sent: in an open loop when the schedule says, in a closed
    loop when a slot was free and nothing paused the run, a later turn when the one before had ended. ``sent_s`` is the
    moment before the query POST was handed to the transport, ``accepted_s`` when its 202 was read, ``stall_s`` for how long
    our own event loop stood still between the two. ``seen_lo_s`` and ``seen_hi_s`` bracket the end as polling saw it, in
    seconds from the send: the last poll that was not terminal and the first that was. Any of them is None where that moment
    never came. ``attempts`` counts askings of the whole trial, ``polls`` the reads of its task. ``decoded`` holds what
    bodies of it decode to, where that was found out on the way: nobody needs it, and who reads a body need not decode it
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
    notes: tuple[str, ...] = ()
    decoded: tuple[tuple[bytes, Any], ...] = field(default=(), compare=False, repr=False)
