"""A run as the view follows it: made by hand, trial by trial."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from datetime import timedelta

import pytest
from experiments import built, queries
from ledgers import mark_asked
from records import trial
from view.live_runs import ZERO, record, running

from uderia_bench import plugins
from uderia_bench.commands.watch import Watcher
from uderia_bench.errors import StoreError
from uderia_bench.runner import plan
from uderia_bench.runner.control import SOCKET
from uderia_bench.runs.actions import Action
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.ledger_rows import ACCOUNT_TABLE
from uderia_bench.trial import THROTTLED, Ending, Stage
from uderia_bench.view import run_page
from uderia_bench.view.folder import Folder
from uderia_bench.view.following import FAILURES, REREAD_S, Following
from uderia_bench.view.state import ArmState, LooksState, LookState, Number, RunState, Spending


@pytest.fixture
def live(tmp_path):
    """Begin a run of ten trials."""
    with running(tmp_path, gates=["OPTIM.latency_s.p95 < 20s"]) as made:
        yield made


@pytest.fixture(autouse=True)
def whole_looks(monkeypatch):
    """Let a look read all that is new, however busy the machine."""
    for name in ("READ_S", "READ_FIRST_S"):
        monkeypatch.setattr(f"uderia_bench.view.following.{name}", 60.0)


@pytest.fixture
def following(live):
    """Follow it."""
    made = Following(live.run.directory, plugins.load())
    yield made
    made.close()


def test_a_run_that_has_just_begun_has_nothing_but_its_plan(following):
    """A look is possible at once, and a second one finds nothing new."""
    assert following.look()
    state = following.state()
    assert (state.run.state, state.progress.planned, state.progress.settled, state.latest) == ("running", 10, 0, ())
    assert state.gates[0].limit == 20.0
    assert not following.look()


@pytest.mark.parametrize(("stage", "said"), [("warmup", True), ("measured", False)])
def test_the_table_of_progress_says_that_it_leaves_out_warmups(tmp_path, stage, said):
    """Its trials are fewer than those of the bar above it."""
    first = replace(trial(0), stage=Stage(stage))
    with running(tmp_path, plan=[first, trial(1)]) as made:
        follow = Following(made.run.directory, plugins.load())
        follow.look()
        drawn = run_page.parts(follow.state(), {"progress"})["progress"]
        follow.close()
    assert ("Excludes 1 warm-up trial." in drawn) is said


def test_arms_have_the_order_and_so_the_colours_of_the_report(tmp_path):
    """It sorts them by name, whatever their order in the experiment. Numbers, charts and progress do the same."""
    plan = [replace(trial(seq), arm=arm) for seq, arm in enumerate(("warm", "cold"))]
    with running(tmp_path, plan=plan, arms=("warm", "cold")) as made:
        made.settle(0)
        follow = Following(made.run.directory, plugins.load())
        follow.look()
        state = follow.state()
        follow.close()
    for shown in (state.arms, state.course.arms, state.progress.shares):
        assert [each.arm for each in shown] == ["cold", "warm"]


def test_trials_in_flight_and_settled_ones_are_told_apart(live, following):
    """One in flight, two answered, one lost: the newest first, the failure in its list."""
    live.send(0)
    for seq in (1, 2):
        live.settle(seq)
    live.settle(3, ending=Ending.LOST, task=None, detail="forgotten")
    assert following.look()
    state = following.state()
    assert [flight.trial_id for flight in state.load.in_flight] == ["t0"]
    assert [settled.trial_id for settled in state.latest] == ["t3", "t2", "t1"]
    assert state.progress.outcomes == {"answered": 2, "lost": 1}
    assert [failure.detail for failure in state.failures] == ["forgotten"]
    assert state.arms[0].answered == 2
    assert state.arms[0].latency_percentiles["p50"] == pytest.approx(2.0, abs=0.6)
    assert (state.progress.shares[0].settled, state.progress.shares[0].answered) == (3, 2)


def test_a_trial_that_is_asked_again_counts_once(live, following):
    """It leaves every number while it is in flight, and comes back with its new outcome."""
    live.settle(0, ending=Ending.RATE_LIMITED, task=None, detail="Hourly limit")
    live.settle(1, notes=(f"{THROTTLED}, 2 times",))
    following.look()
    assert following.state().load.rate_limited == 2
    live.send(0, attempts=2)
    following.look()
    state = following.state()
    assert (state.progress.settled, state.progress.outcomes, state.failures) == (1, {"answered": 1}, ())
    live.settle(0, attempts=2)
    following.look()
    assert following.state().progress.outcomes == {"answered": 2}


def test_an_answered_trial_that_is_asked_again_much_later_is_noticed(live, following, monkeypatch):
    """The second look is at earlier trials too. The third is not, and still sees how the trial ended."""
    for seq in range(4):
        live.settle(seq)
    monkeypatch.setattr("uderia_bench.view.following.REREAD_S", -1.0)
    following.look()
    monkeypatch.setattr("uderia_bench.view.following.REREAD_S", 60.0)
    live.send(1, attempts=2)
    live.settle(4)
    following.look()
    state = following.state()
    assert [flight.trial_id for flight in state.load.in_flight] == ["t1"]
    assert state.progress.settled == 4
    live.settle(1, attempts=2, ending=Ending.LOST, task=None, detail="forgotten")
    live.settle(5)
    following.look()
    state = following.state()
    assert state.load.in_flight == ()
    assert state.progress.outcomes == {"answered": 5, "lost": 1}


def test_a_trial_that_is_to_be_asked_again_is_no_answer_any_more(live, following, monkeypatch):
    """It is cancelled at the same attempt, as where somebody asks it again or a restart has made it doubtful."""
    for seq in range(3):
        live.settle(seq)
    monkeypatch.setattr("uderia_bench.view.following.REREAD_S", -1.0)
    following.look()
    assert following.state().progress.outcomes == {"answered": 3}
    live.settle(1, ending=Ending.CANCELLED, task=None, detail="to be asked again, by ann")
    following.look()
    assert following.state().progress.outcomes == {"answered": 2, "cancelled": 1}
    live.send(1, attempts=2)
    following.look()
    assert following.state().progress.settled == 2
    live.settle(1, attempts=2)
    following.look()
    assert following.state().progress.outcomes == {"answered": 3}
    assert not following.look()


def test_a_trial_without_an_end_is_among_the_newest(live, following):
    """A server that refuses a query gives no time of its end. The sending is close to it."""
    for seq in range(9):
        live.settle(seq, ending=Ending.LOST, task=None, detail="forgotten")
    live.settle(9, ending=Ending.RATE_LIMITED, task=None, detail="429", done_at=None, sent_at=ZERO + timedelta(seconds=9))
    following.look()
    state = following.state()
    assert [each.trial_id for each in state.latest][:2] == ["t9", "t8"]
    assert state.failures[0].trial_id == "t9"


def test_a_look_at_earlier_trials_reads_only_what_was_asked_again(live):
    """Its memory does not grow with the trials that have settled."""
    for seq in range(6):
        live.settle(seq)
    with Ledger.open(live.run.directory.ledger) as ledger:
        assert ledger.progress(6, asked_again=True) == ()
        live.settle(2, attempts=2)
        assert [each.trial_id for each in ledger.progress(6, asked_again=True)] == ["t2"]


def test_a_run_whose_process_is_gone_is_abandoned(tmp_path):
    """Without a claim on the directory the state is not running any more."""
    with running(tmp_path) as live:
        directory = live.run.directory
    following = Following(directory, plugins.load())
    following.look()
    assert following.state().run.state == "abandoned"
    following.close()


def test_the_end_is_noticed_and_the_report_when_it_is_there(live, following, monkeypatch):
    """Complete without a report first, then with one."""
    following.look()
    live.ends()
    assert following.look()
    assert (following.state().run.state, following.state().run.has_report) == ("complete", False)
    assert "judge" not in run_page.parts(following.state(), {"run"})["head"]
    live.run.directory.write("report.html", "<p>")
    monkeypatch.setattr(following, "_checked_s", -10.0)
    assert following.look()
    assert following.state().run.has_report


def test_a_run_that_is_over_waits_for_its_judge(tmp_path):
    """That may take an hour, in which a page without this reason looks as if the report had failed."""
    with running(tmp_path, judge={"mode": "score", "url": "http://localhost:1/v1", "model": "m", "rubric": "is right"}) as live:
        live.ends()
        following = Following(live.run.directory, plugins.load())
        following.look()
        head = run_page.parts(following.state(), {"run"})["head"]
        following.close()
    assert "will appear here. Before that, a judge scores its answers." in head


def test_a_declared_look_shows_its_boundary_and_what_it_found(tmp_path):
    """Nothing is compared before the look's blocks are settled; then each metric has a verdict and a p."""
    asked = queries(16)
    fields = {"stop": {"looks": 2}, "margins": {"latency_s": "10%"}, "warmup": 0, "repeats": 4}
    planned = plan.build(built(asked, arms=("A", "B"), **fields), asked)
    with running(tmp_path, plan=planned, asked=asked, arms=("A", "B"), **fields) as live:
        following = Following(live.run.directory, plugins.load())
        following.look()
        first = following.state().looks.looks[0]
        assert first.found is None
        assert 0 < first.boundary < 0.05
        for trial in planned:
            if trial.block < first.blocks:
                seconds = 2.0 + trial.block / 100 if trial.arm == "A" else 1.0 + trial.block / 90
                live.settle(trial.seq, trial=trial, seconds=seconds)
        while following.look():
            pass  # the time for reading at one look is limited
        looked = following.state().looks.looks[0]
        assert looked.stops
        assert looked.found[0].startswith("B latency_s: better, p ")
        following.close()


