"""Contamination by overlapping arms: every trial the embedded server says was contaminated is found, and no other."""

from __future__ import annotations

import httpx
import polars as pl
import pytest

from uderia_bench.gateway import embedded

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}


@pytest.fixture
def own_server():
    """Return the address of a server without other users: contamination is process-wide."""
    with embedded.serve(seed=11, speed=100.0) as url:
        yield url


def found_and_true(command, server: str, isolation: str) -> tuple[set[str], set[str], int]:
    """Run both arms; return the task ids called misrouted, those truly contaminated, and how many ended."""
    assignments = ["--set", f"load.isolation={isolation}", "--set", "repeats=6", "--concurrency", "8"]
    command("run", "experiment.yaml", "--server", server, "--run-id", isolation, *assignments, env=ADMIN)
    trials = pl.read_parquet(command.cwd / "output" / isolation / "trials" / "*.parquet")
    truth = {row["task_id"]: row["faults"] for row in httpx.get(f"{server}/sim/truth").json()}
    ours = set(trials["task_id"])
    contaminated = {task for task, faults in truth.items() if "contaminated" in faults and task in ours}
    return set(trials.filter(pl.col("outcome") == "misrouted")["task_id"]), contaminated, trials.height


def test_overlapping_arms_are_found_trial_by_trial(command, own_server):
    """With isolation none: the misrouted trials are exactly the contaminated ones, and there are some."""
    found, true, trials = found_and_true(command, own_server, "none")
    assert trials == 50
    assert true
    assert found == true


def test_arms_in_turns_do_not_contaminate(command, own_server):
    """With isolation arm there is none, though trials of one arm overlap."""
    assert found_and_true(command, own_server, "arm") == (set(), set(), 50)


def test_two_runs_on_one_server_take_turns(command, own_server):
    """Arms of two shards that start together do not overlap on a server. With separate cache directories they do."""
    told = ["run", "experiment.yaml", "--server", own_server, "--set", "repeats=2", "--concurrency", "8"]
    env = {**ADMIN, "XDG_CACHE_HOME": str(command.cwd / "cache")}
    shards = [command.start(*told, "--shard", f"{part}/2", "--run-id", str(part), env=env) for part in (1, 2)]
    for shard in shards:
        shard.communicate()
    tasks = httpx.get(f"{own_server}/sim/truth").json()
    assert len(tasks) == 16 + 4  # each shard warms up both arms
    assert not any("contaminated" in task["faults"] for task in tasks)
