"""Service time and response time, from a trial's record to its metrics."""

from __future__ import annotations

import exchanges
import numpy as np
import orjson
import pytest

from uderia_bench.reading import metrics, profile_types
from uderia_bench.trial import Ending, Serving, Stage, Trial, TrialRecord

ARM = Serving(server="s", profile_id="p", profile_tag="OPTIM", profile_type="tool_enabled")
TRIAL = Trial(
    trial_id="t", seq=0, block=0, window=0, stage=Stage.MEASURED, query_id="q", prompt="?", complexity=None, tags=(),
    arm="OPTIM", repeat=1,
)  # fmt: skip


def record(*, due_s, sent_s, service_s=None, **fields):
    """Return the record of a trial that was due and sent then, and that the server took so long to answer; None: no stamps."""
    events = [exchanges.event("start", 0.0), exchanges.final_answer(service_s or 0.0)]
    if service_s is None:
        events = [{**event, "timestamp": None} for event in events]
    return TrialRecord(
        trial=TRIAL, expected=ARM, ending=Ending.SETTLED, detail=None, due_s=due_s, sent_s=sent_s, accepted_s=sent_s,
        task=orjson.dumps(exchanges.task(events, ended=service_s or 0.0)), **fields,
    )  # fmt: skip


def times(found, name):
    """Return one metric of every record."""
    return np.array([metrics.observe(profile_types.read(each), TIMES)[name] for each in found])


TIMES = tuple(metric for metric in metrics.BUILT_IN if metric.name in ("latency_s", "response_s", "quantisation", "stall_s"))


@pytest.mark.no_cover
def test_a_stall_of_the_server_shows_in_response_time_and_hides_in_service_time():
    """100 requests/s, 1 ms each for 100 s, then the server stands still for 100 s.

    Who sends one at a time sends 10,001 of them until the stall ends, and thinks the mean is 11 ms. The schedule wanted 20,000.
    """
    prompt = record(due_s=0.0, sent_s=0.0, service_s=0.001)  # and 9,999 more like it, 10 ms apart
    stalled = record(due_s=100.0, sent_s=100.0, service_s=100.0)
    waiting = [record(due_s=n / 100, sent_s=200.0, service_s=0.0) for n in range(10_003, 20_000, 5)]  # each stands for 5
    service = np.concatenate([np.repeat(times([prompt], "latency_s"), 10_000), times([stalled], "latency_s")])
    assert 1000 * service.mean() == pytest.approx(11.0, abs=0.05)
    assert 1000 * np.percentile(service, 99) == pytest.approx(1.0)
    response = np.concatenate(
        [
            np.repeat(times([prompt], "response_s"), 10_000),
            times([stalled], "response_s"),
            np.repeat(times(waiting, "response_s"), 5),
        ]
    )
    assert response.mean() == pytest.approx(25.0, abs=0.05)
    assert np.percentile(response, 75) == pytest.approx(50.0, abs=0.05)
    assert np.percentile(response, 99) == pytest.approx(98.0, abs=0.05)


def test_without_stamps_the_time_is_the_poll_that_saw_the_end_wherever_in_the_run_the_trial_was_sent():
    """Polls are noted from the send: a trial sent at minute five that ended in its ninth second took 9, and 1/9 is open."""
    polled = record(due_s=299.0, sent_s=300.0, seen_lo_s=8.0, seen_hi_s=9.0, stall_s=0.02)
    assert times([polled], "latency_s") == [9.0]
    assert times([polled], "response_s") == [10.0]
    assert times([polled], "quantisation") == pytest.approx([1 / 9])
    assert times([polled], "stall_s") == [0.02]


def test_polling_adds_no_error_to_a_time_from_server_timestamps():
    """With server timestamps, no number depends on the poll interval."""
    stamped = record(due_s=300.0, sent_s=300.0, service_s=6.0, seen_lo_s=6.0, seen_hi_s=8.0)
    assert times([stamped], "latency_s") == [6.0]
    assert times([stamped], "quantisation") == [0.0]
