"""A run as somebody sees it who looks while it goes on: made by hand, trial by trial."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from exchanges import event, final_answer, head, task
from ledgers import mark_asked, settle
from records import ARM, trial
from rich.console import Console

from uderia_bench.cli import screen
from uderia_bench.commands.watch import Watcher
from uderia_bench.report.watch import NOT_DECIDING, as_dict, flights, in_a_line, in_full
from uderia_bench.runner.control import SOCKET
from uderia_bench.runs import ledger_rows
from uderia_bench.runs.actions import Action
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending, Stage, TrialRecord

ZERO = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


def settled(seq, *, ending=Ending.SETTLED, detail=None, attempts=1):
    """Make a record that settled ``seq`` seconds after the start; an answer after two seconds where it settled by itself."""
    body = orjson.dumps(task([*head("OPTIM"), final_answer(2.0), event("done", 2.5)])) if ending is Ending.SETTLED else None
    return TrialRecord(
        trial=trial(seq),
        expected=ARM,
        ending=ending,
        detail=detail,
        attempts=attempts,
        task=body,
        sent_s=0.0,
        accepted_s=0.1,
        seen_lo_s=2.0,
        seen_hi_s=2.6,
        done_at=ZERO + timedelta(seconds=seq),
    )


@pytest.fixture
def ledger(tmp_path):
    """Plan ten trials, the first a warm-up."""
    plan = [replace(trial(0), stage=Stage.WARMUP), *(trial(seq) for seq in range(1, 10))]
    with Ledger.create(tmp_path / "l.sqlite", plan, {"OPTIM": ARM}) as made:
        yield made


def test_before_anything_settled(ledger):
    """A look is possible at once. It shows no time left."""
    look = Watcher(ledger).look()
    assert in_a_line(look) == "0/10 trials (none settled yet)"
    assert look.left_s is None
    assert NOT_DECIDING[:40] in in_full(look, width=80)


def test_outcomes_rate_and_time_left(ledger):
    """Five trials a second apart, five left: one a second, five seconds. While none ends, the rate falls."""
    for seq in range(5):
        settle(ledger, settled(seq) if seq != 3 else settled(seq, ending=Ending.LOST, detail="forgotten"))
    moments = iter([ZERO + timedelta(seconds=4), ZERO + timedelta(seconds=8)])
    watcher = Watcher(ledger, now=lambda: next(moments))
    look = watcher.look()
    assert look.per_second == 1.0
    assert look.left_s == 5.0
    assert in_a_line(look) == "5/10 trials (4 answered, 1 lost), 1.0/s, about 5 s left"
    assert watcher.look().per_second == 0.5


def test_a_paused_run_has_no_rate_and_no_time_left(ledger):
    """The line says that it is paused, as the view does."""
    for seq in range(3):
        settle(ledger, settled(seq))
    ledger.write([Action(at=ZERO, who="ann", what="pause")])
    look = Watcher(ledger).look()
    assert in_a_line(look) == "3/10 trials (3 answered), paused"
    found = as_dict(look)
    assert (found["paused"], found["per_second"], found["left_s"]) == (True, None, None)
    assert not Watcher(ledger, is_running=lambda: False).look().paused


def test_a_pause_and_an_earlier_process_are_not_in_the_rate(ledger):
    """Half a minute of the run's 34 s was a pause, and a resumed run starts again: the time left is that of a run at work."""
    for seq in range(3):
        settle(ledger, settled(seq))
    for seconds, what in ((2, "pause"), (32, "resume")):
        ledger.write([Action(at=ZERO + timedelta(seconds=seconds), who="ann", what=what)])
    for seq in (3, 4):
        settle(ledger, replace(settled(seq), done_at=ZERO + timedelta(seconds=30 + seq)))
    watcher = Watcher(ledger, now=lambda: ZERO + timedelta(seconds=34))
    assert (watcher.look().per_second, watcher.look().left_s) == (1.0, 5.0)
    begun_s = (ZERO + timedelta(seconds=33)).timestamp()
    commands = ledger.path.with_name(SOCKET)
    commands.touch()
    os.utime(commands, (begun_s, begun_s))
    watcher.now = lambda: ZERO + timedelta(seconds=38)
    assert watcher.look().per_second == pytest.approx(1 / 5)


def test_a_trial_without_an_end_is_among_the_newest_failures(ledger):
    """A server that refuses a query gives no time of its end. The trial counts in the rate from its sending."""
    for seq in range(7):
        settle(ledger, settled(seq, ending=Ending.LOST, detail="forgotten"))
    unseen = replace(settled(8, ending=Ending.RATE_LIMITED, detail="429"), done_at=None, sent_at=ZERO + timedelta(seconds=7))
    settle(ledger, unseen)
    look = Watcher(ledger, now=lambda: ZERO + timedelta(seconds=7)).look()
    assert [each.trial.trial_id for each in look.last_failures][:2] == ["t8", "t6"]
    assert look.per_second == 1.0
    assert "10:00:07 q8 on OPTIM, rate_limited: 429" in in_full(look, width=80)


