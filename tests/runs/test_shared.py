"""A run in a store whose objects are damaged, or were made by somebody else."""

from __future__ import annotations

import pytest
import traces
import zstandard
from runs import manifest_of

from uderia_bench.errors import StoreError
from uderia_bench.runs import mirror, shared
from uderia_bench.runs.bucket import Bucket
from uderia_bench.runs.shared import PLAN, SharedRun

SERVER = "http://s"
HUGE = b"\x28\xb5\x2f\xfd\xe0" + (1 << 50).to_bytes(8, "little") + b"\x01\x00\x00"
"""The head of a zstd frame that promises a petabyte, and an empty block."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a run of one trial that is not asked yet, with an empty cache of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    said = manifest_of("one", server=SERVER).to_json()
    return SharedRun.begin(Bucket(f"memory://{tmp_path}"), "one", said, {"A": traces.expected(server=SERVER)}, [traces.trial()])


@pytest.mark.parametrize("plan", [HUGE, zstandard.compress(bytes(2 << 20))])
def test_a_plan_is_bounded_before_it_is_unpacked(run, monkeypatch, plan):
    """A small object may unpack to more than the memory holds."""
    monkeypatch.setattr(shared, "_LARGEST_PLAN", 1 << 20)
    run.bucket.put(f"one/{PLAN}", plan)
    with pytest.raises(StoreError, match=r"one/plan\.zst: not the plan of a run: larger than any plan"):
        SharedRun.open(run.url)


@pytest.mark.parametrize("entry", [b"[[", b"[1]", b'[[["a"], "x", 0, null]]', b"{", b'{"left": "0"}', b"{}"])
def test_a_damaged_journal_is_named(run, entry):
    """Readers and workers end with one line."""
    assert run.bucket.create(f"{run.journal(SERVER)}/000000001", b"worker 1\n" + entry)
    with pytest.raises(StoreError, match=r"^an entry of the run's journal cannot be read: [^\n]+$"):
        mirror.run(run.url)
