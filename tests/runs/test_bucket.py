"""Stores of runs: what is an address, how an S3 server is probed, and what a reader fetches."""

from __future__ import annotations

import builtins
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chaos import bad_store
from chaos.bad_store import BUCKET, BadStore

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.runs import bucket, find
from uderia_bench.runs.bucket import Bucket, Missing, is_url, parted, sure
from uderia_bench.runs.protocol import NoClearAnswer
from uderia_bench.runs.shared import SharedRun


@pytest.fixture(scope="module")
def s3():
    """Serve an S3 server, whose troubles a test may set."""
    store = BadStore(seed=1)
    with bad_store.serve(store) as address:
        yield store, address


@pytest.fixture
def url(s3, monkeypatch):
    """Return an address that no other test writes to: all tests of a process share moto's state, and writes may come late."""
    for name, value in {**bad_store.ENVIRONMENT, "AWS_ENDPOINT_URL": s3[1]}.items():
        monkeypatch.setenv(name, value)
    bucket._opened.cache_clear()
    yield f"s3://{BUCKET}/own"
    s3[0].replaces = False
    s3[0].rates = {}


@pytest.mark.parametrize(
    ("name", "expected"), [("s3://b/p", True), ("file:///x", True), ("output", False), ("http://x", False)]
)
def test_addresses_of_stores_are_told_from_paths(name, expected):
    """The address of a Uderia server is not one."""
    assert is_url(name) is expected


def test_a_run_is_named_below_its_store():
    """A bucket alone has no run."""
    assert parted("s3://bucket/prefix/run") == ("s3://bucket/prefix", "run")
    assert parted("s3://bucket/run/") == ("s3://bucket", "run")
    with pytest.raises(UsageError, match="s3://bucket: name a run as s3://bucket/prefix/RUN"):
        parted("s3://bucket")


def test_one_of_many_writers_wins(url):
    """The others are refused, and readers get the first one's bytes."""
    made = Bucket(url)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda writer: made.create("race", str(writer).encode()), range(8)))
    assert sum(won) == 1
    assert made.read("race") == str(won.index(True)).encode()
    made.probe()
    assert made.found(".servers") == {}
    with pytest.raises(Missing, match="own/nothing: no such object"):
        made.read("nothing")


def test_a_store_that_lets_two_win_is_refused(s3, url):
    """Its address and the reason are named."""
    s3[0].replaces = True
    with pytest.raises(StoreError, match=r"s3://bench/own: 9 of 9 writers created the same object.*ignores 'If-None-Match"):
        Bucket(url).probe()


def test_a_failing_store_is_asked_again_and_then_named(s3, url, monkeypatch):
    """One call gives no clear answer; a reader repeats it and ends with one line."""
    monkeypatch.setattr(bucket, "PAUSES_S", (0.0, 0.0))
    s3[0].rates = {"500": 1.0}
    with pytest.raises(NoClearAnswer):
        Bucket(url).read("x")
    with pytest.raises(StoreError, match=r"^s3://bench/own: [^\n<]*500 Internal Server Error[^\n<]*; is the address right"):
        sure(Bucket(url).read, "x")


@pytest.mark.parametrize(
    "address", ["s3://key:secret@bucket/x", "s3://key:se/secret@bucket/x", "gs://secret@bucket/x", "az://place/x?sig=secret"]
)
@pytest.mark.parametrize("opens", [Bucket, parted, SharedRun.open, lambda url: find.directory(url, Path()), find.folder])
def test_a_password_in_an_address_is_refused(address, opens):
    """It would end in logs and reports; it is not repeated."""
    with pytest.raises(UsageError, match="an address has no credentials") as refused:
        opens(address)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["https://key:secret@host/runs", "S3://bucket/runs", "abfss://secret@host/runs"])
def test_the_address_of_something_else_is_no_directory(address):
    """A run into it would make folders of that name here."""
    with pytest.raises(UsageError, match=r"^\w+://…: not the address of a store: use s3://"):
        find.folder(address)


def test_a_folder_below_a_file_is_refused(tmp_path):
    """The message names the address, and is no internal error."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(UsageError, match=r"taken/runs: not a directory"):
        Bucket(f"file://{tmp_path}/taken/runs")


def test_a_plain_install_names_the_extra(monkeypatch):
    """One sentence with the command that installs it."""
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("obstore"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    bucket._opened.cache_clear()
    with pytest.raises(UsageError, match=r"s3://b/p: needs the extra 'store': pip install 'uderia-bench\[store\]'"):
        Bucket("s3://b/p")
