"""Changes of a server: committed before they are sent, and undone whatever happened in between."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace

import anyio
import pytest
from embedded import OPTIM, embedded, state_of

from uderia_bench.errors import CannotRun
from uderia_bench.gateway import managing
from uderia_bench.runner import managed
from uderia_bench.runner.managed import Managed
from uderia_bench.runs.changes import Change, ChangeState
from uderia_bench.runs.journal import ChangeJournal
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.seal import Seal

pytestmark = pytest.mark.anyio
MCP = "1763483266562-a6kulj4xc"


@pytest.fixture
def anyio_backend():
    """Run async tests on asyncio."""
    return "asyncio"


def change(kind: str, about: str = "", before=None, after=None) -> Change:
    """Return a change of the server ``s``."""
    return Change(server="s", kind=kind, about=about, before=before, after=after)


async def every_kind(uderia, folder) -> list[Change]:
    """Return one change of each kind, whose state before is that of the server."""
    document = await managing.profile(uderia, OPTIM)
    known = [one["id"] for one in await managing.collections(uderia)]
    (folder / "copy.zip").write_bytes(await managing.export_collection(uderia, 1))
    name = "Default Collection - Teradata MCP (Imported)"
    return [
        change(managed.PROFILE_FIELDS, OPTIM, {"ragCollections": document["ragCollections"]}, {"ragCollections": [99]}),
        change(managed.NEW_PROFILE, "profile-bench-clone", None, {**document, "tag": "CLONE", "name": "Clone"}),
        change(managed.SWITCH, "1", before=True, after=False),
        change(managed.COPY, "", known, {"name": name, "archive": "copy.zip", "mcp_server_id": MCP}),
        change(managed.CASES, "2"),
    ]


@pytest.fixture
async def there(tmp_path):
    """Yield a server with one case, its connection, and the managed state of a run."""
    server = embedded()
    Ledger.create(tmp_path / "ledger.sqlite", [], {}).close()
    async with server.connected() as uderia:
        yield (
            server,
            uderia,
            Managed(servers={"s": uderia}, journal=ChangeJournal(tmp_path / "ledger.sqlite"), folder=tmp_path, settle_s=0.0),
        )


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("died", ["before it was sent", "before its answer was noted", "later"])
async def test_a_change_is_undone_wherever_the_run_died(there, place, died):
    """The state is that of before, and undoing it again changes nothing."""
    server, uderia, managed_state = there
    before = await state_of(uderia)
    wanted = (await every_kind(uderia, managed_state.folder))[place]
    if died == "later":
        await managed_state.apply(wanted)
    else:
        noted = managed_state.journal.plan(wanted)
        if died == "before its answer was noted":
            await managed.KINDS[wanted.kind].apply(uderia, wanted, managed_state.folder)
        assert noted.state is ChangeState.PLANNED
    for _ in range(2):
        await managed_state.restore()
        assert await state_of(uderia) == before
    assert managed_state.journal.outstanding() == ()
    sent = [path for method, path in server.changes if method != "GET"]
    assert len(sent) <= 2 + (wanted.kind == managed.CASES)


async def test_a_change_is_in_the_journal_before_it_is_sent(there):
    """Whenever a request arrives, its change is committed as planned."""
    server, uderia, managed_state = there
    wanted = await every_kind(uderia, managed_state.folder)
    seen = []

    async def look(request) -> None:
        if request.method != "GET":
            seen.append([noted.state for noted in managed_state.journal.outstanding()])

    server.before = look
    for each in wanted:
        await managed_state.apply(each)
    assert seen == [[ChangeState.PLANNED, *[ChangeState.APPLIED] * place] for place in range(4)]


async def test_changes_are_undone_after_an_error_and_after_a_cancellation(there):
    """A block that raises or is cancelled leaves the server as it was."""
    _, uderia, managed_state = there
    before = await state_of(uderia)
    wanted = await every_kind(uderia, managed_state.folder)
    with pytest.raises(RuntimeError):
        async with managed_state.changed(wanted):
            raise RuntimeError
    assert await state_of(uderia) == before
    with anyio.CancelScope() as scope:
        async with managed_state.changed(wanted):
            scope.cancel()
            await anyio.sleep_forever()
    assert await state_of(uderia) == before


async def test_what_somebody_else_changed_is_left_alone_and_named(there):
    """The rest is restored all the same."""
    _, uderia, managed_state = there
    fields, _, switch, *_ = await every_kind(uderia, managed_state.folder)
    await managed_state.apply(fields)
    await managed_state.apply(switch)
    await managing.update_profile(uderia, OPTIM, {"ragCollections": [7]})
    with pytest.raises(CannotRun, match=r"not restored: .*somebody else has changed it since, to .*\[7\]"):
        await managed_state.restore()
    assert (await managing.collections(uderia))[0]["enabled"] == 1
    assert [noted.change.kind for noted in managed_state.journal.outstanding()] == [managed.PROFILE_FIELDS]


async def test_a_change_that_the_server_refuses_names_itself(there):
    """It stays in the journal, since it may have had an effect."""
    _, _, managed_state = there
    with pytest.raises(CannotRun, match=r"profile fields no-such-id on s: change profile: HTTP 404"):
        await managed_state.apply(change(managed.PROFILE_FIELDS, "no-such-id", {}, {}))
    assert len(managed_state.journal.outstanding()) == 1


async def test_a_server_that_does_not_answer_in_time_leaves_the_way_to_undo_the_rest(there, monkeypatch):
    """The message names the command, and the change stays in the journal."""
    server, uderia, managed_state = there
    _, _, switch, *_ = await every_kind(uderia, managed_state.folder)
    monkeypatch.setattr(managed, "UNDO_S", 0.05)

    async def hang(_) -> None:
        await anyio.sleep_forever()

    with pytest.raises(CannotRun, match=r"did not answer within 0.05 s; 'uderia-bench restore .*' undoes the rest"):
        async with managed_state.changed([switch]):
            server.before = hang
    assert len(managed_state.journal.outstanding()) == 1


@pytest.mark.parametrize(("kind", "about", "before"), [
    (managed.NEW_PROFILE, "../sessions/s", None),
    (managed.NEW_PROFILE, OPTIM, None),
    (managed.SKILL, "sql-expert", None),
    (managed.PROMPTS, OPTIM, None),
    (managed.PROFILE_FIELDS, "../../admin", 3),
    (managed.SWITCH, "one", True),
    (managed.CASES, "", None),
    ("anything", "1", None),
])  # fmt: skip
async def test_a_foreign_ledger_changes_nothing_that_a_run_has_not_made(there, kind, about, before):
    """Another route, or a profile or skill of the user: it is refused, and no request changes anything."""
    server, _, managed_state = there
    managed_state.journal.plan(change(kind, about, before))
    with suppress(CannotRun):
        await managed_state.restore()
    assert server.changes == []


FOREIGN = [
    change(managed.PROFILE_FIELDS, OPTIM, {"unused": "evil"}, {"unused": None}),
    change(managed.NEW_PROFILE, "profile-bench-of-another-run"),
    change(managed.SWITCH, "1", before=False, after=True),
    change(managed.COPY, "", [], {"name": "of another run (Imported)", "archive": "x", "mcp_server_id": MCP}),
    change(managed.CASES, "1"),
    change(managed.SKILL, "uderia-bench-of-another-run"),
    change(managed.PROMPTS, "profile-bench-of-another-run"),
]


@pytest.mark.parametrize("named", FOREIGN, ids=lambda named: named.kind)
async def test_a_ledger_from_another_machine_is_undone_only_if_the_user_says_so(there, named):
    """It may name any collection, so that nothing is sent without a yes. The message names the option."""
    server, _, managed_state = there
    ChangeJournal(managed_state.journal.path, Seal()).plan(named)
    asked = []
    with pytest.raises(CannotRun, match=r"no run of yours on this machine noted this change.*--trust-run"):
        await managed_state.restore()
    assert server.changes == []
    with pytest.raises(CannotRun, match=r"no run of yours on this machine"):
        await replace(managed_state, may=lambda question: asked.append(question) or False).restore()
    assert server.changes == []
    assert str(named) in asked[0]
    await replace(managed_state, may=lambda _: True).restore()
    assert managed_state.journal.outstanding() == ()


@pytest.mark.parametrize("forged", [
    "UPDATE changes SET made = '1'",
    "UPDATE changes SET state = 'applied'",
    "UPDATE changes SET said = replace(said, '\"2\"', '\"1\"')",
    "INSERT INTO changes (said, state) VALUES ((SELECT said FROM changes), 'applied')",
    "DELETE FROM seals",
    "DROP TABLE seals",
])  # fmt: skip
async def test_a_change_that_was_edited_in_the_ledger_is_not_undone(there, forged):
    """The seal is that of the change, its state and the id that the server chose."""
    server, _, managed_state = there
    managed_state.journal.plan(change(managed.CASES, "2"))
    await managed_state.restore()
    server.changes.clear()
    database = sqlite3.connect(managed_state.journal.path)
    with database:
        database.execute("UPDATE changes SET state = 'planned'" if "seals" in forged else "SELECT 1")
        database.execute(forged)
    database.close()
    with suppress(CannotRun):
        await managed_state.restore()
    assert server.changes == []
