"""What the log promises: every event as one JSON line in the run, and on stderr only what was asked for."""

from __future__ import annotations

import json

import structlog
from pydantic import SecretStr

from uderia_bench.runs import log


def test_events_are_json_lines_in_the_run(tmp_path, capsys):
    """Level, time and fields; stderr stays quiet."""
    with log.into(tmp_path / "log.jsonl", as_json=False):
        structlog.get_logger("x").info("run begins", trials=3)
        structlog.get_logger("x").warning("slow", password=SecretStr("hunter2"))
    first, second = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
    assert (first["event"], first["level"], first["trials"]) == ("run begins", "info", 3)
    assert second["password"] == "**********"
    assert capsys.readouterr().err == ""


def test_json_goes_to_stderr_when_asked(tmp_path, capsys):
    """The same lines, for a collector."""
    with log.into(tmp_path / "log.jsonl", as_json=True):
        structlog.get_logger("x").info("run begins")
    assert json.loads(capsys.readouterr().err)["event"] == "run begins"


def test_without_a_run_warnings_reach_people(capsys):
    """Before there is a run directory a warning is a plain line."""
    with log.into(None, as_json=False):
        structlog.get_logger("x").info("quiet")
        structlog.get_logger("x").warning("sign-in limit reached, waiting")
    assert capsys.readouterr().err == "warning: sign-in limit reached, waiting\n"


def test_a_log_inside_another_gives_it_back(tmp_path, capsys):
    """What is logged before a run has its directory, and after, goes to people too; nothing ever to stdout."""
    with log.into(None, as_json=False):
        with log.into(tmp_path / "log.jsonl", as_json=False):
            structlog.get_logger("x").warning("inside")
        structlog.get_logger("x").warning("outside")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "warning: outside\n")
    assert "inside" in (tmp_path / "log.jsonl").read_text()
