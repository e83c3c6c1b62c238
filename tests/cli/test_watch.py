"""Watching through the real command: a run that goes on, and one that has ended."""

from __future__ import annotations

import json

import pytest
from cli.conftest import wait_for_trials


def test_a_run_is_watched_while_it_goes_on(command):
    """Plain lines when piped, until it ends; then how it stands in full, and nothing of the run was disturbed."""
    run = command.start("run", "experiment.yaml", "--set", "sim.speed=20", "--set", "repeats=1", "--run-id", "on")
    wait_for_trials(command, "on", run)
    watched = command("watch", "on", "--every", "0.2")
    _, err = run.communicate()
    assert run.returncode == 0, err
    assert watched.returncode == 0, watched.stderr
    lines = watched.stdout.splitlines()
    assert any("/10 trials" in line and "left" in line for line in lines)
    assert any(line.startswith("10/10 trials") for line in lines)
    assert "Preliminary: do not stop the run" in watched.stdout


@pytest.mark.usefixtures("whole")
def test_a_run_that_has_ended_is_shown_once(command):
    """Text and JSON; the interrupted and the complete alike do not wait."""
    assert command("watch", "whole").stdout.startswith("10/10 trials")
    found = json.loads(command("watch", "latest", "--json").stdout)
    assert (found["trials"], found["left"]) == (10, 0)


def test_a_run_whose_process_was_killed_is_not_waited_for(command):
    """``watch`` ends and names ``resume``, and so does ``report``."""
    run = command.start("run", "experiment.yaml", "--set", "sim.speed=2", "--run-id", "killed")
    wait_for_trials(command, "killed", run, ended=0)
    run.kill()
    run.communicate()
    watched = command("watch", "killed", "--every", "0.2")
    assert watched.returncode == 0, watched.stderr
    assert "No process works on this run. Continue with 'uderia-bench resume killed'" in watched.stdout
    assert "Continue with 'uderia-bench resume killed'" in command("report", "killed").stderr
