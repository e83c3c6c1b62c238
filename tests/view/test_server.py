"""The addresses of the view, and who is let in, against the application itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from dataclasses import replace

import jsonschema
import pytest
from exchanges import event, head, naming, task
from ledgers import settle
from records import trial
from report.reports import ideat_and_optim, report, winner
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from traces import phase, trace
from view.live_runs import ZERO, record, running
from waiting import until

from uderia_bench import plugins
from uderia_bench.commands import diff
from uderia_bench.errors import CannotRun, StoreError
from uderia_bench.reading.labels import kept
from uderia_bench.reading.labels.draw import Item
from uderia_bench.runs import mirror
from uderia_bench.runs.actions import Action
from uderia_bench.runs.ledger_rows import Entry, State
from uderia_bench.view import comparing, runs_page, state, trial_page, watcher
from uderia_bench.view import folder as folder_module
from uderia_bench.view.folder import Folder, _going_on
from uderia_bench.view.guard import Guard
from uderia_bench.view.server import View, chosen
from uderia_bench.view.watcher import Watcher

PORT = 8017
WS = f"ws://127.0.0.1:{PORT}"
JSON = {"accept": "application/json"}
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """Have a page wait for its first state as long as a busy machine takes."""
    monkeypatch.setattr(watcher, "FIRST_S", 100.0)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Begin a run with one answer that is hostile, and one trial in flight."""
    with running(tmp_path_factory.mktemp("output")) as made:
        made.settle(0, answer=SCRIPT)
        made.send(1)
        yield made


@pytest.fixture(scope="module")
def guard(live):
    """Serve its folder."""
    return guarded(live.run.path.parent)


def guarded(folder):
    """Return the application that serves a folder."""
    return serving(Folder(folder, plugins.load()))


def serving(source, **options):
    """Return the application that serves a folder or a recording."""
    return Guard(View(source, Watcher(source.follow), **options).app(), host="127.0.0.1", port=PORT, key=b"k" * 32)


@pytest.fixture(scope="module")
def client(guard):
    """Open it with its token."""
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as made:
        assert made.get(f"/?token={guard.token}").status_code == 200
        yield made


@pytest.fixture
def stranger(client, guard):
    """Return a client without the cookie."""
    del client  # it runs the application
    return TestClient(guard, base_url=f"http://127.0.0.1:{PORT}")


def test_the_token_becomes_a_cookie_and_leaves_the_address(guard, stranger):
    """A redirection to the same page, with a cookie for this site and for HTTP only."""
    answer = stranger.get(f"/runs/live?token={guard.token}&x=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs/live?x=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert guard.token not in cookie


def latest(socket, trial_id, before=None):
    """Receive until a message has a trial among the latest ones; return it, with the message before it."""
    while trial_id not in (message := json.loads(socket.receive_text()))["parts"].get("latest", ""):
        before = message
    return message, before


PLACES = ("/", "/runs", "/runs/live", "/runs/live/report", "/runs/live/trials/t0", "/diff", "/history", "/static/view.js")


@pytest.mark.parametrize("path", PLACES)
def test_nothing_is_shown_without_the_token(stranger, path):
    """Neither without any nor with a wrong one, whatever the address."""
    assert stranger.get(path, follow_redirects=False).status_code == 401
    assert stranger.get(f"{path}?token=wrong", follow_redirects=False).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"host": "evil.example:8017"}, {"host": "127.0.0.1:9"}, {"origin": "http://evil.example"}, {"origin": "null"}]
)
def test_a_foreign_host_or_origin_is_refused(client, headers):
    """On HTTP and on WebSocket, with the cookie too."""
    assert client.get("/runs", headers=headers).status_code == 403
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect(f"{WS}/runs/live/live", headers=headers):
        pass
    assert refused.value.status_code == 403


def test_a_websocket_without_the_token_is_refused(stranger):
    """As a page would be."""
    with pytest.raises(WebSocketDenialResponse) as refused, stranger.websocket_connect(f"{WS}/runs/live/live"):
        pass
    assert refused.value.status_code == 401


