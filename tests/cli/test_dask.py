"""Runs on Dask: ``--on dask:local:N``, and the workers of a scheduler that somebody else started."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime

import psutil
import pytest
from cli.conftest import FINISHED, placed
from distributed import Security
from rich.console import Console
from waiting import until

from uderia_bench.documents.experiment import load
from uderia_bench.gateway import embedded
from uderia_bench.runner import plan, work
from uderia_bench.runner.surroundings import Surroundings
from uderia_bench.runs import find, protocol, shared
from uderia_bench.runs.bucket import Bucket
from uderia_bench.runs.protocol import NoClearAnswer

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
"""Credentials of the embedded servers."""
CLUSTER = """
import sys
from distributed import LocalCluster
with LocalCluster(n_workers=2, threads_per_worker=1, scheduler_kwargs={"dashboard_address": "127.0.0.1:0"}) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""
pytestmark = [pytest.mark.no_cover, pytest.mark.timeout(600)]


class Dask:
    """The command, and a store of runs on two servers of this module."""

    def __init__(self, command):
        self.command = command
        self.store = f"file://{command.cwd}/store"

    def begun(self, run_id, repeats=1):
        """Write the plan of a run, and return the run."""
        experiment = load(self.command.cwd / "experiment.yaml", [f"repeats={repeats}", "warmup=0"])
        trials = plan.build(experiment, experiment.queries)
        around = Surroundings(environ=ADMIN, console=Console(file=io.StringIO()))
        return work.begin(experiment, trials, Bucket(self.store), run_id, around, datetime.now(UTC))

    def work(self, run, *more, on="dask:local:2", env=ADMIN):
        """Start to work on a run."""
        return self.command.start("work", run.url, "--on", on, *more, env=env)


@pytest.fixture(scope="module")
def dask(tmp_path_factory):
    """Yield what the tests share."""
    command = placed(tmp_path_factory.mktemp("dask"))
    with ExitStack() as stack:
        servers = [stack.enter_context(embedded.serve(seed=seed, speed=50.0)) for seed in (1, 2)]
        text = (command.cwd / "experiment.yaml").read_text()
        command.write("experiment.yaml", text.replace("server: {sim: {speed: 200, seed: 7}}", f"servers: {servers}"))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("XDG_CACHE_HOME", str(command.cwd / "cache"))
        yield Dask(command)
    command.end()


def rows(run):
    """Return the rows of a run's journals."""
    names = [name for server in run.servers for name in run.bucket.found(run.journal(server))]
    return [row for name in names for row in shared.rows(protocol.content(run.bucket.read(name)))]


def results(run):
    """Return how often each trial has a result in the journals."""
    return Counter(row.columns[-1] for row in rows(run) if row.columns[:2] == ("settled", "settled"))


def whole(run):
    """Return what ``results`` should be."""
    return Counter(trial.trial_id for trial in run.plan)


def wait_for_claims(process, run, number):
    """Wait until the journals have so many rows."""

    def claimed() -> bool:
        with suppress(NoClearAnswer):  # a file that is being written
            return len(rows(run)) >= number
        return False

    until(claimed, f"the journals have {number} rows", process=process)


@contextmanager
def cluster(dask, environ=None):
    """Yield the process of a scheduler with two workers, and its address."""
    own = {"DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver"}
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **ADMIN, **own, **(environ or {})},
        cwd=dask.command.cwd,
    ) as process:
        try:
            yield process, process.stdout.readline().strip().replace("tcp://", "dask://")
        finally:
            process.stdin.close()


def descendants(process):
    """Return the processes below one, oldest first."""
    return sorted(psutil.Process(process.pid).children(recursive=True), key=psutil.Process.create_time)


