"""What a server or a model says is hostile: it passes through every report, export and listing there is, and stays text."""

from __future__ import annotations

import csv
import html
import json
import shutil
import sqlite3
import threading
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import orjson
import pytest
import typer
import zstandard
from browser.chromium import chromium, needs_chromium
from cli.conftest import placed
from typer.main import get_command

from uderia_bench.cli import options, streams
from uderia_bench.cli.app import app
from uderia_bench.documents import corpus
from uderia_bench.documents.imports.corpus_text import to_yaml
from uderia_bench.documents.imports.question import Question
from uderia_bench.report.formats.html.markup import data, join, tag

SAID = (
    (
        "=cmd|' /C calc'!A0<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">]]>"
        "\x1b[31m\x1b]0;owned\x07\u202e../../etc/passwd|--|\r\n@everyone `rm -rf` [x](javascript:alert(1)) "
        "##vso[x] \ud83d\udca5"
    )
    .encode("utf-16", "surrogatepass")
    .decode("utf-16")
)
LONG = 1_000_000  # characters on one line
POISONED = {
    *("final_answer", "final_answer_text", "goal", "tool_name", "error", "error_message", "error_details", "name"),
    *("response_text", "result_preview", "raw_llm_plan", "session_name", "description", "profile_tag"),
}
FORMS = ("text", "markdown", "json", "html", "junit")


