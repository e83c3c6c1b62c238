"""Recordings: a page for those that end before the report, and a report that comes late."""

from __future__ import annotations

import json
import re
import tracemalloc

import pytest
from records import trial
from starlette.testclient import TestClient
from view.live_runs import running
from view.test_server import PORT, serving
from waiting import until

from uderia_bench import plugins
from uderia_bench.errors import UsageError
from uderia_bench.runner.control import SOCKET
from uderia_bench.trial import Ending
from uderia_bench.view.folder import Folder
from uderia_bench.view.following import REPORT
from uderia_bench.view.recording import Recorder, Recording, keep

REPORTED = "<!doctype html>\n<html><body><p>decided</p></body></html>\n"


@pytest.fixture
def live(tmp_path):
    """Begin a run with a settled trial and one in flight."""
    with running(tmp_path / "runs") as made:
        made.settle(0)
        made.send(1)
        yield made


def recorded(live, path) -> list[dict]:
    """Record a run as it is now; return the lines."""
    with path.open("wb") as file:
        keep(file, Folder(live.run.directory.path.parent, plugins.load()), live.run_id)
    return [json.loads(line) for line in path.read_text().splitlines()]


def replayed(path):
    """Return the last state of a recording and the head of its page."""
    followed = Recording(path, speed=1e9).follow(("live",))
    while followed.look():
        state = followed.state()
    return state, followed.parts(state, {"run", "load"})["head"]


@pytest.mark.parametrize("state", ["running", "complete", "reported"])
def test_the_page_shows_that_a_recording_ends_before_the_report(live, tmp_path, state):
    """Whatever the last state was. The page waits for no report, has the command, and ages do not grow for ever."""
    if state != "running":
        live.ends()
    if state == "reported":
        (live.run.directory.path / REPORT).write_text(REPORTED)
    lines = recorded(live, tmp_path / "night.jsonl")
    kept = [json.dumps(line) for line in lines if "report" not in line]
    (tmp_path / "night.jsonl").write_text("\n".join(kept) + '\n{"at_s": 9, "rep')
    shown, head = replayed(tmp_path / "night.jsonl")
    assert (shown.run.state, shown.run.has_report) == ("cut", False)
    assert "The recording was stopped before the report." in head
    assert "uderia-bench view live --record FILE" in head
    assert "will appear here" not in head
    assert [flight.sent_at for flight in shown.load.in_flight] == ([None] if state == "running" else [])


def test_a_whole_recording_ends_with_the_report(live, tmp_path):
    """Its state has a report only once the replay has come to that, however late it was written."""
    live.ends()
    (live.run.directory.path / REPORT).write_text(REPORTED)
    path = tmp_path / "night.jsonl"
    *lines, report = recorded(live, path)
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, report | {"at_s": 0.3})))
    recording = Recording(path)
    followed = recording.follow(("live",))
    assert followed.look()
    assert (followed.state().run.state, followed.state().run.has_report) == ("complete", False)
    until(followed.look, "the replay comes to the report")
    assert followed.state().run.has_report
    assert recording.report("live") == "<p>decided</p>"


def test_a_report_that_cannot_be_read_yet_is_recorded_later(live, tmp_path):
    """It is tried at the next change, or when the recorder ends. It is written once."""
    live.ends()
    report = live.run.directory.path / REPORT
    report.write_text(REPORTED[:30])
    with (tmp_path / "night.jsonl").open("wb") as file:
        folder = Folder(live.run.directory.path.parent, plugins.load())
        followed = folder.follow(("live",))
        followed.look()
        recorder = Recorder(file, folder, "live")
        recorder(("live",), {"run": followed.state().run})
        report.write_text(REPORTED)
        recorder.keep_report()
        recorder.keep_report()
        followed.close()
    lines = [json.loads(line) for line in (tmp_path / "night.jsonl").read_text().splitlines()]
    assert [line["report"] for line in lines if "report" in line] == ["<p>decided</p>"]


HREF = re.compile(r'href="([^"#]+)"')