def test_a_sweep_shows_its_finished_levels(tmp_path):
    """A level is there once all of its trials have ended, and it is too early for a knee."""
    asked = queries(4)
    fields = {"load": {"sweep": [1, 2], "isolation": "none"}, "warmup": 0, "repeats": 1}
    planned = plan.build(built(asked, arms=("A", "B"), **fields), asked)
    with running(tmp_path, plan=planned, asked=asked, arms=("A", "B"), **fields) as live:
        following = Following(live.run.directory, plugins.load())
        following.look()
        assert following.state().sweep.levels == ()
        for trial in (trial for trial in planned if trial.level == 1):
            live.settle(trial.seq, trial=trial)
        following.look()
        sweep = following.state().sweep
        assert [(level.arm, level.level, level.trials) for level in sweep.levels] == [("A", 1.0, 4), ("B", 1.0, 4)]
        assert sweep.knees[0] == "A: no knee looked for: 1 level with answers, and the fit needs 4."
        following.close()


def test_a_paused_run_has_no_rate_and_no_time_left(live, following):
    """Both are of a run that goes on."""
    for seq in range(4):
        live.settle(seq)
    following.look()
    assert following.state().progress.per_second is not None
    live.ledger.write([Action(at=ZERO, who="ann", what="pause")])
    following.look()
    progress = following.state().progress
    assert (progress.per_second, progress.left_s, {share.left_s for share in progress.shares}) == (None, None, {None})


