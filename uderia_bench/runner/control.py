"""Commands to a run in progress, over a socket in its directory that only its owner can open.

A connection sends one line of JSON and gets one: ``{"do": "pause", "about": "", "who": "…"}``, and the state of the run or
``{"error": "…"}``. ``show`` returns what the server has told of a trial in flight.

Every action is committed to the ledger before it is answered. The run does not depend on
the socket: without it, it only takes no commands.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import orjson
import structlog
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from pydantic import ValidationError

from uderia_bench.documents.experiment_parts import Budget as Limits
from uderia_bench.documents.yaml.checking import suggestion
from uderia_bench.errors import BenchError, UsageError
from uderia_bench.printable import plain
from uderia_bench.runner.arrivals import Arrivals
from uderia_bench.runner.book import Book
from uderia_bench.runner.budget import Budget
from uderia_bench.runner.following import Follower
from uderia_bench.runner.stop import InFlight, Stop
from uderia_bench.runs import find
from uderia_bench.runs.actions import Action
from uderia_bench.trial import Ending, Trial

SOCKET = "control.sock"
ACTIONS = ("status", "pause", "resume", "stop", "set", "cancel", "requeue")
LONGEST = 4096  # bytes of a command
PATIENCE_S = 5.0  # for a command to arrive, and for its answer to be read
_AGAIN_S = 1.0  # between two tries to accept a connection
_CLIENT_GONE = (anyio.BrokenResourceError, anyio.IncompleteRead, anyio.DelimiterNotFound, anyio.EndOfStream, TimeoutError)
_LONGEST_NAME = 60  # characters of who gave a command
_MOST_SLOTS = 10_000
_TO_BE_ASKED = "to be asked again, by "  # begins the detail of a trial from its requeueing until it is sent
log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True, eq=False)
class Control:
    """Takes the commands of one sitting. ``plan`` has its trials by id, ``lanes`` the arms of each server still at work.

    ``skips`` says whether an arm is not asked any more.
    """

    directory: Path
    stop: Stop
    book: Book
    plan: dict[str, Trial]
    utc: Callable[[], datetime]
    budget: Budget | None = None
    flight: InFlight | None = None
    arrivals: list[Arrivals] = field(default_factory=list)
    followers: list[Follower] = field(default_factory=list)
    lanes: dict[str, Collection[str]] = field(default_factory=dict)
    skips: Callable[[str], bool] = lambda _: False
    _again: deque[Trial] = field(default_factory=deque)
    _requeuing: anyio.Lock = field(default_factory=anyio.Lock)
    _idle: set[str] = field(default_factory=set)
    _news: int = 0
    _told: anyio.Event = field(default_factory=anyio.Event)

    async def serve(self) -> None:
        """Take commands until cancelled; where there can be no socket, the log has the reason."""
        path = socket_path(self.directory)
        try:
            listener = await anyio.create_unix_listener(path, mode=0o600)
        except (OSError, ValueError) as error:  # a path that is too long, or a file system without sockets
            log.warning("the run takes no commands", socket=path, error=str(error))
            return
        try:
            async with listener, anyio.create_task_group() as group:
                while True:
                    with suppress(anyio.BrokenResourceError):  # accepting fails while the process has no descriptor left
                        await listener.serve(self._serve, group)
                    log.warning("the run takes no commands until a connection can be accepted again", socket=path)
                    await anyio.sleep(_AGAIN_S)
        finally:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108 - the path may be relative, as the socket's is

    def take(self, server: str) -> list[Trial]:
        """Return the trials that a server is to ask again, and forget them."""
        taken = [trial for trial in self._again if _asks(server, self.lanes[server], trial)]
        self._again = deque(trial for trial in self._again if trial not in taken)
        return taken

    async def goes_on(self, server: str) -> bool:
        """Wait while a server has nothing to ask. Return True once it may have, False once no server has."""
        seen = self._news
        self._idle.add(server)
        async with self._requeuing:  # a trial may be on its way
            pass
        while self._news == seen and self._idle < self.lanes.keys():
            await self.stop.unless(self._told.wait)
            if self.stop.soft.is_set():
                return False
        if self._news == seen:
            self._tell()
            return False
        self._idle.discard(server)
        return True

    def leaves(self, server: str) -> None:
        """Note that a server asks nothing more. What it has left may have gone to others, which look again."""
        del self.lanes[server]
        self._idle.discard(server)
        self._news += 1
        self._tell()

    def _tell(self) -> None:
        self._told.set()
        self._told = anyio.Event()

    async def _serve(self, stream: SocketStream) -> None:
        async with stream:
            with suppress(*_CLIENT_GONE):
                with anyio.fail_after(PATIENCE_S):
                    said = await BufferedByteReceiveStream(stream).receive_until(b"\n", LONGEST)
                with anyio.CancelScope(shield=True):  # a stop may end the run at once, and is answered all the same
                    try:
                        reply = await self.answer(said)
                    except Exception as error:  # noqa: BLE001 - no command may end a run
                        log.warning("a command failed", error=f"{type(error).__name__}: {error}")
                        reply = {"error": f"the command failed: {type(error).__name__}"}
                    with anyio.fail_after(PATIENCE_S):
                        await stream.send(orjson.dumps(reply) + b"\n")

    async def answer(self, said: bytes) -> dict[str, Any]:
        """Carry out the line of a client; return the reply."""
        try:
            asked = orjson.loads(said)
            what, about = (plain(str(asked.get(key) or "")) for key in ("do", "about"))
            if what == "show":
                return {"task": self._shown(about)}
            who = plain(str(asked.get("who") or "somebody"))[:_LONGEST_NAME]
            if what != "status":
                about = await self._do(what, about, who)
                await self.book.act(Action(at=self.utc(), who=who, what=what, about=about))
                self.stop.tell(f"{what}{f' {about}' if about else ''}, by {who}")
        except BenchError as error:
            return {"error": str(error)}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {"error": "this version does not understand the command"}
        return self._status()

    async def _do(self, what: str, about: str, who: str) -> str:
        """Carry out a command; return what the ledger notes it is about."""
        if self.stop.soft.is_set() and what in ("pause", "resume", "set", "requeue"):
            raise UsageError("the run is stopping")
        match what:
            case "pause":
                self.stop.pause()
            case "resume":
                self.stop.go_on()
            case "stop":
                self.stop.because(f"stopped by {who}")
            case "set":
                self._set(about)
            case "cancel":
                about = find.trial(about, [*self.plan.values()]).trial_id
                if self.flight is None or not self.flight.cancel(about):
                    raise UsageError(f"trial {about} is not in flight")
            case "requeue":
                return await self._requeue(about, who)
            case _:
                raise UsageError(f"unknown action {what!r}{suggestion(what, ACTIONS)}")
        return about if what in ("set", "cancel") else ""

    def _set(self, assignment: str) -> None:
        path, _, value = assignment.partition("=")
        if path == "load.concurrency":
            if not value.isdecimal() or not 1 <= int(value) <= _MOST_SLOTS:
                raise UsageError(f"load.concurrency={value}: use a whole number from 1 to {_MOST_SLOTS}")
            if not self.arrivals or not all(each.resize(int(value)) for each in self.arrivals):
                raise UsageError("load.concurrency cannot be changed in an open loop, a sweep or a ramp")
        elif path.startswith("budget.") and self.budget is not None:
            key = path.removeprefix("budget.")
            try:
                changed = Limits.model_validate({**self.budget.limits.model_dump(), key: value}, strict=False)
            except ValidationError as error:
                raise UsageError(f"{assignment}: {error.errors()[0]['msg']}") from error
            self.budget.change(changed)
        else:
            raise UsageError(f"{path}: only load.concurrency and budget.* can be changed while a run goes on")

    async def _requeue(self, wanted: str, who: str) -> str:
        """Ask a settled trial again, with its whole conversation, after the plan; return its id."""
        trial = find.trial(wanted, [*self.plan.values()])
        trial_id = trial.trial_id
        turns = [each for each in self.plan.values() if each.conversation == trial.conversation]
        if not any(_asks(server, arms, trial) for server, arms in self.lanes.items()):
            raise UsageError(f"trial {trial_id} cannot be asked again: its server is asked nothing more in this run")
        if self.skips(trial.arm):
            raise UsageError(f"trial {trial_id} cannot be asked again: the race has dropped {trial.arm}")
        async with self._requeuing:
            records = [record for each in turns if (record := self.book.settled(each.trial_id)) is not None]
            if len(records) < len(turns):
                raise UsageError(f"trial {trial_id} has not ended yet")
            if any((record.detail or "").startswith(_TO_BE_ASKED) for record in records):
                raise UsageError(f"trial {trial_id} is already to be asked again")
            for record in records:
                forgotten = replace(record, ending=Ending.CANCELLED, detail=f"{_TO_BE_ASKED}{who}", task=None, session=None)
                await self.book.settle(replace(forgotten, children=()))
            self._again.extend(turns)
            self._news += 1
            self._tell()
        return trial_id

    def _shown(self, trial_id: str) -> str | None:
        """Return the server's JSON of a trial in flight as of its last poll; None before one, and where it is not followed."""
        pending = self.book.pending(trial_id)
        if pending is None or pending.task_id is None:
            return None
        bodies = filter(None, (follower.show(pending.task_id) for follower in self.followers))
        return next((body.decode(errors="replace") for body in bodies), None)

    def _status(self) -> dict[str, Any]:
        state = "stopping" if self.stop.soft.is_set() else "paused" if self.stop.paused else "running"
        slots = self.arrivals[-1].slots.size if self.arrivals else None
        return {
            "state": state,
            "in_flight": self.flight.count if self.flight is not None else 0,
            "concurrency": slots,
            "budget": None if self.budget is None else self.budget.limits.model_dump(exclude_none=True),
            "asked_again": len(self._again),
        }


def takes_commands_since(directory: Path) -> datetime | None:
    """Return when the process of a run began to take commands; None if none does."""
    try:
        return datetime.fromtimestamp((directory / SOCKET).stat().st_mtime, UTC)
    except OSError:
        return None


def _asks(server: str, arms: Collection[str], trial: Trial) -> bool:
    """Whether a trial can be asked on a server, which is asked some arms."""
    return trial.arm in arms and trial.server in (None, server)


def socket_path(directory: Path) -> str:
    """Return the path of a run's socket in its shorter form, since a socket's path has at most about 100 bytes."""
    path = (directory / SOCKET).absolute()
    with suppress(ValueError):
        return min(str(path), os.path.relpath(path), key=len)
    return str(path)
