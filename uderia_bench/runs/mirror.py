"""Runs of a store as run directories in the user's cache, so that every command reads them as it reads local ones.

A mirror has a file ``.origin`` with the address of its store. Files are fetched again only when they have changed. Of a
run that is not complete, the ledger is made from its journals.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import orjson

from uderia_bench.errors import StoreError
from uderia_bench.gateway.kept_tokens import default_file
from uderia_bench.printable import plain, shell_word
from uderia_bench.runs import OUTPUT, files
from uderia_bench.runs.bucket import AT_ONCE, CHUNK, Bucket, NotThere, parted, sure
from uderia_bench.runs.directory import LARGEST_MANIFEST, LEDGER, MANIFEST, PART, REPORT, RUN_ID, RunDirectory
from uderia_bench.runs.shared import JOURNAL, PLAN, SharedRun

ORIGIN = ".origin"
_HAS = ".mirror.json"  # what was fetched: names with their versions
SPARE = 256 << 20  # bytes of the disk that a large copy leaves free
_AS_FETCHED = 1_000_000  # the time of a copy, in ns, is a multiple of this: of what the user has changed since, it is not
_NAME = 20  # characters of a mirror's name
_OWN = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
"""Names that a file of a run may have. Other objects are not copied, so no name leads out of the mirror."""
_ELSEWHERE = (f"{JOURNAL}/", PLAN, f"{LEDGER}-")


def origin(output: Path) -> str | None:
    """Return the address of the store that a directory mirrors, None for any other directory.

    Mirrors are in the user's cache only. Elsewhere the file may come from somebody else, whose store would receive the
    answers of a run.
    """
    if output.resolve().parent != _mirrors().resolve():
        return None
    with suppress(OSError):
        return (output / ORIGIN).read_text(encoding="utf-8")
    return None


def address(directory: Path) -> str | None:
    """Return the address of the run that a directory mirrors, None for any other directory."""
    found = origin(directory.parent)
    return None if found is None else f"{found}/{directory.name}"


def typed(run: Path) -> str:
    """Return what a command finds a run by from here: its id in the default output directory, else its path or address."""
    if (OUTPUT / run.name).resolve() == run.resolve():
        return plain(run.name)
    return plain(shell_word(address(run) or str(run)))


def told(error: BaseException) -> str:
    """Return the message of an error with the addresses of stores in place of the directories that mirror them.

    If the operating system refused a file of a mirror, the message names the directory too.
    """
    roots = "|".join(re.escape(str(path)) for path in (_mirrors(), _mirrors().resolve()))
    places = re.compile(rf"(?:{roots})/[0-9a-f]{{{_NAME}}}")
    said = str(error)
    named = places.sub(lambda found: origin(Path(found[0])) or found[0], said)
    if named == said or not isinstance(error.__cause__, OSError):
        return named
    return f"{named} (its copy is in {_mirrors()})"


def folder(url: str) -> Path:
    """Return the mirror of a store's runs: their manifests and reports. ``ready`` adds a table, ``run`` all of one run."""
    bucket = Bucket(url)
    made = made_for(bucket.url)
    there = [name for name in sure(bucket.inside)[1] if RUN_ID.fullmatch(name)]
    gone = {path.parent.name for path in made.glob(f"*/{MANIFEST}")}.difference(there)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(partial(_listed, bucket), [made / run_id for run_id in (*there, *gone)]))
    return made


def is_run(url: str) -> bool:
    """Whether the address is that of a run, and not of a store of runs."""
    return MANIFEST in sure(Bucket(url).inside)[0]


def listed(url: str) -> Path:
    """Return the mirror of one run, with its manifest and report; raises ``StoreError`` where there is none."""
    bucket, path = _place(url)
    _listed(bucket, path)
    return _found(bucket, path)


def run(url: str) -> Path:
    """Return the mirror of one run with all its files; raises ``StoreError`` where there is none."""
    bucket, path = _place(url)
    with alone(path):
        _fetch(bucket, RunDirectory(path))
    return _found(bucket, path)


def tables(url: str, table: str, pattern: str = "*") -> list[Path]:
    """Fetch a table of a store's runs whose ids match, and return their files. Their manifests are not fetched."""
    bucket = Bucket(url)
    made = made_for(bucket.url)
    runs = [made / name for name in sure(bucket.inside)[1] if RUN_ID.fullmatch(name) and fnmatchcase(name, pattern)]
    ready(runs, table)
    return [part for run in runs for part in RunDirectory(run).tables(table)]


def names(url: str) -> list[str]:
    """Return the names of the folders that a store has at an address."""
    return sure(Bucket(url).inside)[1]


