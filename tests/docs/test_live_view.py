"""The guide to the live view works as written: a demo is recorded while it goes on, and replayed to its report."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager

import pytest
from cli.conftest import placed
from viewing import COMMAND
from waiting import until

from docs import pages

GUIDE = pages.DOCS / "how-to" / "live-view.md"
pytestmark = pytest.mark.timeout(600)


@contextmanager
def killed(process):
    """Kill a process at the end."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def viewing(folder, *arguments):
    """Start the view in a folder."""
    return killed(
        subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    )


def read(url, accept):
    """Return what is at an address of a view, by the token in its first address."""
    address, _, token = url.strip().partition("?token=")
    headers = {"accept": accept, "authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
        return answer.read().decode()


def ends_with_report(recording):
    """Whether the line of the report is there as a whole: a kill in the middle of its write leaves a cut one."""
    return recording.endswith(b"\n") and b'"report":' in recording.splitlines()[-1]


def test_a_recorded_demo_night_replays(tmp_path):
    """The replay goes through states of the run in progress, and ends as the report page."""
    record, replay = (
        shlex.split(line)[1:] for line in pages.commands(GUIDE) if "--record" in line or "night.jsonl --speed" in line
    )
    night = tmp_path / "night.jsonl"
    with killed(placed(tmp_path).start("demo", "--speed", "100", "--run-id", "night")) as demo:
        until((tmp_path / "output/night/control.sock").exists, "the demo takes commands", process=demo)
        demo.send_signal(signal.SIGSTOP)  # or it could be over before the view has begun
        with viewing(tmp_path, *record, "--port", "0"):
            until(lambda: night.exists() and b'"state":' in night.read_bytes(), "a state is recorded")
            demo.send_signal(signal.SIGCONT)
            assert demo.wait() == 0
            until(lambda: ends_with_report(night.read_bytes()), "the report is recorded")
    # Slower than in the guide: it begins with the first request, and could be over before that is answered.
    with viewing(tmp_path, *replay, "--speed", "5", "--port", "0") as view:
        url = view.stdout.readline()
        states = [json.loads(read(url, "application/json"))]
        assert states[0]["run"]["state"] == "running"
        while states[-1]["run"]["state"] == "running":
            states.append(json.loads(read(url, "application/json")))
            time.sleep(0.1)
        settled = [each["progress"]["settled"] for each in states]
        assert settled == sorted(settled)
        assert (settled[-1], states[-1]["run"]["state"]) == (190, "complete")
        page = until(lambda: (page := read(url, "text/html")) and 'id="report"' in page and page, "the page has the report")
        assert "The verdict" in page
