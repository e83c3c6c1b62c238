"""Dask as an engine: its names, its checks, and what a task receives. ``tests/cli/test_dask.py`` has whole runs."""

from __future__ import annotations

import builtins
import io
import pickle
from importlib import metadata
from types import SimpleNamespace

import pytest
from rich.console import Console

from uderia_bench.errors import CannotRun, UsageError
from uderia_bench.gateway.trust import Trust
from uderia_bench.runner import dask_engine, on_dask
from uderia_bench.runner.dask_engine import Engine, fit
from uderia_bench.runner.surroundings import Surroundings

OURS = metadata.version("uderia-bench")


@pytest.mark.parametrize(
    ("name", "number", "address"),
    [
        ("dask:local:4", 4, ""),
        ("dask://scheduler:8786", None, "tcp://scheduler:8786"),
        ("dask://scheduler", None, "tcp://scheduler:8786"),
        ("tls://10.0.0.1:8799", None, "tls://10.0.0.1:8799"),
        ("dask://[::1]:8786", None, "tcp://[::1]:8786"),
    ],
)
def test_an_engine_is_read_from_its_name(name, number, address):
    """A port may be left out."""
    engine = Engine.of(name)
    assert (engine.number, engine.address) == (number, address)


@pytest.mark.parametrize("name", ["dask", "dask:local", "dask:local:0", "tcp://host:8786", "dask://", "dask://me:pw@host", ""])
def test_another_name_is_refused_with_the_forms(name):
    """A password has no place in an address."""
    with pytest.raises(UsageError, match="use dask:local:N for N processes, dask://HOST:PORT or tls://HOST:PORT"):
        Engine.of(name)


def test_a_missing_extra_is_named(monkeypatch):
    """The message has the command that installs it."""
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "distributed":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"--on dask:local:2: needs the extra 'dask': pip install 'uderia-bench\[dask\]'"):
        Engine.of("dask:local:2")


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch):
    """The line has the address, and what to look at."""
    monkeypatch.setattr(dask_engine, "REACH_S", 0.2)
    with pytest.raises(CannotRun, match=r"^dask://127.0.0.1:9: no Dask scheduler answers \([^\n]*\); is the address right"):
        dask_engine.reached("dask://127.0.0.1:9")


def test_workers_that_do_not_start_are_an_error(monkeypatch):
    """It is tried for a while, since a worker may be killed as it starts. The message has the command that goes on."""
    tries = []

    class Cluster:
        def __init__(self, **_):
            tries.append(self)

        async def __aenter__(self):
            raise RuntimeError("Nanny failed to start.")

        async def __aexit__(self, *_):
            raise AssertionError

    monkeypatch.setattr("distributed.LocalCluster", Cluster)
    monkeypatch.setattr(dask_engine, "WORKER_S", 0.2)
    monkeypatch.setattr(dask_engine, "AGAIN_S", 0.01)
    monkeypatch.setattr(on_dask, "Journals", lambda _: None)
    monkeypatch.setattr(dask_engine, "_start_forkserver", lambda: None)
    monkeypatch.setattr(on_dask.workers, "experiment_of", lambda _: SimpleNamespace(commands=()))
    around = Surroundings(environ={}, console=Console(file=io.StringIO()))
    message = r"^dask:local:2: the Dask workers do not start \(Nanny failed to start.\): .*; then go on with 'uderia-bench work"
    with pytest.raises(CannotRun, match=message):
        on_dask.work(SimpleNamespace(url="file:///store/run"), around, Engine.of("dask:local:2"))
    assert len(tries) > 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("found", "message"),
    [
        ("0.0.1", f"Dask worker tcp://w:1 has uderia-bench 0.0.1, and this machine {OURS}: install the same version"),
        (metadata.PackageNotFoundError(), "Dask worker tcp://w:1 has no uderia-bench: install 'uderia-bench"),
    ],
)
async def test_workers_need_the_version_of_the_command(found, message):
    """A worker that has gone meanwhile is no reason to end."""

    async def run(*_, workers, **__):
        return dict(zip(workers, [OURS, OSError("gone"), found], strict=False))

    client = SimpleNamespace(run=run)
    await fit(client, ["tcp://w:3", "tcp://w:2"])
    with pytest.raises(CannotRun, match=message):
        await fit(client, ["tcp://w:3", "tcp://w:2", "tcp://w:1"])


@pytest.mark.parametrize("allowed", [True, False])
def test_permissions_travel_to_dask_and_credentials_do_not(monkeypatch, allowed):
    """Commands of an experiment need the user's permission before any task is started."""
    crews = []

    async def work(crew):
        crews.append(crew)

    monkeypatch.setattr(on_dask.Crew, "work", work)
    monkeypatch.setattr(on_dask.workers, "experiment_of", lambda _: SimpleNamespace(commands=("touch x",)))
    secret = "only-in-the-environment"
    around = Surroundings(
        environ={"UDERIA_USERNAME": "me", "UDERIA_PASSWORD": secret},
        console=Console(file=io.StringIO()),
        allow_plain_http=True,
        trust=Trust(["https://uderia.example:5050"]),
        may=lambda _: allowed,
    )
    run = SimpleNamespace(url="file:///store/run")
    if not allowed:
        with pytest.raises(CannotRun, match="runs commands on the Dask workers: touch x; if you trust them"):
            on_dask.work(run, around, Engine(name="dask://h", address="tcp://h:8786"))
        assert not crews
        return
    on_dask.work(run, around, Engine(name="dask://h", address="tcp://h:8786"))
    assignment = crews[0].assignment
    assert secret.encode() not in pickle.dumps(assignment)
    theirs = pickle.loads(pickle.dumps(assignment)).around()
    assert theirs.trust.hosts == ("uderia.example",)
    assert theirs.allow_plain_http
    assert theirs.may("?")
