"""Stores of runs: what is an address, how an S3 server is probed, and what a reader fetches."""

from __future__ import annotations

import builtins
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from chaos import bad_store
from chaos.bad_store import BUCKET, BadStore

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.runs import bucket, find
from uderia_bench.runs.bucket import Bucket, Missing, NotThere, is_url, parted, sure
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
        Bucket(f"file://{tmp_path}/taken/runs").put("x", b"")


@pytest.mark.parametrize("address", ["file:///", "file://", "s3://"])
def test_an_address_without_a_folder_is_refused(address):
    """No folder of that name is made in the current directory."""
    with pytest.raises(UsageError, match="name a folder or a bucket behind it"):
        Bucket(address)


def test_a_folder_is_made_by_the_first_object_and_not_by_readers(tmp_path):
    """A folder that does not exist reads as an empty store; what is written afterwards is found."""
    reader = Bucket(f"file://{tmp_path}/runs/here")
    assert (reader.inside(), reader.found("one")) == (({}, []), {})
    for read in (reader.read, reader.fetch):
        with pytest.raises(NotThere):
            sure(read, "one/x")
    assert list(tmp_path.iterdir()) == []
    assert Bucket(reader.url).create("one/x", b"1")
    Bucket(f"{reader.url}/more").put("y", b"2")
    assert (reader.read("one/x"), reader.inside()[1]) == (b"1", ["more", "one"])


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


def test_an_object_of_the_protocol_has_a_limit(tmp_path, monkeypatch):
    """A hostile one is refused before it is read."""
    monkeypatch.setattr(bucket, "LARGEST_ENTRY", 1 << 20)
    (tmp_path / "entry").write_bytes(b"x" * (1 << 20))
    made = Bucket(f"file://{tmp_path}")
    assert len(made.read("entry")) == 1 << 20
    (tmp_path / "entry").write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(StoreError, match="entry: larger than 1 MiB: not a file of a run"):
        made.read("entry")


class _Endless(BaseHTTPRequestHandler):
    """Every page of its lists has the names that the server has, and a next page."""

    def do_GET(self):
        self.server.pages += 1
        names = [f"own/run/{self.server.pages}-{number}" for number in range(self.server.names)]
        each = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2026-11-01T00:00:00Z</LastModified><Size>1</Size></Contents>"
            for name in names
        )
        body = (
            f"<ListBucketResult>{each}<IsTruncated>true</IsTruncated>"
            f"<NextContinuationToken>{self.server.pages}</NextContinuationToken></ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Keep the terminal free of request lines."""


@pytest.mark.parametrize("names", [0, 1000])
@pytest.mark.parametrize("listed", [Bucket.found, Bucket.inside])
def test_a_list_without_end_ends(url, monkeypatch, names, listed):
    """A hostile store may send pages for ever, full ones or empty ones."""
    counted = names > 0 and listed is Bucket.found
    monkeypatch.setattr(bucket, "LIST_S", 60 if counted else 0.5)  # a busy machine may be slow to count
    monkeypatch.setattr(bucket, "MOST_NAMES", 5000)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    server.names, server.pages = names, 0
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    bucket._opened.cache_clear()
    try:
        with pytest.raises(
            StoreError if counted else NoClearAnswer, match="more than 5,000 objects" if counted else "not listed within 0.5 s"
        ):
            listed(Bucket(url), "run")
        asked = server.pages
        time.sleep(0.3)
        assert server.pages <= asked + 1  # no thread goes on
    finally:
        server.shutdown()
        server.server_close()
        bucket._opened.cache_clear()