@pytest.mark.parametrize("path", ["/runs/%2e%2e/secret", "/runs/..%2fsecret", "/static/..%5cx", "/runs/x/trials/..%2f..%2fy"])
def test_no_path_leads_out_of_the_folder(client, path):
    """Dots are refused on HTTP and on WebSocket. An unknown name has no page."""
    assert client.get(path).status_code == 400
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect(f"{WS}{path}/live"):
        pass
    assert client.get("/runs/nothing").status_code == 404
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        client.websocket_connect(f"{WS}/runs/nothing/live") as socket,
    ):
        socket.receive_text()
    assert closed.value.reason == "this folder has no run of that name"


def test_every_answer_forbids_foreign_code(client, guard, stranger):
    """The policy has no inline script; a refusal has it too."""
    for answer in (client.get("/runs"), client.get("/runs/live", headers=JSON), stranger.get("/runs")):
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["referrer-policy"] == "same-origin"
    assert stranger.get("/runs", headers={"authorization": f"Bearer {guard.token}"}).status_code == 200


def test_nothing_can_be_changed(client):
    """There is no method but reading, and no address for commands."""
    ours = {"origin": f"http://127.0.0.1:{PORT}"}
    for method in ("post", "put", "delete"):
        assert getattr(client, method)("/runs/live", headers=ours).status_code == 405
    assert client.post("/runs/live/control", headers=ours, data={"do": "pause"}).status_code == 404


@pytest.mark.parametrize(("headers", "status"), [({}, 403), ({"origin": "http://evil.example"}, 403), (None, 409)])
def test_commands_need_a_page_of_this_view(live, guard, client, headers, status):
    """With --control a form of another site is refused; of our own page it reaches the run, which takes none here."""
    del guard, client
    source = Folder(live.run.path.parent, plugins.load())
    app = View(source, Watcher(source.follow), control=True).app()
    guard = Guard(app, host="127.0.0.1", port=PORT, key=b"k" * 32)
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as controlled:
        controlled.get(f"/?token={guard.token}")
        origin = {"origin": f"http://127.0.0.1:{PORT}"} if headers is None else headers
        answer = controlled.post("/runs/live/control", headers=origin, data={"do": "pause"})
        assert answer.status_code == status
        assert "takes no commands" in answer.text or status == 403


def test_buttons_are_shown_while_a_run_takes_commands(live, client, monkeypatch):
    """With --control, while the socket of the run is there, also on a page that was opened before."""
    del client
    monkeypatch.setattr(folder_module, "SCAN_EVERY_S", 0.0)
    source = Folder(live.run.path.parent, plugins.load())
    view = View(source, Watcher(source.follow), control=True)
    guard = Guard(view.app(), host="127.0.0.1", port=PORT, key=b"k" * 32)
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as controlled:
        controlled.get(f"/?token={guard.token}")
        text = controlled.get("/runs/live/trials/t8").text
        assert 'action="/runs/live/control"' in text
        assert 'name="about" value="t8"' in text
        assert "data-controlled" not in text + controlled.get("/runs/live").text
        with controlled.websocket_connect(f"{WS}/runs/live/trials/t8/live") as socket:
            (live.run.path / "control.sock").touch()
            while "data-controlled" not in json.loads(socket.receive_text())["parts"].get("trial", ""):
                pass
        assert 'value="stop"' in controlled.get("/runs/live").text
        (live.run.path / "control.sock").unlink()


def test_the_list_has_the_run_and_obeys_its_filter(client):
    """As a page and as JSON."""
    assert "/runs/live" in client.get("/runs").text
    listed = {row["run_id"]: row for row in client.get("/runs", headers=JSON).json()["runs"]}
    assert (listed["live"]["state"], listed["live"]["planned"]) == ("running", 10)
    assert 1 <= listed["live"]["settled"] < 10
    assert client.get("/runs?q=nothing", headers=JSON).json()["runs"] == []
    assert "No run has the words of the filter." in client.get("/runs?q=nothing").text
    with client.websocket_connect(f"{WS}/runs/live?q=nothing") as socket:
        assert "No run has the words of the filter." in json.loads(socket.receive_text())["parts"]["runs"]


def test_a_list_with_one_run_has_nothing_to_compare(tmp_path):
    """The choice of two runs comes with the second one."""
    guard = guarded(tmp_path)
    with running(tmp_path) as live, TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as client:
        assert 'action="/diff"' not in client.get(f"/runs?token={guard.token}").text
        shutil.copytree(live.run.path, tmp_path / "other")
        with client.websocket_connect(f"{WS}/runs/live") as socket:
            while 'action="/diff"' not in json.loads(socket.receive_text())["parts"].get("runs", ""):
                pass
        assert "there is no such page" in client.get("/nothing").text


