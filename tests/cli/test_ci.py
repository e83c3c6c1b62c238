"""Output for CI systems, of the real command."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

GATE = 'gates=["OPTIM.latency_s.p95 < 1ms"]'


def test_github_gets_a_summary_and_a_mark_for_the_missed_gate(command):
    """The report is appended to the job's summary, the annotation is on stderr, stdout is still only JSON."""
    summary = command.write("summary.md", "before\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = command("run", "experiment.yaml", "--set", GATE, "--set", "repeats=1", "--json", env=env)
    assert done.returncode == 1
    assert json.loads(done.stdout)["standing"] == "gate_missed"
    assert "::error title=Gate missed::OPTIM.latency_s.p95 < 1ms: OPTIM: " in done.stderr
    text = summary.read_text()
    assert text.startswith("before\n## ")
    assert text.splitlines()[-1] == "**Gate missed: OPTIM.latency_s.p95 &lt; 1ms (exit code of the run: 1)**"


def test_outside_of_github_nothing_is_added(command):
    """No summary, no annotation."""
    done = command(
        "run", "experiment.yaml", "--set", GATE, "--set", "repeats=1", env={"GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": ""}
    )
    assert "::error" not in done.stderr + done.stdout
    junit = command("report", "latest", "--format", "junit", "-o", "junit.xml")
    assert junit.returncode == 0
    root = ET.parse(command.cwd / "junit.xml").getroot()
    assert root[0].get("failures") == "1"


def test_schemas_are_printed(command):
    """Each is JSON Schema; another name is refused with those there are."""
    for kind in ("corpus", "experiment", "report"):
        assert json.loads(command("schema", kind).stdout)["$schema"].startswith("https://json-schema.org/")
    wrong = command("schema", "run")
    assert wrong.returncode == 2
    assert "use corpus, experiment, report" in wrong.stderr
