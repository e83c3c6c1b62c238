"""Objects in S3, Google Cloud Storage, Azure or a directory, by obstore, which the extra ``store`` installs.

Credentials come from the environment of the store's own tools (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``), and never from
an address or a document. Every call ends within seconds.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import anyio
from anyio import to_thread

from uderia_bench.errors import StoreError, UsageError
from uderia_bench.runs.protocol import NoClearAnswer

if TYPE_CHECKING:
    from obstore import GetResult, ObjectMeta
    from obstore.store import MemoryStore, ObjectStore

_Answer = TypeVar("_Answer")
SCHEMES = ("s3", "gs", "az", "file", "memory")
_FOLDER = "file://"
_NOTHING = "memory://nothing"  # a store in which nothing is ever written
_REMOTE = ("s3", "gs", "az")  # an address of these has no port and no query
CALL_S, CONNECT_S, TRIES_S = 5, 3, 8  # of one request, of its connection, and of a call with its retries
BULK_S = 600  # of one request for a whole file
WRITERS, RACES = 8, 3  # of the probe
LIST_S = 60  # of a listing in folders, and of a page of one that is read page by page
MOST_NAMES = 2_000_000  # in one folder; it ends a listing that never does
LARGEST_ENTRY = 256 << 20  # bytes of an object of the protocol: twice the largest answer of a server
CHUNK = 16 << 20  # bytes of a file that are in memory at a time
AT_ONCE = 16  # requests of one reader
LONGEST_LINE = 300  # characters of an error
PAUSES_S = (0.1, 0.3, 1.0, 2.0, 4.0, 0.0)  # after a call of ``sure`` without a clear answer
MEMORY: dict[str, MemoryStore] = {}
"""The stores in this process's memory, by address: for tests."""
_URL = re.compile(rf"({'|'.join(SCHEMES)})://")
_ANY_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # a scheme of one letter is a drive of Windows


def is_url(name: object) -> TypeGuard[str]:
    """Whether a name is the address of a store, and not a path."""
    return isinstance(name, str) and _URL.match(name) is not None


def checked(name: str) -> str:
    """Return a path or the address of a store as it is.

    Raises ``UsageError`` for an address of another kind, and for one that may contain credentials, which is not repeated.
    """
    if (found := _ANY_URL.match(name)) is None:
        return name
    if not is_url(name):
        raise UsageError(f"{found[1]}://…: not the address of a store: use s3://, gs://, az:// or file://")
    authority, _, path = name[found.end() :].partition("/")
    if found[1] in _REMOTE and ({"@", ":"} & set(authority) or {"?", "#"} & set(authority + path)):
        raise UsageError(f"{found[1]}://…: an address has no credentials; set them in the environment of the store's own tools")
    return name


def parted(url: str) -> tuple[str, str]:
    """Split the address of a run into that of its store's folder and the run's id."""
    if not is_url(checked(url)):
        raise UsageError(f"{url}: not the address of a run in a store, such as s3://bucket/prefix/RUN")
    folder, _, name = url.rstrip("/").rpartition("/")
    if not is_url(f"{folder}/") or folder.endswith(":/") or not name:
        raise UsageError(f"{url}: name a run as {url.partition(':')[0]}://bucket/prefix/RUN")
    return folder, name


class Missing(NoClearAnswer):
    """There is no such object. It may be on its way: a 409 says that a writer was there first."""


class NotThere(StoreError):
    """There is no such object, as the store said clearly."""


class _Unchanged(Exception):
    """The object still has the version that the caller knows."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is being read: its version, its size in bytes, and its content, which may fail as calls do."""

    version: str
    size: int
    chunks: Iterator[bytes]


