"""Outages of a server during a run, as the manifest stores them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from uderia_bench.printable import count_of


class Cause(StrEnum):
    """What the run saw of an outage."""

    AWAY = "no answer"
    RESTART = "restart"
    OTHER = "another program answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """One outage: the server, its times in UTC, the trials that were asked again, and those that warmed the server up.

    A restart is often noticed only afterwards; it then begins when it was noticed. ``ended_at`` is None
    while the server is still away.
    """

    server: str
    cause: Cause
    began_at: datetime
    ended_at: datetime | None = None
    asked_again: tuple[str, ...] = ()
    warmups: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The outage for people."""
        began = f"{self.began_at:%Y-%m-%d %H:%M:%S}"
        if self.ended_at is None:
            when = f"{began} UTC until the end of the run"
        elif self.ended_at == self.began_at:
            when = f"{began} UTC"
        else:
            when = f"{began} to {self.ended_at:%H:%M:%S} UTC"
        again = f"asked again {_trials(self.asked_again)}" if self.asked_again else "no trial was affected"
        warm = f", not counted as warm-up {_trials(self.warmups)}" if self.warmups else ""
        return f"outage of {self.server} ({self.cause}), {when}: {again}{warm}"


_NAMED = 5


def _trials(names: tuple[str, ...]) -> str:
    named = ", ".join(names[:_NAMED])
    if len(names) == 1:
        return f"trial {named}"
    return f"{count_of(len(names), 'trial')} ({named}{', …' if len(names) > _NAMED else ''})"
