"""One run through restarts, expiring tokens, pauses for a quota and arms that overlap, held against what the server knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest
from benches import planned, under
from pydantic import SecretStr

from uderia_bench.gateway import directory, embedded
from uderia_bench.gateway.connect import connect
from uderia_bench.gateway.credentials import Credentials
from uderia_bench.reading import profile_types
from uderia_bench.runner import patience
from uderia_bench.runner.book import open_book
from uderia_bench.runner.runner import Runner
from uderia_bench.runner.stop import Stop
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Outcome

pytestmark = pytest.mark.anyio
BEFORE_THE_TURN = datetime(2026, 11, 24, 1, 59, 59, 900_000, tzinfo=UTC)  # so that a pause for the hour to turn is short
MOST_SITTINGS = 4
FAULTS = """
server: {login_limit: 0}
faults:
  - {kind: quota, rate: 0.2}
  - {kind: restart, rate: 0.04, call: task}
  - {kind: token_expiry, rate: 0.02}
  - {kind: plan_failure, rate: 0.1}
"""


@pytest.fixture
def anyio_backend():
    """Run on asyncio and in real time: the server is another process."""
    return "asyncio"


def truly(known: dict | None, said: Outcome) -> Outcome:
    """Return what a trial came to by what the server knows of it, None where it forgot the task with its process."""
    if known is None:
        return Outcome.LOST
    if "quota" in known["faults"]:  # such a task leaves no turn: forgotten, nothing tells
        return Outcome.LOST if said is Outcome.LOST else Outcome.RATE_LIMITED
    if known["latency_s"] is None:
        return Outcome.FAILED
    return Outcome.MISROUTED if "contaminated" in known["faults"] else Outcome.ANSWERED


async def test_every_trial_is_truly_labelled_in_the_end(tmp_path, monkeypatch):
    """Answered, failed, misrouted and lost are what the server knows to be so; what was turned away is asked again."""
    monkeypatch.setattr(patience, "AFTER_THE_TURN_S", 0.1)
    (tmp_path / "faults.yaml").write_text(FAULTS)
    said: list[str] = []
    hours = count()  # each time that the clock is read, an hour has passed, and the next one is about to turn
    trials = tuple(replace(each, prompt=f"list the tables in sales_db, {each.prompt}") for each in planned(16))
    with embedded.serve(seed=5, speed=200.0, faults=tmp_path / "faults.yaml") as url:
        async with connect(url, Credentials(username="admin", password=SecretStr("admin"))) as uderia:
            profiles = directory.read(await uderia.profiles(), await uderia.llm_configurations())
            arms = {arm: directory.resolve(arm, profiles, server=url) for arm in ("IDEAT", "OPTIM")}
            with Ledger.create(tmp_path / "ledger.sqlite", trials, arms) as ledger:
                for _ in range(MOST_SITTINGS):  # what was turned away between two expiries is left to a resume
                    async with open_book(ledger) as book:
                        runner = Runner(
                            servers={url: uderia},
                            arms=arms,
                            experiment=under(load={"concurrency": 8}),
                            book=book,
                            watch=lambda *_: None,
                            stop=Stop(say=said.append),
                            utc=lambda: BEFORE_THE_TURN + timedelta(hours=next(hours)),
                        )
                        await runner.run(ledger.unsettled())
                    if not ledger.unsettled():
                        break
                records = list(ledger.records())
        async with httpx.AsyncClient(base_url=url) as client:
            truth = {task["task_id"]: task for task in (await client.get("/sim/truth")).json()}
            planted = (await client.get("/sim/faults")).json()["planted"]
    assert planted.keys() >= {"restart", "token_expiry"}
    assert any("Hourly limit exceeded" in text and "pausing" in text for text in said)
    assert len(records) == len(trials)
    by_session = {task["session_id"]: task for task in truth.values()}
    outcomes: Counter[Outcome] = Counter()
    for record in records:
        known = truth.get(record.task_id) or by_session.get(record.session_id)
        trace = profile_types.read(record)
        outcomes[trace.outcome] += 1
        assert trace.outcome is truly(known, trace.outcome), (record.trial.trial_id, trace.outcome_detail, known)
    assert outcomes[Outcome.ANSWERED] > len(trials) / 3
    answered = [record for record in records if profile_types.read(record).outcome is Outcome.ANSWERED]
    assert any(record.attempts > 1 for record in answered)  # after the pause, an expiry or a restart