class Bucket:
    """The objects below one address. ``StoreError`` says that the store refuses; ``NoClearAnswer``, that it may pass.

    A folder that does not exist has no objects, and the first one that is written makes it.
    """

    def __init__(self, url: str) -> None:
        self.url = checked(url).rstrip("/")
        if not is_url(self.url):
            raise UsageError(f"{url}: name a folder or a bucket behind it, as in file:///runs or s3://bucket/runs")
        self._to_read()  # raises UsageError for what is no address

    def _to_read(self, request_s: int = CALL_S) -> ObjectStore:
        """Return the store for calls that take so long at most; an empty one in the place of a folder that does not exist."""
        return _opened(self.url if self._exists() else _NOTHING, request_s)

    def _to_write(self, request_s: int = CALL_S) -> ObjectStore:
        """Return the store, and make its folder if it is one; raises ``UsageError`` where that cannot be made."""
        if not self._exists():
            try:
                os.makedirs(self.url.removeprefix(_FOLDER), mode=0o700, exist_ok=True)  # noqa: PTH103 - as the address has it
            except OSError as error:
                raise UsageError(
                    f"{self.url}: {(error.strerror or str(error)).lower()}; name a folder that can be made"
                ) from error
        return _opened(self.url, request_s)

    def _exists(self) -> bool:
        return not self.url.startswith(_FOLDER) or os.path.isdir(self.url.removeprefix(_FOLDER))  # noqa: PTH112 - as the address has it

    def create(self, name: str, body: bytes) -> bool:
        """Create an object; False where there is one, or where the store was asked twice at once."""
        exceptions = _exceptions()
        store = self._to_write()
        with self._answers(name):
            try:
                store.put(name, body, mode="create", use_multipart=False)
            except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
                return False
        return True

    def read(self, name: str) -> bytes:
        """Return the body of an object of the protocol; raises ``StoreError`` where it is larger than ``LARGEST_ENTRY``."""
        with self._answers(name):
            found = self._to_read().get(name)
            if found.meta["size"] > LARGEST_ENTRY:
                raise self.too_large(name, LARGEST_ENTRY)
            return bytes(found.bytes())

    def found(self, folder: str, after: str | None = None) -> dict[str, str]:
        """Return the names in a folder, sorted, each with its version; with ``after``, the names that sort after it.

        Raises ``StoreError`` where there are more than ``MOST_NAMES``.
        """

        async def listed() -> dict[str, str]:
            versions: dict[str, str] = {}
            pages = aiter(self._to_read().list(folder, offset=after))
            while (page := await asyncio.wait_for(anext(pages, None), LIST_S)) is not None:
                versions |= {each["path"]: _version(each) for each in page}
                if len(versions) > MOST_NAMES:
                    raise StoreError(f"{self.url}/{folder}: more than {MOST_NAMES:,} objects: not the folder of a run")
            return versions

        with self._answers(folder):
            versions = _in_a_thread(listed)
        return {name: versions[name] for name in sorted(versions) if after is None or name > after}

    def inside(self, folder: str | None = None) -> tuple[dict[str, str], list[str]]:
        """Return what lies directly in a folder: the objects' names, each with its version, and the names of the folders."""
        with self._answers(folder or ""):
            listed = _in_a_thread(lambda: asyncio.wait_for(self._to_read().list_with_delimiter_async(folder), LIST_S))
        return {each["path"]: _version(each) for each in listed["objects"]}, sorted(listed["common_prefixes"])

    def put(self, name: str, body: Any) -> None:
        """Write a whole file, in the place of an older one, however long that takes."""
        store = self._to_write(BULK_S)
        with self._answers(name):
            store.put(name, body)

    def fetch(self, name: str, known: str | None = None) -> Fetched | None:
        """Begin to read a whole file, however long that takes; None where it still has the version ``known``."""
        tag = None if known is None else known.partition(" ")[2]
        try:
            with self._answers(name):
                found = self._to_read(BULK_S).get(name, options={"if_none_match": tag} if tag else None)
        except _Unchanged:
            return None
        return Fetched(version=_version(found.meta), size=found.meta["size"], chunks=self._chunks(name, found))

    def _chunks(self, name: str, found: GetResult) -> Iterator[bytes]:
        with self._answers(name):
            for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    def too_large(self, name: str, largest: int) -> StoreError:
        """Return the error for an object that is larger than any of its kind."""
        return StoreError(f"{self.url}/{name}: larger than {largest >> 20} MiB: not a file of a run")

    def probe(self) -> None:
        """Let several writers create the same object; raises ``StoreError`` where not exactly one of them wins."""
        for _ in range(RACES):
            name = f".servers/probe-{uuid.uuid4().hex}"
            with ThreadPoolExecutor(WRITERS) as writers:
                won = sum(writers.map(partial(self._wins, name), range(WRITERS)))
            won += self._wins(name, WRITERS)
            self._to_write().delete(name)
            if won > 1:
                raise StoreError(
                    f"{self.url}: {won} of {WRITERS + 1} writers created the same object, so two workers could hold one server:"
                    " the store ignores 'If-None-Match: *'; use one with conditional writes, as S3, GCS, Azure and MinIO have"
                )

    def _wins(self, name: str, writer: int) -> bool:
        return sure(self.create, name, str(writer).encode())

    @contextmanager
    def _answers(self, name: str) -> Iterator[None]:
        """Raise what an error of the store means for a call: some pass, and some need a person."""
        exceptions = _exceptions()
        needs_a_person = (
            exceptions.PermissionDeniedError,
            exceptions.UnauthenticatedError,
            exceptions.NotSupportedError,
            exceptions.InvalidPathError,
            exceptions.UnknownConfigurationKeyError,
        )
        try:
            yield
        except exceptions.NotModifiedError as error:
            raise _Unchanged from error
        except FileNotFoundError as error:
            raise Missing(f"{self.url}/{name}: no such object") from error
        except TimeoutError as error:
            raise NoClearAnswer(f"{self.url}/{name}: not listed within {LIST_S} s") from error
        except needs_a_person as error:
            raise StoreError(f"{self.url}: {_line(error)}") from error
        except (exceptions.BaseError, OSError) as error:
            raise NoClearAnswer(f"{self.url}: {_line(error)}") from error


