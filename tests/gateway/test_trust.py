"""Credentials go only to hosts that the user named. A document, which may be a stranger's, cannot name one."""

from __future__ import annotations

import pytest

from uderia_bench.errors import NotSignedIn
from uderia_bench.gateway.credentials import from_environment
from uderia_bench.gateway.trust import Trust, host_of

TOKEN = {"UDERIA_TOKEN": "tda_0123456789"}
PASSWORD = {"UDERIA_USERNAME": "me", "UDERIA_PASSWORD": "hunter2"}
RIGHT = {"UDERIA_URL": "https://right.test:8443/uderia"}


@pytest.mark.parametrize("secrets", [TOKEN, PASSWORD])
@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, "https://stranger.test"),
        (RIGHT, "https://stranger.test"),
        (RIGHT, "http://127.0.0.1:6666"),  # a local program is not the server that the credentials belong to
        (RIGHT, "http://localhost:6666"),
        (RIGHT, "http://[::1]:6666"),
        (RIGHT, "https://right.test.stranger.test"),
        (RIGHT, "https://right.test@stranger.test"),
        (RIGHT, "https://stranger.test/right.test"),
        (RIGHT, "https://xright.test"),
        ({"UDERIA_URL": "http://localhost:5050"}, "https://stranger.test"),
        ({"UDERIA_URL": "sim"}, "https://stranger.test"),
        ({"UDERIA_JUDGE_URL": "https://judge.test"}, "https://judge.test"),  # a judge is not the server
    ],
)
def test_a_host_that_only_the_document_names_receives_nothing(secrets, environ, address):
    """The error names the address, the host, and the option that allows it."""
    with pytest.raises(NotSignedIn) as refused:
        from_environment({**secrets, **environ}, address, Trust())
    host = host_of(address)
    assert f"the experiment names {address}" in str(refused.value)
    assert f"use --trust-server {host}" in str(refused.value)
    assert not any(secret in str(refused.value) for secret in ("tda_0123456789", "hunter2"))


@pytest.mark.parametrize("secrets", [TOKEN, PASSWORD])
@pytest.mark.parametrize(
    ("environ", "typed", "address"),
    [
        (RIGHT, (), "https://right.test"),
        (RIGHT, (), "https://RIGHT.test.:9443/other"),  # any port and path of the host
        ({}, ("https://right.test/uderia",), "https://right.test/uderia"),
        (RIGHT, ("other.test",), "https://other.test"),
        (RIGHT, ("other.test:8443",), "https://other.test:8443"),
        (RIGHT, ("http://127.0.0.1:6666",), "http://localhost:6666"),
        ({}, (), "http://localhost:5050"),  # this machine, and the environment names no other
        ({}, (), "http://127.0.0.1:5050"),
        ({"UDERIA_URL": "http://localhost:5050"}, (), "http://127.0.0.1:5051"),
    ],
)
def test_a_host_that_the_user_named_receives_the_credentials(secrets, environ, typed, address):
    """UDERIA_URL, an address of the command line, or a server on this machine."""
    assert from_environment({**secrets, **environ}, address, Trust(typed))


def test_a_yes_counts_for_the_host_and_is_asked_once():
    """The question names the address and what would be sent."""
    asked = []
    trust = Trust(ask=lambda question: asked.append(question) or True)
    for _ in range(2):
        assert from_environment(TOKEN, "https://other.test", trust)
    assert asked == ["The experiment names https://other.test. Send your UDERIA_TOKEN to other.test?"]


def test_nothing_is_asked_where_there_is_nothing_to_send():
    """Without credentials no host needs to be trusted."""
    assert not from_environment({}, "https://stranger.test", Trust(ask=lambda _: pytest.fail("asked"))).given


@pytest.mark.parametrize("address", ["", "sim://", "http://[", "https://"])
def test_what_names_no_host_trusts_none(address):
    """An unusable address in the environment or on the command line allows nothing."""
    assert host_of(address) in (None, "")
    with pytest.raises(NotSignedIn):
        from_environment({**TOKEN, "UDERIA_URL": address}, "https://stranger.test", Trust([address]))
