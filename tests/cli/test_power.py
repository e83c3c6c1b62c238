"""``power`` through the real command."""

import json

from frames import grid, noisy
from runs import saved


def test_power_reads_a_run_and_an_effect(command):
    """Text by default, JSON on request, and a wrong share is refused in one line."""
    saved(command.cwd / "output", "r", grid(queries=12, repeats=2, value=noisy()))
    done = command("power", "r", "--metric", "latency_s", "--effect", "20%")
    assert done.returncode == 0, done.stderr
    assert "20.0%" in done.stdout
    done = command("power", "r", "--metric", "latency_s", "--queries", "70", "--repeats", "2", "--json")
    (contrast,) = json.loads(done.stdout)["contrasts"]
    assert [(design["queries"], design["repeats"]) for design in contrast["designs"]] == [(70, 2)]
    for wrong in ("5", "none", "0"):
        refused = command("power", "r", "--effect", wrong)
        assert refused.returncode == 2
        assert refused.stderr.startswith("uderia-bench: --effect")


def test_an_experiment_is_planned_without_a_run(command):
    """The command needs no run: it prints designs with what to paste, and refuses the options of a run."""
    command.write(
        "c.yaml", "version: 1\nname: c\nqueries:\n" + "".join(f"  - {{id: q{n}, prompt: 'question {n}?'}}\n" for n in range(40))
    )
    command.write("e.yaml", "version: 1\nserver: sim\ncorpus: c.yaml\narms: [{name: A, profile: A}, {name: B, profile: B}]\n")
    done = command("power", "e.yaml", "--metric", "latency_s", "--effect", "30%")
    assert done.returncode == 0, done.stderr
    assert "# a verdict in 95% of runs\n" in done.stdout
    assert command("power", "e.yaml", "--repeats", "3").returncode == 2
