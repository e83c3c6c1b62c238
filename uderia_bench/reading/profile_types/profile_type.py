"""What a profile type is: a named, documented, pure function from a decoded exchange to a trace. It reads nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileType:
    """A kind of Uderia profile and how its turns are read.

    ``recognises`` looks at the events (and the turn), never at what the profile is configured as. ``read`` returns the trace as
    if the agent had answered: ``profile_types.read`` puts the outcome in. ``totals`` reads the same without the steps (plan,
    phases, calls, signals), for a type of which they are most of the work; without it ``read`` does. None may raise, whatever
    the exchange holds.
    """

    name: str
    doc: str
    recognises: Callable[[Exchange], bool]
    read: Callable[[Exchange], Trace]
    totals: Callable[[Exchange], Trace] | None = None
