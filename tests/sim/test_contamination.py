"""Tests of contamination: overlapping arms write each other's reports.

Source: docs/reference/measured.md, "Overlapping arms contaminate each other".
"""

from __future__ import annotations

import anyio
import pytest

from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE
from uderia_bench.sim.trouble.effects import Effect

pytestmark = pytest.mark.anyio

SLOW = "which version do we run? #slow=50000 run {}"  # 0.1 s per call at the speed of the tests


async def overlap(serve, starts: list[tuple[str, str | None]], **settings) -> dict[str, tuple[dict, dict]]:
    """Start trials (profile, session profile) 10 ms apart; return truth and details by session."""
    async with serve(learning=False, **settings) as client:
        sessions: list[str] = []

        async def one(number: int, tag: str, session_tag: str | None) -> None:
            session = await client.session(session_tag)
            sessions.append(session)
            await client.follow(await client.submit(session, SLOW.format(number), profile_id=client.profiles[tag]))

        async with anyio.create_task_group() as group:
            for number, (tag, session_tag) in enumerate(starts):
                group.start_soon(one, number, tag, session_tag)
                await anyio.sleep(0.01)
        truth = {entry["session_id"]: entry for entry in await client.truth()}
        return {session: (truth[session], await client.details(session)) for session in sessions}


def foreign(details: dict, own: str) -> bool:
    """Return whether the session names another model than the profile's."""
    return details["models_used"] != [own]


async def test_only_the_session_shows_contamination_of_optim(serve):
    """Another model writes the report of an OPTIM trial, and its turn names OPTIM's model."""
    found = await overlap(serve, [("OPTIM", "OPTIM"), ("IDEAT", "IDEAT")] * 6)
    optim = [pair for pair in found.values() if pair[0]["profile_tag"] == "OPTIM"]
    contaminated = [pair for pair in optim if "contaminated" in pair[0]["faults"]]
    assert contaminated
    for truth, details in found.values():
        own = FRIENDLI.label if truth["profile_tag"] == "OPTIM" else GOOGLE.label
        assert foreign(details, own) is ("contaminated" in truth["faults"])
        (turn,) = details["last_turn_data"]["workflow_history"]
        assert f"{turn['provider']}/{turn['model']}" == truth["model"] == own
    _, details = contaminated[0]
    assert details["models_used"] == [FRIENDLI.label, GOOGLE.label]
    assert details["dual_model_usage"]["conversation"] == [FRIENDLI.label, GOOGLE.label]
    assert details["dual_model_usage"]["strategic"] == [FRIENDLI.label]


@pytest.mark.parametrize(("session_tag", "contaminates"), [(None, True), ("IDEAT", True), ("OPTIM", False)])
async def test_creating_a_session_contaminates_the_trial_in_flight(serve, session_tag, contaminates):
    """A session of another profile switches the model of a trial in flight."""
    async with serve(default_profile="IDEAT") as client:
        session = await client.session("OPTIM")
        task = await client.submit(session, SLOW.format(0), profile_id=client.profiles["OPTIM"])
        await anyio.sleep(0.02)
        await client.session(session_tag)
        assert (await client.follow(task))["status"] == "complete"
        (truth,) = await client.truth()
        assert ("contaminated" in truth["faults"]) is contaminates
        assert foreign(await client.details(session), FRIENDLI.label) is contaminates


@pytest.mark.parametrize("default", ["IDEAT", "OPTIM", None])
async def test_one_profile_never_contaminates_itself(serve, default):
    """Overlapping trials of one profile are clean if their sessions carry the profile."""
    found = await overlap(serve, [("OPTIM", "OPTIM")] * 8, default_profile=default)
    assert not any(truth["faults"] for truth, _ in found.values())
    assert not any(foreign(details, FRIENDLI.label) for _, details in found.values())


async def test_arms_one_after_the_other_do_not_contaminate(serve):
    """Each submission switches to the model of its profile."""
    async with serve() as client:
        for tag in ("OPTIM", "IDEAT", "OPTIM2", "OPTIM", "IDEAT2", "OPTIM"):
            _, details = await client.ask(tag, "which version do we run? #multitool")
            assert len(details["models_used"]) == 1
        assert not any("contaminated" in truth["faults"] for truth in await client.truth())


# Agents of the measurement: an LLM call takes 150 ms, a trial 1 s, starts are 0.3 to 0.6 s apart.
SCRIPTED = (Effect(on="llm_s", factor=0.08, provider="fast"), Effect(on="llm_s", factor=0.02, provider="slow"))


@pytest.mark.parametrize(("session_tag", "least", "most"), [(None, 3, 16), ("OPTIM", 0, 0)])
async def test_sessions_without_profile_id_contaminate_as_measured(serve, session_tag, least, most):
    """The real server had 6 and 11 of 24 contaminated trials, and 0 with ``profile_id``."""
    speed, trials = 4.0, 24
    tools = Effect(on="tool_s", factor=0.1)
    async with serve(learning=False, default_profile="IDEAT", speed=speed, effects=(*SCRIPTED, tools)) as client:

        async def one(number: int) -> None:
            session = await client.session(session_tag)
            prompt = f"which version do we run? #multitool run {number}"
            await client.follow(await client.submit(session, prompt, profile_id=client.profiles["OPTIM"]))

        async with anyio.create_task_group() as group:
            for number in range(trials):
                group.start_soon(one, number)
                await anyio.sleep((0.3 + 0.3 * (number % 7) / 6) / speed)
        found = ["contaminated" in truth["faults"] for truth in await client.truth()]
    assert len(found) == trials
    assert least <= sum(found) <= most