def test_the_rate_of_a_run_that_waits_falls(live, following, monkeypatch):
    """Four trials in 3 s are 1 a second; when nothing has ended for 7 s more, they are 0.3."""
    for seq in range(4):
        live.settle(seq)
    following.look()
    for seconds, rate in ((3, 1.0), (10, 0.3)):
        monkeypatch.setattr("uderia_bench.view.following.time.time", (ZERO + timedelta(seconds=seconds)).timestamp)
        assert following.state().progress.per_second == pytest.approx(rate)


def test_settings_that_people_changed_are_those_in_force(live, following):
    """The slots and the budget of the page are those of ``ctl set``, and those of the experiment after a resume."""
    live.ledger.write([Action(at=ZERO, who="ann", what="set", about=each) for each in ("load.concurrency=3", "budget.usd=7")])
    following.look()
    state = following.state()
    assert (state.slots, {each.what: each.limit for each in state.spending}) == (3, {"usd": 7.0})
    live.run.noted(ended_at=ZERO + timedelta(seconds=1))
    following._checked_s = -10.0
    following.look()
    assert (following.state().slots, following.state().spending) == (8, ())


def test_after_a_kill_and_a_resume_the_experiment_holds_again(live, following):
    """A killed run has no end. The process that resumes it makes a new socket, to which later settings were sent."""
    at = ZERO + timedelta(days=-1)
    live.ledger.write([Action(at=at, who="ann", what="set", about="load.concurrency=3")])
    socket = live.run.directory.path / SOCKET
    socket.touch()
    os.utime(socket, (at.timestamp() - 5, at.timestamp() - 5))
    following.look()
    assert following.state().slots == 3
    os.utime(socket, (at.timestamp() + 5, at.timestamp() + 5))
    assert following.state().slots == 8
    live.ledger.write([Action(at=at + timedelta(seconds=6), who="ann", what="set", about="load.concurrency=4")])
    following.look()
    assert following.state().slots == 4


@pytest.mark.parametrize(
    "about", ["load.concurrency=abc", "load.concurrency", "budget.usd=abc", "budget.usd=-1", "budget.time=", "="]
)
def test_a_setting_that_no_run_accepts_is_left_out(live, following, about):
    """It comes from a ledger that another program wrote. It is among the actions."""
    live.ledger.write([Action(at=ZERO, who="ann", what="set", about=about)])
    following.look()
    state = following.state()
    assert (state.slots, state.spending) == (8, ())
    assert about in run_page.parts(state, {"actions"})["actions"]


