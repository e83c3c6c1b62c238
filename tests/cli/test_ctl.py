"""Commands to a run in progress, through the real command."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from cli.conftest import FINISHED

HEALTHY = 0.5  # seconds after which a paused run sends nothing


@pytest.fixture
def run(command):
    """Start a run of 18 trials that takes a few seconds."""
    command.write("experiment.yaml", (command.cwd / "experiment.yaml").read_text().replace("speed: 200", "speed: 25"))
    started = command.start("run", "experiment.yaml", "--repeats", "2", "--run-id", "on")
    socket = command.cwd / "output/on/control.sock"
    until(lambda: socket.exists() and settled(command))
    yield started
    started.kill()


def until(holds, seconds=30.0):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def rows(command, columns):
    """Return columns of the trials in the ledger."""
    with closing(sqlite3.connect(f"file:{command.cwd}/output/on/ledger.sqlite?mode=ro", uri=True)) as ledger:
        return ledger.execute(f"SELECT {columns} FROM trials").fetchall()


def settled(command):
    """Return the trials that have settled."""
    return [name for name, state in rows(command, "trial_id, state") if state == "settled"]


def sent(command):
    """Return when each trial was sent last."""
    times = (json.loads(text) for (text,) in rows(command, "times") if text)
    return [datetime.fromisoformat(each["sent_at"]) for each in times if each.get("sent_at")]


def ctl(command, *arguments):
    """Give a command, and return the run's state."""
    done = command("ctl", "on", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_paused_run_sends_nothing_until_it_goes_on_and_its_report_names_all(command, run):
    """Pause, change, ask again, resume: the run completes, and the ledger, manifest and report have every action."""
    assert ctl(command, "status")["state"] == "running"
    assert ctl(command, "pause")["state"] == "paused"
    paused_at = datetime.now(UTC)
    time.sleep(HEALTHY + 1.0)
    count = len(sent(command))
    assert [at for at in sent(command) if (at - paused_at).total_seconds() > HEALTHY] == []
    assert ctl(command, "set", "load.concurrency=2")["concurrency"] == 2
    again = settled(command)[0]
    assert ctl(command, "requeue", again)["asked_again"] == 1
    assert "already to be asked again" in command("ctl", "on", "requeue", again).stderr
    assert ctl(command, "status")["asked_again"] == 1
    assert ctl(command, "resume")["state"] == "running"
    _, err = run.communicate()
    assert run.returncode == 0, err
    assert len(sent(command)) > count
    assert dict(rows(command, "trial_id, attempts"))[again] == 2
    assert not (command.cwd / "output/on/control.sock").exists()
    actions = json.loads((command.cwd / "output/on/manifest.json").read_bytes())["actions"]
    assert [each["what"] for each in actions] == ["pause", "set", "requeue", "resume"]
    report = (command.cwd / "output/on/report.md").read_text()
    for words in ("paused 2 s by", "load.concurrency=2 set by", f"trial {again} asked again by"):
        assert words in report or words.replace("2 s", "3 s") in report


def test_a_stopped_run_can_be_resumed(command, run):
    """The exit code is that of an interruption, and the report names who stopped it."""
    assert ctl(command, "stop")["state"] == "stopping"
    out, _ = run.communicate()
    assert run.returncode == 4
    assert "stopped by" in out
    refused = command("ctl", "on", "pause")
    assert refused.returncode == 3
    assert "no process works on it now" in refused.stderr


def test_the_pause_of_a_killed_run_ends_when_it_is_resumed(command, run):
    """The resumed run is not shown as paused, and its report has the duration of the pause."""
    ctl(command, "pause")
    run.kill()
    run.wait()
    done = command("resume", "on")
    assert done.returncode in FINISHED, done.stderr
    assert re.search(r"paused \d+ s by \S+, from .* to ", " ".join(done.stdout.split()))


@pytest.mark.usefixtures("run")
def test_what_cannot_be_done_is_an_error_in_one_line(command):
    """Unknown actions, settings and trials."""
    for arguments, words in (
        (("dance",), "use status, pause"),
        (("set", "load.concurrency=many"), "use a whole number"),
        (("set", "seed=3"), "only load.concurrency and budget"),
        (("set", "budget.usd=-1"), "greater than 0"),
        (("cancel", "nothing"), "not in flight"),
        (("requeue", "nothing"), "no trial"),
        (("set",), "write ctl RUN set PATH=VALUE"),
    ):
        done = command("ctl", "on", *arguments)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr
    assert (command.cwd / "output/on/control.sock").stat().st_mode & 0o777 == 0o600
