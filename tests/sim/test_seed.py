"""Tests of the draw of a trial: reproducible, independent of order, with a realistic spread."""

from __future__ import annotations

import math
import statistics

import anyio
import pytest

from uderia_bench.sim.agent import scripts
from uderia_bench.sim.agent.draw import CHANCES, Draw
from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE
from uderia_bench.sim.agent.questions import Difficulties, difficulties, needs

pytestmark = pytest.mark.anyio

PROMPTS = ["how many databases are there?", "list the tables in sales_db", "which version do we run?", "who is logged on?"]
TOKENS = (
    "llm_calls",
    "input_tokens",
    "output_tokens",
    "naming_tokens",
    "phases",
    "fastpath_phases",
    "tool_calls",
    "corrections",
)


async def trials(serve, order: list[tuple[str, str]], *, together: bool, **settings) -> list[tuple]:
    """Ask in the given order, in sequence or all at once; return the sorted draws."""
    async with serve(learning=False, **settings) as client:
        if together:
            async with anyio.create_task_group() as group:
                for tag, prompt in order:
                    group.start_soon(client.ask, tag, prompt)
        else:
            for tag, prompt in order:
                await client.ask(tag, prompt)
        return sorted((t["profile_tag"], t["prompt"], *(t[name] for name in TOKENS)) for t in await client.truth())


@pytest.mark.no_cover
async def test_tokens_do_not_depend_on_order_or_overlap(serve):
    """The draws are the same backwards and all at once, also for contaminated reports."""
    order = [(tag, prompt) for prompt in PROMPTS for tag in ("IDEAT", "OPTIM", "OPTIM", "OPTIM2")]
    first = await trials(serve, order, together=False)
    assert await trials(serve, order[::-1], together=False) == first
    assert await trials(serve, order, together=True) == first
    assert await trials(serve, order, together=False, seed=8) != first


async def test_a_repeat_is_another_draw(serve):
    """Repeats differ, and are the same on every server with that seed."""
    order = [("IDEAT", PROMPTS[0])] * 3
    drawn = await trials(serve, order, together=False)
    assert len(set(drawn)) == 3
    assert drawn == await trials(serve, order, together=False)


def latencies(profile_type: str, llm, queries: int, repeats: int) -> list[list[float]]:
    """Return the logarithms of the seconds of a two-call trial, by query and repeat."""
    kinds = ("agent_step", "agent_answer") if profile_type == "llm_only" else ("plan", "report")
    rows = []
    for query in range(queries):
        row = []
        for nth in range(repeats):
            draw = Draw(seed=1, profile_id="p", profile_type=profile_type, prompt=f"query {query}", asked_before=nth)
            seconds = 0.0
            for kind in kinds:
                _, out = draw.tokens(kind, llm)
                seconds += (llm.first_token_s + out * llm.token_s) * draw.llm_noise()
            row.append(math.log(seconds))
        rows.append(row)
    return rows


@pytest.mark.parametrize(
    ("profile_type", "llm", "lowest", "highest"), [("llm_only", GOOGLE, 1.5, 4), ("tool_enabled", FRIENDLI, 13, 26)]
)
def test_latency_is_near_the_published_example(profile_type, llm, lowest, highest):
    """The median is near 3 s for IDEAT and 20 s for OPTIM; queries vary more than repeats."""
    rows = latencies(profile_type, llm, queries=200, repeats=5)
    assert lowest < math.exp(statistics.median(value for row in rows for value in row)) < highest
    between = statistics.pstdev(statistics.fmean(row) for row in rows)
    within = statistics.fmean(statistics.pstdev(row) for row in rows)
    assert 0.3 < between < 0.8
    assert 0.1 < within < 0.35


def test_most_ordinary_trials_end_answered():
    """Plans and agents fail in fewer than 10 % of trials."""
    chances = CHANCES["tool_enabled"].plan_fails + CHANCES["llm_only"].agent_fails
    assert 0 < chances < 0.1
    troubles = []
    for nth in range(2000):
        draw = Draw(seed=1, profile_id="p", profile_type="tool_enabled", prompt="list the tables", asked_before=nth)
        troubles.append(scripts.plan_script("list the tables", draw).trouble)
    assert 0.005 < troubles.count(scripts.PlanTrouble.NEVER_PARSES) / len(troubles) < 0.03


@pytest.mark.parametrize(
    ("prompt", "tools"),
    [
        ("how many databases are on the system?", ["base_databaseList"]),
        ("list the tables in the fitness database", ["base_tableList"]),
        ("which version do we run and how many sessions are there?", ["dba_databaseVersion", "dba_sessionInfo"]),
        ("how many tables were created in the past 2 days", ["base_readQuery"]),
        ("what columns does the orders table have?", ["base_columnDescription"]),
        ("for each database list its tables", ["base_databaseList", "base_tableList"]),
        ("how much space does each of the databases use?", ["dba_databaseSpace"]),
    ],
)
def test_a_prompt_needs_the_expected_tools(prompt, tools):
    """The needs are the tools that a person would choose."""
    assert [need.tool for need in needs(prompt)] == tools


def test_an_unknown_prompt_always_gets_the_same_need():
    """One need is drawn from the text."""
    assert needs("xyzzy") == needs("xyzzy")
    assert len(needs("xyzzy")) == 1


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("count rows #alwaysfail", {"always_fail": True}),
        ("the query that cannot work", {"always_fail": True}),
        ("a misspelled column", {"fail_once": True}),
        ("#slow=3000 count rows", {"slow_ms": 3000}),
        ("#slow count rows", {"slow_ms": 6000}),
        ("Hello there!", {"chat": True}),
        ("hello, how many databases are on the system right now, and which tables?", {}),
    ],
)
def test_a_prompt_that_names_a_difficulty_gets_it(prompt, named):
    """A mark or words name it. A greeting is chat only if the prompt asks for nothing else."""
    assert difficulties(prompt) == Difficulties(**named)
