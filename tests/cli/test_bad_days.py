"""The client's bad days, through the real command: signals, full disks, removed files, damage. One line, and a way on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3

import polars as pl
import pytest
from cli.conftest import asked, in_progress, settled, shortened, wait_for_trials
from waiting import until

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}


def last_line(text):
    """Return the last line of a text."""
    return text.rstrip().splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_a_run_as_ctrl_c_does(command, number):
    """What is in flight gets its grace, exit 4, the way to go on is the last line, and it works."""
    process = in_progress(command)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 4, err
    assert last_line(err).endswith("trials are left: go on with 'uderia-bench resume r'")
    trials = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
    assert set(trials["outcome"]) <= {"answered", "failed"}
    assert out


@pytest.mark.parametrize(("grace", "signals"), [("0", 1), ("10m", 2)])
def test_twice_stops_now_and_grace_may_be_none(command, grace, signals):
    """A second signal, or --grace 0, cancels what is in flight at once; ``resume`` asks it again."""
    faults = command.write("faults.yaml", "faults: [{kind: stall, rate: 1.0, profile: OPTIM}]\n")
    begin = ("run", "experiment.yaml", "--set", "sim.faults=faults.yaml", "--set", "repeats=1", "--run-id", "r")
    process = command.start(*begin, "--grace", grace)
    wait_for_trials(command, "r", process)  # the warm-up of IDEAT has ended, and that of OPTIM never does
    process.send_signal(signal.SIGINT)
    if signals == 2:  # the system would join two that come before the first is heard
        until(lambda: "press Ctrl-C again" in process.stderr(), "the first signal is heard", process=process)
        process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 4, err
    trials = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
    assert "cancelled" in set(trials["outcome"])
    if signals == 1:
        faults.write_text("faults: []\n")
        done = command("resume", "r", "--grace", "5s")
        assert done.returncode == 0, done.stderr
        trials = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
        assert trials.height == 10 == trials["trial_id"].n_unique()
        assert set(trials["outcome"]) <= {"answered", "failed"}


@pytest.mark.usefixtures("whole")
def test_a_grace_that_is_no_time_is_a_usage_error(command):
    """Exit 2, pointing at the option."""
    done = command("run", "experiment.yaml", "--grace", "soon")
    assert (done.returncode, "--grace soon" in done.stderr) == (2, True)
    done = command("resume", "whole", "--grace", "soon")
    assert (done.returncode, done.stderr.count("\n"), "--grace soon" in done.stderr) == (2, 1, True)


def test_two_runners_on_one_run_are_one_too_many(command):
    """The second is refused at once, exit 2, and the first does not notice."""
    process = in_progress(command)
    second = command("resume", "r")
    assert second.returncode == 2
    assert "run r is being worked on by another process" in second.stderr
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 4


def test_a_disk_that_fills_up_leaves_a_run_to_go_on_with(command, server):
    """One line that names the file, exit 4; with room again the run is finished and nothing settled is asked again."""
    done = command(
        "run", "experiment.yaml", "--server", server, "--run-id", "full", env=ADMIN, limits={"RLIMIT_FSIZE": 300_000}
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert "ledger.sqlite: cannot write trial" in last_line(done.stderr)
    assert "go on with 'uderia-bench resume" in last_line(done.stderr)
    assert not list((command.cwd / "output").rglob("*.tmp"))
    before = settled(command, "full")
    assert 0 < len(before) < 10
    done = command("resume", "full", env=ADMIN)
    assert done.returncode == 0, done.stderr
    after = settled(command, "full")
    assert len(after) == 10
    assert before.items() <= after.items()


@pytest.mark.parametrize("limit", [8, 16, 24, 32])
def test_out_of_file_descriptors_is_one_line(command, server, limit):
    """Wherever it strikes: no traceback, no hang, an exit code of the contract."""
    options = ("--server", server, "--set", "outage=1s", "--set", "repeats=1")
    done = command("run", "experiment.yaml", *options, env=ADMIN, limits={"RLIMIT_NOFILE": limit})
    assert done.returncode in {0, 2, 3, 4}, done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr or "open files" in done.stderr


def test_a_log_that_cannot_be_written_does_not_end_the_run(command):
    """A link in the log's place, to a full device: a warning, and the run continues without a log."""
    begun = command("run", "experiment.yaml", "--run-id", "r", "--set", "repeats=1", "--set", "budget.trials=2")
    assert begun.returncode == 4, begun.stderr
    log = command.cwd / "output/r/log.jsonl"
    log.unlink()
    log.symlink_to("/dev/full")
    done = command("resume", "r", "--set", "budget.trials=10")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the log cannot be written") == 1


def test_a_removed_run_directory_ends_the_run(command):
    """SQLite would go on writing into nothing: it is noticed, said in one line, and nothing is left behind."""
    process = in_progress(command)
    (command.cwd / "output/r").rename(command.cwd / "removed")  # at once, as the run goes on to write files
    shutil.rmtree(command.cwd / "removed")
    _, err = process.communicate()
    assert process.returncode == 4, err
    assert "the ledger was removed while the run went on" in last_line(err)
    assert "Traceback" not in err


