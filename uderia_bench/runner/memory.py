"""Brings the server's memory of earlier plans into the state that each arm names, around each of its windows.

Two levers of the user do it. ``ragCollections`` of the arm's profile says where plans are found,
and the switch of the user's first planner collection, its *home*, says whether plans are stored.

| memory | plans are found in | home |
|---|---|---|
| off | home | off |
| frozen, placebo | a copy that the run made | off |
| learning | home, which was empty before the run | on |

A plan is stored after its task has ended. Its id follows from session and turn, so the runner waits until
the session lists it, and no trial is asked while the plan of an earlier one is unwritten
(docs/reference/learning.md, "Writing").
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import structlog

from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.experiment_parts import Arm
from uderia_bench.documents.memory import AS_IS, COPIED
from uderia_bench.errors import CallFailed, CannotRun
from uderia_bench.gateway import managing, placebo
from uderia_bench.gateway.session_file import SessionFile
from uderia_bench.json_text import parse_json
from uderia_bench.printable import count_of
from uderia_bench.runner import managed
from uderia_bench.runner.managed import Managed
from uderia_bench.runs import files
from uderia_bench.runs.changes import Change, Noted
from uderia_bench.trial import Ending, Serving, Stage, TrialRecord

PLANNER_TYPE = "tool_enabled"
UNWRITTEN_S = 5.0
"""Longest time from the end of a task until its plan is stored. The slowest of six at once took 1.7 s."""
LOOK_S = 0.02
log = structlog.get_logger(__name__)

_OURS = (managed.PROFILE_FIELDS, managed.SWITCH, managed.COPY, managed.CASES)
_OTHERS = tuple(kind for kind in managed.KINDS if kind not in _OURS)  # undone by those who made them
_Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Memory:
    """The memory of a run's arms. ``arms`` has the configuration of each on its server."""

    experiment: Experiment
    arms: Mapping[str, Serving]
    managed: Managed
    _homes: dict[str, _Json] = field(default_factory=dict)  # by arm
    _read: dict[str, int] = field(default_factory=dict)  # by arm: the collection in which it finds plans
    _copies: dict[tuple[str, str], int] = field(default_factory=dict)  # by server and archive
    _off: dict[str, Noted] = field(default_factory=dict)  # by server: the switch of its home, while that is off
    _unwritten: dict[str, dict[str, str]] = field(default_factory=dict)  # by server: id of the plan -> session

    @asynccontextmanager
    async def run(self, *, left: int) -> AsyncGenerator[None]:
        """Undo what a killed sitting left, make the copies, and undo everything after the block, however it ends.

        The plans that a killed sitting has stored for a learning arm stay until the end of the run. Without
        a trial ``left`` to ask, nothing is made.
        """
        await self.managed.restore(keep=(managed.CASES, *_OTHERS))
        try:
            for arm in self.experiment.arms if left else ():
                await self._prepare(arm)
            yield
        finally:
            async with self.managed.undoing():
                await self.managed.restore(keep=_OTHERS)

    @asynccontextmanager
    async def window(self, arms: set[str], *, warmup: bool) -> AsyncGenerator[None]:
        """Bring the server into the state of a window's arm, check it, and undo that after the block.

        A learning arm warms up without memory, so that its first measured repeat finds nothing.
        """
        arm = self.experiment.arm(min(arms))
        server = self.arms[arm.name].server
        await self._idle(server)
        if arm.memory == AS_IS:
            await self._switch_on(server)
            yield
            await self._idle(server)
            return
        found_in = self._read[arm.name]
        on = arm.memory == "learning" and not warmup
        if on:
            await self._switch_on(server)
        needed = [change async for change in self._needed(arm, found_in, on=on)]
        for change in needed:
            if change.kind == managed.SWITCH and server not in self._off:
                self._off[server] = await self.managed.apply(change)
        async with self.managed.changed(change for change in needed if change.kind != managed.SWITCH):
            if (left := [str(change) async for change in self._needed(arm, found_in, on=on)]) != []:
                raise CannotRun(f"{arm.name}: memory {arm.memory} has no effect on the server: {', '.join(left)}")
            yield
            await self._idle(server)

    async def _switch_on(self, server: str) -> None:
        """Switch a home on again that an earlier window has switched off. It stays off from window to window."""
        if (noted := self._off.pop(server, None)) is not None:
            await self.managed.undo(noted)

    async def ended(self, record: TrialRecord) -> None:
        """Note that a trial has ended, and wait for its plan where the next trial of the arm must find it."""
        arm, serving = self.experiment.arm(record.trial.arm), self.arms[record.trial.arm]
        stores = arm.memory == AS_IS or (arm.memory == "learning" and record.trial.stage is Stage.MEASURED)
        if not stores or not _is_stored(record, serving):
            return
        assert record.session_id is not None, "a settled trial has a session"
        wanted = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{record.session_id}_{record.trial.turn}"))
        if wanted not in _plans(_decoded(record)):
            self._unwritten.setdefault(serving.server, {})[wanted] = record.session_id
            if arm.memory == "learning":
                await self._idle(serving.server)

    async def _idle(self, server: str) -> None:
        """Wait until every plan is written, or is so late that it will not be."""
        unwritten = self._unwritten.get(server, {})
        with anyio.move_on_after(UNWRITTEN_S):
            while unwritten:
                for wanted, session_id in list(unwritten.items()):
                    try:
                        session = await self.managed.servers[server].session(session_id)
                    except CallFailed as error:
                        log.warning("session not read", session=session_id, error=str(error))
                        continue
                    if wanted in _plans(session.data):
                        del unwritten[wanted]
                if unwritten:
                    await anyio.sleep(LOOK_S)
        for session_id in unwritten.values():
            log.warning("the server did not store the plan of a trial", session=session_id)
        unwritten.clear()

    async def _prepare(self, arm: Arm) -> None:
        """Find an arm's home, and make its copy or begin its memory; raises ``CannotRun`` where that would change others."""
        serving = self.arms[arm.name]
        teaches = serving.profile_type == PLANNER_TYPE
        if arm.memory == AS_IS:
            others = [each.name for each in self.experiment.arms if each.memory == "learning"]
            if teaches and any(self.arms[other].server == serving.server for other in others):
                raise CannotRun(f"{arm.name}: memory as-is would fill the memory of {', '.join(others)}: write memory: off")
            return
        if not teaches:
            raise CannotRun(f"{arm.name}: memory: {arm.memory} needs a {PLANNER_TYPE} profile; this is {serving.profile_type}")
        uderia = self.managed.servers[serving.server]
        document = await managing.profile(uderia, serving.profile_id) or {}
        owned = [one for one in await managing.collections(uderia) if one.get("is_owned")]
        planners = [one for one in owned if _is_planner(one, document)]
        if not planners:
            raise CannotRun(f"{arm.name}: the user has no planner collection on {serving.server}: sign in to its web page once")
        home = self._homes[arm.name] = min(planners, key=lambda one: int(one["id"]))
        if home.get("visibility") != "private" or home.get("subscriber_count"):
            raise CannotRun(
                f"{arm.name}: collection {home['id']} ({home.get('name')}) is shared with other users, "
                "whose memory this would change: use another user"
            )
        if arm.memory == "learning":
            await self._begin_empty(arm, home)
        copied = arm.memory in COPIED
        self._read[arm.name] = await self._copy(arm, _chosen(arm, planners, home), owned) if copied else int(home["id"])

    async def _begin_empty(self, arm: Arm, home: _Json) -> None:
        """Note that the trials of the run fill a collection; raises ``CannotRun`` unless all its cases are the run's."""
        server = self.arms[arm.name].server
        filling = Change(server=server, kind=managed.CASES, about=str(home["id"]), before=None, after=None, arm=arm.name)
        journal = self.managed.journal
        if any(noted.change == filling and journal.is_own(noted) for noted in journal.outstanding()):
            return
        if not home.get("enabled"):
            raise CannotRun(f"{arm.name}: collection {home['id']} is switched off: switch it on, so that it can learn")
        if number := await managing.count_cases(self.managed.servers[server], home["id"]):
            raise CannotRun(
                f"{arm.name}: memory: learning needs an empty collection {home['id']} ({home.get('name')}), and it has "
                f"{count_of(number, 'case')} that this run did not make: use another user, or reset the collection"
            )
        await self.managed.apply(filling)

    async def _copy(self, arm: Arm, source: _Json, owned: list[_Json]) -> int:
        """Import a copy of a collection, once for the arms that read it, and return its id.

        The archive is kept with the run, so that a resumed run has the same cases.
        """
        server = self.arms[arm.name].server
        uderia = self.managed.servers[server]
        archive = self.managed.folder / f"cases-{sorted(self.managed.servers).index(server)}-{source['id']}.zip"
        if not archive.exists():
            if not source.get("enabled") or not await managing.count_cases(uderia, source["id"]):
                named = f"collection {source['id']} ({source.get('name')})"
                raise CannotRun(f"{arm.name}: {named} has no cases to copy: name another one under cases")
            files.write(archive, await managing.export_collection(uderia, source["id"]))
        if arm.memory == "placebo":
            archive = files.write(archive.with_stem(f"{archive.stem}-placebo"), placebo.exchanged(files.read(archive)))
        if (server, archive.name) not in self._copies:
            name = f"{source.get('name')} (Imported)"
            after = {"name": name, "archive": archive.name, "mcp_server_id": source.get("mcp_server_id")}
            before = [one["id"] for one in owned]
            change = Change(server=server, kind=managed.COPY, about="", before=before, after=after, arm=arm.name)
            self._copies[server, archive.name] = int((await self.managed.apply(change)).about)
        return self._copies[server, archive.name]

    async def _needed(self, arm: Arm, found_in: int, *, on: bool) -> AsyncGenerator[Change]:
        """Yield the changes that the server still needs for an arm."""
        serving, home = self.arms[arm.name], self._homes[arm.name]["id"]
        uderia = self.managed.servers[serving.server]
        document = await managing.profile(uderia, serving.profile_id) or {}
        before, after = {"ragCollections": document.get("ragCollections")}, {"ragCollections": [found_in]}
        if before != after:
            about = serving.profile_id
            kind = managed.PROFILE_FIELDS
            yield Change(server=serving.server, kind=kind, about=about, before=before, after=after, arm=arm.name)
        enabled = any(one["id"] == home and one.get("enabled") for one in await managing.collections(uderia))
        if enabled != on:
            yield Change(server=serving.server, kind=managed.SWITCH, about=str(home), before=enabled, after=on, arm=arm.name)