def poison(value, key=None):
    """Return a body with what a model or a tool may have said replaced, and everything that steers the client kept."""
    if isinstance(value, dict):
        return {name: poison(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [poison(inner, key) for inner in value]
    return SAID + value[:20] if isinstance(value, str) and key in POISONED else value


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory):
    """Return the directory of a run whose server said such things, and whose documents are no better."""
    command = placed(tmp_path_factory.mktemp("poisoned"))
    arm = "=IDEAT|<script>document.title='owned'</script>"
    text = (command.cwd / "experiment.yaml").read_text()
    text = text.replace("name: IDEAT", f"name: {json.dumps(arm)}")
    command.write("experiment.yaml", text.replace("load: {concurrency: 4}", "load: {sweep: [1, 4]}"))
    query = "-q1|<img src=x onerror=document.title='owned'>"
    command.write("corpus.yaml", (command.cwd / "corpus.yaml").read_text().replace("id: db-count", f"id: {json.dumps(query)}"))
    done = command("run", "experiment.yaml", "--set", "repeats=1", "--run-id", "hostile")
    assert done.returncode == 0, done.stderr
    path = command.cwd / "output/hostile"
    database = sqlite3.connect(path / "ledger.sqlite")
    rows = database.execute("SELECT trial_id, task_bytes, frame FROM payloads").fetchall()
    for number, (trial_id, size, frame) in enumerate(rows):
        body = zstandard.ZstdDecompressor().decompress(frame)
        task, session = (poison(orjson.loads(part)) for part in (body[:size], body[size:]))
        if number == 0:
            task["result"]["final_answer"] = SAID + "x" * LONG
        packed = [orjson.dumps(part) for part in (task, session)]
        database.execute(
            "UPDATE payloads SET task_bytes = ?, session_bytes = ?, frame = ? WHERE trial_id = ?",
            (len(packed[0]), len(packed[1]), zstandard.ZstdCompressor().compress(b"".join(packed)), trial_id),
        )
    database.execute("UPDATE trials SET detail = ?, notes = ?", (SAID, json.dumps([SAID])))
    database.commit()
    database.close()
    assert command("derive", "hostile").returncode in {0, 5}
    return command.cwd


@pytest.fixture
def run(command, poisoned):
    """Return the poisoned run, where the command finds it."""
    others = shutil.ignore_patterns("baselines.json")  # of another test: it lies beside the experiment, which is one for all
    shutil.copytree(poisoned, command.cwd, dirs_exist_ok=True, ignore=others)
    return command.cwd / "output/hostile"


def inert(text: str) -> None:
    """No character that a terminal obeys or that shows one thing and means another; nothing grows with a long line."""
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(text)
    assert len(text) < 2_000_000


def test_terminal_markdown_and_xml_stay_what_they_are(command, run):
    """No control sequences, no tags, no broken tables, and XML that parses."""
    said = {form: command("report", "hostile", "--format", form) for form in FORMS}
    assert {form: done.returncode for form, done in said.items()} == dict.fromkeys(FORMS, 0)
    for form in ("text", "markdown", "junit"):
        inert(said[form].stdout)
    assert "<script" not in said["markdown"].stdout
    assert "<img" not in said["markdown"].stdout
    ET.fromstring(said["junit"].stdout.encode())
    json.loads(said["json"].stdout)
    assert {form: "##vso[" in done.stdout for form, done in said.items()} == dict.fromkeys(FORMS, False)
    assert "<script>document" not in said["html"].stdout
    assert "<img src=x" not in said["html"].stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(said["html"].stdout)
    for form in ("text", "markdown", "html"):
        for section in ("Event loop delay", "level", "owned"):  # measurement, sweep, evidence with the server's words
            assert section in said[form].stdout, (form, section)
    trial = json.loads((run / "manifest.json").read_text())  # the manifest is read back whole
    assert trial["run_id"] == "hostile"


def test_inspect_history_and_lists_are_inert_too(command, run):
    """Every trial in full, and the other commands that print text of the server."""
    database = sqlite3.connect(run / "ledger.sqlite")
    ids = [row[0] for row in database.execute("SELECT trial_id FROM trials ORDER BY seq LIMIT 4")]
    database.close()
    said = ""
    for arguments in (*(("inspect", "hostile", name) for name in ids), ("power", "hostile"), ("diff", "hostile", "hostile")):
        done = command(*arguments)
        assert "internal error" not in done.stderr, done.stderr
        said += done.stdout + done.stderr
        inert(done.stdout + done.stderr)
    assert r"\x1b[31m" in said  # it was there, and is shown for what it is


@pytest.fixture
def evil():
    """Return the address of a server that refuses everything, with such words."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.dumps({"message": f"{SAID} \x9b2J\n::error::injected", "error": f"\n::add-mask::0 {SAID}"}).encode()
            self.send_response(401 if self.path.endswith("login") else 418)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the name that http.server calls

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def every_command(server: str, trial: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return arguments with which each command shows text from outside, by its name."""
    read = (("hostile",), ("hostile", "--json"))
    asked = ("--query", "x", "--profile1", "A", "--profile2", "B", "--server", server)
    return {
        "baseline": (("list",), ("save", "hostile", "hostile")),
        "check": (("hostile.yaml",),),
        "compare": (asked, (*asked, "--log-format", "json")),
        "corpus": (("stats", "corpus.yaml"), ("kinds",), ("from-text", "hostile.yaml")),
        "ctl": (("hostile", "status"), ("hostile", "status", "--json"), ("hostile", SAID), ("hostile", "cancel", SAID)),
        "demo": (("--run-id", "hostile"),),
        "derive": (("hostile",),),
        "detectors": ((),),
        "diff": (("hostile", "hostile"), ("hostile", "hostile", "--json")),
        "export": (("hostile", "-o", "trials.csv"),),
        "healthcheck": ((),),
        "history": ((), ("--json",)),
        "init": (("a", "--profile", SAID), ("b", "--ci", SAID)),
        "inspect": (("hostile", trial), ("hostile", trial, "--json"), ("--task", "hostile.yaml")),
        "metrics": ((),),
        "label": (
            ("draw", "hostile", "-o", "labels.csv"),
            ("agreement", "hostile"),
            ("import", "hostile", "hostile.yaml"),
            (SAID,),
        ),
        "login": (("--server", server),),
        "open": read,
        "power": read,
        "profiles": (("--server", server), ("--server", server, "--json")),
        "report": read,
        "restore": (("hostile",), (SAID,)),
        "resume": read,
        "run": (("hostile.yaml",), ("experiment.yaml", "--server", server), ("experiment.yaml", "--dry-run")),
        "runs": ((), ("--json",)),
        "schema": (("report",),),
        "sim": (("--faults", "hostile.yaml"),),
        "trials": read,
        "try": (("hostile", "--dry-run"), ("hostile", "--arm", SAID), ("hostile", "--texts", "hostile.yaml", "--dry-run")),
        "view": ((SAID,), ("hostile", "--host", SAID), ("hostile", "--port", "99999")),
        "watch": (("hostile", "--once"), ("hostile", "--json")),
        "work": ((SAID,),),
    }


@pytest.mark.parametrize("name", sorted(get_command(app).commands))
def test_no_command_passes_on_what_a_terminal_or_a_ci_system_obeys(command, run, evil, name):
    """Escapes, C1 controls, marks of direction, and lines that GitHub Actions reads as commands."""
    with sqlite3.connect(run / "ledger.sqlite") as database:
        trial = database.execute("SELECT trial_id FROM trials ORDER BY seq LIMIT 1").fetchone()[0]
    database.close()
    (command.cwd / "hostile.yaml").write_text(f"{json.dumps(SAID)}: {json.dumps(SAID)}\nversion: 1\n")
    for arguments in every_command(evil, trial)[name]:
        done = command(name, *arguments, env={"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "secret"})
        for text in (done.stdout, done.stderr):
            assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
            assert not [line for line in text.splitlines() if line.lstrip().startswith("::")]
            assert "##vso[" not in text
        assert "internal error" not in done.stderr, done.stderr


def test_a_line_that_looks_like_a_workflow_command_is_broken():
    """Also one that begins with blanks, and the forms of other systems, which count within a line."""
    assert streams._without_commands("a\n  ::error::x ::y") == "a\n  \\::error::x ::y"
    for command in ("##[error]x", "##vso[task.setvariable variable=x]y", "##teamcity[buildStop comment='x']"):
        assert streams._without_commands(f"said {command}") == f"said # {command[1:]}"
    assert streams._without_commands("## A heading [1]") == "## A heading [1]"


def test_a_document_for_programs_has_no_workflow_command_and_the_same_content(capfd, tmp_path):
    """On the stdout of a CI job: the log has no command, and the reader of JSON, XML, YAML and HTML gets the same text."""
    said = "x ##vso[task.setvariable variable=PATH]y ##[error] ##teamcity[buildStop]"
    streams.document(streams.json_of({said: [said]}))
    as_json = capfd.readouterr().out
    assert json.loads(as_json) == {said: [said]}
    element = ET.Element("testsuites", name=said)
    element.text = said
    streams.document(f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(element, encoding="unicode")}')
    as_xml = capfd.readouterr().out
    read = ET.fromstring(as_xml.encode())
    assert (read.get("name"), read.text) == (said, said)
    question = Question(id="a", turns=(said,), expect=({"contains": said},))
    streams.document(to_yaml([question], name="x"), nl=False)
    as_yaml = capfd.readouterr().out
    (tmp_path / "corpus.yaml").write_text(as_yaml)
    (made,) = corpus.load(tmp_path / "corpus.yaml").queries
    assert (made.turns, made.expect[0].contains) == ((said,), said)
    streams.document(f"- {said}\n::error::x\n| {said} |")
    as_markdown = capfd.readouterr().out
    page = join(tag("p", said, title=said), data("data", [said]))
    streams.document(page)
    assert html.unescape(page).count(said) == 2
    assert json.loads(page.partition('id="data">')[2].partition("</script>")[0]) == [said]
    for printed in (as_json, as_xml, as_yaml, as_markdown, capfd.readouterr().out):
        assert not [begin for begin in ("##[", "##vso[", "##teamcity[") if begin in printed]
        assert not [line for line in printed.splitlines() if line.startswith("::")]


@pytest.mark.usefixtures("run")
def test_a_spreadsheet_runs_no_formula(command):
    """No cell of the CSV begins as one, whatever column it is in."""
    done = command("export", "hostile", "--format", "csv", "-o", "trials.csv")
    assert done.returncode == 0, done.stderr
    csv.field_size_limit(10**8)
    with (command.cwd / "trials.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row if cell]
    assert any(cell.startswith("'=IDEAT") for cell in cells)
    assert not [cell for cell in cells if cell.lstrip()[:1] in "=+-@|" and not _is_number(cell)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_no_file_is_named_by_text_of_the_server(command, run):
    """Names of files come from the run alone."""
    known = {"manifest.json", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", ".lock", "log.jsonl", "part-0.parquet"}
    names = {path.name for path in run.rglob("*") if path.is_file()} - known
    assert all(name.startswith("report.") or name.endswith(".jsonl") for name in names), names
    assert {path.name for path in command.cwd.iterdir()} == {"corpus.yaml", "experiment.yaml", "output"}


@pytest.mark.browser
@needs_chromium
def test_the_page_runs_no_foreign_script(run):
    """In headless Chromium: the title is that of the page, no request is sent, no foreign element exists, trials open."""
    page = run / "report.html"
    assert page.stat().st_size < 10_000_000
    with chromium() as browser:
        browser.open(page)
        assert "owned" not in browser.execute_script("return document.title")
        assert browser.execute_script("return document.querySelectorAll('img, iframe, object, embed').length") == 0
        assert (
            browser.execute_script(
                "return [...document.scripts].filter((s) => s.textContent.includes('owned') && !s.type).length"
            )
            == 0
        )
        for row in range(3):
            browser.execute_script("document.querySelectorAll('#trials-table tbody button')[arguments[0]].click()", row)
            assert browser.execute_script("return document.getElementById('trial').innerText").strip()
            assert browser.execute_script("return document.querySelectorAll('#trial img, #trial script').length") == 0
        assert "owned" not in browser.execute_script("return document.title")
        assert [entry for entry in browser.console() if "owned" in entry] == []
        assert browser.requests() == [page.as_uri()]


def test_a_question_cannot_hide_what_it_asks_about(monkeypatch):
    """A command of a foreign experiment may begin with what clears a line."""
    asked = []
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(options, "sys", SimpleNamespace(stdin=terminal, stderr=terminal))
    monkeypatch.setattr(typer, "confirm", lambda question, **_: bool(asked.append(question)))
    monkeypatch.delenv("CI", raising=False)
    assert not options._confirmed("The experiment runs commands: rm -r /\x1b[2K\rtrue. Run them?")
    assert asked == ["The experiment runs commands: rm -r /\\x1b[2K\\rtrue. Run them?"]


def test_the_name_of_a_run_directory_is_printed_as_text(command, run):
    """The name of a run directory is chosen by its sender."""
    name = "r\x1b[2J\x1b]0;x\x07"
    shutil.copytree(run, command.cwd / "output" / name)
    (command.cwd / name).mkdir()
    reading = (
        ("restore", name),
        ("open", name),
        ("derive", f"output/{name}"),
        ("ctl", name, "status"),
        ("watch", name, "--once"),
    )
    listing = (("resume", name), ("inspect", name), ("power", name), ("report", name), ("diff", "hostile", name), ("runs",))
    writing = (
        ("report", name, "--format", "json", "-o", f"{name}/report.json"),
        ("export", name, "-o", f"{name}/trials.csv"),
        ("baseline", "save", "kept", name),
        ("baseline", "list"),
        ("label", "draw", name, "-o", f"{name}/labels.csv"),
        ("init", f"{name}/begun", "--server", "sim", "--profile", "IDEAT"),
        ("corpus", "from-text", "corpus.yaml", "-o", f"{name}/corpus.yaml"),
        ("check", f"{name}/corpus.yaml"),
    )
    for said in (*reading, *listing, *writing):
        done = command(*said, env={"BROWSER": "/bin/true"})
        assert "\x1b" not in done.stdout + done.stderr, said
        assert "internal error" not in done.stderr, done.stderr
    assert {path.name for path in (command.cwd / name).iterdir()} >= {"report.json", "trials.csv", "begun", "corpus.yaml"}
