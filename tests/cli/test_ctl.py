"""Commands to a run in progress, through the real command."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing

import pytest
from cli.conftest import FINISHED, shortened
from waiting import until

PAUSE_S = 3.0  # in which a run that is not paused sends a trial: one takes about 2 s


@pytest.fixture
def begin(command):
    """Return the function that starts a run of nine trials per repeat, one after the other, and waits until one has settled."""
    slow = (
        (command.cwd / "experiment.yaml")
        .read_text()
        .replace("speed: 200", "speed: 5")
        .replace("concurrency: 4", "concurrency: 1")
    )
    command.write("experiment.yaml", slow)

    def begun(repeats):
        started = command.start("run", "experiment.yaml", "--repeats", str(repeats), "--run-id", "on")
        socket = command.cwd / "output/on/control.sock"
        until(lambda: socket.exists() and settled(command), "the run takes commands and a trial has settled", process=started)
        return started

    return begun


def rows(command, columns):
    """Return columns of the trials in the ledger."""
    with closing(sqlite3.connect(f"file:{command.cwd}/output/on/ledger.sqlite?mode=ro", uri=True)) as ledger:
        return ledger.execute(f"SELECT {columns} FROM trials").fetchall()


def settled(command):
    """Return the trials that have settled."""
    return [name for name, state in rows(command, "trial_id, state") if state == "settled"]


def ctl(command, *arguments):
    """Give a command, and return the run's state."""
    done = command("ctl", "on", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def in_flight(command):
    """Return how many trials are in flight."""
    return len([state for (state,) in rows(command, "state") if state in ("sending", "asked")])


def test_a_paused_run_sends_nothing_until_it_goes_on_and_its_report_names_all(command, begin):
    """Pause, change, ask again, resume: the run completes, and the ledger, manifest and report have every action."""
    run = begin(2)
    assert ctl(command, "status")["state"] == "running"
    assert ctl(command, "pause")["state"] == "paused"
    until(lambda: in_flight(command) == 0, "what was sent before the pause has ended", process=run)
    before = rows(command, "trial_id, state")
    time.sleep(PAUSE_S)
    assert rows(command, "trial_id, state") == before
    assert ctl(command, "set", "load.concurrency=8")["concurrency"] == 8
    again = settled(command)[0]
    assert ctl(command, "requeue", again[:-2])["asked_again"] == 1
    assert "already to be asked again" in command("ctl", "on", "requeue", again).stderr
    assert ctl(command, "status")["asked_again"] == 1
    assert ctl(command, "resume")["state"] == "running"
    _, err = run.communicate()
    assert run.returncode == 0, err
    assert dict(rows(command, "trial_id, attempts"))[again] == 2
    assert not (command.cwd / "output/on/control.sock").exists()
    actions = json.loads((command.cwd / "output/on/manifest.json").read_bytes())["actions"]
    assert [each["what"] for each in actions] == ["pause", "set", "requeue", "resume"]
    report = (command.cwd / "output/on/report.md").read_text()
    for words in (r"paused \d+ s by", "load.concurrency=8 set by", f"trial {again} asked again by"):
        assert re.search(words, report)


def test_a_stopped_run_can_be_resumed(command, begin):
    """The exit code is that of an interruption, and the report names who stopped it."""
    run = begin(30)
    assert ctl(command, "stop")["state"] == "stopping"
    out, _ = run.communicate()
    assert run.returncode == 4
    assert "stopped by" in out
    refused = command("ctl", "on", "pause")
    assert refused.returncode == 3
    assert "no process works on it now" in refused.stderr
    assert ctl(command, "status")["state"] == "interrupted"
    unknown = command("ctl", "on", "jump")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (2, 1)
    assert "unknown action 'jump'; known: status, pause, resume, stop, set, cancel, requeue" in unknown.stderr


def test_the_pause_of_a_killed_run_ends_when_it_is_resumed(command, begin):
    """The resumed run is not shown as paused, and its report has the duration of the pause."""
    run = begin(30)
    ctl(command, "pause")
    run.kill()
    run.wait()
    assert ctl(command, "status")["state"] == "abandoned"
    shortened(command, "on")
    done = command("resume", "on")
    assert done.returncode in FINISHED, done.stderr
    assert re.search(r"paused \d+ s by \S+, from .* to ", " ".join(done.stdout.split()))


def test_what_cannot_be_done_is_an_error_in_one_line(command, begin):
    """Unknown actions, settings and trials."""
    begin(30)
    for arguments, words in (
        (("jump",), "unknown action 'jump'; known: status, pause"),
        (("paus", "x"), "unknown action 'paus'; did you mean pause?"),
        (("set", "load.concurrency=many"), "use a whole number"),
        (("set", "seed=3"), "only load.concurrency and budget"),
        (("set", "budget.usd=-1"), "greater than 0"),
        (("cancel", "nothing"), "no trial 'nothing' in this run (there are "),
        (("requeue", "nothing"), "no trial 'nothing' in this run (there are "),
        (("requeue", settled(command)[0][:3]), "trials begin with"),
        (("set",), "write ctl RUN set PATH=VALUE"),
    ):
        done = command("ctl", "on", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr
    assert (command.cwd / "output/on/control.sock").stat().st_mode & 0o777 == 0o600
