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
    assert "cost unknown for IDEAT, OPTIM: output has no earlier run of them" in first.stdout
    assert command("run", "experiment.yaml", "--run-id", "before").returncode == 0
    told = json.loads(command("run", "experiment.yaml", "--dry-run", "--repeats", "20", "--json").stdout)
    assert [arm["run_id"] for arm in told["forecast"]] == ["before", "before"]
    (ideat, _) = told["forecast"]
    assert (ideat["planned"], ideat["trials"]) == (81, 5)
    assert 0 < ideat["cost_usd"] < 10
    assert "(mean of 5 trials of run before)" in command("run", "experiment.yaml", "--dry-run").stdout
    other = command("run", "experiment.yaml", "--dry-run", "--set", "sim.speed=100")
    assert "cost unknown" in other.stdout  # another speed is another server


def test_a_run_s_own_id_is_no_name_for_another(command, whole):
    """The run of that id would go first wherever the name is given: the two would never be compared."""
    command.write("baselines.json", json.dumps({"whole": "output/whole"}))
    refused = command("baseline", "save", "whole", "latest")
    assert (refused.returncode, refused.stderr) == (
        2,
        "uderia-bench: baseline whole: a run has this name (output/whole); choose another name\n",
    )
    reserved = command("run", "experiment.yaml", "--run-id", "latest")
    assert (reserved.returncode, reserved.stderr.count("\n"), "latest" in reserved.stderr) == (2, 1, True)
    assert [path.name for path in whole.parent.iterdir()] == ["whole"]


def test_a_name_is_kept_beside_the_experiment_and_found_from_anywhere(command):
    """A nightly job need not run where the name was saved: a path in the file leads from the file, and the file is beside."""
    (command.cwd / "z").mkdir()
    command.write("z/corpus.yaml", (command.cwd / "corpus.yaml").read_text())
    gate = 'baseline: main\ngates: ["vs baseline: nothing worse"]\n'
    command.write("z/e.yaml", (command.cwd / "experiment.yaml").read_text() + gate)
    command.write("baselines.json", '{"main": "somewhere/else"}')
    first = command("run", "z/e.yaml", "--output", "z/out", "--run-id", "n1")
    assert (first.returncode, "no run is found as main yet" in first.stdout) == (1, True)
    (command.cwd / "baselines.json").unlink()
    saved = command("baseline", "save", "main", "n1", "--output", "z/out")
    assert (saved.returncode, saved.stdout) == (0, "main is z/out/n1, in z/baselines.json\n")
    assert json.loads((command.cwd / "z/baselines.json").read_text()) == {"main": "out/n1"}
    command.write("baselines.json", '{"main": "z/out/n3"}')  # of another experiment, which is run here
    second = command("run", "z/e.yaml", "--output", "z/out", "--run-id", "n2")
    assert "no run is found" not in second.stdout
    assert json.loads((command.cwd / "z/out/n2/manifest.json").read_text())["baseline"] == {"run_id": "n1", "path": "../n1"}
    held = command("diff", "main", "n2", "--output", "z/out", "--json")
    assert any(note.startswith("baseline n1,") for note in json.loads(held.stdout)["run"]["notes"]), held.stderr
    (command.cwd / "baselines.json").unlink()
    assert json.loads(command("report", "main", "--output", "z/out", "--json").stdout)["run"]["run_id"] == "n1"
    assert command("baseline", "list", "--output", "z/out").stdout == "main: z/out/n1 (in z/baselines.json)\n"
    listed = json.loads(command("baseline", "list", "--output", "z/out", "--json").stdout)
    assert listed == [{"name": "main", "run": "z/out/n1", "file": "z/baselines.json"}]
