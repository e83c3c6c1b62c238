"""Seals by which a user recognises the changes of servers that their own runs noted on this machine.

Why: ``restore`` and ``resume`` send what the ledger has to the user's server, with the user's rights. A ledger that came
by mail could name any collection to be emptied or deleted. So each noted change has a seal: a keyed hash (HMAC-SHA-256)
whose key only the user can read. Nothing is undone without the right seal, unless the user trusts the run.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from uderia_bench.runs.changes import Noted

KEY_SIZE = 32  # bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals changes with one key. Without a file of the user, the key lives as long as the process."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(KEY_SIZE), repr=False)

    @classmethod
    def kept(cls, file: Path) -> Seal:
        """Return the seal with the key of a file (``kept_key``)."""
        return cls(kept_key(file))

    def of(self, noted: Noted) -> str:
        """Return the seal of a change in its present state."""
        return hmac.new(self.key, orjson.dumps(asdict(noted), option=orjson.OPT_SORT_KEYS), hashlib.sha256).hexdigest()


def kept_key(file: Path) -> bytes:
    """Return the key of a file that only the user can read, which is made if it is missing.

    A file that others can read or have made is not used, and neither is a folder that cannot be written. The key is
    a new one then.
    """
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.path.lexists(file):
            with suppress(FileExistsError):
                _make(file)
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            about, key = os.fstat(opened.fileno()), opened.read(KEY_SIZE)
        mine = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077
        if mine and len(key) == KEY_SIZE:
            return key
    return secrets.token_bytes(KEY_SIZE)


def _make(file: Path) -> None:
    """Write a new key in one step, so that no other process reads half of it; raises ``FileExistsError``."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as opened:
        opened.write(secrets.token_bytes(KEY_SIZE))
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
