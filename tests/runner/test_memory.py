"""Memory as a treatment: what each state finds and stores, what is refused, and that the server is left as it was."""

from __future__ import annotations

import anyio
import pytest
from embedded import URL, embedded, state_of
from memories import PROMPTS, MemoryRun, experiment, teach

from uderia_bench.errors import CannotRun, UsageError
from uderia_bench.gateway import managing
from uderia_bench.runner import work
from uderia_bench.runner.managed import Managed
from uderia_bench.trial import Outcome

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    """Run async tests on asyncio."""
    return "asyncio"


def several(**memory: str):
    """Return arms with these memories."""
    return [(name, state, {}) for name, state in memory.items()]


async def test_each_state_finds_and_stores_what_it_names(tmp_path):
    """Off finds nothing, frozen finds the copied plan, placebo an exchanged one. None stores, and all is as before."""
    server = embedded(chance=False)
    async with server.connected() as uderia:
        await teach(uderia)
        before = await state_of(uderia)
        run = MemoryRun(server, experiment(several(cold="off", warm="frozen", sham="placebo"), repeats=2), tmp_path)
        await run.run()
        assert await state_of(uderia) == before
    assert (run.cases("cold"), run.cases("warm"), run.cases("sham")) == ([0] * 4, [1] * 4, [1] * 4)
    assert {trace.outcome for _, trace in run.settled} == {Outcome.ANSWERED}
    assert run.journal.outstanding() == ()


async def test_a_placebo_has_the_question_and_not_its_plan(tmp_path):
    """The planning prompt is as long as with memory, and the plan is that of another question."""
    server = embedded(chance=False)
    async with server.connected() as uderia:
        await teach(uderia)
    run = MemoryRun(server, experiment(several(warm="frozen", sham="placebo")), tmp_path)
    own = {case.query: case.tools for case in server.state.collections.get(1).cases}
    seen = {}

    async def look(request) -> None:
        if request.url.path.endswith("/toggle"):
            for here in server.state.collections:
                seen[here.id] = {case.query: case.tools for case in here.cases}

    server.before = look
    await run.run()
    copies = [tools for number, tools in seen.items() if number != 1 and tools]
    assert own in copies
    (exchanged,) = [tools for tools in copies if tools != own]
    assert set(exchanged) == set(own)
    assert sorted(map(str, exchanged.values())) == sorted(map(str, own.values()))


async def test_a_learning_arm_begins_empty_and_remembers_its_own_trials_only(tmp_path):
    """The first repeat and the warm-up find nothing, each later one finds a plan, and the collection is empty at the end."""
    server = embedded(chance=False)
    async with server.connected() as uderia:
        before = await state_of(uderia)
        run = MemoryRun(server, experiment(several(cold="off", grows="learning"), repeats=3, warmup=1), tmp_path)
        await run.run()
        assert await state_of(uderia) == before
    assert run.cases("cold") == [0] * 7
    assert run.cases("grows") == [0] * 3 + [1] * 4


async def test_no_trial_is_asked_while_a_plan_is_unwritten(tmp_path):
    """A slow writer is waited for, also between two arms of which one is as it is."""
    server = embedded(chance=False, write_delay_s=(200.0, 500.0))
    arms = several(plain="as-is", cold="off")
    await MemoryRun(server, experiment(arms, repeats=2), tmp_path).run()
    (tmp_path / "learns").mkdir()
    async with server.connected() as uderia:
        await managing.reset_collection(uderia, 1)
    await MemoryRun(server, experiment(several(grows="learning", cold="off"), repeats=2), tmp_path / "learns").run()
    learned = server.state.truth[8:]
    assert [truth.unwritten_cases for truth in learned] == [0] * 8
    assert [truth.cases for truth in learned if truth.cases] == [1] * 2


async def test_a_run_without_memory_arms_changes_nothing(tmp_path):
    """Every request is a sign-in, a session, a query or a read."""
    server = embedded()
    await MemoryRun(server, experiment(several(one="as-is", two="as-is"), manage_server=False), tmp_path).run()
    assert server.changes == []
    assert not [path for _, path in server.asked if "/rag/" in path]


@pytest.mark.parametrize(("taught", "memory", "said"), [
    (PROMPTS[:1], "learning", r"a: memory: learning needs an empty collection 1 .* 1 case that this run did not make"),
    ((), "frozen", r"a: collection 1 \(.*\) has no cases to copy"),
    (PROMPTS[:1], "placebo", r"placebo: the collection has cases of one question only"),
])  # fmt: skip
async def test_what_the_run_cannot_undo_is_refused_before_anything_changes(tmp_path, taught, memory, said):
    """The server is as it was, and no query was sent."""
    server = embedded(chance=False)
    async with server.connected() as uderia:
        await teach(uderia, taught)
        before, asked = await state_of(uderia), len(server.state.truth)
        with pytest.raises(CannotRun, match=said):
            await MemoryRun(server, experiment(several(a=memory, b="off")), tmp_path).run()
        assert (await state_of(uderia), len(server.state.truth)) == (before, asked)
    assert server.changes == []