def test_json_follows_the_published_schema(client):
    """Runs, a run, a trial in flight and one that has ended."""
    schema = state.schema()
    for path in ("/runs", "/runs/live", "/runs/live/trials/t0", "/runs/live/trials/t1", "/runs/live/trials/t5"):
        jsonschema.validate(client.get(path, headers=JSON).json(), schema)


def test_the_last_phase_of_a_trial_in_flight_is_running():
    """A phase that has not ended yet was not aborted; one before it was."""
    phases = tuple(phase(number=n, status=status, duration_s=took) for n, status, took in
                   ((1, "completed", 1.0), (2, "aborted", None), (3, "aborted", None)))  # fmt: skip
    assert [each.status for each in _going_on(trace(phases=phases)).phases] == ["completed", "aborted", "running"]
    assert _going_on(trace(phases=phases[:1])).phases == phases[:1]
    assert _going_on(trace(phases=())).phases == ()


def test_a_trial_in_flight_shows_what_the_server_has_told(client, monkeypatch):
    """Its tools so far, from the last poll of the run; a profile that it waits for has not failed."""
    from uderia_bench.commands import control
    from uderia_bench.view import folder

    tool = event("tool_result", 1.0, details={"tool_name": "base_databaseList", "status": "success"})
    expert = event("genie_slave_invoked", 1.1, profile_tag="FOCUS")
    body = json.dumps(task([*head("OPTIM"), *naming(0.1, 0.2), tool, expert], status="processing"))
    monkeypatch.setattr(control, "ask", lambda *_, **__: {"task": body})
    monkeypatch.setattr(folder, "TELL_EVERY_S", 0.0)
    with client.websocket_connect(f"{WS}/runs/live/trials/t1/live") as socket:
        seen = json.loads(socket.receive_text())
        while seen["state"].get("so_far") is None:
            seen = json.loads(socket.receive_text())
    assert set(seen["state"]["so_far"]) == {"plan", "phases", "llm_calls", "tools", "waits_for", "events"}
    newest = seen["state"]["so_far"]["events"][0]
    assert newest["kind"] == "genie_slave_invoked"
    assert "genie_slave_invoked" in seen["parts"]["trial"]
    assert (seen["state"]["so_far"]["waits_for"], seen["state"]["so_far"]["tools"]) == (["FOCUS"], [])
    assert client.get("/runs/live/trials/t1", headers=JSON).json()["state"] == "asked"


def test_a_hostile_answer_is_text(client):
    """On the trial's page and beside the other answers."""
    for path in ("/runs/live/trials/t0", "/runs/live/answers?query=q0"):
        text = client.get(path).text
        assert SCRIPT not in text
        assert "&lt;script&gt;alert(1)" in text


def test_the_form_for_raters_is_a_file_to_save(client, live):
    """The answers that were drawn, without whose they are; without a draw, how to draw."""
    missing = client.get("/runs/live/labels")
    assert (missing.status_code, "label draw live" in missing.text) == (404, True)
    item = Item(
        id="i", kind="answers", question=SCRIPT, rubric="r", answers=(SCRIPT,), trials=("secret",), arms=("X",), query_id="q",
        group=None, turn=1,
    )  # fmt: skip
    kept.add_drawn(live.run.path, [item])
    form = client.get("/runs/live/labels")
    assert form.headers["content-disposition"] == 'attachment; filename="labels-live.html"'
    assert SCRIPT not in form.text
    assert "secret" not in form.text


def test_the_channel_sends_a_snapshot_then_each_change(client, live):
    """It names the number before; the change has the new trial as data and as a part of the page."""
    with client.websocket_connect(f"{WS}/runs/live/live") as socket:
        first = json.loads(socket.receive_text())
        assert first["kind"] == "snapshot"
        assert first["state"]["progress"]["settled"] >= 1
        live.settle(2)
        second, before = latest(socket, "/runs/live/trials/t2", first)
        assert (second["kind"], second["since"]) == ("delta", before["seq"])
        assert second["seq"] > before["seq"]  # by more than one if this test was too slow for a change
        assert "gates" not in second["state"]
        socket.send_text(json.dumps({"from": first["seq"]}))
        again, _ = latest(socket, "/runs/live/trials/t2")
        assert again["since"] == first["seq"]
    with client.websocket_connect(f"{WS}/runs/live/live?from={first['seq']}") as socket:
        assert json.loads(socket.receive_text())["kind"] == "delta"


