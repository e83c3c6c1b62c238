"""Trials and settled records with every field filled, for tests of the ledger and of what reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from uderia_bench.trial import Ending, Serving, Stage, Trial, TrialRecord

ARM = Serving(server="http://s", profile_id="p", profile_tag="OPTIM", profile_type="tool_enabled", models=("Beta/two",))


def trial(seq: int = 0) -> Trial:
    """Return a planned trial."""
    return Trial(
        trial_id=f"t{seq}",
        seq=seq,
        block=seq,
        window=0,
        stage=Stage.MEASURED,
        query_id=f"q{seq}",
        prompt="how many?",
        complexity="simple",
        tags=("a", "b"),
        arm="OPTIM",
        repeat=1,
        server="http://s",
    )


def record(seq: int = 0, **changes) -> TrialRecord:
    """Return a settled record with every field filled."""
    full = TrialRecord(
        trial=trial(seq),
        expected=ARM,
        ending=Ending.SETTLED,
        detail=None,
        attempts=2,
        polls=3,
        session_id="s-1",
        task_id="task-1",
        due_s=0.1,
        sent_s=0.25,
        accepted_s=0.5,
        seen_lo_s=1.0,
        seen_hi_s=2.0,
        due_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        sent_at=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC),
        accepted_at=datetime(2026, 1, 2, 3, 4, 7, tzinfo=UTC),
        done_at=datetime(2026, 1, 2, 3, 4, 8, tzinfo=UTC),
        task=b'{"status": "complete"}',
        session=b'{"id": "s-1"}',
        notes=("one", "two"),
    )
    return replace(full, **changes)
