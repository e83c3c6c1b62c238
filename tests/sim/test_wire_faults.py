"""Tests of planted network faults through a socket: responses, effects on the server, counts."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

from uderia_bench.gateway import embedded
from uderia_bench.sim.trouble.faults import WIRE_KINDS, Fault

PROMPT = "which version do we run?"
STATUSES = {"http_429": 429, "http_429_header": 429, "http_429_body": 429, "http_500": 500, "http_502": 502, "http_503": 503}


@pytest.fixture
def serve(tmp_path):
    """Return the function that starts a server process with faults."""

    def start(*faults: str):
        path = tmp_path / "faults.yaml"
        path.write_text(
            "server: {login_limit: 0, cold_start: false}\nfaults:\n" + "\n".join(f"  - {{{one}}}" for one in faults)
        )
        return embedded.serve(seed=7, speed=500.0, faults=path)

    return start


@contextmanager
def signed_in(url: str):
    """Yield a client with a token."""
    with httpx.Client(base_url=url, timeout=60) as client:
        token = client.post("/api/v1/auth/login", json={"username": "admin", "password": "admin"}).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def counted(client: httpx.Client) -> dict:
    """Return the counts of ``/sim/faults``."""
    return client.get("/sim/faults").json()


@pytest.mark.parametrize("kind", sorted(set(WIRE_KINDS) - {"token_expiry", "restart", "away"}))
def test_each_kind_affects_only_its_call(serve, kind):
    """At rate 1 on session details, other requests are unaffected and the fault is counted."""
    with serve(f"kind: {kind}, rate: 1, call: details, factor: 3") as url, signed_in(url) as client:
        session = client.post("/api/v1/sessions", json={}).json()["session_id"]
        path = f"/api/v1/sessions/{session}/details"
        if kind in {"reset", "reset_after", "cut_off"}:
            with pytest.raises(httpx.TransportError):
                client.get(path)
        elif kind == "stalled_body":
            with pytest.raises(httpx.ReadTimeout):
                client.get(path, timeout=httpx.Timeout(60, read=1.0))
        else:
            answer = client.get(path)
            assert answer.status_code == STATUSES.get(kind, 404 if kind == "missing" else 200)
            if kind in {"html", "malformed"}:
                with pytest.raises(json.JSONDecodeError):
                    answer.json()
            if kind == "huge":
                assert len(answer.content) > 3 * 2**20
                assert answer.json()["id"] == session
        assert counted(client)["planted"] == {kind: 1}
        assert counted(client)["calls"]["details"] == 1


def test_a_query_runs_although_its_response_is_lost(serve):
    """The connection is reset after the server accepted the query."""
    with serve("kind: reset_after, rate: 1, call: query") as url, signed_in(url) as client:
        session = client.post("/api/v1/sessions", json={}).json()["session_id"]
        with pytest.raises(httpx.TransportError):
            client.post(f"/api/v1/sessions/{session}/query", json={"prompt": PROMPT})
        deadline = time.monotonic() + 60
        while not (truth := client.get("/sim/truth").json()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert truth[0]["session_id"] == session
        assert counted(client)["asked"] == [{"profile_tag": "OPTIM", "prompt": PROMPT, "times": 1}]


def test_tokens_expire_and_tasks_are_forgotten_at_a_request(serve):
    """Every sign-in expires, or every task is forgotten, at the request that draws the fault."""
    with serve("kind: token_expiry, rate: 1, call: details") as url, signed_in(url) as client:
        session = client.post("/api/v1/sessions", json={}).json()["session_id"]
        assert client.get(f"/api/v1/sessions/{session}/details").status_code == 404
        assert client.get("/api/v1/auth/me").status_code == 401
    with serve("kind: restart, rate: 1, call: details") as url, signed_in(url) as client:
        session = client.post("/api/v1/sessions", json={}).json()["session_id"]
        task = client.post(f"/api/v1/sessions/{session}/query", json={"prompt": PROMPT}).json()["task_id"]
        client.get(f"/api/v1/sessions/{session}/details")
        assert client.get(f"/api/v1/tasks/{task}").status_code == 404


def test_a_server_that_is_away_comes_back_with_its_sessions(serve):
    """The request is aborted, connections are refused, then sessions and tokens still work."""
    with serve("kind: away, rate: 1, call: details, factor: 3.0") as url, signed_in(url) as client:
        session = client.post("/api/v1/sessions", json={}).json()["session_id"]
        with pytest.raises(httpx.TransportError):
            client.get(f"/api/v1/sessions/{session}/details")
        with pytest.raises(httpx.ConnectError):
            client.get("/api/v1/auth/me")
        while True:
            with suppress(httpx.ConnectError):
                assert client.get("/api/v1/auth/me").status_code == 200
                break
            time.sleep(0.02)
        assert client.post(f"/api/v1/sessions/{session}/query", json={"prompt": PROMPT}).status_code == 202


def test_a_stalled_body_is_aborted_after_its_time(serve):
    """The client gets half of the response."""
    with serve("kind: stalled_body, rate: 1, call: details, factor: 0.2") as url, signed_in(url) as client:
        session = client.post("/api/v1/sessions", json={}).json()["session_id"]
        began = time.monotonic()
        with pytest.raises(httpx.TransportError):
            client.get(f"/api/v1/sessions/{session}/details")
        assert time.monotonic() - began > 0.15


def test_a_network_fault_applies_only_at_its_time(serve):
    """A fault that starts later affects no request."""
    with serve("kind: http_503, rate: 1, from: 3600") as url, signed_in(url) as client:
        assert client.post("/api/v1/sessions", json={}).status_code == 201


@pytest.mark.parametrize(("kind", "call"), [("reset", "profiles"), ("slow", "task")])
def test_a_call_must_be_known_and_of_a_network_fault(kind, call):
    """The error lists the calls."""
    with pytest.raises(ValueError, match="choose one of login, session, query"):
        Fault(kind=kind, rate=1, call=call)