DAMAGE = {
    "an action that is no JSON": ("actions", "nonsense"),
    "an action without a time": ("actions", '{"who": "ann", "what": "stop", "about": ""}'),
    "an action whose time has no zone": (
        "actions",
        '{"at": "2026-11-29T10:00:00", "who": "ann", "what": "set", "about": "a=b"}',
    ),
    "an action about a number": ("actions", '{"at": "2026-11-29T10:00:00+00:00", "who": "ann", "what": "set", "about": 5}'),
    "an account that is no JSON": ("account", "nonsense"),
    "an account without spending": ("account", "{}"),
    "spending that is a number": ("account", '{"spent": 5}'),
    "tokens that are a word": ("account", '{"spent": {"tokens": "many"}}'),
    "tokens without end": ("account", '{"spent": {"tokens": "inf"}}'),
    "a trial sent at a time without a zone": ("times", '{"sent_at": "2026-11-29T10:00:00"}'),
    "a trial sent at a number": ("times", '{"sent_at": 5}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_ledger_is_a_message_and_not_a_traceback(live, following, damage):
    """The list of runs calls such a run unreadable, or shows it without what cannot be read."""
    what, text = damage
    live.send(0)
    live.ledger.write([Action(at=ZERO, who="ann", what="stop")])
    with closing(sqlite3.connect(live.run.directory.ledger)) as foreign, foreign:
        foreign.execute(ACCOUNT_TABLE)
        foreign.execute("INSERT INTO account VALUES (1, ?)", ('{"spent": {}}',))
        column = {"actions": "actions SET said", "account": "account SET spent", "times": "trials SET times"}[what]
        foreign.execute(f"UPDATE {column} = ?", (text,))

    def shown():
        following.look()
        run_page.parts(following.state(), {each.name for each in fields(RunState)})

    with pytest.raises(StoreError, match="damaged"):
        shown()
    listed = Folder(live.run.directory.path.parent, plugins.load()).follow(())
    listed.look()
    (row,) = listed.state().runs
    assert row.state in ("running", "unreadable")


def test_the_numbers_are_computed_again_when_the_earlier_trials_are_read(live, following, monkeypatch):
    """The first look reads for a moment only; its numbers do not stay for seconds."""
    for seq in range(4):
        live.settle(seq)
    monkeypatch.setattr("uderia_bench.view.following.READ_FIRST_S", 0.0)
    following.look()
    assert following.state().arms[0].answered == 0
    following.look()
    assert following.state().arms[0].answered == 4


def test_arms_are_shown_in_one_unit_and_only_once_they_have_answers(tmp_path):
    """0.4 s beside 2.0 s, never 400 ms; before the first answer there is no table of dashes."""
    with running(tmp_path) as made:
        follow = Following(made.run.directory, plugins.load())
        follow.look()
        state = follow.state()
        follow.close()

    def arm(name, seconds):
        values = {"latency_s": seconds, "total_tokens": 5.0, "cost_usd": 0.1}
        numbers = tuple(Number(metric=m, value=v, lo=v * 0.9, hi=v * 1.1, n=4) for m, v in values.items())
        return ArmState(arm=name, answered=4, numbers=numbers, latency_percentiles={"p50": seconds}, latencies=(seconds,))

    drawn = run_page.parts(replace(state, arms=(arm("A", 0.4), arm("B", 2.0))), {"arms"})["numbers"]
    assert "0.400s" in drawn
    assert "400ms" not in drawn
    assert run_page.parts(state, {"arms"})["numbers"] == ""


@pytest.mark.parametrize(
    ("ending", "words"),
    [(Ending.RATE_LIMITED, "waits until a rate limit"), (Ending.UNREACHABLE, "waits until the server answers")],
)
def test_a_run_that_waits_for_its_server_says_so(live, following, ending, words):
    """While the trial that began last has met it and nothing is in flight. Its end is not known."""
    live.settle(2)
    live.settle(0, ending=ending, task=None, sent_at=ZERO + timedelta(seconds=1), done_at=None)

    def head():
        following.look()
        return run_page.parts(following.state(), {"load"})["head"]

    assert words in head()
    live.send(1)
    assert "waits" not in head()
    live.settle(1, sent_at=ZERO + timedelta(seconds=3))
    assert "waits" not in head()


def test_a_trial_whose_server_went_away_is_among_the_newest(live, following):
    """Its end was not seen, so it has the last moment that is known: when it was due, if it was not sent."""
    for seq in range(1, FAILURES + 1):
        live.settle(seq, ending=Ending.REFUSED, task=None)
    gone = {"ending": Ending.UNREACHABLE, "task": None, "sent_at": None, "done_at": None}
    live.settle(0, due_at=ZERO + timedelta(minutes=1), **gone)
    following.look()
    state = following.state()
    assert [trials[0].trial_id for trials in (state.failures, state.latest)] == ["t0", "t0"]
    assert state.failures[0].done_at == ZERO + timedelta(minutes=1)
    watched = Watcher(live.ledger).look()
    assert watched.last_failures[0].trial.trial_id == "t0"


def test_the_reason_why_a_run_stopped_is_a_sentence(following):
    """It is followed by the command that continues the run."""
    following.look()
    state = following.state()
    stopped = replace(state.run, state="interrupted", stopped="the quota is used up")
    head = run_page.parts(replace(state, run=stopped), {"run"})["head"]
    assert "<p>The quota is used up. Continue with <code>uderia-bench resume live</code></p>" in head


def test_looks_after_the_one_that_stopped_the_run_are_not_needed(following):
    """The others are not taken yet, or not read yet while the view reads earlier trials."""
    following.look()
    taken = LookState(look=1, blocks=5, boundary=0.01, found=("OPTIM latency_s: better",), stops=True)
    left = replace(taken, look=2, blocks=10, found=None, stops=False)
    for first, words in ((taken, "not needed"), (replace(taken, stops=False), "not taken yet")):
        state = replace(following.state(), looks=LooksState(metrics=("latency_s",), looks=(first, left)))
        assert words in run_page.parts(state, {"looks"})["looks"]
    behind = replace(state, progress=replace(state.progress, settled=state.progress.read + 1))
    assert "not read yet" in run_page.parts(behind, {"progress"})["looks"]


def test_the_looks_of_a_race_say_when_it_ends(live, following):
    """A race ends with one arm, other looks with their verdicts."""
    del live
    following.look()
    looks = LooksState(metrics=("latency_s",), looks=(LookState(look=1, blocks=5, boundary=0.01, found=None, stops=False),))
    for race, words in ((True, "one arm is left in the race on latency_s"), (False, "each metric has a verdict: latency_s")):
        state = replace(following.state(), looks=replace(looks, race=race))
        assert words in run_page.parts(state, {"looks"})["looks"]


def test_newest_trials_have_their_name_first_and_one_unit(live, following):
    """The name heads the row, also for screen readers. All latencies of the list are in seconds if one needs them."""
    live.settle(0)
    live.settle(1, answer="later", seconds=0.5)
    following.look()
    state = following.state()
    latest = (replace(state.latest[0], latency_s=0.25), replace(state.latest[1], latency_s=12.0))
    drawn = run_page.parts(replace(state, latest=latest), {"latest"})["latest"]
    rows = re.findall(r"<tr><th class=\"wordy\" scope=\"row\"><a [^>]*>(t\d)</a></th>.*?>([\d.]+)s</td>", drawn)
    assert rows == [("t1", "0.250"), ("t0", "12.0")]


def test_trials_in_flight_are_in_the_order_of_their_age(live, following):
    """Not of the plan, which servers of a pool leave. Each has the timeout, so that the page marks what is over it."""
    for seq, seconds in ((0, 9), (1, 3), (2, 6)):
        mark_asked(live.ledger, record(seq, sent_at=ZERO + timedelta(seconds=seconds), task=None, done_at=None))
    following.look()
    state = following.state()
    assert [flight.trial_id for flight in state.load.in_flight] == ["t1", "t2", "t0"]
    assert run_page.parts(state, {"load"})["flights"].count('data-limit="600"') == 3


def test_another_run_in_the_place_of_a_followed_one_is_noticed(tmp_path, monkeypatch):
    """Its ledger is another file. Why not the name: the open one goes on to show the run that was removed."""
    with running(tmp_path) as before:
        before.settle(0)
        followed = Following(before.run.directory, plugins.load())
        followed.look()
    monkeypatch.setattr(followed, "_checked_s", -REREAD_S)  # a second has passed
    shutil.rmtree(tmp_path / "live")
    with running(tmp_path, count=4), closing(followed), pytest.raises(StoreError, match="another run has taken the place"):
        followed.look()


def test_a_budget_of_time_is_in_hours(following):
    """As the other times of the page; 28,800 s is hard to read."""
    following.look()
    spent = replace(following.state(), spending=(Spending(what="time_s", spent=7200.0, limit=28_800.0),))
    assert "Budget: 25% of 8.0 h" in run_page.parts(spent, {"spending"})["cards"]