def test_one_reader_serves_all_pages(client, live, monkeypatch):
    """With five pages open the ledger is read as often as with one."""
    from uderia_bench.view.following import Following

    reads = []
    read = Following._add
    monkeypatch.setattr(Following, "_add", lambda self, at: reads.append(at) or read(self, at))
    sockets = [client.websocket_connect(f"{WS}/runs/live/live") for _ in range(5)]
    for socket in sockets:
        socket.__enter__()
        socket.receive_text()
    live.settle(3)
    for socket in sockets:
        latest(socket, "t3")
        socket.__exit__(None, None, None)
    assert 3 in reads
    assert len(reads) == len(set(reads))


def test_a_broken_message_from_a_page_is_ignored(client, live):
    """Later changes still arrive."""
    with client.websocket_connect(f"{WS}/runs/live/live") as socket:
        socket.receive_text()
        for said in ("", "{", "[]", '{"from": "x"}', '{"from": null}', '{"from": 1e400}', f'{{"from": "{"1" * 5000}"}}'):
            socket.send_text(said)
        socket.send_bytes(b"\xff\x00")
        live.settle(4)
        latest(socket, "t4")


def test_a_page_that_fails_does_not_stop_the_others(client, live):
    """One run's ledger is damaged: its page has the reason, and the other run goes on."""
    from uderia_bench.runs.directory import RunDirectory

    broken = RunDirectory(live.run.path.parent / "broken")
    broken.path.mkdir()
    broken.write_manifest(live.run.directory.read_manifest())
    broken.ledger.write_bytes(b"no database")
    answer = client.get("/runs/broken")
    assert answer.status_code == 404
    assert "not readable as a ledger" in answer.text
    with client.websocket_connect(f"{WS}/runs/live/live") as socket:
        socket.receive_text()
        live.settle(6)
        latest(socket, "t6")


@pytest.mark.parametrize(
    ("bound", "named", "ours"),
    [
        ("127.0.0.1", "localhost:8017", True),
        ("127.0.0.1", "[::1]:8017", True),
        ("127.0.0.1", "10.1.2.3:8017", False),
        ("127.0.0.1", "localhost", False),
        ("127.0.0.2", "127.0.0.2:8017", True),
        ("127.0.0.2", "10.1.2.3:8017", False),
        ("0.0.0.0", "10.1.2.3:8017", True),
        ("0.0.0.0", "evil.example:8017", False),
        ("bench.example", "bench.example:8017", True),
        ("bench.example", "", False),
    ],
)
def test_the_view_answers_to_its_own_names_only(bound, named, ours):
    """A number cannot be rebound, so a view that listens on every address answers to each."""
    assert Guard(None, host=bound, port=PORT, key=b"k")._is_ours(named) is ours


def test_a_conversation_has_the_answers_of_all_its_turns(tmp_path):
    """Side by side, a row for each turn of a repeat, with the question of each."""
    turns = [replace(trial(at), query_id="talk", turn=at + 1, prompt=f"question {at + 1}") for at in range(2)]
    with running(tmp_path, plan=turns) as live:
        for turn in turns:
            live.settle(turn.seq, trial=turn, answer=f"answer {turn.turn}")
        page = comparing.answers(Folder(tmp_path, plugins.load()), "live", {"query": "talk"})
    for words in ("question 1", "question 2", "answer 1", "answer 2", "repeat 1, turn 2"):
        assert words in page


def test_a_query_that_the_run_does_not_have_is_an_error(tmp_path):
    """A page with the choice of another query would look as if it had no answers yet."""
    with running(tmp_path), pytest.raises(StoreError, match="this run has no query 'tables'"):
        comparing.answers(Folder(tmp_path, plugins.load()), "live", {"query": "tables"})


