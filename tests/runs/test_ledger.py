"""The ledger returns everything that was committed, unchanged, and refuses other files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from bounded import bounded
from ledgers import mark_asked, settle
from records import ARM, record, trial

from uderia_bench.errors import StoreError
from uderia_bench.runs import ledger_rows
from uderia_bench.runs.ledger import Ledger
from uderia_bench.trial import Ending

OPEN = Path("/proc/self/fd")


@pytest.fixture
def ledger(tmp_path):
    """Return a ledger of three planned trials."""
    with Ledger.create(tmp_path / "ledger.sqlite", [trial(n) for n in range(3)], {"OPTIM": ARM}) as made:
        yield made


def test_a_record_comes_back_as_it_went_in(ledger):
    """Every field, both bodies, both clocks."""
    settle(ledger, record())
    assert list(ledger.records()) == [record()]


@pytest.mark.parametrize(
    "bodies", [{"task": None}, {"session": None}, {"task": None, "session": None}, {"task": b"", "session": b"x"}]
)
def test_missing_and_empty_bodies_stay_apart(ledger, bodies):
    """None is missing, empty is empty."""
    settle(ledger, record(**bodies))
    (kept,) = ledger.records()
    assert (kept.task, kept.session) == (record(**bodies).task, record(**bodies).session)


@pytest.mark.parametrize("bodies", [{}, {"task": None}, {"session": None}, {"session": b""}])
def test_sessions_of_consulted_profiles_are_kept(ledger, bodies):
    """Each as it came, an empty one too, whatever the trial's own bodies are."""
    kept = record(children=(b'{"id": "a"}', b"", b"\0\1"), **bodies)
    settle(ledger, kept)
    assert list(ledger.records()) == [kept]


def locked(path, start, length):
    """Whether a lock of this process keeps another one from writing some bytes of a file."""
    code = f"import fcntl; fcntl.lockf(open({str(path)!r}, 'r+b'), fcntl.LOCK_EX | fcntl.LOCK_NB, {length}, {start})"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "BlockingIOError" in done.stderr, done.stderr
    return done.returncode != 0


def test_opening_a_ledger_again_keeps_the_locks_of_the_first_connection(ledger):
    """Without them SQLite in another process truncates the shared memory, and the writer dies of SIGBUS."""
    settle(ledger, record())
    with Ledger.open(ledger.path, writing=True) as again, Ledger.open(ledger.path) as third:
        assert list(again.records()) == list(third.records()) == [record()]
    shared_memory = ledger.path.with_name("ledger.sqlite-shm")
    assert locked(shared_memory, 128, 1)  # held by every connection: https://www.sqlite.org/walformat.html
    assert locked(ledger.path, 0x40000002, 510)  # the shared lock of a database


def test_an_older_reader_refuses_a_ledger_with_sessions_of_consulted_profiles(ledger):
    """It would take them for a part of the trial's own session. A ledger without them stays readable for it."""
    settle(ledger, record(0))
    assert ledger._db.execute("PRAGMA user_version").fetchone() == (1,)
    settle(ledger, record(1, children=(b"{}",)))
    assert ledger._db.execute("PRAGMA user_version").fetchone() == (2,)
    with Ledger.open(ledger.path) as again:
        assert list(again.records()) == [record(0), record(1, children=(b"{}",))]


def test_a_session_that_is_cut_off_is_damage(ledger):
    """A size that says more than there is cannot be read."""
    settle(ledger, record(0, children=(b"{}",)))
    cut = zstandard.ZstdCompressor().compress(record().task + record().session + (99).to_bytes(8) + b"{}")
    with sqlite3.connect(ledger.path) as database:
        database.execute("UPDATE payloads SET frame = ?", (cut,))
    database.close()
    assert list(ledger.records()) == []
    assert ledger.damaged() == ("t0",)


def test_the_plan_and_the_arms_are_kept(tmp_path):
    """A ledger alone says what was to be asked and of whom."""
    path = tmp_path / "ledger.sqlite"
    Ledger.create(path, [trial(1), trial(0)], {"OPTIM": ARM}).close()
    with Ledger.open(path) as again:
        assert again.plan() == (trial(0), trial(1))
        assert again.arms() == {"OPTIM": ARM}


@pytest.mark.parametrize(
    ("ending", "again"),
    [
        (Ending.SETTLED, False),
        (Ending.TIMED_OUT, False),
        (Ending.LOST, False),
        (Ending.CANCELLED, True),
        (Ending.RATE_LIMITED, True),
        (Ending.REFUSED, True),
        (Ending.UNREACHABLE, True),
    ],
)
def test_what_resume_asks_again(ledger, ending, again):
    """Settled for good stays; what never reached an agent, or we stopped, is asked again."""
    settle(ledger, record(ending=ending))
    assert (trial(0) in ledger.unsettled()) is again
    assert trial(1) in ledger.unsettled()


def test_a_conversation_is_left_whole(tmp_path):
    """If one turn of a conversation is left, resume gets all its turns, and none of another conversation."""
    turns = [replace(trial(seq), query_id="talk", turn=seq + 1) for seq in range(3)]
    other = [replace(trial(seq + 3), query_id="done", turn=seq + 1) for seq in range(2)]
    with Ledger.create(tmp_path / "l.sqlite", [*turns, *other], {"OPTIM": ARM}) as ledger:
        for settled in (*turns[:2], *other):
            settle(ledger, replace(record(), trial=settled))
        assert ledger.unsettled() == tuple(turns)
        settle(ledger, replace(record(), trial=turns[2]))
        assert ledger.unsettled() == ()


