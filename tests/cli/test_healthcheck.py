"""The check of a worker's heartbeat, as a container's runtime calls it."""

from __future__ import annotations

import os
import signal
import time

import anyio
import pytest
from cli.conftest import EXPERIMENT
from waiting import until

from uderia_bench.errors import UsageError
from uderia_bench.gateway import embedded
from uderia_bench.runner import heartbeat

OLD_S = 2 * heartbeat.LATE_S


def check(command, file, *, beats=True):
    """Return the exit code of the check after the next beat, or after one was due: the file looks old before."""
    if file.exists():
        then = time.time() - OLD_S
        os.utime(file, (then, then))
        if beats:
            until(lambda: file.stat().st_mtime > then + 1, f"the worker of {file.name} beats")
        else:
            time.sleep(2.5 * heartbeat.BEAT_S)
    return command("healthcheck", env={"UDERIA_BENCH_HEARTBEAT": str(file)}).returncode


def test_a_stopped_worker_is_unhealthy_and_a_waiting_one_is_not(command):
    """One worker is in a long query, and another waits for the server. Then the first one is stopped."""
    asking, waiting = command.cwd / "asking", command.cwd / "waiting"
    with embedded.serve(seed=7, speed=0.1) as url:
        command.write("experiment.yaml", EXPERIMENT.replace("{sim: {speed: 200, seed: 7}}", url))
        arguments = ("run", "experiment.yaml", "--output", f"file://{command.cwd}/store", "--run-id", "one", "--join")
        env = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin", "XDG_CACHE_HOME": str(command.cwd / "cache")}
        workers = []
        for file in (asking, waiting):
            workers.append(command.start(*arguments, env={**env, "UDERIA_BENCH_HEARTBEAT": str(file)}))
            until(file.exists, f"the worker of {file.name} has begun", process=workers[-1])
        assert [check(command, file) for file in (asking, waiting)] == [0, 0]
        workers[0].send_signal(signal.SIGSTOP)
        assert [check(command, asking, beats=False), check(command, waiting)] == [1, 0]
        workers[1].send_signal(signal.SIGTERM)
        assert workers[1].wait() == 4
        assert not waiting.exists(), "what follows the work, such as a long report, counts as healthy"


def test_other_commands_are_healthy(command):
    """Where no worker is at work, or no file is named, there is nothing to check."""
    assert check(command, command.cwd / "none") == 0
    assert command("healthcheck").stdout == "healthy: no worker is at work\n"


def test_a_file_that_cannot_be_written(command):
    """The worker names it and does not begin."""
    env = {"UDERIA_BENCH_HEARTBEAT": "/no/such/folder/beat"}
    done = command("run", "experiment.yaml", "--output", f"file://{command.cwd}/store", env=env)
    assert done.returncode == 2
    assert "UDERIA_BENCH_HEARTBEAT=/no/such/folder/beat: cannot be written: No such file or directory" in done.stderr


@pytest.mark.anyio
async def test_a_loop_that_hangs_does_not_beat(tmp_path):
    """The file is touched by the event loop, so it gets old while a task blocks the loop."""
    environ = {"UDERIA_BENCH_HEARTBEAT": str(tmp_path / "beat")}
    async with anyio.create_task_group() as group:
        group.start_soon(heartbeat.beat, environ)
        await anyio.sleep(1)
        then = time.time() - OLD_S
        os.utime(tmp_path / "beat", (then, then))
        assert heartbeat.age_s(environ) > heartbeat.LATE_S
        await anyio.sleep(heartbeat.BEAT_S)
        assert heartbeat.age_s(environ) < heartbeat.LATE_S
        group.cancel_scope.cancel()
    assert heartbeat.age_s(environ) is None


@pytest.mark.anyio
async def test_no_heartbeat_by_default(tmp_path):
    """Nothing is written where the environment names no file."""
    await heartbeat.beat({})
    assert heartbeat.age_s({}) is None
    with pytest.raises(UsageError, match="name a file in a writable folder"):
        await heartbeat.beat({"UDERIA_BENCH_HEARTBEAT": str(tmp_path / "no" / "beat")})


@pytest.mark.parametrize(("age_s", "code"), [(0, 0), (OLD_S, 1), (-OLD_S, 1)])
def test_a_clock_that_was_set_back_hides_no_hanging_worker(command, age_s, code):
    """A worker that lives touches its file within seconds, whatever the clock shows."""
    file = command.cwd / "beat"
    file.touch()
    then = time.time() - age_s
    os.utime(file, (then, then))
    assert command("healthcheck", env={"UDERIA_BENCH_HEARTBEAT": str(file)}).returncode == code


def test_a_file_that_cannot_be_seen_is_named(command):
    """The check is no internal error."""
    (command.cwd / "file").touch()
    done = command("healthcheck", env={"UDERIA_BENCH_HEARTBEAT": str(command.cwd / "file/beat")})
    assert (done.returncode, done.stdout) == (2, "")
    assert "file/beat: cannot be seen: Not a directory" in done.stderr
