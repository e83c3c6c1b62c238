"""A run that stops early because it has decided, through the real command against the embedded server."""

import json

CORPUS = """
version: 1
name: eight
queries:
  - {id: count-of, prompt: "how many tables are in {db}?", matrix: {db: [a, b, c, d, e, f, g, h]}}
"""
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
    """OPTIM writes several times as much: the run ends before its plan, is complete, pays for its looks and asks no more."""
    command.write("eight.yaml", CORPUS)
    command.write("early.yaml", EXPERIMENT)
    done = command("run", "early.yaml", "--run-id", "r", "--json")
    assert done.returncode == 0, done.stderr
    assert "stopping: output_tokens has decided at look" in done.stderr
    report = json.loads(done.stdout)
    settled = sum(report["run"]["settled"].values())
    assert 32 <= settled < 96
    assert report["run"]["planned"] == settled
    assert "trials are saved" in report["run"]["notes"][0]
    assert f"{settled // 2} trials an arm" in report["headline"][2]
    (found,) = [c for c in report["comparisons"] if (c["metric"], c["stratum"]) == ("output_tokens", "all")]
    assert found["verdict"] == "worse"
    assert found["test"].startswith("paired t, look ")
    manifest = json.loads((command.cwd / "output" / "r" / "manifest.json").read_text())
    assert manifest["state"] == "complete"
    assert manifest["decided"]["at"]["looks"] == 3
    assert command("resume", "r").returncode == 0
    assert sum(json.loads(command("report", "r", "--json").stdout)["run"]["settled"].values()) == settled


def test_a_metric_that_nobody_knows_cannot_be_looked_at(command):
    """The mistake is said at its place, before anything is asked."""
    command.write("eight.yaml", CORPUS)
    command.write("early.yaml", EXPERIMENT.replace("metric: output_tokens", "metric: outputs"))
    done = command("run", "early.yaml")
    assert done.returncode == 2
    assert "stop.metric: no metric of ours is named 'outputs'" in done.stderr
