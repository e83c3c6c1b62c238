"""Changes a server's state for a run, so that everything can be undone.

Each change is committed to the run's journal with the state before it, then sent, then committed as
applied. Undoing may be repeated, and works for a change that never arrived. It leaves alone what
somebody else has changed in the meantime, and what was noted on another machine, by another user or by
hand, unless the user trusts the run.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import structlog

from uderia_bench.errors import CallFailed, CannotRun, Gone
from uderia_bench.gateway import managing
from uderia_bench.gateway.trust import refuse_all
from uderia_bench.gateway.uderia import Uderia
from uderia_bench.runs import mirror
from uderia_bench.runs.changes import Change, ChangeState, Noted
from uderia_bench.runs.journal import ChangeJournal
from uderia_bench.trial import TrialRecord

PROFILE_FIELDS = "profile fields"
NEW_PROFILE = "new profile"
SWITCH = "collection switch"
COPY = "collection copy"
CASES = "collection cases"
SKILL = "skill"
PROMPTS = "prompts of a profile"
PROFILE_ID, SKILL_ID = "profile-bench-", "uderia-bench-"  # how the ids begin that a run gives: nothing else is deleted
UNDO_S = 120.0
"""The longest time for undoing changes at the end of a window or a run. A server that is away for longer needs ``restore``."""
SETTLE_S = 2.0
"""Time from the end of the last trial until a collection is switched on again. The server decides whether it stores a plan
when it writes it, up to 1.7 s after the end of the task."""
RUNNING_S = 60.0
"""The longest wait for a query that a killed process left running. Then it is cancelled."""
LOOK_S = 0.05
log = structlog.get_logger(__name__)

_Apply: TypeAlias = Callable[[Uderia, Change, Path], Awaitable[str | None]]
_Undo: TypeAlias = Callable[[Uderia, Noted, float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change.

    ``apply`` returns the id that the server chose, if it chose one. ``undo`` may be repeated. Its last
    argument is the time to wait before a collection is switched on.
    """

    apply: _Apply
    undo: _Undo


class ChangedByOthers(CannotRun):
    """What a run changed has neither the value before nor the value after it: somebody else has changed it."""


