"""The guide to the live view works as written: a demo is recorded while it goes on, and replayed to its report."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest
from cli.conftest import FINISHED

from docs import pages

GUIDE = pages.DOCS / "how-to" / "live-view.md"
COMMAND = [sys.executable, "-m", "uderia_bench"]
pytestmark = pytest.mark.timeout(240)


@contextmanager
def started(folder, *arguments):
    """Start a command in a folder, and kill it at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("UDERIA_")}
    process = subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, env=clean, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(holds, seconds=120.0):
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


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
    with started(tmp_path, "demo", "--speed", "100", "--run-id", "night") as demo:
        until((tmp_path / "output/night/manifest.json").exists)
        with started(tmp_path, *record, "--port", "0"):
            demo.communicate(timeout=120)
            assert demo.returncode in FINISHED
            until(lambda: ends_with_report(night.read_bytes()))
    with started(tmp_path, *replay, "--port", "0") as view:
        url = view.stdout.readline()
        states = [json.loads(read(url, "application/json"))]
        assert states[0]["run"]["state"] == "running"
        while states[-1]["run"]["state"] == "running":
            states.append(json.loads(read(url, "application/json")))
            time.sleep(0.1)
        settled = [each["progress"]["settled"] for each in states]
        assert settled == sorted(settled)
        assert (settled[-1], states[-1]["run"]["state"]) == (190, "complete")
        assert "The verdict" in until(lambda: (page := read(url, "text/html")) and 'id="report"' in page and page)
