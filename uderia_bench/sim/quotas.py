"""Quotas of the user: LLM calls an hour and a day, tokens a month. Each task checks them.

Source: docs/reference/protocol.md, "Quotas".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uderia_bench.sim.clock import Clock

CALLS_PER_HOUR = 1000  # default of the real server, with 10,000 a day
OVER_THE_HOUR = "Rate limit exceeded: Hourly limit exceeded ({} requests/hour)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The limits; None means no limit."""

    calls_per_hour: int | None = None
    calls_per_day: int | None = None
    input_tokens_per_month: int | None = None
    output_tokens_per_month: int | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise ValueError(f"{name} must be 0 or more, not {limit}")


class QuotaExceededError(Exception):
    """A quota is used up. The text is the server's error message."""


@dataclass(slots=True)
class Meter:
    """Counts the use of the quotas by UTC hour, day and month. Naming calls count too."""

    clock: Clock
    quotas: Quotas
    _counted: dict[tuple[str, str], int] = field(default_factory=dict)

    def count(self, input_tokens: int, output_tokens: int) -> None:
        """Count one LLM call."""
        for what, period, amount in (
            ("calls_per_hour", self._hour(), 1),
            ("calls_per_day", self._day(), 1),
            ("input_tokens_per_month", self._month(), input_tokens),
            ("output_tokens_per_month", self._month(), output_tokens),
        ):
            self._counted[what, period] = self._counted.get((what, period), 0) + amount

    def require(self) -> None:
        """Raise ``QuotaExceededError`` if a limit is used up."""
        quotas = self.quotas
        for what, period, text in (
            ("calls_per_hour", self._hour(), OVER_THE_HOUR),
            ("calls_per_day", self._day(), "Rate limit exceeded: Daily limit exceeded ({} requests/day)"),
            ("input_tokens_per_month", self._month(), "Token quota exceeded: Input token quota exceeded ({} tokens/month)"),
            ("output_tokens_per_month", self._month(), "Token quota exceeded: Output token quota exceeded ({} tokens/month)"),
        ):
            limit = getattr(quotas, what)
            if limit is not None and self._counted.get((what, period), 0) >= limit:
                raise QuotaExceededError(text.format(limit))

    def status(self) -> dict[str, Any]:
        """Return the quotas as ``GET /auth/user/quota-status`` shows them."""
        document, quotas = self.document(), self.quotas
        tokens = {
            name: {
                "limit": limit,
                "percentage_used": 0 if not limit else round(100 * document[f"{name}_per_month"]["used"] / limit, 1),
                "remaining": None if limit is None else max(0, limit - document[f"{name}_per_month"]["used"]),
                "used": document[f"{name}_per_month"]["used"],
            }
            for name, limit in (
                ("input_tokens", quotas.input_tokens_per_month),
                ("output_tokens", quotas.output_tokens_per_month),
            )
        }
        limits = {
            "config_changes_per_hour": 100,
            "prompts_per_day": quotas.calls_per_day or 10 * CALLS_PER_HOUR,
            "prompts_per_hour": quotas.calls_per_hour or CALLS_PER_HOUR,
        }
        profile = {"profile_id": 4, "profile_name": "Unlimited", "rate_limits": limits}
        return {"has_quota": True, "period": self._month(), **profile, **tokens}

    def document(self) -> dict[str, Any]:
        """Return the limits and their use."""
        periods = {"calls_per_hour": self._hour(), "calls_per_day": self._day()}
        return {
            name: {"limit": getattr(self.quotas, name), "used": self._counted.get((name, periods.get(name, self._month())), 0)}
            for name in Quotas.__slots__
        }

    def _now(self) -> str:
        return datetime.fromtimestamp(self.clock.epoch, UTC).isoformat()

    def _hour(self) -> str:
        return self._now()[: len("2026-11-24T13")]

    def _day(self) -> str:
        return self._now()[: len("2026-11-24")]

    def _month(self) -> str:
        return self._now()[: len("2026-11")]
