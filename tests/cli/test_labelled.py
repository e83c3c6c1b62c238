"""A run through restarts, expiring tokens and a quota ends with every trial truly labelled, by the server's own truth."""

from __future__ import annotations

import json

import httpx
import polars as pl

from uderia_bench.gateway import embedded

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
FAULTS = """
server: {login_limit: 0, quotas: {calls_per_day: 80}}
faults:
  - {kind: restart, rate: 0.03, call: task}
  - {kind: token_expiry, rate: 0.03}
  - {kind: lost, rate: 0.1}
  - {kind: plan_failure, rate: 0.1}
"""


def test_every_trial_is_truly_labelled(command):
    """Rate limited is what met the quota, lost what the server forgot, answered what it answered, failed what failed there."""
    faults = command.write("faults.yaml", FAULTS)
    command.write(
        "corpus.yaml",
        "version: 1\nqueries:\n" + "".join(f"  - {{id: q{n}, prompt: list the tables in sales_db {n}}}\n" for n in range(14)),
    )
    with embedded.serve(seed=6, speed=100.0, faults=faults) as server:
        options = ["--set", "repeats=1", "--set", "warmup=0", "--set", "on_quota=continue", "--run-id", "r"]
        done = command("run", "experiment.yaml", "--server", server, *options, env=ADMIN)
        truth = {task["task_id"]: task for task in httpx.get(f"{server}/sim/truth").json()}
        planted = httpx.get(f"{server}/sim/faults").json()["planted"]
    assert planted.keys() >= {"restart", "token_expiry"}
    trials = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
    assert trials.height == 28 == trials["trial_id"].n_unique()
    by_session = {task["session_id"]: task for task in truth.values()}
    for row in trials.iter_rows(named=True):
        known = truth.get(row["task_id"]) or by_session.get(row["session_id"])
        if known is None:  # a token that expires twice during one call ends it
            expected = "refused" if "HTTP 401" in (row["outcome_detail"] or "") else "lost"
        elif "quota" in known["faults"]:
            forgotten = (row["outcome_detail"] or "").startswith("task: HTTP 404")  # such a task leaves no turn to tell by
            expected = "lost" if forgotten else "rate_limited"
        else:
            expected = "failed" if known["latency_s"] is None else "answered"
        assert row["outcome"] == expected, (row["trial_id"], row["outcome_detail"], known)
    assert {"answered", "rate_limited"} <= set(trials["outcome"])
    assert (trials["attempts"] > 1).any(), "tasks that a restart forgets are asked again"
    limited = trials.filter(pl.col("outcome").is_in(["rate_limited", "refused"])).height
    assert done.returncode == 4
    assert f"{limited} trials are left" in done.stderr.splitlines()[-1]
    assert f"Not finished (exit 4): {limited} trials left to ask" in done.stdout
    assert json.loads((command.cwd / "output/r/manifest.json").read_text())["state"] == "interrupted"