def test_a_paused_run_is_paused_in_the_list_with_what_it_has_spent(tmp_path):
    """The state is from the actions in its ledger; tokens and dollars are those of the trial that settled last."""
    spent = json.dumps({"spent": {"trials": 1, "tokens": 1234.0, "usd": 0.5}})
    source = Folder(tmp_path, plugins.load())
    with running(tmp_path) as made:
        made.ledger.write([Entry(state=State.SETTLED, record=record(0), account=spent)])
        listed = source.follow(())
        listed.look()
        row = listed.state().runs[0]
        assert (row.state, row.tokens, row.cost_usd) == ("running", 1234, 0.5)
        made.ledger.write([Action(at=ZERO, who="ann", what="pause")])
        listed = source.follow(())
        listed.look()
        assert listed.state().runs[0].state == "paused"
    listed = source.follow(())
    listed.look()
    assert listed.state().runs[0].state == "abandoned"
    assert "1/10 done" in runs_page.draw(listed.state())


def test_runs_that_were_asked_differently_offer_a_comparison_anyway(tmp_path, monkeypatch):
    """The page has the reason without an option of the command line, and a link."""

    def refuse(*_, **__):
        raise diff.Unlike("a is no baseline for b: the repeats differ, 12 and 6")

    monkeypatch.setattr(diff, "compare", refuse)
    with running(tmp_path, "a"), running(tmp_path, "b"):
        page = comparing.diff(Folder(tmp_path, plugins.load()), {"baseline": "a", "run": "b"})
    assert "the repeats differ, 12 and 6" in page
    assert "--force" not in page
    assert 'href="/diff?baseline=a&amp;run=b&amp;force=on"' in page


def test_a_comparison_has_the_list_of_winners_that_its_headline_names(tmp_path, monkeypatch):
    """With the reason of each class of queries."""
    made = report(arms=ideat_and_optim(), winners=[winner("simple", None, "time decides, and cost does not")])
    monkeypatch.setattr(diff, "compare", lambda *_, **__: made)
    with running(tmp_path, "a"), running(tmp_path, "b"):
        page = comparing.diff(Folder(tmp_path, plugins.load()), {"baseline": "a", "run": "b"})
    assert "<h3>Winners</h3><ul><li>simple queries, OPTIM compared with IDEAT: time decides" in page
    assert 'Runs <a href="/runs/b">b</a>, <a href="/runs/a">a</a>' in page


def test_a_refusal_is_a_page_with_a_title(stranger):
    """A browser names its tab, shows it in dark colours where these are set, and asks for no icon, which would be refused."""
    text = stranger.get("/runs").text
    assert "<title>Token needed" in text
    assert 'name="color-scheme" content="light dark"' in text
    assert 'rel="icon" href="data:,"' in text


def test_a_page_that_was_not_ready_in_time_goes_on_to_be_read(tmp_path, monkeypatch):
    """The first request ends with what to do. A later one gets what was read meanwhile, from the same reader."""
    opened, ready = [], threading.Event()

    class Slow(Folder):
        def follow(self, topic):
            opened.append(topic)
            assert ready.wait(100)
            return super().follow(topic)

    monkeypatch.setattr(watcher, "FIRST_S", 0.2)
    source = Slow(tmp_path, plugins.load())
    guard = Guard(View(source, Watcher(source.follow)).app(), host="127.0.0.1", port=PORT, key=b"k" * 32)
    headers = {"authorization": f"Bearer {guard.token}"} | JSON
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as asked:
        first = asked.get("/runs", headers=headers)
        assert (first.status_code, first.json()["error"]) == (404, "still being read: load the page again in some seconds")
        monkeypatch.setattr(watcher, "FIRST_S", 100.0)
        ready.set()
        assert asked.get("/runs", headers=headers).status_code == 200
    assert opened == [()]


def test_a_run_that_could_not_be_read_for_a_moment_is_recorded_and_shown_again(live, monkeypatch):
    """Also where nothing in it has changed meanwhile, and although a page asked for it in that moment."""
    source, heard, broken = Folder(live.run.path.parent, plugins.load()), [], threading.Event()

    def follow(topic):
        if broken.is_set():
            raise StoreError("too many open files")
        return source.follow(topic)

    monkeypatch.setattr(watcher, "RETRY_S", 0.0)
    watched = Watcher(follow, lambda topic, changed: heard.append((topic, changed)), ("live",))
    guard = Guard(View(source, watched).app(), host="127.0.0.1", port=PORT, key=b"k" * 32)
    headers = {"authorization": f"Bearer {guard.token}"} | JSON
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as asked:

        def status():
            return asked.get("/runs/live", headers=headers).status_code

        assert status() == 200
        broken.set()
        monkeypatch.setattr(folder_module.Following, "look", follow)
        until(lambda: status() == 404, "the run cannot be read")
        monkeypatch.undo()
        before = len(heard)
        broken.clear()
        until(lambda: len(heard) > before, "the run is recorded again")
        until(lambda: status() == 200, "the run is shown again")


