"""Call metrics: the number of LLM calls, in total and by class, session naming excluded."""

from __future__ import annotations

from functools import partial

from uderia_bench.reading.metrics.metric import CALL_COUNT, PURPOSE, Across, Direction, Metric, counted, if_returned
from uderia_bench.trace import CallClass

_calls = partial(counted, family="calls", direction=Direction.LOWER, across=Across.SHOWN, across_reason=CALL_COUNT)


def _of_class(call_class: CallClass) -> Metric:
    return _calls(
        name=f"{call_class.value}_calls",
        doc=f"LLM calls for {PURPOSE[call_class]}.",
        read=if_returned(lambda trace: sum(call.call_class is call_class for call in trace.llm_calls)),
    )


METRICS: tuple[Metric, ...] = (
    _calls(
        name="llm_calls",
        doc="LLM calls that the server logs, session naming excluded. It does not log a parse retry.",
        read=if_returned(lambda trace: len(trace.llm_calls)),
    ),
    *(_of_class(call_class) for call_class in CallClass),
)
