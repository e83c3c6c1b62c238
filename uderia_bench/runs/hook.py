"""Commands of an experiment that were run around the run and its windows, as the manifest stores them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRecord:
    """One command: its key in the experiment, when and how long it ran, its exit code, and the end of its output.

    ``exit_code`` is negative where a signal ended the command. ``window`` and ``server`` are None for a command
    around the whole run, ``arm`` also for a window of several arms.
    """

    key: str
    command: str
    began_at: datetime
    seconds: float
    exit_code: int
    output: str
    server: str | None = None
    window: int | None = None
    arm: str | None = None

    @property
    def failure(self) -> str:
        """What failed, for people: key, command, window, exit code and the last line of output."""
        where = "" if self.window is None else f" (window {self.window} on {self.server})"
        last = self.output.strip().rpartition("\n")[2]
        return f"{self.key}{where}: '{self.command}' ended with exit code {self.exit_code}" + (f": {last}" if last else "")
