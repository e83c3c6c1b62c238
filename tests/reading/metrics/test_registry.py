"""The registry: every metric is described, every value checked, and every error names its metric."""

from __future__ import annotations

import pytest
import traces

from uderia_bench.errors import MetricFailed
from uderia_bench.reading import metrics
from uderia_bench.reading.metrics import Across, Assumption, Direction, Metric
from uderia_bench.trace import Tokens

# The names that the documentation promises as columns. A new metric need not be added here.
PROMISED = (
    "latency_s", "queue_s", "answer_wall_s", "task_s", "submit_s", "naming_s", "agent_s", "phase_s_mean",
    "phase_s_max", "input_tokens", "output_tokens", "total_tokens", "naming_tokens", "strategic_tokens",
    "tactical_tokens", "report_tokens", "correction_tokens", "other_tokens", "unattributed_tokens",
    "tokens_per_llm_call", "ms_per_token", "overhead_ratio", "llm_calls", "strategic_calls", "tactical_calls",
    "report_calls", "correction_calls", "other_calls", "cost_usd", "price_fallback", "list_cost_usd",
    "phases_planned", "phases", "fastpath_phases", "fastpath_rate", "fastpath_logged", "data_fastpath_rate",
    "direct_tool_rate", "fastpath_tokens_saved", "plan_rewrites", "tool_calls", "system_tool_calls",
    "tool_errors", "tool_success_rate", "redundant_tool_calls", "max_tool_repeats", "corrections",
    "correction_rate", "correction_token_ratio", "format_repairs", "rag_used", "hydrated", "distillations",
    "orchestrations", "answered", "checks_passed_ratio", "answer_chars", "response_s", "quantisation", "stall_s",
)  # fmt: skip


def a_metric(read, kind=float):
    """Return a metric of the test's own."""
    return Metric(
        name="mine", family="test", doc="A test.", unit="1", kind=kind, direction=Direction.NEUTRAL,
        assumption=Assumption.AMOUNT, read=read,
    )  # fmt: skip


def test_every_promised_metric_is_there_and_names_are_unique():
    """No promised name is missing, and none is used twice."""
    names = [metric.name for metric in metrics.BUILT_IN]
    assert set(PROMISED) <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", metrics.BUILT_IN, ids=lambda metric: metric.name)
def test_a_metric_is_described(metric):
    """The doc is a sentence, a metric not tested across types has a reason, a rate has unit 1, ``judged_unless`` exists."""
    assert metric.doc[0].isupper()
    assert metric.doc.endswith(".")
    assert (metric.across is Across.TESTED) == (metric.across_reason is None)
    if metric.assumption is Assumption.RATE:
        assert metric.unit == "1"
    if metric.judged_unless:
        judge = next(other for other in metrics.BUILT_IN if other.name == metric.judged_unless)
        assert judge.kind is bool


def test_only_what_the_seed_compares_is_tested_across_profile_types():
    """Calls, overhead and phases are shown and never tested; direct_tool_rate is tested and labelled."""
    across = {metric.name: metric.across for metric in metrics.BUILT_IN}
    for name in (
        "latency_s",
        "answer_wall_s",
        "task_s",
        "total_tokens",
        "cost_usd",
        "ms_per_token",
        "answered",
        "checks_passed_ratio",
    ):
        assert across[name] is Across.TESTED
    for name in ("llm_calls", "overhead_ratio", "phases", "fastpath_rate", "agent_s"):
        assert across[name] is Across.SHOWN
    assert across["direct_tool_rate"] is Across.STRUCTURAL


def test_an_empty_trace_has_no_invented_values():
    """Where nothing came back, every metric is missing except ``answered``."""
    observed = metrics.observe(traces.trace(profile_type=None, tokens=Tokens(), answer=None))
    assert {name for name in PROMISED if observed[name] is not None} == {"answered"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, int),
        (True, int),
        (1, bool),
        (True, float),
        ("1", float),
        (float("nan"), float),
        (float("inf"), float),
        (2**63, int),
        (-float("inf"), float),
    ],
)
def test_a_value_of_another_kind_fails_naming_its_metric(value, kind):
    """A wrong type, NaN, infinity or an integer beyond 64 bits never reaches the store."""
    with pytest.raises(MetricFailed, match="metric mine returned"):
        metrics.observe(traces.trace(), (a_metric(lambda _: value, kind),))


def test_a_metric_that_raises_fails_naming_itself():
    """The error names the metric and the reason, and keeps its cause."""
    with pytest.raises(MetricFailed, match="metric mine raised ZeroDivisionError: ") as caught:
        metrics.observe(traces.trace(), (a_metric(lambda _: 1 / 0),))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_whole_number_is_a_float_and_none_is_missing():
    """An int where a float is declared is widened; None passes."""
    value = metrics.observe(traces.trace(), (a_metric(lambda _: 3),))["mine"]
    assert (type(value), value) == (float, 3.0)
    assert metrics.observe(traces.trace(), (a_metric(lambda _: None),)) == {"mine": None}
