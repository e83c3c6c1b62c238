"""``inspect`` and ``detectors`` through the real command: raw files, a trial of a run, and everything that is refused."""

from __future__ import annotations

import json

import exchanges
import pytest
import traces
from ledgers import settle
from runs import manifest_of

from uderia_bench.reading import detectors, metrics
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger

STRICT = "strategic_tokens=100"


@pytest.fixture
def files(command):
    """Return the command where a task and a session lie, the task as a captured exchange."""
    task, session = exchanges.one_tool_run(tactical=True)
    command.write("task.json", json.dumps({"request": {}, "status": 200, "headers": {}, "body": task}))
    command.write("session.json", json.dumps(session))
    return command


@pytest.fixture
def run(command):
    """Return the command where a run of two settled trials and one unsettled lies."""
    made = directory.create(command.cwd / "output", "r")
    trials = [
        traces.trial(trial_id=name, seq=seq, query_id=name[:2], complexity="simple")
        for seq, name in enumerate(("q1-A-1", "q1-A-2", "q2-A-1"))
    ]
    with Ledger.create(made.ledger, trials, {"A": traces.expected(server="http://s")}) as ledger:
        for trial in trials[:2]:
            settle(ledger, traces.record(*exchanges.one_tool_run(), trial=trial, session_id="s-1"))
    made.write_manifest(manifest_of("r", server="http://s").to_json())
    return command


def test_raw_files_need_no_run(files):
    """A task alone, or with its session; text for people, JSON with every metric for the rest."""
    done = files("inspect", "--task", "task.json", "--session", "session.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "tactical  no         completed" in done.stdout
    shown = json.loads(files("inspect", "--task", "task.json", "--session", "session.json", "--json").stdout)
    assert shown["outcome"] == "answered"
    assert list(shown["metrics"]) == [metric.name for metric in metrics.BUILT_IN]
    alone = json.loads(files("inspect", "--task", "task.json", "--json").stdout)
    assert (alone["outcome"], alone["phases"]) == ("answered", [])


def test_sessions_of_consulted_profiles_may_be_given(command):
    """With them a coordinator's totals are whole, without them its metrics of work are empty."""
    ended = exchanges.event("genie_slave_completed", 3.0, profile_tag="IDEAT", slave_session_id="s2", success=True)
    events = [
        *exchanges.head("COORD"),
        exchanges.event("genie_coordination_start", 0.2, profile_tag="COORD"),
        exchanges.event("genie_llm_step", 1.0, step_name="Step", input_tokens=50, output_tokens=5),
        ended,
        exchanges.event("genie_coordination_complete", 4.0, success=True, input_tokens=50, output_tokens=5),
        exchanges.final_answer(5.0),
    ]
    step = exchanges.step(1.0, (300, 30))
    expert = exchanges.turn("IDEAT", (300, 30), conversation_agent_events=[step], timestamp=exchanges.at(2.5))
    command.write("task.json", json.dumps(exchanges.task(events)))
    command.write("child.json", json.dumps(exchanges.session(expert, id="s2")))
    alone = json.loads(command("inspect", "--task", "task.json", "--json").stdout)["metrics"]
    assert (alone["total_tokens"], alone["lower_bound"]) == (None, True)
    whole = json.loads(command("inspect", "--task", "task.json", "--child", "child.json", "--json").stdout)["metrics"]
    assert (whole["total_tokens"], whole["llm_calls"], whole["lower_bound"]) == (385, 2, False)


def test_a_threshold_is_settable(files):
    """What is no issue by default is one by a stricter measure."""
    asked = ("inspect", "--task", "task.json", "--session", "session.json", "--json")
    kinds = [issue["kind"] for issue in json.loads(files(*asked).stdout)["issues"]]
    stricter = [issue["kind"] for issue in json.loads(files(*asked, "--threshold", STRICT).stdout)["issues"]]
    assert [kind for kind in stricter if kind not in kinds] == ["excessive_planning"]


@pytest.mark.parametrize("option", ["--task", "--session", "--child"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"last_turn_data": {"workflow_hist', "wrong.json: not JSON: Unterminated string starting at: line 1 column 21"),
        ("<html>502</html>", "wrong.json: not JSON: Expecting value: line 1 column 1"),
        ("", "wrong.json: not JSON: Expecting value: line 1 column 1"),
        ("[1]", "wrong.json: not a JSON object, as every task"),
        ("null", "wrong.json: not a JSON object, as every task"),
    ],
)
def test_a_file_that_is_no_json_object_is_refused(files, option, content, said):
    """A cut or wrong file is a mistake in what was asked for, so the exit code is 2 and the place is named."""
    files.write("wrong.json", content)
    first = () if option == "--task" else ("--task", "task.json")
    done = files("inspect", *first, option, "wrong.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


def test_a_trial_of_a_run_by_its_id_or_enough_of_it(run):
    """The whole id, or a beginning that only it has."""
    for wanted in ("q1-A-2", "q1-A-2"[:6]):
        assert run("inspect", "r", wanted).stdout.startswith("trial           q1-A-2: query q1, arm A, repeat 1, measured")
    assert json.loads(run("inspect", "latest", "q1-A-1", "--json").stdout)["served"]["server"] == "http://s"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("r", "q1"), "2 trials begin with 'q1': q1-A-1, q1-A-2"),
        (("r", "q9"), "no trial 'q9' in this run (there are q1-A-1, q1-A-2, q2-A-1)"),
        (("r", "q2"), "trial q2-A-1 has not ended: go on with 'uderia-bench resume"),
        (("nowhere", "q1"), "no run 'nowhere'"),
        (("r",), "no tables of r: a run writes them when it ends"),
        (("--session", "s.json"), "write inspect RUN TRIAL"),
        (("r", "q1-A-1", "--task", "t.json"), "write inspect RUN TRIAL"),
        (("--task", "missing.json"), "missing.json: cannot read: No such file or directory"),
        (
            ("r", "q1-A-1", "--threshold", "speed=3"),
            "threshold 'speed=3': unknown name; use one of strategic_tokens",
        ),
        (("r", "q1-A-1", "--threshold", "tool_repeats=often"), "threshold 'tool_repeats=often': the value must be a number"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(run, arguments, said):
    """Exit code 2 and what to do."""
    done = run("inspect", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"uderia-bench: {said}")
    assert len(done.stderr.splitlines()) == 1


def test_the_registry_of_detectors_is_printed(command):
    """Every detector and threshold, for people and as JSON."""
    text = command("detectors").stdout
    shown = json.loads(command("detectors", "--json").stdout)
    assert [row["name"] for row in shown["detectors"]] == [detector.name for detector in detectors.BUILT_IN]
    assert all(f"{detector.name} [{detector.severity}]" in text for detector in detectors.BUILT_IN)
    assert all(f"{row['name']} = {row['default']}" in text and row["origin"] for row in shown["thresholds"])
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("typed", "found"), [("inspect ", ["latest", "r"]), ("inspect r q1", ["q1-A-1", "q1-A-2"]), ("report l", ["latest"])]
)
def test_a_shell_completes_runs_and_trials(run, typed, found):
    """The shell sets these variables when a user types a tab."""
    words = f"uderia-bench {typed}"
    env = {"_UDERIA_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert run(env=env).stdout.split() == found


def test_completion_of_a_run_that_does_not_exist_is_empty(run):
    """A traceback in the middle of typing would be worse."""
    env = {"_UDERIA_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "uderia-bench inspect nope ", "COMP_CWORD": "3"}
    assert run(env=env).stdout.strip() == run(env=env).stderr == ""
