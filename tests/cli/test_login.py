"""``login`` signs in once for later commands, and every command uses the token of an earlier one again."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest
from cli.conftest import FINISHED, settled, shortened, wait_for_trials

from uderia_bench.gateway import embedded

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}


@pytest.fixture
def own(tmp_path_factory):
    """Return an embedded server with the real limit of sign-ins, and a cache directory of the test's own."""
    with embedded.serve(seed=7, speed=200.0) as url:
        yield url, {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}


def test_after_a_login_no_password_is_needed(command, own):
    """Also for a server that only the experiment names. Without a login the error names the command."""
    url, cache = own
    before = command("profiles", "--server", url, env=cache)
    assert before.returncode == 3
    assert f"or run 'uderia-bench login --server {url}'" in before.stderr
    done = command("login", "--server", url, env={**ADMIN, **cache})
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"signed in at {url} as admin\n"
    assert "IDEAT" in command("profiles", "--server", url, env=cache).stdout
    text = (command.cwd / "experiment.yaml").read_text().replace("server: {sim: {speed: 200, seed: 7}}", f"server: {url}")
    command.write("named.yaml", text)
    env = {**cache, "UDERIA_URL": "https://right.invalid"}
    assert command("run", "named.yaml", "--set", "repeats=1", env=env).returncode == 0


def test_eight_commands_in_a_row_stay_below_the_limit(command, own):
    """The server allows five sign-ins a minute."""
    url, cache = own
    for _ in range(8):
        done = command("profiles", "--server", url, env={**ADMIN, **cache})
        assert done.returncode == 0
        assert "limit" not in done.stderr


@pytest.mark.parametrize(
    ("options", "env", "code", "said"),
    [
        (["--server", "sim"], ADMIN, 2, "needs no sign-in"),
        (["--server", "http://127.0.0.1:9"], ADMIN, 3, "no server answers"),
        (["--server", "http://127.0.0.1:9"], {}, 3, "no server answers"),
        (["--server", ""], ADMIN, 2, "--server is empty"),
    ],
)
def test_a_login_that_cannot_be_says_why(command, options, env, code, said):
    """One line and the exit code of its kind."""
    done = command("login", *options, env=env)
    assert done.returncode == code
    assert said in done.stderr


def test_without_a_terminal_a_login_needs_the_environment(command, own):
    """The server answers, so only the password is missing."""
    url, cache = own
    done = command("login", "--server", url, env=cache)
    assert done.returncode == 3
    assert "set UDERIA_USERNAME and UDERIA_PASSWORD" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "experiment.yaml"),
        ("compare", "--query", "x", "--profile1", "a", "--profile2", "b"),
        ("profiles",),
        ("login",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_server_that_does_not_answer_is_named_before_missing_credentials(command, arguments):
    """With a wrong address the credentials may be right, so the address is the first thing to correct."""
    done = command(*arguments, "--server", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert "no server answers at http://127.0.0.1:9" in done.stderr
    assert "UDERIA_TOKEN" not in done.stderr


def test_a_token_revoked_in_mid_run_ends_it_and_a_new_one_finishes_it(command, tmp_path):
    """Exit 3 with what to do, the reason in the manifest, and after a resume each trial was asked once."""
    with embedded.serve(seed=7, speed=20.0) as url:

        def call(method, path, token=None, **body):
            head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
            asked = Request(url + path, method=method, data=json.dumps(body).encode(), headers=head)
            with urlopen(asked) as reply:
                return json.load(reply)

        signed_in = call("POST", "/api/v1/auth/login", username="admin", password="admin")["token"]
        first, second = (call("POST", "/api/v1/auth/tokens", signed_in, name=name) for name in ("first", "second"))
        env = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "UDERIA_URL": url, "UDERIA_TOKEN": first["token"]}
        process = command.start("run", "experiment.yaml", "--server", url, "--repeats", "30", "--run-id", "r", env=env)
        wait_for_trials(command, "r", process)
        call("DELETE", f"/api/v1/auth/tokens/{first['token_id']}", signed_in)
        _, err = process.communicate()
        reason = f"UDERIA_TOKEN is no longer accepted by {url}: set a valid one"
        assert process.returncode == 3
        assert err.splitlines()[-1].endswith(f"{reason}; then go on with 'uderia-bench resume r'")
        facts = json.loads((command.cwd / "output/r/manifest.json").read_text())
        assert (facts["state"], facts["stopped"]) == ("interrupted", reason)
        before = len(settled(command, "r"))
        shortened(command)
        done = command("resume", "r", env=env | {"UDERIA_TOKEN": second["token"]})
        assert done.returncode in FINISHED, done.stderr
        assert before < len(settled(command, "r")) == len(call("GET", "/sim/truth"))