@pytest.mark.parametrize("share", ["public", "targeted"])
async def test_a_shared_collection_is_left_alone(tmp_path, share):
    """Switching it would change the memory of other users."""
    server = embedded()
    async with server.connected() as uderia:
        await managing.collections(uderia)
        body = {"visibility": share}
        await uderia.send("POST", "/api/v1/rag/collections/1/publish", "publish", body=body)
    with pytest.raises(CannotRun, match=r"collection 1 .* is shared with other users"):
        await MemoryRun(server, experiment(several(a="off", b="as-is")), tmp_path).run()


async def test_a_profile_without_a_planner_has_no_memory(tmp_path):
    """The message names the arm and the type."""
    arms = [("a", "off", {"profile": "IDEAT"}), ("b", "as-is", {})]
    with pytest.raises(CannotRun, match=r"a: memory: off needs a tool_enabled profile; this is llm_only"):
        await MemoryRun(embedded(), experiment(arms), tmp_path).run()


@pytest.mark.parametrize("way", ["stop", "cancel", "error"])
async def test_the_server_is_restored_however_the_run_ends(tmp_path, way):
    """After a soft stop, a cancellation and an error inside a window."""
    server = embedded(chance=False)
    async with server.connected() as uderia:
        await teach(uderia)
        before = await state_of(uderia)
        run = MemoryRun(server, experiment(several(cold="off", warm="frozen"), repeats=2), tmp_path)
        scope = anyio.CancelScope()

        async def end(request) -> None:
            if "/tasks/" in request.url.path and len(run.settled) == 3:
                run.stop.ask() if way == "stop" else scope.cancel() if way == "cancel" else raise_()

        def raise_() -> None:
            raise ZeroDivisionError

        server.before = end
        if way == "error":
            with pytest.raises(ZeroDivisionError):
                await run.run()
        else:
            with scope:
                await run.run()
        assert await state_of(uderia) == before
        assert 3 <= len(run.settled) < 8
        server.before, run.stop = None, type(run.stop)()
        await run.run()
        assert await state_of(uderia) == before
    assert len({record.trial.trial_id for record, _ in run.settled}) == 8
    assert set(run.cases("warm")) == {1}


async def test_a_server_that_lost_a_change_ends_the_run(tmp_path):
    """A change without an effect is found before a trial is asked."""
    server = embedded(chance=False)

    async def undo(_) -> None:
        if (home := server.state.collections.get(1)) is not None:
            home.enabled = True

    server.before = undo
    with pytest.raises(CannotRun, match=r"a: memory off has no effect on the server: collection switch 1 on"):
        await MemoryRun(server, experiment(several(a="off", b="as-is")), tmp_path).run()
    assert server.state.truth == []


class Killed(BaseException):
    """The process has died: no later request of it reaches the server."""


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("nth", [11, 14, 26])
async def test_a_killed_run_is_restored_and_goes_on(tmp_path, nth, heard):
    """Wherever it dies, restore brings the state back, and no change is made a second time before it is undone."""
    server = embedded(chance=False)
    async with server.connected() as uderia:
        await teach(uderia)
        before = await state_of(uderia)
        run = MemoryRun(server, experiment(several(cold="off", warm="frozen")), tmp_path)
        begun = len(server.asked)

        async def die(_) -> None:
            if len(server.asked) >= begun + nth:
                raise Killed

        server.before, server.after = (None, die) if heard else (die, None)
        with pytest.raises((Killed, BaseExceptionGroup)):
            await run.run()
        server.before = server.after = None
        left = run.journal.outstanding() if run.journal.path.exists() else ()
        await Managed(servers={URL: uderia}, journal=run.journal, folder=tmp_path, settle_s=0.0).restore() if left else None
        assert await state_of(uderia) == before
        await run.run()
        assert await state_of(uderia) == before
    assert [here.id for here in server.state.collections if here.cases] == [1]
    assert len({record.trial.trial_id for record, _ in run.settled}) == 4


async def test_workers_do_not_share_a_run_with_memory():
    """Several processes would undo each other's changes."""
    with pytest.raises(UsageError, match="memory: one process must undo what it changes"):
        work.begin(experiment(several(a="off", b="as-is")), (), None, "r", None, None)


async def test_a_query_that_a_killed_run_left_stores_no_plan_after_the_restore(tmp_path):
    """The restore waits for its end before it switches the collection on."""
    server = embedded(chance=False, speed=100.0)
    async with server.connected() as uderia:
        await teach(uderia)
        before = await state_of(uderia)
        run = MemoryRun(server, experiment(several(cold="off", warm="frozen")), tmp_path)

        async def die(request) -> None:
            if "/tasks/" in request.url.path:
                raise Killed

        server.before = die
        with pytest.raises((Killed, BaseExceptionGroup)):
            await run.run()
        server.before = None
        asked = [task for task in server.state.tasks.values() if task.running]
        assert asked
        await Managed(servers={URL: uderia}, journal=run.journal, folder=tmp_path, settle_s=0.0).restore()
        await anyio.sleep(0.1)
        assert await state_of(uderia) == before
