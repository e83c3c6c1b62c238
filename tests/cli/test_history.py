"""Names for runs and their history through the real command."""

from __future__ import annotations

import json


def test_a_run_is_named_compared_with_and_listed_in_the_history(command):
    """``baseline save`` points, ``diff`` takes the name, ``history`` shows both runs."""
    for name in ("one", "two"):
        assert command("run", "experiment.yaml", "--run-id", name).returncode == 0
    saved = command("baseline", "save", "release", "one")
    assert (saved.returncode, saved.stdout) == (0, "release is output/one, in baselines.json\n")
    assert command("baseline", "list").stdout == "release: output/one\n"
    assert json.loads(command("diff", "release", "latest", "--json").stdout)["schema"] == "uderia-bench/report/1"
    told = json.loads(command("history", "--json").stdout)
    assert [night["run_id"] for night in told["nights"]] == ["one", "two"]
    assert {series["metric"] for series in told["series"]} == {"latency_s", "total_tokens", "cost_usd", "answered"}
    assert "2 nights" in command("history").stdout
    assert sorted(path.name for path in (command.cwd / "output").iterdir()) == ["one", "two"]


def test_a_dry_run_forecasts_by_what_was_run_before(command):
    """Nothing is known at first; then each arm's cost by the mean of the earlier run, scaled to the trials planned."""
    first = command("run", "experiment.yaml", "--dry-run")
    assert "cost unknown for IDEAT, OPTIM: no earlier run of it in output" in first.stdout
    assert command("run", "experiment.yaml", "--run-id", "before").returncode == 0
    told = json.loads(command("run", "experiment.yaml", "--dry-run", "--repeats", "20", "--json").stdout)
    assert [arm["run_id"] for arm in told["forecast"]] == ["before", "before"]
    (ideat, _) = told["forecast"]
    assert (ideat["planned"], ideat["trials"]) == (81, 9)
    assert 0 < ideat["cost_usd"] < 10
    assert "(by the mean of 9 trials of run before)" in command("run", "experiment.yaml", "--dry-run").stdout
    other = command("run", "experiment.yaml", "--dry-run", "--set", "sim.speed=100")
    assert "cost unknown" in other.stdout  # another speed is another server