def test_a_page_that_cannot_be_drawn_does_not_stop_the_others(client, live, monkeypatch):
    """A foreign run may have values that no page expects."""

    def draw(*_):
        raise ValueError("no such value")

    monkeypatch.setattr(trial_page, "draw", draw)
    answer = client.get("/runs/live/trials/t9")
    assert (answer.status_code, "no such value" in answer.text) == (404, True)
    with client.websocket_connect(f"{WS}/runs/live/live") as socket:
        socket.receive_text()
        live.settle(7)
        latest(socket, "t7")


def test_a_folder_whose_name_cannot_be_in_an_address_does_not_hide_the_others(tmp_path):
    """Such a folder was made by hand. It has no row, and the runs beside it have theirs."""
    with running(tmp_path, "good") as made:
        for name in (b"not-utf-8-\xff", b"escape-\x1b]0;x"):
            shutil.copytree(made.run.path, tmp_path / os.fsdecode(name))
        shutil.copytree(made.run.path, tmp_path / "a b#c?d")
        guard = guarded(tmp_path)
        with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as client:
            client.get(f"/?token={guard.token}")
            listed = {row["run_id"] for row in client.get("/runs", headers=JSON).json()["runs"]}
            assert listed == {"good", "a b#c?d"}
            page = client.get("/runs").text
            (link,) = re.findall(r'href="(/runs/a[^"]+)"', page)
            assert client.get(link, headers=JSON).json()["run"]["run_id"] == "good"


@pytest.mark.parametrize("number", ["1" * 5000, "x", "-1", "", "1e9", "\u0663"])
def test_a_number_that_no_page_has_gets_a_snapshot(client, number):
    """The address is text from outside."""
    with client.websocket_connect(f"{WS}/runs/live/live?from={number}") as socket:
        assert json.loads(socket.receive_text())["kind"] == "snapshot"


def test_a_trial_in_flight_of_a_run_that_was_killed_is_left(tmp_path, monkeypatch):
    """It has no age, which would grow for ever, and the icon of a run that stopped. Then its run is removed."""
    monkeypatch.setattr(folder_module, "SCAN_EVERY_S", 0.0)
    source = Folder(tmp_path, plugins.load())
    with running(tmp_path) as made:
        made.send(0)
        followed = source.follow(("live", "t0"))
        followed.look()
        state = followed.state()
        assert (state.state, state.sent_at) == ("asked", ZERO)
    assert followed.look()
    left = followed.state()
    assert (left.state, left.sent_at, left.controlled) == ("left", None, False)
    drawn = followed.parts(left, set())["trial"]
    assert "in flight when the run stopped" in drawn
    assert "data-age" not in drawn
    assert 'href="/static/stopped.svg"' in trial_page.page(left, drawn, 1)
    assert not followed.look()
    shutil.rmtree(made.run.path)
    with pytest.raises(StoreError, match="the run was removed"):
        followed.look()
    followed.close()


def test_a_program_that_reads_every_trial_does_not_fill_the_memory(tmp_path, monkeypatch):
    """An address without a page is closed, the oldest first. Each has files open."""
    opened, closed, enough = [], [], threading.Event()

    class Counted(Folder):
        def follow(self, topic):
            followed = super().follow(topic)
            opened.append(topic)
            close = followed.close

            def closing():
                close()
                closed.append(topic)
                if len(closed) == 5:
                    enough.set()

            followed.close = closing
            return followed

    monkeypatch.setattr(watcher, "LEFT_S", 0.0)
    monkeypatch.setattr(watcher, "MOST_LEFT", 3)
    with running(tmp_path):
        guard = serving(Counted(tmp_path, plugins.load()))
        headers = {"authorization": f"Bearer {guard.token}"} | JSON
        with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as client:
            for number in range(8):
                assert client.get(f"/runs/live/trials/t{number}", headers=headers).status_code == 200
            enough.wait()
    assert closed[:5] == opened[:5] == [("live", f"t{number}") for number in range(5)]