@pytest.mark.parametrize("ended", [False, True])
def test_every_link_and_button_of_a_replay_works(live, tmp_path, ended):
    """It has no page of a trial or an answer, and takes no command. The page of the run names the trials and says so."""
    live.settle(2, ending=Ending.UNREACHABLE, detail="broken")
    live.run.directory.path.joinpath(SOCKET).touch()
    if ended:
        live.ends()
        (live.run.directory.path / REPORT).write_text(REPORTED)
    recorded(live, tmp_path / "night.jsonl")
    guard = serving(Recording(tmp_path / "night.jsonl", speed=1e9), control=True)
    with TestClient(guard, base_url=f"http://127.0.0.1:{PORT}") as client:
        client.get(f"/?token={guard.token}")
        client.get("/runs/live")  # begins the replay
        run = client.get("/runs/live").text
        pages = [run, client.get("/runs").text, *([client.get("/runs/live/report").text] if ended else [])]
        links = {link for page in pages for link in HREF.findall(page)}
        assert {"/runs", "/runs/live"} <= links
        assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)
    assert [words in run for words in ("<p>decided<", "no pages of trials and answers")] == [ended, not ended]
    assert (trial(2).trial_id in run) is not ended
    assert not any("/control" in page for page in pages)


def test_a_recording_without_a_state_is_refused(live, tmp_path):
    """It was cut after its first line. A page would wait for ever."""
    path = tmp_path / "night.jsonl"
    recorded(live, path)
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(UsageError, match="cut before its first state; record the run again with 'uderia-bench view live"):
        Recording(path)


@pytest.mark.parametrize(
    ("number", "line", "words"),
    [
        (0, [1], "night.jsonl:1: not a recording: a line is no JSON object"),
        (0, {"run": None}, "not a recording of this uderia-bench"),
        (0, {"run": "../../etc"}, "not a recording of this uderia-bench"),
        (0, {"run": "a\x1b]0;b"}, "not a recording of this uderia-bench"),
        (0, {"began_at": "yesterday"}, "night.jsonl:1: not a recording: began_at is no moment"),
        (0, {"began_at": None}, "night.jsonl:1: not a recording: began_at is no moment"),
        (1, {"at_s": "0"}, "night.jsonl:2: not a recording: a line has at_s, and a state or a report"),
        (1, {"state": [1]}, "night.jsonl:2: not a recording: a line has at_s, and a state or a report"),
        (2, {"report": 5}, "night.jsonl:3: not a recording: a line has at_s, and a state or a report"),
    ],
)
def test_a_recording_of_a_stranger_is_checked_before_its_first_page(live, tmp_path, number, line, words):
    """The error is one line, with the file and the line in it. An empty file is refused, too."""
    live.ends()
    (live.run.directory.path / REPORT).write_text(REPORTED)
    path = tmp_path / "night.jsonl"
    lines = recorded(live, path)
    lines[number] = lines[number] | line if isinstance(line, dict) else line
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    with pytest.raises(UsageError, match=re.escape(words)):
        Recording(path)
    path.write_text("")
    with pytest.raises(UsageError, match="not a recording"):
        Recording(path)


def test_the_report_of_a_stranger_leads_nowhere(live, tmp_path):
    """No policy of content forbids that ``meta`` opens another page."""
    live.ends()
    (live.run.directory.path / REPORT).write_text(REPORTED)
    path = tmp_path / "night.jsonl"
    *lines, report = recorded(live, path)
    away = '<meta http-equiv="refresh" content="0;url=http://evil.example">'
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines, report | {"report": f"<p>a</p>{away}"})))
    recording = Recording(path, speed=1e9)
    recording.follow(("live",))
    assert recording.report("live") == "<p>a</p>"


def test_a_replay_does_not_keep_the_whole_recording(live, tmp_path):
    """10 MB of lines take less than 2 MB."""
    path = tmp_path / "night.jsonl"
    first, state = recorded(live, path)
    state["state"]["note"] = "long " * 1000
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, *[state] * 2000)))
    tracemalloc.start()
    try:
        followed = Recording(path).follow(("live",))
        assert followed.look()
        assert tracemalloc.get_traced_memory()[0] < 2_000_000
    finally:
        tracemalloc.stop()
        followed.close()


def test_a_full_disk_ends_the_recording_and_not_the_page(live):
    """There is one message. Half a line may be in the file, so no other follows it."""
    failures, written = [], []

    class Full:
        def write(self, line):
            if len(written) > 1:
                raise OSError(28, "No space left on device")
            written.append(line)
            return len(line)

    source = Folder(live.run.directory.path.parent, plugins.load())
    recorder = Recorder(Full(), source, "live", failed=failures.append)
    for _ in range(3):
        recorder(("live",), {"progress": None})
    assert [error.errno for error in failures] == [28]
    assert len(written) == 2
