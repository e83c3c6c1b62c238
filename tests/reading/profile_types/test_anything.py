"""Laws of reading: whatever the JSON, there is an outcome with a reason, metrics have their types, and no detector raises.

``UDERIA_BENCH_FUZZ`` sets the examples a law is tried on (``make fuzz``); otherwise there are 1,050 over all laws.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import exchanges
import orjson
import traces
from bounded import bounded, examples
from coordinations import agent, completed, coordinator, invoked, planner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from uderia_bench.reading import detectors, metrics, profile_types
from uderia_bench.reading.foreign_tools import FEWEST, Span, marked, plan_of, suspects
from uderia_bench.reading.tables import steps
from uderia_bench.report.trial.inspected import Inspected, to_json
from uderia_bench.report.trial.text import to_text
from uderia_bench.trial import Ending, Outcome

_WIDTH = 80
_UDERIA = Path(__file__).resolve().parents[4] / "shared/uderia"


def _captured():
    """Return the captured exchanges that lie beside the checkout, as JSON text; none where there are none."""
    folders = sorted(path.parent for path in _UDERIA.glob("captures*/**/session_details.json"))
    names = ("task_final.json", "session_details.json")
    captured = [[orjson.loads((folder / name).read_bytes())["body"] for name in names] for folder in folders]
    coordinated = [orjson.loads(path.read_bytes()) for path in sorted(_UDERIA.glob("labelled-2/*.json"))]
    captured += [[trial["task"], trial["session"], *trial["children"].values()] for trial in coordinated]
    return [orjson.dumps(bodies) for bodies in captured]


_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["half \ud83d", "\u2028", "=1", "\x1b[2J", 10**40])
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
_COORDINATED = (
    (*coordinator(completed("OPTIM", 3.5, "planner-1"), completed("IDEAT", 3.6, "agent-1")), planner(), agent()),
    (*coordinator(invoked("OPTIM", 1.1), completed("OPTIM", 3.5, "planner-1"), named_late=True), planner()),
)


def _paths(value, path=()):
    """Return the path to every value inside a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _paths(inner, (*path, key))


_SOURCES = [orjson.dumps(bodies) for bodies in (*_RUNS, *_COORDINATED)] + _captured()
_PLACES = [[path for path in _paths(orjson.loads(source)) if len(path) > 1] for source in _SOURCES]


def written(value, *, mark=False):
    """Return JSON as Python writes it, with NaN and halves of surrogate pairs, and perhaps a byte-order mark."""
    return b"\xef\xbb\xbf" * mark + json.dumps(value).encode()


def _step_clock(draw, task):
    """Step the server's clock in the middle of a run."""
    events = task.get("events")
    if not isinstance(events, list) or not events:
        return
    step = timedelta(seconds=draw(st.sampled_from([3600, -3600, 5, -5])))
    for event in events[draw(st.integers(0, len(events) - 1)) :]:
        with contextlib.suppress(TypeError, ValueError, KeyError, OverflowError):
            event["timestamp"] = (datetime.fromisoformat(event["timestamp"]) + step).isoformat()


@st.composite
def mutated_runs(draw):
    """Return a run's bodies with up to four values replaced by anything, dropped, said twice or put elsewhere.

    The bodies are the task, the session and, of a coordinator, the sessions of its experts.
    The server's clock may step, and the text may be JSON as Python writes it.
    """
    which = draw(st.integers(0, len(_SOURCES) - 1))
    bodies = orjson.loads(_SOURCES[which])
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(_PLACES[which]))
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier mutation took this place away
            _mutate(draw, bodies, path)
    if draw(st.booleans()) and isinstance(bodies[0], dict):
        _step_clock(draw, bodies[0])
    return [written(body, mark=draw(st.booleans())) for body in bodies]


def _mutate(draw, bodies, path):
    place = bodies
    for key in path[:-1]:
        place = place[key]
    if isinstance(place, dict) and not isinstance(path[-1], str):
        return  # an earlier mutation put an object where the list was
    kind = draw(st.sampled_from(["replace", "drop", "double", "reverse"]))
    if kind == "replace":
        place[path[-1]] = draw(ANYTHING)
    elif kind == "drop":
        del place[path[-1]]
    elif kind == "double" and isinstance(place, list):
        place.insert(path[-1], place[path[-1]])
    elif kind == "reverse" and isinstance(place, list):
        place.reverse()


def check(record):
    """Hold a record's trace to what every trace promises, and what is made of it."""
    with bounded():
        trace = profile_types.read(record)
        assert isinstance(trace.outcome, Outcome)
        assert trace.outcome is Outcome.ANSWERED or trace.outcome_detail
        assert _counted(profile_types.totals(record)) == _counted(trace)
        observed = metrics.observe(trace)  # raises on a wrong type, NaN or infinity
        found = detectors.detect(trace)
        steps.rows("r", record.trial, trace)
        shown = Inspected(record=record, planned=True, trace=trace, metrics=observed, issues=found)
        orjson.loads(to_json(shown))
        assert all(cell_len(line) <= _WIDTH for line in to_text(shown, _WIDTH).splitlines())


def _counted(trace):
    """Return what is read alike with and without the steps."""
    kind = (trace.profile_type, trace.execution_path, trace.provider, trace.model, trace.price_fallback)
    return trace.outcome, trace.outcome_detail, trace.timing, trace.tokens, trace.answer, kind


@given(task=ANYTHING, session=ANYTHING)
@settings(max_examples=examples(), deadline=None)
def test_any_json_has_an_outcome(task, session):
    """Any JSON for task and session is a trial with an outcome and a reason."""
    check(traces.record(written(task), written(session)))


@given(bodies=mutated_runs())
@settings(max_examples=examples(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_run_has_an_outcome(bodies):
    """A real run with any of its values replaced by anything is still read."""
    task, session, *children = bodies
    check(traces.record(task, session, children=tuple(children)))


@given(
    runs=st.lists(mutated_runs() | st.just([written(body) for body in _RUNS[1]]), min_size=FEWEST, max_size=8),
    more=st.integers(0, 5000),
)
@settings(max_examples=examples(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_runs_are_searched_for_foreign_tools(runs, more):
    """Whatever the other trials have, each suspect is one of them, and its marked trace is still measured."""
    began = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)
    records = [
        traces.record(
            *bodies[:2], trial=traces.trial(trial_id=f"t{number}"), sent_at=began, done_at=began + timedelta(seconds=9)
        )
        for number, bodies in enumerate(runs)
    ]
    read = {record.trial.trial_id: profile_types.read(record) for record in records}
    plans = [plan for record in records if (plan := plan_of(record, read[record.trial.trial_id])) is not None]
    if plans:
        plans[0] = replace(plans[0], tokens=plans[0].tokens + more)
    other = Span(server="", profile_id="another", began=began, ended=began)
    found = suspects(plans, [other] * (more % 2))
    assert set(found) <= {plan.trial_id for plan in plans}
    for trial_id, suspicion in found.items():
        trace = marked(read[trial_id], suspicion)
        assert trace.foreign_tools
        metrics.observe(trace)


@given(body=st.binary(max_size=64), ending=st.sampled_from(Ending))
@settings(max_examples=examples(), deadline=None)
def test_any_bytes_have_an_outcome(body, ending):
    """Bytes that are no JSON at all are read too, whatever the client saw."""
    check(traces.record(body, body, ending=ending, detail="why"))


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
