"""Runs of a store as run directories in the user's cache, so that every command reads them as it reads local ones.

A mirror has a file ``.origin`` with the address of its store. Files are fetched again only when they have changed. Of a
run that is not complete, the ledger is made from its journals.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.gateway.kept_tokens import default_file
from uderia_bench.runs import files
from uderia_bench.runs.bucket import AT_ONCE, Bucket, parted, sure
from uderia_bench.runs.directory import LEDGER, MANIFEST, RunDirectory
from uderia_bench.runs.shared import JOURNAL, PLAN, SharedRun

ORIGIN = ".origin"
_HAS = ".mirror.json"  # what was fetched: names with their versions


def origin(output: Path) -> str | None:
    """Return the address of the store that a directory mirrors, None for any other directory."""
    with suppress(OSError):
        return (output / ORIGIN).read_text(encoding="utf-8")
    return None


def address(directory: Path) -> str | None:
    """Return the address of the run that a directory mirrors, None for any other directory."""
    found = origin(directory.parent)
    return None if found is None else f"{found}/{directory.name}"


def folder(url: str) -> Path:
    """Return the mirror of a store's runs: their manifests and tables. ``run`` adds the ledger of one."""
    bucket = Bucket(url)
    made = made_for(bucket.url)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(partial(_fetch, bucket, made, whole=False), sure(bucket.folders)))
    return made


def run(url: str, *, whole: bool = True) -> Path:
    """Return the mirror of one run, with its ledger if ``whole``; raises ``StoreError`` where there is none."""
    store, run_id = parted(url)
    bucket = Bucket(store)
    made = made_for(bucket.url)
    _fetch(bucket, made, run_id, whole=whole)
    if not (made / run_id / MANIFEST).is_file():
        raise StoreError(f"{bucket.url}/{run_id}: no run here")
    return made / run_id


def made_for(url: str) -> Path:
    """Make the directory that mirrors a store."""
    made = default_file(os.environ).parent / "runs" / hashlib.sha256(url.encode()).hexdigest()[:20]
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    if origin(made) != url:
        files.write(made / ORIGIN, url)
    return made


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Wait until no other process changes the mirror of a run, and keep others out. Other directories are not locked."""
    if origin(directory.parent) is None:
        yield
        return
    lock = os.open(directory.parent / f".{directory.name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _fetch(bucket: Bucket, made: Path, run_id: str, *, whole: bool) -> None:
    """Fetch what has changed of a run's files; ``whole`` with its ledger."""
    with alone(made / run_id):
        _fetched(bucket, RunDirectory(made / run_id), whole=whole)


def _fetched(bucket: Bucket, directory: RunDirectory, *, whole: bool) -> None:
    run_id = directory.run_id
    listed = {name.removeprefix(f"{run_id}/"): version for name, version in sure(bucket.found, run_id).items()}
    there = {name: version for name, version in listed.items() if not name.startswith(f"{JOURNAL}/") and name != PLAN}
    if MANIFEST not in listed and PLAN not in listed:
        return
    directory.path.mkdir(mode=0o700, exist_ok=True)
    has = _has(directory)
    wanted = [name for name, version in there.items() if has.get(name) != version and (whole or name != LEDGER)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(partial(_copy, bucket, directory), wanted))
    now = {**has, **{name: there[name] for name in wanted}}
    if whole and LEDGER not in there:  # not complete, or not concluded yet
        journals = {name: version for name, version in listed.items() if name.startswith(f"{JOURNAL}/")}
        if {name: has.get(name) for name in journals} != journals or not files.exists(directory.ledger):
            SharedRun.open(f"{bucket.url}/{run_id}").into(directory)
            now |= journals
    if now != has:
        directory.write(_HAS, orjson.dumps(now))


def _copy(bucket: Bucket, directory: RunDirectory, name: str) -> None:
    target = directory.path / name
    if not target.resolve().is_relative_to(directory.path.resolve()):
        raise StoreError(f"{bucket.url}: {name!r} is no file of a run")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if name == LEDGER:
        for beside in ("-wal", "-shm"):  # of the ledger that is replaced
            target.with_name(f"{LEDGER}{beside}").unlink(missing_ok=True)
    directory.write(name, sure(bucket.fetch, f"{directory.run_id}/{name}"))


def _has(directory: RunDirectory) -> Mapping[str, str]:
    with suppress(OSError, StoreError, orjson.JSONDecodeError):
        said = orjson.loads(files.read(directory.path / _HAS))
        return said if isinstance(said, dict) else {}
    return {}
