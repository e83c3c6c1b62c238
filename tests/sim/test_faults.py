"""Tests of planted faults of the agent and the server, and of mistakes in a scenario file."""

from __future__ import annotations

import anyio
import pytest

from uderia_bench.sim.trouble.faults import KINDS, Fault
from uderia_bench.sim.trouble.scenario import load

pytestmark = pytest.mark.anyio

PROMPT = "which version do we run?"


@pytest.mark.parametrize(
    ("kind", "tag", "shows"),
    [
        ("plan_failure", "OPTIM", "plan_failure"),
        ("plan_retry", "OPTIM", "plan_retry"),
        ("tool_error", "OPTIM", "tool_error"),
        ("tool_failure", "OPTIM", "tool_failed"),
        ("agent_failure", "IDEAT", "agent_failure"),
        ("slow", "IDEAT", "slow"),
        ("quota", "OPTIM", "quota"),
    ],
)
async def test_a_fault_of_the_agent_hits_every_trial_at_rate_one(serve, kind, tag, shows):
    """The truth names the fault, and trials of another profile are not hit."""
    async with serve(faults=(Fault(kind=kind, rate=1, profile=tag, factor=2),)) as client:
        await client.ask(tag, PROMPT)
        await client.ask("IDEAT2", PROMPT + " #chain")
        hit, spared = await client.truth()
        assert shows in hit["faults"]
        assert shows not in spared["faults"]


@pytest.mark.no_cover
async def test_a_fault_hits_the_same_trials_in_any_order(serve):
    """The share of hit trials is near the rate."""
    prompts = [f"{PROMPT} number {number}" for number in range(60)]
    hits = []
    for order in (prompts, prompts[::-1]):
        async with serve(faults=(Fault(kind="plan_failure", rate=0.3),), speed=5000.0) as client:
            for prompt in order:
                await client.ask("OPTIM", prompt)
            hits.append({t["prompt"] for t in await client.truth() if "plan_failure" in t["faults"]})
    assert hits[0] == hits[1]
    assert 8 < len(hits[0]) < 32


async def test_a_fault_applies_only_at_its_time(serve):
    """Faults before their start and after their end hit no trial."""
    later = Fault(kind="plan_failure", rate=1, from_s=3600)
    over = Fault(kind="plan_retry", rate=1, until_s=0)
    async with serve(faults=(later, over)) as client:
        await client.ask("OPTIM", PROMPT + " #multitool")
        assert (await client.truth())[0]["faults"] == []


async def test_a_slow_provider_is_slower_by_its_factor(serve):
    """A factor of 2 on LLM calls about doubles the latency."""
    took = []
    for faults in ((), (Fault(kind="slow", rate=1, provider="Google", factor=2),)):
        async with serve(faults=faults, speed=5.0) as client:
            await client.ask("IDEAT", PROMPT + " #chain")
            took.append((await client.truth())[0]["latency_s"])
    assert 1.6 < took[1] / took[0] < 2.0


async def test_a_stalled_task_ends_only_when_cancelled(serve):
    """The task stays in processing until it is cancelled."""
    async with serve(faults=(Fault(kind="stall", rate=1),)) as client:
        task = await client.submit(await client.session("OPTIM"), PROMPT, profile_id=client.profiles["OPTIM"])
        await anyio.sleep(0.3)
        assert (await client.task(task))["status"] == "processing"
        await client.http.post(f"/api/v1/tasks/{task}/cancel")
        assert (await client.follow(task))["status"] == "cancelled"
        assert (await client.truth())[0]["faults"] == ["stall", "cancelled"]


async def test_a_lost_task_leaves_its_turn(serve):
    """The task is 404 after its end, and the session has the turn."""
    async with serve(faults=(Fault(kind="lost", rate=1),)) as client:
        session = await client.session("OPTIM")
        task = await client.submit(session, PROMPT, profile_id=client.profiles["OPTIM"])
        with anyio.fail_after(60):
            while (await client.http.get(f"/api/v1/tasks/{task}")).status_code == 200:  # noqa: ASYNC110 - polling is the subject
                await anyio.sleep(0.005)
        (turn,) = (await client.details(session))["last_turn_data"]["workflow_history"]
        assert turn["task_id"] == task


@pytest.mark.parametrize(("kind", "turns"), [("submit_error", 0), ("submit_lost", 1)])
async def test_a_submit_may_fail_with_or_without_a_task(serve, kind, turns):
    """Both faults answer 500."""
    async with serve(faults=(Fault(kind=kind, rate=1),)) as client:
        session = await client.session("OPTIM")
        body = {"prompt": PROMPT, "profile_id": client.profiles["OPTIM"]}
        answer = await client.http.post(f"/api/v1/sessions/{session}/query", json=body)
        assert answer.status_code == 500
        await anyio.sleep(0.3)
        assert len((await client.details(session))["last_turn_data"]["workflow_history"]) == turns


async def test_reads_of_a_task_fail_at_their_rate(serve):
    """Some polls answer 500, the others 200."""
    async with serve(faults=(Fault(kind="poll_error", rate=0.5),)) as client:
        task = await client.submit(await client.session("IDEAT"), PROMPT, profile_id=client.profiles["IDEAT"])
        answers = [(await client.http.get(f"/api/v1/tasks/{task}")).status_code for _ in range(60)]
        assert 15 < answers.count(500) < 45
        assert set(answers) == {200, 500}


def test_a_scenario_file_holds_every_kind_of_fault(tmp_path):
    """The file spells the times ``from`` and ``until``."""
    path = tmp_path / "faults.yaml"
    lines = "\n".join(f"  - {{kind: {kind}, rate: 0.5, from: 1, until: 2.5, factor: 2}}" for kind in KINDS)
    path.write_text(f"faults:\n{lines}\n")
    faults = load(path).faults
    assert [fault.kind for fault in faults] == list(KINDS)
    assert (faults[0].from_s, faults[0].until_s) == (1, 2.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- x", "must be a mapping with 'faults', 'effects' or 'server'"),
        ("faults: [{kind: slow}]", "faults[0]: needs 'kind' and 'rate'"),
        ("faults: [{kind: nap, rate: 1}]", "unknown kind 'nap'; choose one of plan_failure"),
        ("faults: [{kind: slow, rate: 2}]", "rate must be from 0 to 1"),
        ("faults: [{kind: slow, rate: yes}]", "faults[0]: 'rate' cannot be"),
        ("faults: [{kind: slow, rate: 1, who: me}]", "unknown key 'who'"),
        ("faults: [{kind: slow, rate: 1, profile: NOPE}]", "unknown profile tag 'NOPE'"),
        ("faults: [", "faults.yaml:1: "),
    ],
)
def test_a_mistake_in_a_file_is_located(tmp_path, text, says):
    """The error is one line with the file and the entry."""
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"faults\.yaml") as raised:
        load(path)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
