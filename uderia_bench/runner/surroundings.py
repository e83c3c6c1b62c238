"""The process around a run as the run sees it: environment, terminal, permissions, and how to sign in with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from uderia_bench.documents.experiment import SIM
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import EMBEDDED, for_server
from uderia_bench.gateway.kept_tokens import KeptTokens
from uderia_bench.gateway.trust import Trust, refuse_all
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.printable import plain
from uderia_bench.runs.seal import Seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The process around a run: its environment, terminal, log format and sign-in options.

    The environment gives credentials, and the experiment's commands receive it. ``may`` answers whether they may run.
    ``locks`` is the folder by which runs on this machine take turns on a server. ``seal`` marks the changes of servers
    that they note.
    """

    environ: Mapping[str, str]
    console: Console
    log_as_json: bool = False
    allow_plain_http: bool = False
    trust: Trust = field(default_factory=Trust)
    kept: KeptTokens | None = None
    locks: Path | None = None
    may: Callable[[str], bool] = refuse_all
    seal: Seal = field(default_factory=Seal)

    def say(self, text: str) -> None:
        """Print a message of one line to the terminal. Text from outside cannot control it."""
        self.console.print(plain(text), highlight=False, markup=False)

    def connect(self, server: str, address: str | None = None) -> AbstractAsyncContextManager[Uderia]:
        """Sign in to a server by its name in the experiment; ``address`` is that of an embedded one. Raises ``CannotRun``."""
        there = address or server
        credentials = EMBEDDED if server == SIM else for_server(self.environ, there, self.trust, self.kept)
        kept = None if server == SIM else self.kept
        return connect(there, credentials, allow_plain_http=self.allow_plain_http, kept=kept)
