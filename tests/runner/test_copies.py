"""Copies of profiles: what each is made of, and that every part is undone wherever the run died."""

from __future__ import annotations

import pytest
from embedded import OPTIM, embedded, state_of
from experiments import built

from uderia_bench.gateway import managing
from uderia_bench.runner import copies, managed
from uderia_bench.runner.managed import Managed
from uderia_bench.runs.journal import ChangeJournal
from uderia_bench.runs.ledger import Ledger

pytestmark = pytest.mark.anyio
CHANGES = {
    "fields": {"tools": ["base_tableList"]},
    "skills": {"brief": "Plan in two phases."},
    "prompts": {"master_system_prompts/Friendli": "GOOGLE_MASTER_SYSTEM_PROMPT"},
}
ARM = built(arms=({"name": "few", "profile": "OPTIM", "changes": CHANGES},), manage_server=True).arm("few")


@pytest.fixture
def anyio_backend():
    """Run async tests on asyncio."""
    return "asyncio"


@pytest.fixture
async def there(tmp_path):
    """Yield a server, its connection, the managed state of a run, and the copy that an arm needs."""
    server = embedded()
    Ledger.create(tmp_path / "ledger.sqlite", [], {}).close()
    async with server.connected() as uderia:
        listed = {"profiles": await uderia.profiles(), "configurations": await uderia.llm_configurations()}
        copy = copies.copy(ARM, "r", "s", **listed)
        state = Managed(servers={"s": uderia}, journal=ChangeJournal(tmp_path / "ledger.sqlite"), folder=tmp_path)
        yield server, uderia, state, copy


async def everything(uderia):
    """Return all that a copy may change."""
    skills = (await uderia.send("GET", "/api/v1/skills", "skills")).json()
    return [await state_of(uderia), skills]


async def test_a_copy_is_its_profile_with_the_changes(there):
    """It has its own id and tag, the new fields, the text as an active skill, and the other prompt."""
    server, uderia, state, copy = there
    before = await everything(uderia)
    async with copies.made(copy.changes, state):
        made = await managing.profile(uderia, copy.profile.profile_id)
        original = await managing.profile(uderia, OPTIM)
        (skill,) = [one for one in made["skillsConfig"]["skills"] if one not in original["skillsConfig"]["skills"]]
        assert (skill["enabled"], skill["active"]) == (True, True)
        assert made["tools"] == ["base_tableList"]
        changed = {name for name in made if made[name] != original.get(name)}
        assert changed == {"id", "tag", "name", "tools", "skillsConfig"}
        path = f"/api/v1/system-prompts/profiles/{made['id']}/mappings"
        mapped = await managing.listed(uderia, path, "mappings")
        assert mapped["master_system_prompts"]["Friendli"] == "GOOGLE_MASTER_SYSTEM_PROMPT"
        assert copy.profile.tag == made["tag"]
    assert await everything(uderia) == before
    assert server.state.switches.mappings == {}


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("sent", [False, True])
async def test_a_copy_of_a_killed_run_is_undone(there, place, sent):
    """The run died before or after one of the changes was sent; the next sitting makes the copy again and removes it."""
    server, uderia, state, copy = there
    before = await everything(uderia)
    for change in copy.changes[:place]:
        await state.apply(change)
    state.journal.plan(copy.changes[place])
    if sent:
        await managed.KINDS[copy.changes[place].kind].apply(uderia, copy.changes[place], state.folder)
    async with copies.made(copy.changes, state):
        assert await managing.profile(uderia, copy.profile.profile_id) is not None
    assert await everything(uderia) == before
    assert server.state.switches.mappings == {}
    assert state.journal.outstanding() == ()


async def test_a_run_without_changes_asks_nothing(there):
    """No request is sent."""
    server, _, state, _ = there
    server.asked.clear()
    async with copies.made((), state):
        pass
    assert server.asked == []


def test_what_is_changed_is_described():
    """One sentence for each arm, which ``--dry-run`` prints."""
    experiment = built(arms=({"name": "few", "profile": "OPTIM", "changes": CHANGES},), manage_server=True)
    said = "a copy of OPTIM that changes field tools, text brief, prompt master_system_prompts/Friendli"
    assert experiment.changes == (f"changes sim for few: {said}",)
