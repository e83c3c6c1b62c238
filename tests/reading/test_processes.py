"""A derivation in several processes gives the same tables as one in this process."""

from __future__ import annotations

import os
from dataclasses import replace

import orjson
import polars as pl
import pyarrow.parquet as pq
import pytest
import traces
from frames import metric
from ledgers import settle

from uderia_bench.errors import MetricFailed, StoreError
from uderia_bench.reading import derive, processes
from uderia_bench.reading.metrics import BUILT_IN
from uderia_bench.runs import directory
from uderia_bench.runs.ledger import Ledger

TRIALS = 40


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Make a run of some answered trials, which is large enough for several processes."""
    monkeypatch.setattr(processes, "WORTH_IT", 2)
    monkeypatch.setattr(processes, "CHUNK", 3)
    made = directory.create(tmp_path, "r")
    plan = [traces.trial(trial_id=f"t{n}", seq=n, query_id=f"q{n // 2}", arm="A") for n in range(TRIALS)]
    body = orjson.dumps({"task_id": "t", "status": "complete", "events": []})
    with Ledger.create(made.ledger, plan, {"A": traces.expected(server="http://s")}) as ledger:
        for trial in plan:
            settle(ledger, traces.record(body, None, trial=trial))
    return made


def content(run):
    """Return the bytes of every table."""
    return {part.parent.name: part.read_bytes() for part in run.tables()}


def test_two_processes_write_what_one_writes(run):
    """Rows are in the order of the plan, byte for byte."""
    assert derive.run(run, derive.Reading(), processes=1) == TRIALS
    alone = content(run)
    assert derive.run(run, derive.Reading(), processes=2) == TRIALS
    assert content(run) == alone


def test_an_error_of_a_metric_names_the_trial_and_leaves_the_tables(run):
    """A lambda cannot be sent to another process, so the processes are forked."""
    derive.run(run, derive.Reading(), processes=1)
    before = content(run)
    broken = replace(metric("broken"), needs_answer=False, read=lambda _: 1 / 0)
    with pytest.raises(MetricFailed, match=r"trial t\d+: .*broken"):
        derive.run(run, derive.Reading(metrics=(*BUILT_IN, broken)), processes=2)
    assert content(run) == before


def test_a_process_that_is_killed_is_one_line(run):
    """The system ends a process that takes too much memory."""
    ours = os.getpid()
    with Ledger.open(run.ledger) as ledger, pytest.raises(StoreError, match="a process that derived it was ended"):
        list(processes.each(ledger, lambda _: os.getpid() == ours or os._exit(9), processes=2))


def test_few_trials_are_derived_in_this_process(run, monkeypatch):
    """Starting processes takes longer than a hundred trials."""
    monkeypatch.setattr(processes, "WORTH_IT", TRIALS + 1)
    with Ledger.open(run.ledger) as ledger:
        assert set(processes.each(ledger, lambda _: os.getpid(), processes=2)) == {os.getpid()}
    monkeypatch.setattr(processes, "WORTH_IT", TRIALS)
    with Ledger.open(run.ledger) as ledger:
        first, *others = processes.each(ledger, lambda _: os.getpid(), processes=2)
    assert first == os.getpid()
    assert os.getpid() not in others


def test_row_groups_do_not_depend_on_the_frames_that_they_are_made_of(run, monkeypatch):
    """Trials are put into columns a few at a time, and written in row groups."""
    derive.run(run, derive.Reading(), processes=1)
    (whole,) = pl.read_parquet(run.parts()).partition_by("run_id")
    for frame, group in ((4, 12), (5, 40), (8, 8)):
        monkeypatch.setattr(derive, "ROWS_A_FRAME", frame)
        monkeypatch.setattr(derive, "ROWS_A_GROUP", group)
        derive.run(run, derive.Reading(), processes=2)
        file = pq.ParquetFile(run.parts()[0])
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        assert sum(sizes) == TRIALS
        assert min(sizes[:-1], default=group) >= group
        assert pl.read_parquet(run.parts()).equals(whole)