class NotOurs(CannotRun):
    """The change was noted on another machine, by another user or by hand, and the user does not trust the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Managed:
    """The state of the servers of one run, which ``servers`` holds by name. ``folder`` is the run's directory.

    ``may`` answers whether a change of a server may be undone that no run of this user noted on this machine.
    """

    servers: Mapping[str, Uderia]
    journal: ChangeJournal
    folder: Path
    settle_s: float = SETTLE_S
    may: Callable[[str], bool] = refuse_all

    async def apply(self, change: Change) -> Noted:
        """Commit and send a change. If it fails, it stays in the journal and ``restore`` undoes it."""
        noted = await anyio.to_thread.run_sync(self.journal.plan, change)
        try:
            made = await KINDS[change.kind].apply(self.servers[change.server], change, self.folder)
        except CallFailed as error:
            raise CannotRun(f"{change}: {error}") from error
        log.info("server changed", kind=change.kind, about=change.about or made, server=change.server, arm=change.arm)
        applied = replace(noted, state=ChangeState.APPLIED, made=made)
        await self._mark(applied, ChangeState.APPLIED)
        return applied

    async def undo(self, noted: Noted) -> None:
        """Bring back the state before a change and commit that; raises ``CannotRun`` if the server does not let it."""
        server = self.servers.get(noted.change.server)
        if server is not None and not await anyio.to_thread.run_sync(self.journal.is_own, noted):
            said = f"{noted.described}: no run of yours on this machine noted this change"
            if not self.may(f"{said}. Undo it?"):
                raise NotOurs(said)
        try:
            if server is not None:  # else it was an embedded server, which ended with its state
                await KINDS[noted.change.kind].undo(server, noted, self.settle_s)
        except CallFailed as error:
            raise CannotRun(f"{noted.change}: {error}") from error
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # of a ledger that somebody else wrote
            raise CannotRun(f"{noted.change}: not a change that a run makes ({type(error).__name__})") from error
        log.info("server restored", kind=noted.change.kind, about=noted.about, server=noted.change.server)
        await self._mark(noted, ChangeState.RESTORED)

    async def restore(self, *, keep: Iterable[str] = ()) -> tuple[Noted, ...]:
        """Undo everything that is not restored, the newest change first; return what was undone.

        A query that a killed process left running ends before that, since its plan could be stored after
        it. Changes of the kinds in ``keep`` stay. Raises ``CannotRun`` with everything that could not be
        undone, after the rest was.
        """
        done, failed = list[Noted](), list[CannotRun]()
        outstanding = await anyio.to_thread.run_sync(self.journal.outstanding)
        if outstanding:
            for record in await anyio.to_thread.run_sync(self.journal.in_doubt):
                await self._ends(record)
        for noted in outstanding:
            if noted.change.kind in keep:
                continue
            try:
                await self.undo(noted)
            except CannotRun as error:
                failed.append(error)
            else:
                done.append(noted)
        if failed:
            foreign = any(isinstance(error, NotOurs) for error in failed)
            raise CannotRun(f"not restored: {'; '.join(map(str, failed))}; {self._again(foreign=foreign)}")
        return tuple(done)

    async def _ends(self, record: TrialRecord) -> None:
        """Wait until a query that may be running has ended, and cancel it after ``RUNNING_S``."""
        uderia = self.servers.get(record.expected.server)
        if uderia is None or record.session_id is None:
            return
        try:
            with anyio.move_on_after(RUNNING_S) as waiting:
                while await _is_running(uderia, record):  # noqa: ASYNC110 - the server has no event for it
                    await anyio.sleep(LOOK_S)
            if waiting.cancelled_caught and record.task_id is not None:
                await uderia.cancel(record.task_id)
        except CallFailed as error:
            log.warning("the end of a query is not known", trial=record.trial.trial_id, error=str(error))

    @asynccontextmanager
    async def changed(self, changes: Iterable[Change]) -> AsyncGenerator[tuple[Noted, ...]]:
        """Apply changes before the block and undo them after it, however it ends."""
        applied: list[Noted] = []  # the newest first
        try:
            for change in changes:
                applied.insert(0, await self.apply(change))
            yield tuple(reversed(applied))
        finally:
            async with self.undoing():
                for noted in applied:
                    await self.undo(noted)

    @asynccontextmanager
    async def undoing(self) -> AsyncGenerator[None]:
        """Let nothing cancel the block for ``UNDO_S``; raises ``CannotRun`` if it needs longer."""
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + UNDO_S) as scope:
            yield
        if scope.cancelled_caught:
            raise CannotRun(f"not restored: the server did not answer within {UNDO_S:g} s; {self._again()}")

    def _again(self, *, foreign: bool = False) -> str:
        command = f"uderia-bench restore {mirror.typed(self.folder)}"
        if foreign:
            return f"if you trust the sender of the run, '{command} --trust-run' undoes the rest"
        return f"'{command}' undoes the rest"

    async def _mark(self, noted: Noted, state: ChangeState) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.journal.mark, noted, state)


async def _is_running(uderia: Uderia, record: TrialRecord) -> bool:
    try:
        if record.task_id is not None:
            return not (await uderia.task(record.task_id)).terminal
        session = await uderia.session(record.session_id or "")
    except Gone:
        return False
    number = record.trial.turn
    return session.prompts() >= number and session.turn_of(None, number) is None


async def _set_fields(uderia: Uderia, change: Change, _: Path) -> None:
    await managing.update_profile(uderia, change.about, change.after)


async def _set_fields_back(uderia: Uderia, noted: Noted, _: float) -> None:
    """Set fields of a profile back; a field that was not there becomes null, as the server cannot remove one."""
    change = noted.change
    document = await managing.profile(uderia, change.about)
    if document is None:
        return
    now = {name: document.get(name) for name in change.before}
    if now == change.before:
        return
    if now != change.after:
        raise ChangedByOthers(f"{change}: somebody else has changed it since, to {now}; it was {change.before} before the run")
    await managing.update_profile(uderia, change.about, change.before)


async def _create_profile(uderia: Uderia, change: Change, _: Path) -> None:
    await managing.create_profile(uderia, {**change.after, "id": change.about})


async def _delete_profile(uderia: Uderia, noted: Noted, _: float) -> None:
    await managing.delete_profile(uderia, _of_a_run(noted, PROFILE_ID))


async def _switch(uderia: Uderia, change: Change, _: Path) -> None:
    await managing.switch_collection(uderia, int(change.about), on=bool(change.after))


async def _switch_back(uderia: Uderia, noted: Noted, settle_s: float) -> None:
    change = noted.change
    found = await _collection(uderia, int(change.about))
    if found is not None and bool(found.get("enabled")) != bool(change.before):
        await anyio.sleep(settle_s if change.before else 0.0)
        await managing.switch_collection(uderia, int(change.about), on=bool(change.before))


async def _copy(uderia: Uderia, change: Change, folder: Path) -> str:
    archive = await anyio.Path(folder / change.after["archive"]).read_bytes()
    return str(await managing.import_collection(uderia, archive, change.after["mcp_server_id"]))


async def _delete_copy(uderia: Uderia, noted: Noted, _: float) -> None:
    """Delete the copy. Where its id was lost, it is the collection of its name that was not there before."""
    change = noted.change
    if noted.made is not None:
        await managing.delete_collection(uderia, int(noted.made))
        return
    for found in await managing.collections(uderia):
        if found["id"] not in change.before and found.get("name") == change.after["name"] and found.get("is_owned"):
            await managing.delete_collection(uderia, found["id"])


async def _fill(_: Uderia, __: Change, ___: Path) -> None:
    """Do nothing now. The trials of the run fill the collection."""


async def _empty(uderia: Uderia, noted: Noted, _: float) -> None:
    """Empty a collection again that was empty before the run."""
    if await _collection(uderia, int(noted.change.about)) is not None:
        await managing.reset_collection(uderia, int(noted.change.about))


async def _collection(uderia: Uderia, collection_id: int) -> dict[str, Any] | None:
    return next((one for one in await managing.collections(uderia) if one["id"] == collection_id), None)


async def _write_skill(uderia: Uderia, change: Change, _: Path) -> None:
    await managing.write_skill(uderia, change.about, **change.after)


async def _delete_skill(uderia: Uderia, noted: Noted, _: float) -> None:
    await managing.delete_skill(uderia, _of_a_run(noted, SKILL_ID))


async def _map_prompts(uderia: Uderia, change: Change, _: Path) -> None:
    await managing.map_prompts(uderia, change.about, change.after)


async def _unmap_prompts(uderia: Uderia, noted: Noted, _: float) -> None:
    await managing.unmap_prompts(uderia, _of_a_run(noted, PROFILE_ID))


def _of_a_run(noted: Noted, prefix: str) -> str:
    """Return the id of what a run made; raises ``ValueError`` for another id, as a foreign ledger may have."""
    if not noted.change.about.startswith(prefix):
        raise ValueError(noted.change.about)
    return noted.change.about


KINDS: Mapping[str, Kind] = {
    PROFILE_FIELDS: Kind(_set_fields, _set_fields_back),
    NEW_PROFILE: Kind(_create_profile, _delete_profile),
    SWITCH: Kind(_switch, _switch_back),
    COPY: Kind(_copy, _delete_copy),
    CASES: Kind(_fill, _empty),
    SKILL: Kind(_write_skill, _delete_skill),
    PROMPTS: Kind(_map_prompts, _unmap_prompts),
}
"""The kinds of change by name.

``before`` and ``after`` are the values of profile fields by name. For a new profile they are None and
its document, for a switch whether it is on. A copy has the ids of the collections before it, and its
name, archive and MCP server. Cases have None, since the collection is empty before. A new skill has its
content and name, and prompts are those of a profile that the run has made, by category and subcategory.
"""
