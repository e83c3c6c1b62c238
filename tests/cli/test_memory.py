"""Arms with memory from the command line: the changes are listed, made, undone and reported."""

from __future__ import annotations

import json


def test_a_run_with_memory_lists_its_changes_and_reports_what_it_is_worth(command):
    """The dry run names each change, the ledger has them all restored, and every format has the page."""
    tables = ("orders", "items", "users", "carts", "bills", "shops")
    asked = ", ".join(f"{{id: {name}, prompt: 'How many rows are in the {name} table?'}}" for name in tables)
    command.write("corpus.yaml", f"version: 1\nqueries: [{asked}]\n")
    command.write("faults.yaml", "effects: [{on: plan_tokens_with_case, factor: 0.8}]\nserver: {chance: false}\n")
    command.write(
        "experiment.yaml",
        "version: 1\nserver: {sim: {speed: 500, faults: faults.yaml}}\ncorpus: corpus.yaml\nmanage_server: true\n"
        "load: {concurrency: 1}\nrepeats: 2\nwarmup: 0\n"
        "arms: [{name: cold, profile: OPTIM, memory: 'off'}, {name: grows, profile: OPTIM, memory: learning}]\n",
    )
    planned = " ".join(command("run", "experiment.yaml", "--dry-run").stdout.split())
    assert "changes sim in the windows of cold: OPTIM finds plans only in the user's first planner collection" in planned
    assert not (command.cwd / "output").exists()
    command("run", "experiment.yaml", "--run-id", "r")
    manifest = json.loads((command.cwd / "output/r/manifest.json").read_text())
    assert {each["state"] for each in manifest["changes"]} == {"restored"}
    (score,) = json.loads((command.cwd / "output/r/report.json").read_text())["memory"]
    assert (score["baseline"], score["candidate"], score["state"]) == ("cold", "grows", "learning")
    assert [part["found"]["value"] for part in score["curve"]] == [0.0, 1.0]
    for name in ("report.md", "report.html"):
        assert "compared with cold by repeat" in (command.cwd / "output/r" / name).read_text()
    assert command("restore", "r").stdout == "r: nothing to restore\n"
