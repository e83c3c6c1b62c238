"""Files that a user names with ``-o``.

A regular file is replaced only on request, as a whole, and keeps its mode. A link is followed. A pipe, a terminal or
another device is written through. A file of another user, or with a second name (a hard link), is written through too:
in its place a new file would have another owner or only one name.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from uderia_bench.errors import StoreError, UsageError

_DEVICES = ("/dev/", "/proc/")  # such as /dev/stdout, which is a regular file where the shell redirects to one

_LINKS = 40  # as many as Linux follows


def save(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write a text in UTF-8. Raises ``StoreError`` where the file cannot be written."""
    if not overwrite:
        refuse_existing(path)
    with saving(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def refuse_existing(path: Path) -> None:
    """Raise ``UsageError`` for a regular file that exists. A device or a pipe is for writing."""
    with suppress(OSError):  # a path that cannot be looked at cannot be written either, which ``saving`` says
        if not path.is_file() or _is_device(path):
            return
        raise UsageError(f"{path}: exists already. Use --overwrite to replace it")


@contextmanager
def saving(path: Path) -> Iterator[Path]:
    """Yield a new file to write, which takes the place of ``path``, or is copied into it, afterwards.

    Raises ``StoreError`` where ``path`` cannot be written. Nothing is left behind then.
    """
    folder: Path | None = None
    try:
        target = path.resolve(strict=False)
        through = _written_through(path, target)
        folder = Path(tempfile.mkdtemp(prefix=".uderia-bench-", dir=None if through else target.parent))
        temporary = folder / (target.name or "file")
        yield temporary
        if through:
            _copy(temporary, path)
        else:
            temporary.chmod(_mode(target))
            temporary.replace(target)
    except (OSError, RuntimeError) as error:  # the latter for a link that leads to itself, before Python 3.13
        lacks = f"no directory {path.parent}; make it first" if isinstance(error, FileNotFoundError) else None
        raise StoreError(f"{path}: cannot be written: {lacks or getattr(error, 'strerror', None) or error}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _is_device(path: Path) -> bool:
    """Whether a path, or a link on its way, is below ``/dev`` or ``/proc``."""
    path = path.absolute()
    for _ in range(_LINKS):
        if str(path).startswith(_DEVICES) or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return str(path).startswith(_DEVICES)


def _written_through(path: Path, target: Path) -> bool:
    if _is_device(path):
        return True
    with suppress(FileNotFoundError):
        found = target.stat()
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(None, "it is a directory")
        shared = found.st_nlink > 1 or found.st_uid != os.geteuid()
        return shared or not stat.S_ISREG(found.st_mode) or not os.access(target.parent, os.W_OK)
    return False


def _copy(source: Path, path: Path) -> None:
    """Append to what is there, as a device has no beginning. A regular file is emptied first."""
    regular = path.is_file() and not _is_device(path)
    with source.open("rb") as content, path.open("wb" if regular else "ab", buffering=0) as there:
        shutil.copyfileobj(content, there)


def _mode(target: Path) -> int:
    """Return the mode of an existing file, and for a new one what the umask leaves."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
