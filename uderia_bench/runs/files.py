"""Read and write the files of a run without trusting what lies in its directory.

A run directory may come from somebody else. A symbolic link, a FIFO or a device in the place of a file of the run is
refused: nothing outside the directory is read or written, and no command waits for a writer that never comes.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from uderia_bench.errors import StoreError

OWNER_ONLY = 0o600  # answers may be confidential
LARGEST = 1 << 30  # bytes of a file that is read whole; it ends a device that never does
_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO opened without O_NONBLOCK waits for its other end


def read(path: Path, *, largest: int = LARGEST) -> bytes:
    """Return a regular file's bytes.

    Raises ``FileNotFoundError`` if there is none and ``StoreError`` for anything but a regular file of at most ``largest``
    bytes.
    """
    with _opened(path, os.O_RDONLY) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(_limit(path, descriptor, largest))  # a read of ``largest`` would reserve that much memory


def opened(path: Path, *, largest: int = LARGEST) -> IO[bytes]:
    """Open a regular file to read it bit by bit; raises as ``read`` does."""
    with _opened(path, os.O_RDONLY) as descriptor:
        _limit(path, descriptor, largest)
        return os.fdopen(os.dup(descriptor), "rb")


def made(path: Path) -> IO[bytes]:
    """Open a file to overwrite it, without a buffer. A new file is for its owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY), "wb", buffering=0)


def append(path: Path) -> IO[bytes]:
    """Open a regular file, made for its owner only where there is none, to be written at its end without a buffer."""
    with _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT) as descriptor:
        return os.fdopen(os.dup(descriptor), "ab+", buffering=0)


def write(path: Path, content: bytes | str) -> Path:
    """Write one file whole, or leave the old one; raises ``StoreError`` if it cannot be written."""
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise StoreError(f"{path}: cannot write: {error.strerror or error}") from error
    return path


@contextmanager
def replacing(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """Yield a new file beside ``path``, which it replaces at the end; an error inside leaves ``path`` as it was.

    The name is random and the file is made exclusively, so that it is never one that was there. It is ``synced`` before it
    is renamed, and the folder after: a power cut leaves the old file or the new one.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        if synced:
            _sync(temporary)
        temporary.replace(path)
        if synced:
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def folder(path: Path, *, make: bool = False) -> Path:
    """Return a directory; raises ``StoreError`` for a symbolic link or anything else in its place. ``make`` makes it first."""
    if make:
        with suppress(FileExistsError):
            path.mkdir()
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise StoreError(f"{path}: not a directory of a run but {kind_of(path)}: remove it")
    return path


def regular(path: Path) -> Path:
    """Return a path that libraries may open by name.

    Raises ``FileNotFoundError`` if there is none and ``StoreError`` for anything but a regular file. The file is not opened:
    closing it would release every lock that SQLite holds on it for this process.
    """
    folder(path.parent)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise StoreError(f"{path}: not a file but {kind_of(path)}: remove it")
    return path


def exists(path: Path) -> bool:
    """Whether there is anything of that name, a broken link included."""
    return os.path.lexists(path)


def is_file(path: str | Path) -> bool:
    """Whether there is a file of that name. A name that cannot be looked up, as one of a foreign manifest, has none."""
    return os.path.isfile(path)  # noqa: PTH113 - it raises nothing


def kind_of(path: Path) -> str:
    """Return what a path is, in the words of an error."""
    mode = path.lstat().st_mode
    named = ((stat.S_ISLNK, "a symbolic link"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISDIR, "a directory"))
    return next((name for holds, name in named if holds(mode)), "a device or a socket")


def _limit(path: Path, descriptor: int, largest: int) -> int:
    """Return the size of an open file; raises ``StoreError`` if it is too large."""
    size = os.fstat(descriptor).st_size
    if size > largest:
        raise StoreError(f"{path}: larger than {largest >> 20} MiB: not a file of a run")
    return size


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a regular file by its own name; raises ``StoreError`` for anything else."""
    folder(path.parent)
    try:
        descriptor = os.open(path, flags | _SAFE, OWNER_ONLY)
    except FileNotFoundError:
        raise
    except OSError as error:
        if exists(path) and not stat.S_ISREG(path.lstat().st_mode):
            raise StoreError(f"{path}: not a file but {kind_of(path)}: remove it") from error
        raise StoreError(f"{path}: cannot be opened: {error.strerror or error}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StoreError(f"{path}: not a file but {kind_of(path)}: remove it")
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