def test_a_run_on_two_processes_is_complete_and_quiet(dask):
    """Each trial has one result, stdout has JSON alone, stderr what a local run has, and no file is left beside the run."""
    cwd = dask.command.cwd
    before = {path.name for path in cwd.iterdir()}
    done = dask.command(
        *("run", "experiment.yaml", "--output", dask.store, "--run-id", "whole", "--on", "dask:local:2", "--json"),
        *("--set", "warmup=0"),
        env=ADMIN,
    )
    assert done.returncode in FINISHED, done.stderr
    assert json.loads(done.stdout)["run"]["run_id"] == "whole"
    assert [line[:10] for line in done.stderr.splitlines() if " trials (" not in line] == ["no verdict"], done.stderr
    run = shared.SharedRun.open(f"{dask.store}/whole")
    assert results(run) == whole(run)
    manifest = json.loads((cwd / "store/whole/manifest.json").read_text())
    assert manifest["state"] == "complete"
    assert len(manifest["generator"]) >= 2  # one for each server, and for a task that continued another's
    assert len(list((cwd / "store/whole/log").iterdir())) >= 2
    assert {path.name for path in cwd.iterdir()} - before <= {"store", "cache"}


def test_ctrl_c_stops_softly_and_the_run_is_completed_on_dask(dask):
    """The signal goes to all processes, as from a terminal: trials in flight finish, and the message has the next command."""
    run = dask.begun("stopped", repeats=8)
    process = dask.work(run)
    wait_for_claims(process, run, 8)
    for each in (*descendants(process), process):
        os.kill(each.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 4, err
    lines = [line for line in err.splitlines() if " trials (" not in line]
    assert lines[0].startswith("stopping: no new trials are sent")
    assert lines[1:] == [f"uderia-bench: interrupted: go on with 'uderia-bench work {run.url} --on dask:local:2'"]
    assert {row.columns[-1] for row in rows(run)} == set(results(run))  # all that were sent have ended
    assert len(results(run)) < len(run.plan)
    done = dask.command("work", run.url, env=ADMIN)
    assert done.returncode in FINISHED, done.stderr
    assert results(run) == whole(run)


def test_a_killed_dask_worker_is_replaced(dask):
    """One line tells of the loss, another Dask worker continues, and each trial has one result."""
    run = dask.begun("killed", repeats=4)
    process = dask.work(run, "--lease", "2s")
    wait_for_claims(process, run, 8)
    descendants(process)[-1].kill()
    _, err = process.communicate()
    assert process.returncode in FINISHED, err
    assert "was lost: another one continues its trials" in err
    assert "Traceback" not in err
    assert results(run) == whole(run)


def test_the_workers_of_a_scheduler_sign_in_with_their_own_credentials(dask):
    """The command has none: they are in the environment of the cluster. Its address has to be right."""
    run = dask.begun("foreign")
    with cluster(dask) as (_, address):
        process = dask.work(run, on=address, env={})
        out, err = process.communicate()
    assert process.returncode in FINISHED, err
    assert "trials    8 of 8 finished" in out
    assert results(run) == whole(run)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--on", "dask:local:0"), 2, "--on dask:local:0: use dask:local:N for N processes, dask://HOST:PORT or tls://"),
        (("--on", "dask:local:2", "--at-once", "2"), 2, "--at-once: with --on, each task asks one server at a time"),
        (("--on", "tls://127.0.0.1:9"), 3, "tls://127.0.0.1:9: needs Dask's settings for TLS"),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_plan_is_written(dask, options, code, message):
    """One line says what is wrong."""
    done = dask.command("run", "experiment.yaml", "--output", f"file://{dask.command.cwd}/refused", *options, env=ADMIN)
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list((dask.command.cwd / "refused").glob("*"))


def test_a_directory_has_no_use_for_dask(dask):
    """Several processes cannot share its ledger."""
    done = dask.command("run", "experiment.yaml", "--on", "dask:local:2", env=ADMIN)
    assert done.returncode == 2
    assert "--on is for a run in a store: give --output an address" in done.stderr


def certificates(folder):
    """Write the certificates of a cluster into files; return Dask's own settings that name them."""
    folder.mkdir()
    made = Security.temporary()
    settings = {"REQUIRE_ENCRYPTION": "true"}
    for name in ("ca_file", *(f"{role}_{part}" for role in ("client", "scheduler", "worker") for part in ("cert", "key"))):
        (folder / f"{name}.pem").write_text(getattr(made, f"tls_{name}"))
        settings[f"TLS__{name.replace('_', '__').upper().replace('CA__FILE', 'CA_FILE')}"] = str(folder / f"{name}.pem")
    return {f"DASK_DISTRIBUTED__COMM__{name}": value for name, value in settings.items()}


def test_a_scheduler_with_tls_is_used_with_the_certificates_of_dasks_settings(dask):
    """Another authority's certificates are refused, and so is a connection without TLS."""
    run = dask.begun("encrypted")
    settings, foreign = (certificates(dask.command.cwd / name) for name in ("tls", "foreign-tls"))
    with cluster(dask, settings) as (_, address):
        assert address.startswith("tls://")
        for environ, on in ((foreign, address), ({}, address.replace("tls://", "dask://"))):
            refused = dask.work(run, on=on, env=environ)
            _, err = refused.communicate()
            assert refused.returncode == 3, err
            assert f"{on}: no Dask scheduler answers" in err
            assert len(err.splitlines()) == 1
        process = dask.work(run, on=address, env=settings)
        _, err = process.communicate()
    assert process.returncode in FINISHED, err
    assert results(run) == whole(run)


def completed(dask, run):
    """Look at a run that was cut off, and complete it without Dask; return the state that was seen."""
    state = find.directory(run.url, dask.command.cwd).state()
    done = dask.command("work", run.url, "--lease", "2s", env=ADMIN)
    assert done.returncode in FINISHED, done.stderr
    assert results(run) == whole(run)
    return state


def test_a_second_ctrl_c_cancels_the_trials_in_flight(dask):
    """The command ends soon, and another one completes the run."""
    run = dask.begun("cancelled", repeats=8)
    process = dask.work(run, "--lease", "2s")
    wait_for_claims(process, run, 8)
    process.send_signal(signal.SIGINT)
    until(lambda: "stopping: no new trials" in process.stderr(), "the first signal is heard", process=process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 4, err
    assert "Traceback" not in err
    assert completed(dask, run) == "interrupted"


def test_the_workers_of_a_killed_command_end(dask):
    """SIGKILL leaves the command no time. Its workers notice, and another command completes the run."""
    run = dask.begun("left", repeats=8)
    process = dask.work(run, "--lease", "2s")
    wait_for_claims(process, run, 8)
    below = descendants(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(below, timeout=200)
    assert alive == []
    assert completed(dask, run) == "interrupted"


def test_the_loss_of_every_worker_at_once_is_one_more_loss(dask):
    """Dask starts them again, and the command goes on."""
    run = dask.begun("all-killed", repeats=8)
    process = dask.work(run, "--lease", "2s")
    wait_for_claims(process, run, 8)
    workers = [worker for child in psutil.Process(process.pid).children() for worker in child.children()]
    assert len(workers) == 2
    for worker in workers:
        worker.kill()
    _, err = process.communicate()
    assert process.returncode in FINISHED, err
    assert "was lost: another one continues its trials" in err
    assert results(run) == whole(run)


def test_the_loss_of_the_scheduler_ends_the_command_with_the_next_one(dask):
    """The message has the command that continues the run."""
    run = dask.begun("headless", repeats=8)
    with cluster(dask) as (scheduler, address):
        process = dask.work(run, "--lease", "2s", on=address)
        wait_for_claims(process, run, 8)
        below = descendants(scheduler)
        scheduler.kill()
        _, err = process.communicate()
    assert process.returncode == 4, err
    assert f"go on with 'uderia-bench work {run.url} --on {address}'" in err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(below, timeout=200)
    assert alive == []
    assert completed(dask, run) == "interrupted"
