"""Watching through the real command: a run that goes on, and one that has ended."""

from __future__ import annotations

import json
import signal

import pytest
from cli.conftest import wait_for_trials
from waiting import until


def test_a_run_is_watched_while_it_goes_on(command):
    """Plain lines when piped, until it ends; then how it stands in full, and nothing of the run was disturbed."""
    run = command.start("run", "experiment.yaml", "--set", "sim.speed=10", "--repeats", "2", "--run-id", "on")
    wait_for_trials(command, "on", run, ended=3)  # of which a rate is known
    run.send_signal(signal.SIGSTOP)  # or it could be over before it is watched
    with (command.cwd / "said").open("w+b") as said:
        watching = command.start("watch", "on", "--every", "0.2", streams={1: said})
        text = (command.cwd / "said").read_text
        until(lambda: "/18 trials" in text(), "the run is watched", process=watching)
        run.send_signal(signal.SIGCONT)
        _, err = run.communicate()
        assert run.returncode == 0, err
        _, err = watching.communicate()
        assert watching.returncode == 0, err
    lines = text().splitlines()
    assert "left" in lines[0]
    assert any(line.startswith("18/18 trials") for line in lines)
    assert "Preliminary: do not stop the run" in text()


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