def test_an_abandoned_run_is_read_again_only_when_its_ledger_changes(tmp_path, monkeypatch):
    """A folder may have hundreds of them, and the list is read every second."""
    monkeypatch.setattr(folder_module, "SCAN_EVERY_S", 0.0)
    with running(tmp_path) as made:
        pass
    listed = Folder(tmp_path, plugins.load()).follow(())
    opened = []
    opening = folder_module.Ledger.open
    monkeypatch.setattr(folder_module.Ledger, "open", lambda path: opened.append(path) or opening(path))
    for _ in range(6):
        listed.look()
    assert [row.state for row in listed.state().runs] == ["abandoned"]
    # The first time may make the file of SQLite's write-ahead log. The view of earlier tests still reads another run.
    assert 1 <= opened.count(made.run.directory.ledger) <= 2
    with made.run.directory.claimed(), opening(made.run.directory.ledger, writing=True) as ledger:
        settle(ledger, record(0))
        listed.look()
    (row,) = listed.state().runs
    assert (row.state, row.settled) == ("running", 1)


def test_a_trial_in_flight_is_followed_while_others_settle_all_the_time(tmp_path, monkeypatch):
    """In a busy run a commit comes between any two looks."""
    newest = event("<b>", 1.0, step=SCRIPT) | {"timestamp": "never"}
    body = json.dumps(task([*head("OPTIM"), newest], status="processing"))
    monkeypatch.setattr(folder_module.control, "ask", lambda *_, **__: {"task": body})
    monkeypatch.setattr(folder_module, "TELL_EVERY_S", 0.0)
    with running(tmp_path) as made:
        made.send(0)
        followed = Folder(tmp_path, plugins.load()).follow(("live", "t0"))
        made.settle(1)
        assert followed.look()
        state = followed.state()
        drawn = followed.parts(state, set())["trial"]
        followed.close()
    assert [(each.kind, each.what) for each in state.so_far["events"][:1]] == [("<b>", SCRIPT)]
    assert SCRIPT not in drawn
    assert "<b>" not in drawn.partition("Newest events")[2]


def test_a_run_that_hangs_is_not_asked_all_the_time(tmp_path, monkeypatch):
    """One thread looks at all pages, and waits for its answer."""
    asked = []

    def hangs(*_, **__):
        asked.append("show")
        raise CannotRun("its process does not answer (timed out)")

    monkeypatch.setattr(folder_module.control, "ask", hangs)
    monkeypatch.setattr(folder_module, "TELL_EVERY_S", 0.0)
    with running(tmp_path) as made:
        made.send(0)
        followed = Folder(tmp_path, plugins.load()).follow(("live", "t0"))
        for _ in range(3):
            followed.look()
        followed.close()
    assert len(asked) == 1


def test_runs_in_progress_stay_first_in_every_order():
    """Whatever a run has cost. The others are in the order asked for."""
    rows = [
        state.RunRow(run_id=name, experiment=name, state=stands, started_at="", cost_usd=cost)
        for name, stands, cost in (("a", "complete", 1.0), ("b", "paused", 0.1), ("c", "complete", 9.0), ("d", "running", None))
    ]
    for order, wanted in (("cost", "bdca"), ("experiment", "bdac"), ("state", "bdac")):
        shown = chosen(state.RunsState(folder="", runs=tuple(rows)), {"sort": order})
        assert "".join(row.run_id for row in shown.runs) == wanted


def test_a_list_names_what_its_trials_are_and_links_only_histories_that_exist():
    """Trials of a run in progress are done, those of a finished one answered. A history needs a finished run."""
    rows = (
        state.RunRow(run_id="b", experiment="begun", state="running", started_at=str(ZERO), planned=10, settled=4),
        state.RunRow(run_id="a", experiment="ended", state="complete", started_at=str(ZERO), planned=9, settled=9, answered=8),
    )
    drawn = runs_page.draw(state.RunsState(folder="output", runs=rows))
    assert 'data-label="trials">4/10 done<' in drawn
    assert 'data-label="trials">8/9 answered<' in drawn
    assert drawn.count("/history?") == 1
    assert 'href="/history?experiment=ended"' in drawn


def test_the_list_of_a_store_has_its_address(tmp_path, monkeypatch):
    """It is the one in the command. The directory of the cache that mirrors the store tells a reader nothing."""
    monkeypatch.setattr(mirror, "origin", lambda _: "s3://bucket/runs")
    listed = Folder(tmp_path, plugins.load()).follow(())
    listed.look()
    assert listed.state().folder == "s3://bucket/runs"
