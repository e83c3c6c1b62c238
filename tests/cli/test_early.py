"""A run that an interim look ends, through the real command against the embedded server."""

import json

from cli.conftest import FINISHED, settled, wait_for_trials

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
stop: {metrics: primary, looks: 3}
margins: {output_tokens: 5%}
"""


def test_a_decided_run_is_over(command):
    """OPTIM writes several times as much: the run ends before its plan, is complete, and its p allows for the looks."""
    command.write("eight.yaml", CORPUS)
    command.write("early.yaml", EXPERIMENT)
    done = command("run", "early.yaml", "--run-id", "r", "--json")
    assert done.returncode in FINISHED, done.stderr
    assert "stopping: decided at look 1 of 3 (output_tokens worse)" in done.stderr
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
    (look,) = report["looks"]
    assert (look["look"], look["of"], look["trials"], look["stops"]) == (1, 3, settled, True)
    assert look["comparisons"][0]["p"] == found["p"]
    assert manifest["decided"]["saved"] == 96 - settled
    assert manifest["state"] == "complete"
    assert len(manifest["decided"]["at"]["shares"]) == 3
    assert command("resume", "r").returncode == 0
    assert sum(json.loads(command("report", "r", "--json").stdout)["run"]["settled"].values()) == settled


def test_an_unknown_metric_cannot_be_looked_at(command):
    """The error names the field, before the first query is sent."""
    command.write("eight.yaml", CORPUS)
    command.write("early.yaml", EXPERIMENT.replace("metrics: primary", "metrics: [outputs]"))
    done = command("run", "early.yaml")
    assert done.returncode == 2
    assert "stop.metrics.0: no built-in metric is named 'outputs'" in done.stderr


# Without learning and with one repeat, the embedded server answers a trial the same whenever it is asked.
MANY = "version: 1\nname: many\nqueries:\n" + "".join(
    f"  - {{id: q{n}, prompt: 'count the rows of table {n}'}}\n" for n in range(48)
)
CALM = "server: {learning: false}\neffects: [{on: output_tokens, profile: OPTIM, factor: 0.95}]\n"
STALLS = CALM + "faults: [{kind: stall, rate: 0.05, profile: OPTIM}]\n"
LOOKED = """
version: 1
name: looked
server: {sim: {speed: 1000, seed: 13, faults: sim.yaml}}
corpus: many.yaml
arms:
  - {name: OPTIM2, profile: OPTIM2}
  - {name: OPTIM, profile: OPTIM}
repeats: 1
warmup: 0
load: {concurrency: 8}
stop: {metrics: primary, looks: 3}
margins: {output_tokens: 5%}
"""


def test_a_run_killed_between_two_looks_decides_as_an_undisturbed_one(command):
    """SIGKILL after the first look, with trials in flight: the resumed run has the same looks and the same decision."""
    command.write("many.yaml", MANY)
    command.write("looked.yaml", LOOKED)
    command.write("calm.yaml", CALM)
    command.write("sim.yaml", STALLS)  # some trials of the second part do not end, so the run waits there
    killed = command.start("run", "looked.yaml", "--run-id", "killed")
    undisturbed = command.start("run", "looked.yaml", "--run-id", "whole", "--set", "sim.faults=calm.yaml", "--json")
    wait_for_trials(command, "killed", killed, ended=33)
    killed.kill()
    killed.wait()
    assert 32 < len(settled(command, "killed")) < 64
    command.write("sim.yaml", CALM)
    again, (out, err) = command("resume", "killed", "--json"), undisturbed.communicate()
    assert {again.returncode, undisturbed.returncode} <= {0, 5}, again.stderr + err  # 5: a busy machine makes times invalid
    looks = [json.loads(text)["looks"] for text in (out, again.stdout)]
    assert [(look["look"], look["trials"], look["stops"]) for look in looks[0]] == [(1, 32, False), (2, 64, True)]
    assert looks[1] == looks[0]
    files = [command.cwd / "output" / name / "manifest.json" for name in ("whole", "killed")]
    decided = [json.loads(file.read_text())["decided"] for file in files]
    assert decided[1] == decided[0]
    assert decided[0]["saved"] == 32
