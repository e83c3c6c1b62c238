"""Call metrics: the number of LLM calls, in total and by class, session naming excluded."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import CALL_COUNT, PURPOSE, Across, Assumption, Direction, Metric
from uderia_bench.trace import CallClass, Trace

_calls = partial(
    Metric,
    family="calls",
    unit="1",
    kind=int,
    direction=Direction.LOWER,
    assumption=Assumption.AMOUNT,
    across=Across.SHOWN,
    across_reason=CALL_COUNT,
)


def llm_calls(trace: Trace) -> int | None:
    """Return the number of LLM calls; None where the turn did not come back."""
    return len(trace.llm_calls) if trace.profile_type is not None else None


def _of_class(call_class: CallClass) -> Metric:
    def read(trace: Trace) -> int | None:
        if llm_calls(trace) is None:
            return None
        return sum(1 for call in trace.llm_calls if call.call_class is call_class)

    return _calls(name=f"{call_class.value}_calls", doc=f"LLM calls for {PURPOSE[call_class]}.", read=read)


METRICS: tuple[Metric, ...] = (
    _calls(
        name="llm_calls",
        doc="LLM calls that the server logs, session naming excluded. It does not log a parse retry.",
        read=llm_calls,
    ),
    *(_of_class(call_class) for call_class in CallClass),
)