def test_records_of_some_queries_only(ledger):
    """Those of the queries asked for, whatever their names are made of."""
    for seq in (0, 1):
        settle(ledger, record(seq))
    assert [found.trial.query_id for found in ledger.records(["q1", "it's"])] == ["q1"]
    assert list(ledger.records([])) == []


def test_an_accepted_query_can_be_picked_up(ledger):
    """Between acceptance and the end the task id is there; after the end it is no longer 'asked'."""
    assert ledger.pending("t0") is None
    mark_asked(ledger, record(task=None, session=None))
    assert ledger.pending("t0").task_id == "task-1"
    assert list(ledger.records()) == []
    settle(ledger, record())
    assert ledger.pending("t0") is None
    assert ledger.attempts() == {"t0": 2}
    assert ledger.counts() == {"settled": 1, "planned": 2}


def test_committed_trials_survive_a_killed_writer(tmp_path):
    """A second process reads what was committed while the first still has the file open."""
    path = tmp_path / "ledger.sqlite"
    writer = Ledger.create(path, [trial(n) for n in range(3)], {"OPTIM": ARM})
    settle(writer, record())
    with Ledger.open(path) as reader:
        assert len(list(reader.records())) == 1
    writer.close()


def test_what_is_no_ledger_is_named(tmp_path):
    """Missing, foreign, broken and newer files are one clear line each."""
    with pytest.raises(StoreError, match="no ledger here"):
        Ledger.open(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreError, match="not readable as a ledger"):
        Ledger.open(tmp_path / "text.sqlite")
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="ledger format 99"):
        Ledger.open(newer)


@pytest.mark.skipif(not OPEN.is_dir(), reason="no list of open files")
@pytest.mark.parametrize("writing", [True, False])
def test_a_file_that_is_not_a_ledger_is_closed(tmp_path, writing):
    """Also while somebody looks at the error, whose traceback keeps what had been opened."""
    path = tmp_path / "text.sqlite"
    path.write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(StoreError) as caught:
        Ledger.open(path, writing=writing)
    assert str(path) not in [str(each.resolve()) for each in OPEN.iterdir()]
    assert caught.value.__cause__ is not None


@pytest.mark.skipif(not OPEN.is_dir(), reason="no list of open files")
def test_a_ledger_that_cannot_be_started_is_closed(tmp_path):
    """So that no later collection closes it, which Python 3.13 warns of."""
    path = tmp_path / "ledger.sqlite"
    with pytest.raises(StoreError) as caught:
        Ledger.create(path, [trial(0), trial(0)], {"OPTIM": ARM})
    assert "cannot start the ledger" in str(caught.value)
    assert str(path) not in [str(each.resolve()) for each in OPEN.iterdir()]


def test_a_ledger_is_never_started_twice(ledger):
    """Starting over an existing ledger would lose it."""
    with pytest.raises(StoreError, match="never started twice"):
        Ledger.create(ledger.path, [], {})


def test_a_ledger_that_cannot_be_written_says_which_trial(ledger):
    """The trial that could not be kept is named."""
    ledger._db.execute("DROP TABLE payloads")
    with pytest.raises(StoreError, match="cannot write trial t0"):
        settle(ledger, record())


def test_a_frame_that_would_fill_memory_is_damage(ledger):
    """256 MB of nothing in a few KB: named, not unpacked."""
    settle(ledger, record())
    size = ledger_rows.LARGEST_FRAME + 1
    pack = zstandard.ZstdCompressor().compressobj(size=size)
    frame = b"".join(pack.compress(bytes(2**20)) for _ in range(size >> 20)) + pack.compress(b"\0") + pack.flush()
    assert len(frame) < 2**16
    with sqlite3.connect(ledger.path) as database:
        database.execute("UPDATE payloads SET frame = ?", (frame,))
    database.close()
    with bounded():
        assert list(ledger.records()) == []
        assert ledger.damaged() == ("t0",)


def test_another_file_in_its_place_is_noticed(ledger, tmp_path):
    """SQLite would go on writing into the one that has no name any more."""
    other = tmp_path / "other"
    other.write_bytes(ledger.path.read_bytes())
    ledger.sync()
    other.replace(ledger.path)
    with pytest.raises(StoreError, match="another file took the ledger's place"):
        ledger.sync()


def test_one_settled_trial_is_read_by_its_id(tmp_path):
    """Who watches a run asks what has settled, and reads only what is new."""
    with Ledger.create(tmp_path / "l.sqlite", [trial(0), trial(1)], {"OPTIM": ARM}) as ledger:
        assert ledger.settled() == {}
        settle(ledger, record(1))
        assert ledger.settled() == {"t1": 2}
        assert ledger.record("t1") == record(1)
        with pytest.raises(StoreError, match="no settled trial 't0'"):
            ledger.record("t0")


def test_each_session_of_a_run_is_listed_once(tmp_path):
    """Turns of a conversation share one, and a trial that was never asked has none."""
    with Ledger.create(tmp_path / "ledger.sqlite", [trial(n) for n in range(4)], {"OPTIM": ARM}) as ledger:
        for seq, session in ((0, "s-b"), (1, "s-a"), (2, "s-b")):
            settle(ledger, replace(record(seq), session_id=session))
        assert ledger.sessions() == (("OPTIM", "http://s", "s-b"), ("OPTIM", "http://s", "s-a"))
