"""Type of a profile type: a named, documented, pure function from a decoded exchange to a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uderia_bench.reading.profile_types.exchange import Exchange
from uderia_bench.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileType:
    """A kind of Uderia profile, and the function that reads its turns.

    ``recognises`` looks at the events and the turn, and never at the profile's configuration.
    ``read`` returns the trace as if the agent had answered; ``profile_types.read`` adds the
    outcome. ``totals`` returns the same without the steps (plan, phases, calls, signals), for a
    type where the steps take most of the time; the default is ``read``. These functions must not
    raise, whatever the exchange has.
    """

    name: str
    doc: str
    recognises: Callable[[Exchange], bool]
    read: Callable[[Exchange], Trace]
    totals: Callable[[Exchange], Trace] | None = None
