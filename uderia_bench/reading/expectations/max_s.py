"""``max_s``: the answer came within this time."""

from __future__ import annotations

from uderia_bench.reading.expectations.kind import Answer, ExpectationKind, Judged
from uderia_bench.reading.metrics import latency


def _judge(answer: Answer, value: float) -> Judged:
    seconds = latency.latency_s(answer.trace)
    if seconds is None:
        return Judged(passed=None, found="no latency is known")
    return Judged(passed=seconds <= value, found=f"{seconds:.3g} s")


MAX_S = ExpectationKind(name="max_s", doc="latency_s is at most this many seconds.", judge=_judge)