def ready(runs: Iterable[Path], table: str) -> None:
    """Fetch a table of the runs that are in a mirror, if it has changed. Runs of other directories have their tables."""
    every = list(runs)
    buckets = {output: Bucket(url) for output in {path.parent for path in every} if (url := origin(output)) is not None}
    mirrored = [path for path in every if path.parent in buckets]

    def fetch(path: Path) -> None:
        with alone(path):
            _add(buckets[path.parent], RunDirectory(path), f"{table}/{PART}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch, mirrored))


def made_for(url: str) -> Path:
    """Make the directory that mirrors a store; raises ``StoreError`` where the user's cache cannot be written."""
    made = _mirrors() / hashlib.sha256(url.encode()).hexdigest()[:_NAME]
    try:
        made.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{made}: runs of a store are copied there: {error.strerror or error}; set XDG_CACHE_HOME") from error
    if origin(made) != url:
        files.write(made / ORIGIN, url)
    return made


def _mirrors() -> Path:
    return default_file(os.environ).parent / "runs"


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


def _place(url: str) -> tuple[Bucket, Path]:
    """Return the store of a run's address, and the run's directory in the mirror; no name leads out of the mirror."""
    store, run_id = parted(url)
    if not RUN_ID.fullmatch(run_id):
        raise StoreError(f"{url}: no run here, as {run_id!r} is no run id")
    bucket = Bucket(store)
    return bucket, made_for(bucket.url) / run_id


def _found(bucket: Bucket, directory: Path) -> Path:
    if not (directory / MANIFEST).is_file():
        raise StoreError(f"{bucket.url}/{directory.name}: no run here")
    return directory


def _listed(bucket: Bucket, path: Path) -> None:
    """Fetch the manifest and the report of a run, if they have changed. A run that left the store leaves the list."""
    directory = RunDirectory(path)
    with alone(path):
        if _add(bucket, directory, MANIFEST):
            _add(bucket, directory, REPORT)


def _add(bucket: Bucket, directory: RunDirectory, name: str) -> bool:
    """Fetch a file of a run if it has changed; return whether it has."""
    has = _has(directory)
    version = _copy(bucket, directory, name, has.get(name))
    if version == has.get(name):
        return False
    kept = {other: known for other, known in has.items() if other != name}
    if version is None:
        (directory.path / name).unlink(missing_ok=True)
    _note(directory, kept if version is None else {**kept, name: version})
    return True


def _fetch(bucket: Bucket, directory: RunDirectory) -> None:
    """Fetch the files of a run that have changed. The ledger of a run that is not complete is made from its journals."""
    run_id = directory.run_id
    listed = {name.removeprefix(f"{run_id}/"): version for name, version in sure(bucket.found, run_id).items()}
    there = {name: version for name, version in listed.items() if _OWN.fullmatch(name) and not name.startswith(_ELSEWHERE)}
    if MANIFEST not in listed and PLAN not in listed:
        return
    directory.path.mkdir(mode=0o700, exist_ok=True)
    has = _has(directory)
    wanted = [name for name, version in there.items() if has.get(name) != version]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(partial(_copy, bucket, directory), wanted))
    now = {**has, **{name: there[name] for name in wanted}}
    if LEDGER not in there and PLAN in listed:  # not complete, or not concluded yet
        journals = {name: version for name, version in listed.items() if name.startswith(f"{JOURNAL}/")}
        if {name: has.get(name) for name in journals} != journals or not files.exists(directory.ledger):
            SharedRun.open(f"{bucket.url}/{run_id}").into(directory)
            now |= journals
    if now != has:
        _note(directory, now)


def _copy(bucket: Bucket, directory: RunDirectory, name: str, known: str | None = None) -> str | None:
    """Copy a file of a run into its mirror, unless it still has the version ``known``.

    Returns the version, None where the store has no such file.
    """
    try:
        return sure(_copied, bucket, directory, name, known)
    except NotThere:
        return None


def _copied(bucket: Bucket, directory: RunDirectory, name: str, known: str | None) -> str | None:
    found = bucket.fetch(f"{directory.run_id}/{name}", known)
    if found is None:
        return known
    target = directory.path / name
    for folder in (directory.path, target.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    _fits(bucket, directory, name, found.size)
    try:
        with files.replacing(target, synced=False) as temporary:  # ``_has`` finds what a power cut tears
            with temporary.open("wb") as file:
                for chunk in found.chunks:
                    file.write(chunk)
            now_ns = time.time_ns() // _AS_FETCHED * _AS_FETCHED
            os.utime(temporary, ns=(now_ns, now_ns))
            if name == LEDGER:
                for beside in ("-wal", "-shm"):  # of the ledger that is replaced
                    target.with_name(f"{LEDGER}{beside}").unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{target}: cannot write: {error.strerror or error}") from error
    return found.version


def _fits(bucket: Bucket, directory: RunDirectory, name: str, size: int) -> None:
    """Raise ``StoreError`` for a file that is too large to be read, or to be copied."""
    if name != LEDGER and not name.endswith(".parquet"):
        largest = LARGEST_MANIFEST if name == MANIFEST else files.LARGEST
        if size > largest:
            raise bucket.too_large(f"{directory.run_id}/{name}", largest)
    elif size > CHUNK and size > (free := shutil.disk_usage(directory.path).free - SPARE):
        raise StoreError(
            f"{bucket.url}/{directory.run_id}/{name}: {size / 1e9:.1f} GB, and its copy may have {max(free, 0) / 1e9:.1f} GB in"
            f" {_mirrors()}: free space there, or set XDG_CACHE_HOME"
        )


def _has(directory: RunDirectory) -> Mapping[str, str]:
    """Return the files that were fetched into a mirror, with their versions.

    Copies are not synced. A copy that is gone, or shorter than what was fetched, counts as not fetched, unless the user has
    changed it since.
    """
    with suppress(OSError, StoreError, orjson.JSONDecodeError):
        said = orjson.loads(files.read(directory.path / _HAS))
        items = said.items() if isinstance(said, dict) else ()
        return {
            name: version for name, version in items if name.startswith(_ELSEWHERE) or _is_whole(directory.path / name, version)
        }
    return {}


def _is_whole(copy: Path, version: str) -> bool:
    """Whether a copy is as long as the version says. Notes of an older release are not read: their files are fetched again."""
    size = version.partition(" ")[0]
    with suppress(OSError):
        at = copy.stat()
        return size.isdecimal() and (at.st_size >= int(size) or at.st_mtime_ns % _AS_FETCHED != 0)
    return False


def _note(directory: RunDirectory, has: Mapping[str, str]) -> None:
    """Write what a mirror has. A torn file is read as empty, so that all is fetched again."""
    (directory.path / _HAS).write_bytes(orjson.dumps(has))
