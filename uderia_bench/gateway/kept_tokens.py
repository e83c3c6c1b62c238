"""Tokens of earlier sign-ins, in a file of the user's cache directory that only the user can read.

Why: a server accepts 5 sign-ins a minute, and every command needs one. Commands that start together sign in one after the
other, so that the first one's token serves all of them. A token is bound to the server's address. One
of ``uderia-bench login`` is used without a password. One of a sign-in with a password is used only with that password,
of which the file contains a salted hash (scrypt).

The file is a cache. If it cannot be read or written, commands sign in as without it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import orjson

MOST_KEPT = 50  # tokens; the oldest are dropped
LARGEST_FILE = 2**20  # bytes
LOOK_AGAIN_S = 0.05
LONGEST_TURN_S = 100.0  # a sign-in waits up to 90 s for a limit
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIELDS = ("server", "username", "token", "salt", "hash")


def default_file(environ: Mapping[str, str]) -> Path:
    """Return the file in the user's cache directory: ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    given = environ.get("XDG_CACHE_HOME", "")
    cache = Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / ".cache"  # noqa: PTH111, PTH117 - no error without a home
    return cache / "uderia-bench" / "tokens.json"


class KeptTokens:
    """The file of tokens."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def of_login(self, server: str) -> str | None:
        """Return the token of the last ``uderia-bench login`` at a server."""
        server = _usual(server)
        return next((each["token"] for each in self._read() if each["server"] == server and not each["hash"]), None)

    def of_password(self, server: str, username: str, password: str) -> str | None:
        """Return the token of the last sign-in with this name and password."""
        server = _usual(server)
        for each in self._read():
            if (each["server"], each["username"]) == (server, username) and each["hash"]:
                with suppress(ValueError):  # a damaged salt
                    if secrets.compare_digest(_hash(password, each["salt"]), each["hash"]):
                        return each["token"]
        return None

    def keep(self, server: str, username: str, token: str, *, password: str | None) -> bool:
        """Keep a token; without ``password`` as one of ``uderia-bench login``. False if the file cannot be written."""
        server = _usual(server)
        salt = "" if password is None else secrets.token_hex(16)
        hashed = "" if password is None else _hash(password, salt)
        new = dict(zip(_FIELDS, (server, username, token, salt, hashed), strict=True))
        others = [
            each
            for each in self._read()
            if (each["server"], each["username"], bool(each["hash"])) != (server, username, bool(hashed))
        ]
        return self._write([new, *others][:MOST_KEPT])

    @asynccontextmanager
    async def turn(self, server: str) -> AsyncGenerator[None]:
        """Wait until no other command signs in at a server. Without locks, or after ``LONGEST_TURN_S``, go on at once.

        The system releases the lock when a process ends, however it ends.
        """
        name = hashlib.sha256(_usual(server).encode()).hexdigest()[:32]
        lock = None
        try:
            with suppress(OSError):
                self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = os.open(
                    self.file.with_name(f"{name}.signin"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
                )
            with suppress(OSError), anyio.move_on_after(LONGEST_TURN_S):
                while lock is not None and not _taken(lock):  # noqa: ASYNC110 - the system has no event for it
                    await anyio.sleep(LOOK_AGAIN_S)
            yield
        finally:
            if lock is not None:
                os.close(lock)

    def _read(self) -> list[dict[str, str]]:
        """Return the tokens, the newest first. A file that others can read or have made is ignored."""
        try:
            opened = os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(opened, "rb") as file:
                about = os.fstat(file.fileno())
                mine = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077
                if not mine or about.st_size > LARGEST_FILE:
                    return []
                data = orjson.loads(file.read(LARGEST_FILE))
        except (OSError, ValueError):
            return []
        listed = data.get("tokens") if isinstance(data, dict) else None
        return [each for each in listed if _whole(each)] if isinstance(listed, list) else []

    def _write(self, tokens: list[dict[str, str]]) -> bool:
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened, name = tempfile.mkstemp(dir=self.file.parent)  # for its owner only
            try:
                with os.fdopen(opened, "wb") as file:
                    file.write(orjson.dumps({"version": 1, "tokens": tokens}))
                Path(name).replace(self.file)
            except BaseException:
                Path(name).unlink()
                raise
        except OSError:
            return False
        return True


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _usual(server: str) -> str:
    """Return an address in its usual form: scheme and host in lower case, and no default port."""
    parts = urlsplit(server)
    port = None if parts.port == _DEFAULT_PORTS.get(parts.scheme) else parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def _whole(entry: Any) -> bool:
    return isinstance(entry, dict) and all(isinstance(entry.get(name), str) for name in _FIELDS)


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1).hex()
