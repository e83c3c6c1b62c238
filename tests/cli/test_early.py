"""A run that an interim look ends, through the real command against the embedded server."""

import json

import pytest

CORPUS = "version: 1\nname: eight\nqueries:\n" + "".join(
    f"  - {{id: count-{name}, prompt: 'how many {name} are there?'}}\n"
    for name in ("tables", "views", "users", "orders", "products", "regions", "errors", "sessions")
)
EXPERIMENT = """
version: 1
name: early
server: {sim: {speed: 200, seed: 7}}
corpus: eight.yaml
arms:
  - {name: IDEAT, profile: "@IDEAT"}
  - {name: OPTIM, profile: OPTIM}
repeats: 6
warmup: 0
load: {concurrency: 4}
stop: {metric: output_tokens, looks: 3}
margins: {output_tokens: 5%}
"""


def test_a_decided_run_is_over(command):
    """OPTIM writes several times as much: the run ends before its plan, is complete, and its p allows for the looks."""
    command.write("eight.yaml", CORPUS)
    command.write("early.yaml", EXPERIMENT)
    done = command("run", "early.yaml", "--run-id", "r", "--json")
    assert done.returncode == 0, done.stderr
    assert "stopping: output_tokens is decided at look" in done.stderr
    report = json.loads(done.stdout)
    settled = sum(report["run"]["settled"].values())
    assert 32 <= settled < 96
    assert report["run"]["planned"] == settled
    assert "trials are saved" in report["run"]["notes"][0]
    assert f"{settled // 2} trials per arm" in report["headline"][2]
    manifest = json.loads((command.cwd / "output" / "r" / "manifest.json").read_text())
    (found,) = [c for c in report["comparisons"] if (c["metric"], c["stratum"]) == ("output_tokens", "all")]
    assert found["verdict"] == "worse"
    assert found["test"].startswith("paired t, look ")
    assert found["p"] == pytest.approx(manifest["decided"]["p_values"][0])
    assert manifest["decided"]["saved"] == 96 - settled
    assert manifest["state"] == "complete"
    assert manifest["decided"]["at"]["looks"] == 3
    assert command("resume", "r").returncode == 0
    assert sum(json.loads(command("report", "r", "--json").stdout)["run"]["settled"].values()) == settled


def test_an_unknown_metric_cannot_be_looked_at(command):
    """The error names the field, before the first query is sent."""
    command.write("eight.yaml", CORPUS)
    command.write("early.yaml", EXPERIMENT.replace("metric: output_tokens", "metric: outputs"))
    done = command("run", "early.yaml")
    assert done.returncode == 2
    assert "stop.metric: no metric of ours is named 'outputs'" in done.stderr
