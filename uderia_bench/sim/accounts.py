"""Sign-in: the user account, tokens that expire, and the limits on sign-ins.

Source: docs/reference/protocol.md, "Signing in".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from uderia_bench.sim.clock import Clock

_TOKEN_HOURS = 24
_MINUTE_S = 60
_FREE_FAILURES = 1  # the first wrong password has no waiting time
_MOST_FAILURES = 5
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2, 30
_LOCKED_S = 15 * _MINUTE_S
_PREFIX_LENGTH = 12
_WRONG = {"message": "Invalid username or password", "status": "error"}


@dataclass(slots=True)
class _Bucket:
    """Remaining sign-ins of one address, refilled at a constant rate."""

    left: float
    at: float


@dataclass(slots=True)
class _Failures:
    """Number of consecutive wrong passwords, and the time of the next allowed attempt."""

    count: int = 0
    next_try: float = 0.0


@dataclass(slots=True, kw_only=True)
class User:
    """A user account. The password equals the username."""

    username: str
    full_name: str
    is_admin: bool
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: str = ""
    last_login_at: str | None = None
    failures: _Failures = field(default_factory=_Failures)

    @property
    def email(self) -> str:
        """The e-mail address."""
        return f"{self.username}@example.com"


def _users() -> tuple[User, ...]:
    """Return the accounts of a new server."""
    return (
        User(username="admin", full_name="System Administrator", is_admin=True),
        User(username="analyst", full_name="Data Analyst", is_admin=False),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and its JSON body."""

    status: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A long-lived token with the data that its creation returns."""

    token: str
    token_id: str
    name: str
    created_at: str
    expires_at: str | None


@dataclass(slots=True)
class Accounts:
    """The user accounts, their tokens and their sign-in limits."""

    clock: Clock
    login_limit: int
    users: tuple[User, ...] = field(default_factory=_users)
    _valid: dict[str, tuple[User, float]] = field(default_factory=dict)  # token -> user, epoch second of its expiry
    _access: dict[str, AccessToken] = field(default_factory=dict)  # by token id
    _uses: dict[str, tuple[int, str | None]] = field(default_factory=dict)  # access token -> number of uses, time of the last
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _buckets: dict[str, _Bucket] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for user in self.users:
            user.created_at = self.clock.local_stamp()

    def user(self, user_uuid: str) -> User:
        """Return the user with a uuid."""
        return next(user for user in self.users if user.uuid == user_uuid)

    def user_of(self, authorization: str | None) -> User | None:
        """Return the user of an Authorization header, None without a valid token."""
        if authorization is None or not authorization.startswith("Bearer "):
            return None
        token = authorization.removeprefix("Bearer ")
        user, ends = self._valid.get(token, (None, 0.0))
        if user is None or self.clock.epoch >= ends:
            return None
        if token in self._uses:
            self._uses[token] = (self._uses[token][0] + 1, self.clock.local_stamp())
        return user

    def log_in(self, address: str, body: Any) -> Answer:
        """Answer a sign-in. ``body`` is the decoded JSON, None without any."""
        wait = self._take_from_bucket(address)
        if wait is not None:
            return Answer(429, {"message": "Login rate limit exceeded", "retry_after": wait, "status": "error"})
        malformed = self._malformed(body)
        if malformed is not None:
            return malformed
        user = next((user for user in self.users if user.username == body["username"].strip()), None)
        if user is None:
            return Answer(401, dict(_WRONG))
        return self._too_soon(user) or self._check(user, body["password"])

    @staticmethod
    def _malformed(body: Any) -> Answer | None:
        if not isinstance(body, dict) or not all(isinstance(body.get(key, ""), str) for key in ("username", "password")):
            return Answer(500, {"message": "Server error during login", "status": "error"})
        if not body.get("username", "").strip() or not body.get("password"):
            return Answer(400, {"message": "Username and password are required", "status": "error"})
        return None

    def _check(self, user: User, password: str) -> Answer:
        if password != user.username:
            return self._wrong_password(user)
        user.failures = _Failures()
        user.last_login_at = self.clock.local_stamp()
        shown = {
            "display_name": None,
            "email": user.email,
            "id": user.uuid,
            "is_admin": user.is_admin,
            "user_uuid": user.uuid,
            "username": user.username,
        }
        return Answer(200, {"message": "Login successful", "status": "success", "token": self._issue(user), "user": shown})

    def refresh(self, token: str) -> Answer:
        """Replace a token and revoke the old one."""
        user, _ = self._valid[token]
        self.revoke(token)
        return Answer(200, {"message": "Token refreshed successfully", "status": "success", "token": self._issue(user)})

    def revoke(self, token: str) -> None:
        """Revoke a token."""
        self._valid.pop(token, None)

    def expire(self) -> None:
        """Expire every sign-in token; access tokens stay valid."""
        self._valid = {token: valid for token, valid in self._valid.items() if token in self._uses}

    def create_access_token(self, user: User, name: str, expires_in_days: int | None) -> AccessToken:
        """Create a ``tda_`` access token."""
        now = datetime.fromtimestamp(self.clock.epoch, UTC)
        ends = None if expires_in_days is None else now + timedelta(days=expires_in_days)
        token = f"tda_{secrets.token_urlsafe(32)}"
        self._valid[token] = (user, float("inf") if ends is None else ends.timestamp())
        made = AccessToken(
            token=token,
            token_id=str(uuid.uuid4()),
            name=name,
            created_at=now.isoformat(timespec="microseconds"),
            expires_at=None if ends is None else ends.isoformat(timespec="microseconds"),
        )
        self._access[made.token_id] = made
        self._uses[token] = (0, None)
        return made

    def access_tokens(self, user: User) -> list[dict[str, Any]]:
        """List the valid access tokens by id and prefix."""
        return [
            {
                "created_at": made.created_at,
                "expires_at": made.expires_at,
                "id": token_id,
                "last_used_at": self._uses[made.token][1],
                "name": made.name,
                "token_prefix": prefix(made.token),
                "use_count": self._uses[made.token][0],
            }
            for token_id, made in self._access.items()
            if self._valid[made.token][0] is user
        ]

    def revoke_access_token(self, token_id: str) -> bool:
        """Revoke an access token; return False for an unknown id."""
        made = self._access.pop(token_id, None)
        if made is None:
            return False
        self.revoke(made.token)
        del self._uses[made.token]
        return True

    @staticmethod
    def me(user: User) -> dict[str, Any]:
        """Return the user as GET /auth/me shows it."""
        return {
            "created_at": user.created_at,
            "display_name": None,
            "email": user.email,
            "email_verified": False,
            "full_name": user.full_name,
            "id": user.uuid,
            "is_active": True,
            "is_admin": user.is_admin,
            "last_login_at": user.last_login_at,
            "license_tier": "Standard",
            "marketplace_visible": True,
            "oauth_provider": None,
            "profile_tier": "admin" if user.is_admin else "user",
            "user_uuid": user.uuid,
            "username": user.username,
        }

    def _issue(self, user: User) -> str:
        now = int(self.clock.epoch)
        ends = now + _TOKEN_HOURS * 3600
        claims = {"exp": ends, "iat": now, "jti": str(uuid.uuid4()), "user_id": user.uuid, "username": user.username}
        signed = b".".join(_base64(orjson.dumps(part)) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        token = (signed + b"." + _base64(hmac.digest(self._secret, signed, hashlib.sha256))).decode()
        self._valid[token] = (user, ends)
        return token

    def _take_from_bucket(self, address: str) -> int | None:
        """Return the seconds until the next allowed sign-in, None if this one is allowed."""
        if self.login_limit == 0:
            return None
        now = self.clock.seconds
        bucket = self._buckets.setdefault(address, _Bucket(self.login_limit, now))
        per_second = self.login_limit / _MINUTE_S
        bucket.left = min(self.login_limit, bucket.left + (now - bucket.at) * per_second)
        bucket.at = now
        if bucket.left >= 1:
            bucket.left -= 1
            return None
        return max(1, round((1 - bucket.left) / per_second))

    def _too_soon(self, user: User) -> Answer | None:
        """Refuse the user during a waiting time or a lock, also with the right password."""
        left = user.failures.next_try - self.clock.seconds
        if user.failures.count <= _FREE_FAILURES or left <= 0:
            return None
        if user.failures.count >= _MOST_FAILURES:
            return _locked(left)
        wait = max(1, int(left))
        message = f"Please wait {wait} seconds before trying again."
        return Answer(429, {"message": message, "must_wait": True, "status": "error", **_attempts(user, wait)})

    def _wrong_password(self, user: User) -> Answer:
        failures = user.failures
        failures.count += 1
        if failures.count <= _FREE_FAILURES:
            return Answer(401, dict(_WRONG))
        if failures.count >= _MOST_FAILURES:
            failures.next_try = self.clock.seconds + _LOCKED_S
            return _locked(_LOCKED_S)
        delay = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (failures.count - 2))
        failures.next_try = self.clock.seconds + delay
        wait = max(1, delay - 1)  # the server shows whole seconds, rounded down
        left = _MOST_FAILURES - failures.count
        message = f"Invalid password. Please wait {wait} seconds before trying again. {left} attempts remaining."
        return Answer(401, {"message": message, "status": "error"} | _attempts(user, wait))


def _attempts(user: User, wait: int) -> dict[str, Any]:
    count = user.failures.count
    return {"failed_attempts": count, "remaining_attempts": _MOST_FAILURES - count, "retry_after_seconds": wait}


def _locked(seconds: float) -> Answer:
    minutes = max(1, round(seconds / _MINUTE_S))
    message = f"Account is locked due to too many failed attempts. Please try again in {minutes} minutes."
    return Answer(401, {"locked": True, "message": message, "retry_after_minutes": minutes, "status": "error"})


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def prefix(token: str) -> str:
    """Return the visible prefix of an access token."""
    return token[:_PREFIX_LENGTH]
