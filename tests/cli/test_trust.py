"""No command sends credentials to a host that only a document or a run directory names."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator

import pytest

from uderia_bench.runs import ledger_rows

SECRETS = {
    "UDERIA_USERNAME": "victim",
    "UDERIA_PASSWORD": "correct-horse-battery",
    "UDERIA_JUDGE_KEY": "sk-0123456789abcdef",
}
RIGHT = {"UDERIA_URL": "https://right.invalid"}


class Stranger:
    """A server that keeps every byte it receives and refuses every request."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.received = b""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(60)
                try:
                    while part := connection.recv(65536):
                        self.received += part
                        if part.endswith((b"}", b"\r\n\r\n")):
                            connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
                except OSError:
                    continue

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """Return a server of somebody else."""
    made = Stranger()
    yield made
    made.close()


def secrets_in(text: bytes | str) -> list[str]:
    """Return the secrets that a text contains."""
    data = text if isinstance(text, bytes) else text.encode()
    return [name for name, value in {**SECRETS, "UDERIA_TOKEN": "tda_0123456789"}.items() if value.encode() in data]


def change(run, edit) -> None:
    """Edit a run's manifest, as its sender may have."""
    manifest = json.loads((run / "manifest.json").read_text())
    edit(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("more", [{}, {"UDERIA_TOKEN": "tda_0123456789"}])
def test_an_experiment_of_somebody_else_gets_no_credentials(command, stranger, more):
    """``run`` stops with exit code 3, names the host and creates no run. With --trust-server it asks there."""
    text = (
        (command.cwd / "experiment.yaml").read_text().replace("server: {sim: {speed: 200, seed: 7}}", f"server: {stranger.url}")
    )
    command.write("mailed.yaml", text)
    env = {**SECRETS, **RIGHT, **more}
    done = command("run", "mailed.yaml", env=env)
    assert done.returncode == 3
    assert stranger.received == b""
    assert stranger.url in done.stderr
    assert "use --trust-server localhost" in done.stderr
    assert not (command.cwd / "output").exists() or not any((command.cwd / "output").iterdir())
    command("run", "mailed.yaml", "--trust-server", "127.0.0.1", env=env)
    assert secrets_in(stranger.received)


def test_an_arm_with_a_server_of_its_own_gets_none_either(command, stranger):
    """One arm's server may be right and another's not."""
    text = (command.cwd / "experiment.yaml").read_text().replace("profile: OPTIM", f"profile: OPTIM, server: '{stranger.url}'")
    command.write("mailed.yaml", text)
    done = command("run", "mailed.yaml", env={**SECRETS, **RIGHT})
    assert done.returncode == 3
    assert "--trust-server" in done.stderr
    assert stranger.received == b""


def test_an_unfinished_run_of_somebody_else_gets_none(command, whole, stranger):
    """``resume`` and every reading command keep the password."""

    def edit(manifest) -> None:
        manifest["experiment"]["server"] = stranger.url
        manifest["state"] = "interrupted"

    change(whole, edit)
    with sqlite3.connect(whole / "ledger.sqlite") as database:
        database.execute("UPDATE trials SET state = 'planned', ending = NULL")
    database.close()
    env = {**SECRETS, **RIGHT}
    done = command("resume", "whole", env=env)
    assert done.returncode == 3
    assert "use --trust-server localhost" in done.stderr
    for arguments in (["report", "whole"], ["derive", "whole"], ["watch", "whole", "--once"]):
        command(*arguments, env=env)
    assert stranger.received == b""


def test_a_judge_that_a_mailed_experiment_names_gets_no_key(command, stranger):
    """Nor does ``resume`` of the run send it. The report names the option that allows it."""
    command.write("corpus.yaml", "version: 1\nqueries:\n  - {id: q, prompt: how many?, expect: [{llm_judge: is it right?}]}\n")
    text = (command.cwd / "experiment.yaml").read_text()
    command.write("mailed.yaml", f"{text}judge: {{url: '{stranger.url}', model: m}}\n")
    env = {**SECRETS, **RIGHT}
    for arguments in (["run", "mailed.yaml", "--run-id", "judged"], ["resume", "judged"]):
        done = command(*arguments, env=env)
        assert done.returncode == 0, done.stderr
        assert stranger.received == b""
    assert "--trust-server localhost" in command("report", "judged", "--format", "markdown").stdout
    command("resume", "judged", "--trust-server", "localhost", env=env)
    assert secrets_in(stranger.received) == ["UDERIA_JUDGE_KEY"]


def test_an_address_that_was_typed_is_asked(command, stranger):
    """--server and --set name it as plainly as --trust-server."""
    for options in (["--server", stranger.url], ["--set", f"server={stranger.url}"]):
        stranger.received = b""
        done = command("run", "experiment.yaml", *options, env={**SECRETS, **RIGHT})
        assert done.returncode == 3
        assert "UDERIA_PASSWORD" in secrets_in(stranger.received)


def test_a_mailed_ledger_changes_nothing_on_a_trusted_server(command, whole, server):
    """``restore`` sends what the ledger names only with --trust-run, since the sender may have written it."""
    said = {"server": server, "kind": "collection switch", "about": "1", "before": False, "after": True, "arm": None}
    with sqlite3.connect(whole / "ledger.sqlite") as ledger:
        ledger.execute(ledger_rows.CHANGES_TABLE)
        ledger.execute("INSERT INTO changes (said, state) VALUES (?, 'applied')", (json.dumps(said),))
    ledger.close()
    trusted = ("restore", "whole", "--trust-server", "127.0.0.1")
    env = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
    refused = command(*trusted, env=env)
    assert refused.returncode == 3
    assert f"collection switch 1 on {server}: no run of yours on this machine noted this change" in refused.stderr
    assert "if you trust the sender of the run, 'uderia-bench restore whole --trust-run' undoes the rest" in refused.stderr
    undone = command(*trusted, "--trust-run", env=env)
    assert (undone.returncode, undone.stdout) == (0, f"restored: collection switch 1 on {server}\n"), undone.stderr
    assert command(*trusted, env=env).stdout == "whole: nothing to restore\n"
    assert json.loads(command(*trusted, "--json", env=env).stdout) == {"run_id": "whole", "restored": []}
    with sqlite3.connect(whole / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE changes SET state = 'applied'")
    ledger.close()
    told = json.loads(command(*trusted, "--trust-run", "--json", env=env).stdout)
    assert told["restored"] == [{"server": server, "kind": "collection switch", "about": "1"}]
