"""The view through the real command: its first line, its ports, and that a run does not depend on it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from viewing import usual
from waiting import until


@contextmanager
def viewing(command, *arguments, **how):
    """Start the view; yield its address and its process."""
    out = (command.cwd / "view.out").open("w+b")
    process = command.start("view", "--port", "0", *arguments, streams={1: out}, **how)
    try:
        said = (command.cwd / "view.out").read_text
        until(lambda: said().endswith("\n"), "the view says its address", process=process)
        yield said().splitlines()[0], process
    finally:
        process.kill()
        process.communicate()
        out.close()


def read(url, *, token=None):
    """Return the JSON at an address."""
    headers = {"accept": "application/json", "authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return json.load(answer)


@pytest.mark.usefixtures("whole")
def test_the_first_line_is_the_address_of_the_run(command):
    """With a token that opens it, as JSON too."""
    with viewing(command, "latest") as (url, _):
        address, _, token = url.partition("?token=")
        assert address.endswith("/runs/whole")
        assert len(token) >= 22  # 128 bits
        found = read(address, token=token)
        assert (found["run"]["state"], found["progress"]["planned"]) == ("complete", 10)
        with urllib.request.urlopen(urllib.request.Request(address, headers={"authorization": f"Bearer {token}"})) as page:
            assert b'id="report"' in page.read()


@pytest.mark.usefixtures("whole")
def test_the_name_of_a_folder_is_quoted_in_the_address(command):
    """A folder can be renamed to anything, and its name is printed on a terminal."""
    renamed = (command.cwd / "output/whole").rename(command.cwd / "output/my run#2")
    with viewing(command, str(renamed)) as (url, _):
        address, _, token = url.partition("?token=")
        assert address.endswith("/runs/my%20run%232")
        assert read(address, token=token)["run"]["run_id"] == "whole"


def test_a_port_that_is_taken_is_an_error_in_one_line(command):
    """It names the next step."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = command("view", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 3
    assert "choose another --port" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_that_is_not_there_is_an_error_in_one_line(command):
    """As for every command that takes a run."""
    done = command("view", "nothing")
    assert done.returncode == 2
    assert "no run 'nothing'" in done.stderr


def test_ctrl_c_ends_it(command):
    """Without a word, and with 0: that is how it is ended."""
    import signal

    with viewing(command) as (_, process):
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


linux = pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="needs the scheduling policies of Linux")


@linux
def test_the_policy_is_the_idle_one():
    """A process that lowers its priority has it afterwards, with the highest niceness."""
    code = "import os; from uderia_bench.view import priority; priority.lower(); print(os.sched_getscheduler(0), os.nice(0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(os.SCHED_IDLE), "19"]


@linux
@pytest.mark.parametrize("arguments", [(), ("--open",)])
def test_only_the_view_has_its_policy(command, arguments):
    """All of its threads have it. A browser that it opens has the usual policy. The policy is another one in tests (zygote)."""
    browser = command.write(
        "browser", f"#!{sys.executable}\nimport os\nopen('policy', 'w').write(str(os.sched_getscheduler(0)))\n"
    )
    browser.chmod(0o755)
    with viewing(command, *arguments, env={"BROWSER": str(browser)}) as (url, process):
        address, _, token = url.partition("?token=")
        assert read(f"{address}runs", token=token)["runs"] == []
        threads = [int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir()]
        assert len(threads) > 1
        assert {os.sched_getscheduler(each) for each in threads} == {os.SCHED_BATCH}
        if arguments:
            assert (command.cwd / "policy").read_text() == str(os.SCHED_OTHER)


def own_group(run):
    """Wait for the first child of a run that has a process group to itself; return its process id."""

    def found() -> int | None:
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            for child in psutil.Process(run.pid).children():
                if os.getpgid(child.pid) == child.pid != os.getsid(child.pid):  # the embedded server has a session, too
                    return child.pid
        return None

    return until(found, "the run has started a view", process=run)


def test_a_run_starts_a_view_that_ends_with_it(command):
    """The address is on stderr while the run goes on. Without a page the view ends soon after the run.

    It has the run's session, so that its lower priority counts. It has its own process group, so that Ctrl-C does not
    reach it.
    """
    run = command.start(
        "run", "experiment.yaml", "--repeats", "1", "--run-id", "on", "--view", "--json", env=usual(command.cwd)
    )
    view = own_group(run)
    assert os.getsid(view) == os.getsid(run.pid)
    out, err = run.communicate()
    assert run.returncode == 0, err
    assert json.loads(out)["run"]["run_id"] == "on"
    (line,) = [line for line in err.splitlines() if "see this run at http://127.0.0.1:" in line]
    address = line.rpartition(" ")[2].partition("?token=")[0]

    def gone() -> bool:
        try:
            urllib.request.urlopen(address, timeout=60).close()
        except urllib.error.HTTPError as error:
            error.close()  # without the token; the view is still there
        except OSError:
            return True
        return False

    until(gone, "the view ends after its run")


@pytest.mark.usefixtures("whole")
def test_only_a_replay_has_a_speed(command):
    """A run goes on at its own."""
    done = command("view", "latest", "--speed", "20")
    assert (done.returncode, done.stderr) == (2, "uderia-bench: --speed is for a replay: write view FILE --speed N\n")


@pytest.mark.usefixtures("whole")
def test_a_run_that_has_ended_is_recorded_at_once(command):
    """The command ends by itself. The replay has the state of the run and its report."""
    done = command("view", "latest", "--record", "whole.jsonl")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "uderia-bench: wrote whole.jsonl. Replay it with 'uderia-bench view whole.jsonl'\n"
    assert (command.cwd / "whole.jsonl").stat().st_mode & 0o077 == 0  # the report has answers
    lines = [json.loads(line) for line in (command.cwd / "whole.jsonl").read_text().splitlines()]
    assert (lines[0]["run"], lines[1]["state"]["progress"]["read"], len(lines)) == ("whole", 10, 3)
    assert "OPTIM" in lines[2]["report"]
    again = command("view", "latest", "--record", "whole.jsonl")
    assert (again.returncode, "exists already" in again.stderr) == (2, True)
    assert command("view", "latest", "--record", "whole.jsonl", "--overwrite").returncode == 0
    with viewing(command, "whole.jsonl") as (url, _):
        address, _, token = url.partition("?token=")
        assert read(address, token=token)["run"]["state"] == "complete"