def _is_planner(collection: _Json, profile: _Json) -> bool:
    server = profile.get("mcpServerId")
    return collection.get("repository_type") == "planner" and server in (None, collection.get("mcp_server_id"))


def _chosen(arm: Arm, planners: list[_Json], home: _Json) -> _Json:
    """Return the collection that an arm copies."""
    if arm.cases is None:
        return home
    named = [one for one in planners if arm.cases in (str(one["id"]), one.get("name"))]
    if len(named) != 1:
        known = ", ".join(f"{one['id']} ({one.get('name')})" for one in planners)
        raise CannotRun(f"{arm.name}: cases {arm.cases!r} names {len(named) or 'none'} of the user's collections: {known}")
    return named[0]


def _decoded(record: TrialRecord) -> _Json:
    """Return the session of a trial, empty where it is not a JSON object."""
    try:
        data = parse_json(record.session or b"").value
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _plans(session: _Json) -> set[str]:
    """Return the ids of the plans that a session lists."""
    listed = session.get("rag_cases")
    return {str(one.get("case_id")) for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()


def _is_stored(record: TrialRecord, serving: Serving) -> bool:
    """Whether the server will store the plan of a trial: its turn succeeded, without an error and not from an earlier turn.

    Source: docs/reference/learning.md, "Writing".
    """
    if record.ending is not Ending.SETTLED or serving.profile_type != PLANNER_TYPE:
        return False
    turn = SessionFile(body=b"", data=_decoded(record)).turn_of(record.task_id, record.trial.turn)
    trace = (turn or {}).get("execution_trace")
    if turn is None or turn.get("is_partial") or not isinstance(trace, list):
        return False
    return not any(_prevents(entry) for entry in trace if isinstance(entry, dict))


def _prevents(entry: _Json) -> bool:
    action, result = entry.get("action"), entry.get("result")
    from_context = isinstance(action, dict) and action.get("tool_name") == "TDA_ContextReport"
    return from_context or (isinstance(result, dict) and result.get("status") == "error")