def test_derive_saves_what_a_damaged_ledger_still_has(command, whole):
    """Damaged frames: every other trial is derived, the damaged ones are named, and the exit code says that it worked."""
    with sqlite3.connect(whole / "ledger.sqlite") as database:
        database.execute("UPDATE payloads SET frame = x'00ff00ff' WHERE rowid IN (2, 5)")
    database.close()
    done = command("derive", "whole")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(whole / "trials/*.parquet").height == 8
    assert "2 settled trials cannot be read from the damaged ledger" in done.stderr
    named = json.loads((whole / "manifest.json").read_text())["damaged"]
    assert len(named) == 2
    assert all(name in done.stderr for name in named)
    report = command("report", "whole")
    assert "2 settled trials cannot be read" in report.stdout
    assert "cannot be read from the damaged ledger" in report.stdout.split("\n\n")[0]
    assert "resume" not in report.stdout


def test_a_ledger_with_torn_pages_gives_what_is_whole(command, whole):
    """Garbage in the middle of the file: derive reads around it or says why not; resume does not make it worse."""
    path = whole / "ledger.sqlite"
    body = bytearray(path.read_bytes())
    middle = len(body) // 2 // 4096 * 4096
    body[middle : middle + 8192] = os.urandom(8192)
    path.write_bytes(body)
    for arguments in (("derive", "whole"), ("resume", "whole"), ("report", "whole"), ("inspect", "whole", "x")):
        done = command(*arguments)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr, done.stderr
    assert 0 < pl.read_parquet(whole / "trials/*.parquet").height <= 10


def test_a_locked_ledger_is_named(command, whole):
    """Another program has it: one line."""
    database = sqlite3.connect(whole / "ledger.sqlite", isolation_level=None)
    database.execute("UPDATE trials SET state = 'planned'")
    database.execute("BEGIN EXCLUSIVE")
    done = command("resume", "whole")
    database.execute("ROLLBACK")
    database.close()
    assert done.returncode in {2, 4}
    assert "ledger.sqlite" in last_line(done.stderr)
    assert "locked" in last_line(done.stderr)


@pytest.mark.parametrize("arguments", [("report",), ("export", "-o", "x.csv"), ("power",), ("report", "--format", "html")])
def test_unreadable_parquet_is_one_line_that_says_how_to_make_it_again(command, whole, arguments):
    """A part cut in half: exit 2, derive, and derive helps."""
    part = next((whole / "trials").glob("*.parquet"))
    part.write_bytes(part.read_bytes()[:1000])
    verb, *options = arguments
    done = command(verb, "whole", *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "make it again with 'uderia-bench derive'" in done.stderr
    assert command("derive", "whole").returncode == 0
    assert command(verb, "whole", *options).returncode == 0


def test_everything_of_a_run_is_its_owners_alone(whole):
    """Whatever the umask: no file and no directory of a run can be read by another user."""
    others = {
        str(path.relative_to(whole)): oct(path.stat().st_mode) for path in whole.rglob("*") if path.stat().st_mode & 0o077
    }
    assert {name: mode for name, mode in others.items() if (whole / name).is_file()} == {}
    assert whole.stat().st_mode & 0o077 == 0


def test_an_embedded_server_that_died_with_the_run_is_asked_again(command):
    """SIGKILL with trials in flight on a server that goes too: one resume finishes the run, and counts the second asking."""
    process = in_progress(command)
    process.kill()
    process.communicate()
    in_flight = asked(command, "r")
    shortened(command, planned=0)
    assert in_flight > 0
    done = command("resume", "r", "--json")
    assert done.returncode in {0, 5}, done.stderr
    assert json.loads(done.stdout)["run"]["run_id"] == "r"
    assert "the embedded server is a new one" in (command.cwd / "output/r/log.jsonl").read_text()
    facts, log = ((command.cwd / "output/r" / name).read_text() for name in ("manifest.json", "log.jsonl"))
    assert command("resume", "r").returncode == done.returncode
    assert (command.cwd / "output/r/manifest.json").read_text() == facts, "it was over, and took no longer since"
    assert (command.cwd / "output/r/log.jsonl").read_text() == log
    trials = pl.read_parquet(command.cwd / "output/r/trials/*.parquet")
    assert (trials["attempts"] == 2).sum() == in_flight
    assert set(trials["outcome"]) <= {"answered", "failed"}


def test_a_budget_ends_a_run_with_exit_4_and_the_reason(command):
    """The reason and the way to go on are the last line; a resume asks nothing until the budget is raised, then the rest."""
    done = command("run", "experiment.yaml", "--set", "budget.trials=10", "--set", "repeats=2", "--run-id", "b")
    assert done.returncode == 4
    assert "the budget of 10 trials has no room for another trial" in last_line(done.stderr)
    assert "8 trials are left: go on with 'uderia-bench resume" in last_line(done.stderr)
    assert json.loads((command.cwd / "output/b/manifest.json").read_text())["state"] == "interrupted"
    before = settled(command, "b")
    done = command("resume", "b")
    assert done.returncode == 4
    assert "(10 trials spent): 'resume --set budget.trials=' raises it; 8 trials are left" in last_line(done.stderr)
    assert settled(command, "b") == before
    done = command("resume", "b", "--set", "repeats=3")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "it may change grace, outage, on_quota, budget, not repeats" in done.stderr
    done = command("resume", "b", "--set", "budget.trials=18")
    assert done.returncode == 0, done.stderr
    said = json.loads((command.cwd / "output/b/manifest.json").read_text())
    assert (said["stopped"], said["experiment"]["budget"]["trials"]) == (None, 18)
    assert before.items() <= settled(command, "b").items()


def test_a_signal_before_the_first_answer_is_an_interruption(command):
    """Also while the program signs in: the message and the code are those of every interruption."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = command.start("profiles", "--server", url, env={"UDERIA_TOKEN": "t"})
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate()
    assert (process.returncode, out, err) == (4, "", "uderia-bench: interrupted\n")
