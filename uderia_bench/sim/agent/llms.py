"""LLM configurations of the server, with their speed, verbosity and price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MILLION = 1_000_000
FALLBACK_INPUT_USD, FALLBACK_OUTPUT_USD = 0.10, 0.40  # the server's price of an unknown model


@dataclass(frozen=True, slots=True, kw_only=True)
class Llm:
    """An LLM configuration. Prices are USD per million tokens.

    ``token_s`` is the duration of one output token in seconds.
    """

    configuration_id: str
    name: str
    provider: str
    model: str
    first_token_s: float
    token_s: float
    verbosity: float
    input_factor: float  # tokens of the same prompt, relative to GOOGLE
    input_usd: float
    output_usd: float

    @property
    def label(self) -> str:
        """The model as session files name it."""
        return f"{self.provider}/{self.model}"

    def cost(self, input_tokens: int, output_tokens: int, *, priced: bool) -> float:
        """Return the USD of one call. ``priced=False`` uses the server's fallback price."""
        into, out = (self.input_usd, self.output_usd) if priced else (FALLBACK_INPUT_USD, FALLBACK_OUTPUT_USD)
        return (input_tokens * into + output_tokens * out) / _MILLION

    def document(self) -> dict[str, Any]:
        """Return the configuration as GET /llm/configurations lists it, without credentials."""
        return {
            "credentials": {},
            "id": self.configuration_id,
            "model": self.model,
            "name": self.name,
            "provider": self.provider,
        }


# IDEAT takes about 3 s on GOOGLE, OPTIM about 20 s on FRIENDLI, as in
# docs/reference/seed.md, "Quick comparison".
GOOGLE = Llm(
    configuration_id="1763819257473-ivpnukbbe",
    name="Google Flash",
    provider="Google",
    model="gemini-2.5-flash",
    first_token_s=0.35,
    token_s=0.005,
    verbosity=1.0,
    input_factor=1.0,
    input_usd=0.30,
    output_usd=2.50,
)
FRIENDLI = Llm(
    configuration_id="1763819257483-fluhef2vk",
    name="Friendli - Llama",
    provider="Friendli",
    model="meta-llama-3.3-70b-instruct",
    first_token_s=1.1,
    token_s=0.013,
    verbosity=1.25,
    input_factor=1.03,
    input_usd=0.60,
    output_usd=0.60,
)
LLMS = (GOOGLE, FRIENDLI)
BY_CONFIGURATION = {llm.configuration_id: llm for llm in LLMS}
