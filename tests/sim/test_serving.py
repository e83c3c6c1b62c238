"""The server as a process: one line on stdout, silence on stderr, and a prompt end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest


def start(*options: str, **how: object) -> subprocess.Popen:
    """Start a server process."""
    command = [sys.executable, "-m", "uderia_bench.sim", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_on_a_signal(number):
    """The line names url, seed and speed; a signal ends it at once, quietly, with exit code 0."""
    with start("--seed", "3", "--speed", "20", stdin=subprocess.DEVNULL) as process:
        line = json.loads(process.stdout.readline())
        assert (line["seed"], line["speed"]) == (3, 20.0)
        with urllib.request.urlopen(f"{line['url']}/sim/truth", timeout=5) as answer:
            assert json.load(answer) == []
        process.send_signal(number)
        rest, errors = process.communicate(timeout=5)
        assert (process.returncode, rest, errors) == (0, "", "")


def test_it_ends_with_its_parent():
    """When stdin ends, so does the server."""
    with start("--exit-with-parent", stdin=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdin.close()
        process.wait(timeout=5)
        assert (process.returncode, process.stderr.read()) == (0, "")


@pytest.mark.parametrize(
    ("options", "says"),
    [(["--speed", "0"], "speed must be above 0"), (["--default-profile", "NOPE"], "no profile has the tag 'NOPE'")],
)
def test_bad_options_are_usage_errors(options, says):
    """Exit code 2 and one line that says what is wrong."""
    with start(*options, stdin=subprocess.DEVNULL) as process:
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 2
        assert says in errors
