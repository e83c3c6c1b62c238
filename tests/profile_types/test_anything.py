"""Laws of reading: whatever the JSON, there is an outcome with a reason and every metric has a value of its type."""

from __future__ import annotations

import copy

import exchanges
import orjson
import traces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uderia_bench import metrics, profile_types
from uderia_bench.trial import Ending, Outcome

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["success", "error", "complete", "FASTPATH initiated for 'x'.", "2026-11-24T10:00:00+00:00", "strategic"])
)
ANYTHING = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=12
)

_AGENT_STEPS = (exchanges.step(1.0, (100, 10)), *exchanges.agent_tool(1.5, "t", '{"status": "success"}'))
_RUNS = (
    exchanges.agent_run(*_AGENT_STEPS),
    exchanges.one_tool_run(tactical=True),
    exchanges.planner_run(*exchanges.REPORT, extra_events=(exchanges.token_update("c", 1.0, (1, 1), (1, 1)),)),
)


def _paths(value, path=()):
    """Return the path to every value inside a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


def _put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


@st.composite
def mutated_runs(draw):
    """Return a run's task and session with up to four values replaced by anything, its lists shuffled or cut."""
    bodies = copy.deepcopy(list(draw(st.sampled_from(_RUNS))))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from([path for path in _paths(bodies) if len(path) > 1]))
        _put(bodies, path, draw(ANYTHING))
    return bodies


def check(trace):
    """Hold a trace to what every trace promises."""
    assert isinstance(trace.outcome, Outcome)
    assert trace.outcome is Outcome.ANSWERED or trace.outcome_detail
    metrics.observe(trace)  # raises on a wrong type, NaN or infinity


@given(task=ANYTHING, session=ANYTHING)
@settings(max_examples=300, deadline=None)
def test_any_json_has_an_outcome(task, session):
    """Any JSON for task and session is a trial with an outcome and a reason."""
    check(profile_types.read(traces.record(orjson.dumps(task, option=orjson.OPT_PASSTHROUGH_DATETIME), orjson.dumps(session))))


@given(bodies=mutated_runs())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_run_has_an_outcome(bodies):
    """A real run with any of its values replaced by anything is still read."""
    check(profile_types.read(traces.record(*bodies)))


@given(body=st.binary(max_size=64), ending=st.sampled_from(Ending))
@settings(max_examples=100, deadline=None)
def test_any_bytes_have_an_outcome(body, ending):
    """Bytes that are no JSON at all are read too, whatever the client saw."""
    check(profile_types.read(traces.record(body, body, ending=ending, detail="why")))


@given(order=st.permutations(range(len(_RUNS[1][0]["events"]))))
@settings(max_examples=50, deadline=None)
def test_the_order_of_events_does_not_matter(order):
    """Stamps decide: shuffled events give the same trace, but for the note."""
    task, session = _RUNS[1]
    shuffled = {**task, "events": [task["events"][i] for i in order]}
    straight, read = profile_types.read(traces.record(task, session)), profile_types.read(traces.record(shuffled, session))
    assert (read.outcome, read.tokens, read.timing, read.llm_calls) == (
        straight.outcome,
        straight.tokens,
        straight.timing,
        straight.llm_calls,
    )
