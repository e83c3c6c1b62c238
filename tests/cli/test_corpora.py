"""Corpora on the command line: imported, counted, judged, asked in parts and in conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from xml.etree import ElementTree as ET

import httpx
import polars as pl
from scripted_judge import ScriptedJudge

import uderia_bench as ub

TALK = """
version: 1
queries:
  - id: right
    prompt: how many databases are on the system?
    complexity: complex
    expect: [number: 3, tools_called: base_databaseList]
  - id: wrong
    prompt: list the tables in sales_db
    complexity: simple
    expect: [contains: a table nobody has, {number: 2, weight: 3}]
  - id: talk
    turns: [which version do we run?, list the users of the system]
    expect: [{turn: 1, contains: 20.00.00.01}, number: 5]
"""


def test_a_run_judges_answers_and_says_what_failed(command):
    """Checks in Parquet, the share in the trials, quotes in every report; a conversation is a row a turn."""
    command.write("corpus.yaml", TALK)
    ran = command("run", "experiment.yaml", "--repeats", "2", "--run-id", "r", "--json")
    assert ran.returncode == 0, ran.stderr
    checks = pl.read_parquet(command.cwd / "output" / "r" / "checks")
    never = checks.filter((pl.col("query_id") == "wrong") & (pl.col("kind") == "contains"))["passed"].drop_nulls()
    assert never.len() > 0
    assert not never.any()
    trials = ub.load("r", output=command.cwd / "output").filter(pl.col("stage") == "measured")
    assert set(trials.filter(pl.col("query_id") == "wrong")["checks_passed_ratio"].drop_nulls()) <= {0.0, 0.75}
    talk = trials.filter(pl.col("query_id") == "talk")
    assert (
        talk.group_by("arm", "repeat")
        .agg(pl.col("turn").sort(), pl.col("session_id").n_unique())
        .select("turn", "session_id")
        .rows()
        == [([1, 2], 1)] * 4
    )
    kinds = {issue["kind"]: issue for issue in json.loads(ran.stdout)["issues"]}
    assert any("wrong on" in quote and "a table nobody has" in quote for quote in kinds["check_failed"]["evidence"])
    text = command("report", "r").stdout
    assert "a table nobody has" in " ".join(text.split())
    assert "input tokens over the first turn" in " ".join(text.split())
    before = checks.sort("trial_id", "place")
    assert command("derive", "r").returncode == 0
    assert pl.read_parquet(command.cwd / "output" / "r" / "checks").sort("trial_id", "place").equals(before)


def test_two_shards_load_as_one_run(command):
    """Their measured trials are those of the whole plan, each once, and compare takes them together."""
    for index in (1, 2):
        ran = command("run", "experiment.yaml", "--run-id", f"part-{index}", "--shard", f"{index}/2", "--json")
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout)["run"]["queries"] == 2
    trials = ub.load("part-*", output=command.cwd / "output")
    measured = trials.filter(pl.col("stage") == "measured")
    assert measured.height == measured["trial_id"].n_unique() == 8
    assert measured["query_id"].n_unique() == 4
    (latency,) = ub.compare(
        trials, baseline="IDEAT", candidate="OPTIM", metrics=["latency_s"], margins={"latency_s": 0.1}, pool=True
    )
    assert latency.n_queries == 4
    refused = command("run", "experiment.yaml", "--shard", "3/2", "--dry-run")
    assert (refused.returncode, "there is no part 3 of 2" in refused.stderr) == (2, True)


def test_questions_become_a_corpus_that_checks_and_counts(command):
    """From lines to a file that ``check`` takes and ``corpus stats`` counts; --suggest speaks of what differs."""
    command.write("questions.txt", "how many databases?\nHow many databases\nCompare the two systems.\n")
    made = command("corpus", "from-text", "questions.txt", "-o", "ours.yaml", "--name", "ours", "--tag", "ours", "--suggest")
    assert made.returncode == 0, made.stderr
    assert "2 queries from 3 questions" in made.stderr
    assert "2 queries (1 simple, 1 complex)" in command("check", "ours.yaml").stdout
    assert "| ours | 2 | 1 | 1 | 0 | 0 | 0 | 2 |" in command("corpus", "stats", "ours.yaml", "corpus.yaml").stdout
    assert json.loads(command("corpus", "stats", "ours.yaml", "--json").stdout)[-1]["queries"] == 2
    assert "users is complex, proposed simple" in command("check", "--suggest", "corpus.yaml").stdout
    listed = command("corpus", "kinds")
    assert (listed.returncode, "tools_not_called\n    The agent called none" in listed.stdout) == (0, True)
    assert len(json.loads(command("corpus", "kinds", "--json").stdout)) == 20
    for wrong, said in (("nothing.txt", "no such file"), ("empty.txt", "contain no question")):
        command.write("empty.txt", "# nothing\n")
        refused = command("corpus", "from-text", wrong)
        assert (refused.returncode, said in refused.stderr.lower()) == (2, True)


def test_an_import_names_what_it_does_not_understand_and_writes_the_rest(command):
    """The corpus is written, each part is named with its line, and the exit code is 2; the summary goes to stderr too."""
    command.write("log.csv", "id;question;expected;owner\n1;How many databases?;3;me\n2;Why?;;\n")
    made = command("corpus", "from-csv", "log.csv", "-o", "ours.yaml", "--delimiter", ";")
    assert made.returncode == 2
    assert "ours.yaml: 2 queries from 2 questions; 1 part not understood:" in made.stderr
    assert "log.csv:2: owner: is not understood and left out; if that is right, add --ignore owner" in made.stderr
    assert command("check", "ours.yaml").returncode == 0
    whole = command("corpus", "from-csv", "log.csv", "--delimiter", ";", "--ignore", "owner")
    assert (whole.returncode, whole.stderr) == (0, "corpus: 2 queries from 2 questions\n")
    assert '{"number": 3.0}' in whole.stdout
    for kind in ("text", "csv", "jsonl", "sessions", "promptfoo"):
        described = command("corpus", f"from-{kind}", "--help").stdout
        assert ("--delimiter" in described) is (kind == "csv")
        assert ("--conversations" in described) is (kind == "sessions")


@contextmanager
def served(judge: ScriptedJudge) -> Iterator[str]:
    """Serve a scripted judge on this machine, as a local model is."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            reply = judge.reply(httpx.Request("POST", f"http://x{self.path}", content=body))
            self.send_response(reply.status_code)
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        def log_message(self, *_):
            """Keep the log empty."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


JUDGED = """
version: 1
queries: [{id: db-count, prompt: how many databases are on the system?, expect: [llm_judge: names the number of databases]}]
"""


def test_a_judge_scores_once_and_a_run_ends_without_it(command):
    """The report has agreement, swap bias and cost.

    ``derive`` does not ask the judge again. A run whose judge is down is reported without scores.
    """
    command.write("corpus.yaml", JUDGED)
    judge = ScriptedJudge(score=lambda swapped, _answer: 9 - 2 * swapped)
    with served(judge) as url:
        ran = command("run", "experiment.yaml", "--run-id", "up", "--set", f"judge.url={url}", "--set", "judge.model=grader")
        assert ran.returncode == 0, ran.stderr
        said = " ".join(ran.stdout.split())
        assert "grader scored" in said
        assert "Swap bias: scores change by -0.20 when the scale is reversed" in said
        asked = len(judge.requests)
        assert asked > 0
        assert command("derive", "up").returncode == 0
        assert len(judge.requests) == asked
    down = command(
        "run", "experiment.yaml", "--run-id", "down", "--set", "judge.url=http://127.0.0.1:9/v1", "--set", "judge.model=grader"
    )
    assert down.returncode == 0, down.stderr
    assert "Not judged: " in " ".join(down.stdout.split())
    with served(judge) as url:
        manifest = command.cwd / "output" / "down" / "manifest.json"
        manifest.write_text(manifest.read_text().replace("http://127.0.0.1:9/v1", url))
        again = command("resume", "down")
        assert again.returncode == 0, again.stderr
        assert "grader scored" in " ".join(again.stdout.split())
        assert "Not judged" not in " ".join(again.stdout.split())


def test_a_spreadsheet_becomes_a_case_per_question_and_arm(command):
    """From a CSV of questions with right answers to JUnit, by the commands of the README."""
    questions = ["how many databases are on the system?,3", "list the tables in hr_db,nothing like this"]
    command.write("questions.csv", "question,expected\n" + "".join(f"{line}\n" for line in questions))
    refused = command("corpus", "from-csv", "questions.csv", "-o", "corpus.yaml")
    assert refused.returncode == 2
    assert "corpus.yaml: exists already. Use --overwrite to replace it" in refused.stderr
    made = command("corpus", "from-csv", "questions.csv", "--suggest", "-o", "corpus.yaml", "--overwrite")
    assert made.returncode == 0, made.stderr
    assert command("run", "experiment.yaml", "--repeats", "1").returncode == 0
    assert command("report", "latest", "-o", "junit.xml").returncode == 0
    suites = {suite.get("name"): suite for suite in ET.parse(command.cwd / "junit.xml").getroot()}
    cases = suites["answers"].findall("testcase")
    assert sorted(case.get("classname") for case in cases) == ["IDEAT"] * 2 + ["OPTIM"] * 2
    failures = [case.find("failure").get("message") for case in cases if "hr" in case.get("name")]
    assert all(message.startswith("contains nothing like this, found: ") for message in failures)
