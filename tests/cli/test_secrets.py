"""No secret leaves the process: a canary token is in no file, log, report or traceback, of good runs or failing ones."""

from __future__ import annotations

import sqlite3

import httpx
import pytest
import zstandard


@pytest.fixture
def token(server) -> str:
    """Return an access token the server accepts: the canary."""
    signed_in = httpx.post(f"{server}/api/v1/auth/login", json={"username": "admin", "password": "admin"}).json()["token"]
    made = httpx.post(f"{server}/api/v1/auth/tokens", json={"name": "canary"}, headers={"Authorization": f"Bearer {signed_in}"})
    return made.json()["token"]


def everything(folder) -> bytes:
    """Return every byte under a folder, with the ledger's payloads unpacked."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.append(path.read_bytes())
        if path.name == "ledger.sqlite":
            with sqlite3.connect(path) as database:
                frames = database.execute("SELECT frame FROM payloads").fetchall()
            database.close()
            found += [zstandard.ZstdDecompressor().decompress(frame) for (frame,) in frames]
    return b"\n".join(found)


def test_a_good_run_keeps_its_token_to_itself(command, server, token):
    """Nowhere in the run directory, on stdout or on stderr, JSON logs included."""
    env = {"UDERIA_TOKEN": token}
    options = ["--server", server, "--set", "repeats=1", "--log-format", "json", "--debug"]
    done = command("run", "experiment.yaml", *options, env=env)
    assert done.returncode == 0, done.stderr
    said = everything(command.cwd) + done.stdout.encode() + done.stderr.encode()
    assert len(said) > 10_000
    assert token.encode() not in said
    assert b"Bearer" not in said


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_failing_runs_keep_it_too(command, server, token, debug):
    """An unknown profile, no server there, and a refused token, with and without the traceback."""
    command.write("wrong.yaml", (command.cwd / "experiment.yaml").read_text().replace("profile: OPTIM", "profile: NOBODY"))
    refused = f"{token}x"
    for name, where, secret in (
        ("wrong.yaml", server, token),
        ("experiment.yaml", "http://127.0.0.1:9", token),
        ("experiment.yaml", server, refused),
    ):
        done = command("run", name, "--server", where, *debug, env={"UDERIA_TOKEN": secret})
        assert done.returncode != 0
        assert ("Traceback" in done.stderr) is bool(debug)
        assert secret.encode() not in everything(command.cwd) + done.stdout.encode() + done.stderr.encode()


def test_a_password_in_a_typed_address_is_not_said_again(command):
    """It is refused, and a terminal's log is no place for it."""
    address = "http://user:hunter2@localhost:1"
    for arguments in (("profiles", "--server", address), ("run", "experiment.yaml", "--set", f"server={address}")):
        refused = command(*arguments)
        assert refused.returncode == 2
        assert "must not carry a password" in refused.stderr
        assert "http://***@localhost:1" in refused.stderr
        assert "hunter2" not in refused.stderr + refused.stdout


@pytest.mark.parametrize("arguments", [
    ("profiles", "--server", "user:hunter2@localhost"),
    ("profiles", "--server", "https://hunter2@localhost"),
    ("profiles", "http://user:hunter2@localhost"),
    ("login", "--server", "user:hun:ter2hunter2@localhost"),
    ("run", "experiment.yaml", "--set", "server=user:hunter2@localhost"),
    ("derive", "user:hunter2@bucket/r"),
    ("http://user:hunter2@localhost",),
])  # fmt: skip
def test_no_message_repeats_the_password_of_an_address(command, arguments):
    """The address may lack its scheme, or stand where another argument belongs."""
    refused = command(*arguments)
    assert refused.returncode != 0
    assert "***@" in refused.stderr
    assert "hunter2" not in refused.stderr + refused.stdout


@pytest.mark.parametrize("address", ["user:hunter2@localhost", "https://hunter2@localhost"])
def test_no_message_repeats_the_password_of_an_address_in_the_environment(command, address):
    """UDERIA_URL is repeated in the error like --server."""
    refused = command("profiles", env={"UDERIA_URL": address})
    assert refused.returncode == 2
    assert "hunter2" not in refused.stderr + refused.stdout
