"""``runs``, ``trials``, ``open``, and ``inspect`` without a trial."""

from __future__ import annotations

import json
import shutil
import sqlite3

import pytest

from uderia_bench.runs.ledger import Ledger


@pytest.fixture
def two(command, whole):
    """Return the command where two runs are: one complete, and one that has no report yet."""
    begun = command.cwd / "output/begun"
    shutil.copytree(whole, begun)
    (begun / "report.json").unlink()
    manifest = json.loads((begun / "manifest.json").read_text()) | {
        "state": "running",
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    (begun / "manifest.json").write_text(json.dumps(manifest))
    return command


def test_runs_are_listed_the_newest_first(two):
    """With state, answers, gates, cost and headline. A run without a report is listed too."""
    done = two("runs")
    assert done.returncode == 0, done.stderr
    head, first, *lines = done.stdout.splitlines()
    assert head.split() == ["started", "(UTC)", "state", "answered", "gates", "cost", "run"]
    assert first.endswith("  whole")
    assert "complete" in first
    assert lines[0].startswith("  Simple queries: ")
    assert lines[-1].split() == ["2026-01-01", "00:00", "abandoned", "-", "-", "-", "begun"]
    listed = json.loads(two("runs", "--json").stdout)
    assert [each["run_id"] for each in listed] == ["whole", "begun"]
    report = json.loads((two.cwd / "output/whole/report.json").read_text())
    assert listed[0]["headline"] == report["headline"]
    spent = report["spending"]["spent"]  # of warm-ups too
    assert (listed[0]["tokens"], listed[0]["cost_usd"]) == (spent["tokens"], spent["usd"])
    with Ledger.open(two.cwd / "output/whole/ledger.sqlite") as ledger:  # of the budget and the live page
        account = json.loads(ledger.account())["spent"]
    assert (account["tokens"], account["usd"]) == (spent["tokens"], pytest.approx(spent["usd"]))
    assert json.loads(two("runs", "--json", "--experiment", "other").stdout) == []
    assert len(json.loads(two("runs", "--json", "--limit", "1").stdout)) == 1


def test_a_broken_run_does_not_hide_the_others(two):
    """Its state is ``unreadable``."""
    (two.cwd / "output/begun/manifest.json").write_text("{")
    done = two("runs", "--json")
    assert {each["run_id"]: each["state"] for each in json.loads(done.stdout)} == {"whole": "complete", "begun": "unreadable"}


def test_no_run_yet_is_said_on_stderr(command):
    """Stdout stays empty, and the exit code is 0."""
    done = command("runs")
    assert (done.returncode, done.stdout) == (0, "")
    assert "has no run yet. Start one with 'uderia-bench demo'" in done.stderr


def test_trials_are_filtered(two):
    """By outcome, arm and query, with the slowest first."""
    every = json.loads(two("trials", "whole", "--json").stdout)
    assert len(every) == 8
    assert {"trial_id", "arm", "query_id", "outcome", "latency_s", "outcome_detail"} <= every[0].keys()
    slowest = json.loads(two("trials", "whole", "--slowest", "3", "--json").stdout)
    assert [each["latency_s"] for each in slowest] == sorted((e["latency_s"] for e in every), reverse=True)[:3]
    chosen = json.loads(two("trials", "whole", "--arm", "OPTIM", "--query", "users", "--json").stdout)
    assert [(each["arm"], each["query_id"]) for each in chosen] == [("OPTIM", "users")]
    assert json.loads(two("trials", "whole", "--outcome", "failed", "--slowest", "10", "--json").stdout) == []
    assert len(json.loads(two("trials", "whole", "--warmup", "--json").stdout)) == 10
    shown = two("trials", "whole", "--limit", "2")
    assert len(shown.stdout.splitlines()) == 4
    assert "uderia-bench inspect whole TRIAL" in shown.stdout
    assert every[0]["trial_id"] in shown.stdout


@pytest.mark.parametrize("flag", ["--outcome", "--arm", "--query"])
def test_an_unknown_filter_names_the_known_values(two, flag):
    """A list that is empty because of a slip would mislead."""
    done = two("trials", "whole", flag, "nope")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{flag} nope: use one of " in done.stderr


def test_inspect_without_a_trial_lists_the_trials(two):
    """So that a reader finds one to look at."""
    assert two("inspect", "whole").stdout == two("trials", "whole").stdout
    assert two("inspect", "whole", "--json").stdout.startswith("[")


def test_a_report_shows_a_month_of_traffic(two):
    """Also for a run whose experiment names none. A wrong number is refused in one line."""
    done = two("report", "latest", "--traffic", "600000/month")
    assert done.returncode == 0, done.stderr
    assert "Cost per month" in done.stdout
    assert "IDEAT: $" in done.stdout
    refused = two("report", "latest", "--traffic", "much")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert refused.stderr.startswith("uderia-bench: --traffic much: should be a number of questions such as 20000/day")


def test_open_prints_the_page_and_opens_a_browser(two):
    """The page of a run that has none is made by derive."""
    page = two.cwd / "output/whole/report.html"
    done = two("open", "whole", "--json", env={"BROWSER": "true"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == str(page)
    assert two("open", "whole", env={"BROWSER": "true"}).stdout == f"{page}\n"
    page.unlink()
    refused = two("open", "whole")
    assert (refused.returncode, "make it with 'uderia-bench derive" in refused.stderr) == (2, True)


def test_answers_are_kept_unless_the_experiment_forbids_it(two):
    """The ledger has them always, so that a derivation can bring them back."""
    import polars as pl

    answers = pl.read_parquet(two.cwd / "output/whole/answers/*.parquet")
    assert answers["answer"].null_count() == 0
    page = (two.cwd / "output/whole/report.html").read_text()
    assert '<section id="results"' in page
    manifest = json.loads((two.cwd / "output/whole/manifest.json").read_text())
    manifest["experiment"]["keep_answers"] = False
    (two.cwd / "output/whole/manifest.json").write_text(json.dumps(manifest))
    assert two("derive", "whole").returncode == 0
    assert pl.read_parquet(two.cwd / "output/whole/answers/*.parquet")["answer"].null_count() == answers.height
    with sqlite3.connect(two.cwd / "output/whole/ledger.sqlite") as database:
        assert database.execute("SELECT count(*) FROM payloads").fetchone()[0] >= 8
    database.close()
