"""Tests of the server process: stdout, stderr and exit."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def start(*options: str, **how: object) -> Iterator[subprocess.Popen]:
    """Start a server process, which is killed where a failed test would wait for its end."""
    command = [sys.executable, "-m", "uderia_bench.sim", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_url_and_exits_on_a_signal(number):
    """The line has URL, seed and speed. The exit code is 0 and stderr is empty."""
    with start("--seed", "3", "--speed", "20", stdin=subprocess.DEVNULL) as process:
        line = json.loads(process.stdout.readline())
        assert (line["seed"], line["speed"]) == (3, 20.0)
        with urllib.request.urlopen(f"{line['url']}/sim/truth") as answer:
            assert json.load(answer) == []
        process.send_signal(number)
        rest, errors = process.communicate()
        assert (process.returncode, rest, errors) == (0, "", "")


def test_it_exits_without_a_traceback_during_a_request():
    """A request in progress does not delay the exit."""
    with start("--speed", "0.001", "--login-limit", "0", stdin=subprocess.DEVNULL) as process:
        host, port = json.loads(process.stdout.readline())["url"].removeprefix("http://").split(":")
        body = b'{"username": "admin", "password": "admin"}'
        request = urllib.request.Request(f"http://{host}:{port}/api/v1/auth/login", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            token = json.load(answer)["token"]
        with socket.create_connection((host, int(port))) as asking:
            head = f"POST /api/v1/sessions HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n"
            asking.sendall(head.encode())
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate()
        assert (process.returncode, rest, errors) == (0, "", "")


def test_it_exits_with_its_parent():
    """The server exits when stdin closes."""
    with start("--exit-with-parent", stdin=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdin.close()
        process.wait()
        assert (process.returncode, process.stderr.read()) == (0, "")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--speed", "0"], "speed must be above 0"),
        (["--speed", "nan"], "speed must be above 0 and finite, not nan"),
        (["--speed", "inf"], "speed must be above 0 and finite, not inf"),
        (["--tasks-per-s", "inf"], "tasks_per_s must be 0 or more and finite, not inf"),
        (["--port", "70000"], "port must be from 0 to 65535, not 70000"),
        (["--port", "-1"], "port must be from 0 to 65535, not -1"),
        (["--default-profile", "NOPE"], "unknown profile tag 'NOPE'"),
    ],
)
def test_bad_options_are_usage_errors(options, says):
    """The exit code is 2 and one line explains the mistake."""
    with start(*options, stdin=subprocess.DEVNULL) as process:
        _, errors = process.communicate()
        assert process.returncode == 2
        assert says in errors
