"""What a profile type is: a named, documented, pure function from a decoded exchange to a trace. It reads nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uderia_bench.profile_types.exchange import Exchange
from uderia_bench.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileType:
    """A kind of Uderia profile and how its turns are read.

    ``recognises`` looks at the events (and the turn), never at what the profile is configured as. ``read`` returns the trace as
    if the agent had answered: ``profile_types.read`` puts the outcome in. Neither may raise, whatever the exchange holds.
    """

    name: str
    doc: str
    recognises: Callable[[Exchange], bool]
    read: Callable[[Exchange], Trace]