def test_a_trial_that_is_to_be_asked_again_counts_once(ledger):
    """First it is cancelled at the same attempt, as where somebody asks it again, and then it is in flight."""
    watcher = Watcher(ledger)
    settle(ledger, settled(1))
    assert watcher.look().counts == {"answered": 1}
    settle(ledger, settled(1, ending=Ending.CANCELLED))
    assert watcher.look().counts == {"cancelled": 1}
    mark_asked(ledger, replace(settled(1, attempts=2), done_at=None))
    look = watcher.look()
    assert (look.counts, len(look.flights)) == ({}, 1)


def test_a_run_that_was_stopped_promises_no_end(ledger):
    """An interrupted run shows how to resume it, and no time left."""
    for seq in range(5):
        settle(ledger, settled(seq))
    look = Watcher(ledger, is_running=lambda: False).look()
    assert in_a_line(look) == "5/10 trials (5 answered), 1.0/s, stopped"
    assert as_dict(look)["left_s"] is None
    assert as_dict(look)["running"] is False


def test_the_arms_so_far_leave_warm_ups_and_failures_out(ledger):
    """Three measured answers of four measured trials."""
    for seq in range(5):
        settle(ledger, settled(seq) if seq != 3 else settled(seq, ending=Ending.LOST, detail="forgotten\x1b[2J"))
    text = in_full(Watcher(ledger).look(), width=80)
    row = next(line for line in text.splitlines() if line.startswith("OPTIM"))
    assert row.split()[:3] == ["OPTIM", "4/9", "75.0%"]
    assert "10:00:03 q3 on OPTIM, lost: forgotten" in text
    assert "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_only_what_is_new_is_read(ledger, monkeypatch):
    """A second look reads one record, and a trial that was asked again is read again."""
    watcher = Watcher(ledger)
    settle(ledger, settled(1, ending=Ending.UNREACHABLE))
    assert watcher.look().counts == {"unreachable": 1}
    reads = []
    monkeypatch.setattr(
        Ledger, "record", lambda self, trial_id, read=Ledger.record: (reads.append(trial_id), read(self, trial_id))[1]
    )
    settle(ledger, settled(2))
    watcher.look()
    settle(ledger, settled(1, attempts=2))
    assert watcher.look().counts == {"answered": 2}
    assert reads == ["t2", "t1"]


def test_a_look_as_json(ledger):
    """The same numbers, and the same warning."""
    settle(ledger, settled(1))
    found = as_dict(Watcher(ledger).look())
    assert (found["trials"], found["left"], found["outcomes"]) == (10, 9, {"answered": 1})
    assert found["arms"][0]["metrics"]["latency_s"]["n"] == 1
    assert found["warning"] == NOT_DECIDING


def test_trials_in_flight_have_an_age(ledger):
    """The oldest first, while a process runs the run; a stopped run has none."""
    settle(ledger, settled(0))
    for seq, ago in ((1, 20.0), (2, 90.0)):
        record = replace(settled(seq), sent_at=ZERO - timedelta(seconds=ago))
        ledger.write([ledger_rows.Entry(record=record, state=ledger_rows.State.ASKED)])
    look = Watcher(ledger).look()
    assert flights(look, at=ZERO) == ["90 s  q2 on OPTIM", "20 s  q1 on OPTIM"]
    assert as_dict(look)["in_flight"] == [{"trial": "t1", "arm": "OPTIM"}, {"trial": "t2", "arm": "OPTIM"}]
    assert Watcher(ledger, is_running=lambda: False).look().flights == ()


def test_a_terminal_shows_the_run_on_its_whole_screen(ledger):
    """Progress and latency of each arm, the oldest trials in flight, failures. The screen is left as it was."""
    for seq in range(5):
        settle(ledger, settled(seq) if seq != 3 else settled(seq, ending=Ending.LOST, detail="forgotten\x1b[2J"))
    looks = iter([Watcher(ledger).look(), Watcher(ledger, is_running=lambda: False).look()])
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=100, height=24)
    screen.show(lambda: next(looks), lambda look: not look.running, lambda: None, console)
    text = said.getvalue()
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert re.search(r"OPTIM +[━╸]+ +4/9 +75\.0% +█{3} up to 2\.10s", plain), plain
    assert "In flight: 0" in plain
    assert "10:00:03 q3 on OPTIM, lost: forgotten\\x1b[2J" in plain
    assert "Ctrl-C leaves. The run goes on." in plain


def test_control_c_leaves_the_screen(ledger):
    """It is not an error, since the run goes on."""

    def pressed():
        raise KeyboardInterrupt

    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    screen.show(Watcher(ledger).look, lambda _: False, pressed, console)
