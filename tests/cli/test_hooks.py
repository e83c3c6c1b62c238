"""``prepare`` and ``cleanup`` from the command line."""

from __future__ import annotations

import json


def test_a_run_asks_before_it_gives_commands_to_the_shell(command):
    """Without ``--allow-commands`` nothing runs and nothing is left; with it, the manifest holds what ran."""
    command.write("corpus.yaml", "version: 1\nqueries: [{id: q, prompt: list the tables}]\n")
    command.write(
        "experiment.yaml",
        "version: 1\nserver: sim\nsim: {speed: 200}\ncorpus: corpus.yaml\n"
        "arms: [{name: OPTIM, profile: OPTIM}]\nrepeats: 1\nwarmup: 0\n"
        "prepare: touch prepared\ncleanup: {run: echo cleaned, window: exit 0}\n",
    )
    refused = command("run", "experiment.yaml", "--run-id", "r")
    assert refused.returncode == 3
    assert "touch prepared; exit 0; echo cleaned; if you trust them, use --allow-commands" in refused.stderr
    assert not (command.cwd / "prepared").exists()
    assert not (command.cwd / "output/r").exists()
    assert command("run", "experiment.yaml", "--run-id", "r", "--allow-commands").returncode == 0
    assert (command.cwd / "prepared").exists()
    hooks = json.loads((command.cwd / "output/r/manifest.json").read_text())["hooks"]
    assert [(each["key"], each["exit_code"]) for each in hooks] == [
        ("prepare.run", 0),
        ("cleanup.window", 0),
        ("cleanup.run", 0),
    ]
    assert hooks[-1]["output"] == "cleaned\n"