def sure(call: Callable[..., _Answer], *values: Any) -> _Answer:
    """Repeat a call until the store answers clearly; raises ``StoreError`` where it does not, and ``NotThere``."""
    for pause_s in PAUSES_S:
        try:
            return call(*values)
        except Missing as error:
            raise NotThere(str(error)) from error
        except NoClearAnswer as error:
            failed = error
        time.sleep(pause_s)
    http = "plain http needs AWS_ALLOW_HTTP=true" if "builder error" in str(failed) else ""
    raise StoreError(f"{failed}; {http or 'is the address right, and are the credentials set?'}") from failed


class Objects:
    """A bucket for the protocol: each call runs in a thread, so that the event loop goes on."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def create(self, name: str, body: bytes) -> bool:
        """Create an object; False where there is one."""
        return await to_thread.run_sync(self._bucket.create, name, body, abandon_on_cancel=True)

    async def read(self, names: Sequence[str]) -> list[bytes]:
        """Return the bodies of objects that exist, several at once."""
        return await to_thread.run_sync(read_all, self._bucket, names, abandon_on_cancel=True)

    async def names(self, folder: str, after: str) -> list[str]:
        """Return the names in a folder that sort after ``after``, sorted."""
        return list(await to_thread.run_sync(self._bucket.found, folder, after, abandon_on_cancel=True))


def read_all(bucket: Bucket, names: Sequence[str]) -> list[bytes]:
    """Return the bodies of several objects, in order."""
    if len(names) <= 1:
        return [bucket.read(name) for name in names]
    with ThreadPoolExecutor(AT_ONCE) as readers:
        return list(readers.map(bucket.read, names))


class SteadyClock:
    """Seconds that go on while the process, or the machine, sleeps."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


@cache
def _opened(url: str, request_s: int) -> ObjectStore:
    """Open a store, once a process: so that all in it see the same objects in memory."""
    try:
        import obstore.store  # noqa: PLC0415 - of an extra, and imported only where an address needs it
    except ImportError as error:
        raise UsageError(f"{url}: needs the extra 'store': pip install 'uderia-bench[store]'") from error
    scheme = checked(url).partition(":")[0]
    if scheme == "memory":
        return MEMORY.setdefault(url, obstore.store.MemoryStore())
    if scheme == "file":
        return obstore.store.LocalStore(url.removeprefix(_FOLDER))
    try:
        return obstore.store.from_url(
            url,
            client_options={"timeout": f"{request_s}s", "connect_timeout": f"{CONNECT_S}s", "allow_http": _plain_http()},
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=max(TRIES_S, request_s))},
        )
    except (_exceptions().BaseError, ValueError) as error:
        raise UsageError(f"{url}: not the address of a store: {_line(error)}") from error


def _plain_http() -> bool:
    """Whether the environment allows http to the store, as object_store's own variables say it."""
    return any(os.environ.get(f"{cloud}_ALLOW_HTTP", "").lower() in ("true", "1") for cloud in ("AWS", "AZURE", "GOOGLE"))


def _version(meta: ObjectMeta) -> str:
    """Return what tells a version of an object from others: its size and its tag, else its time."""
    return f"{meta['size']} {meta['e_tag'] or meta['last_modified']}"


def _in_a_thread(call: Callable[[], Coroutine[Any, Any, _Answer]]) -> _Answer:
    """Run an asynchronous call that can be stopped at its deadline; the calling thread may run an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, call()).result()


def _exceptions() -> Any:
    from obstore import exceptions  # noqa: PLC0415

    return exceptions


def _line(error: Exception) -> str:
    """Return the words of an error of the store, without its machine's record of it."""
    text = " ".join(str(error).partition("\n\nDebug source")[0].split())
    return re.sub(r"<[^>]*>", " ", text)[:LONGEST_LINE].strip()
