"""The LLM configurations of the server, and how each of them behaves: speed, verbosity, price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MILLION = 1_000_000
FALLBACK_INPUT_USD, FALLBACK_OUTPUT_USD = 0.10, 0.40  # what the server assumes for a model it has no price for


@dataclass(frozen=True, slots=True, kw_only=True)
class Llm:
    """One LLM configuration. Prices are USD per million tokens; ``token_s`` is seconds for each output token."""

    configuration_id: str
    name: str
    provider: str
    model: str
    first_token_s: float
    token_s: float
    verbosity: float
    input_factor: float  # tokenizers differ: the same prompt is not the same number of tokens
    input_usd: float
    output_usd: float

    @property
    def label(self) -> str:
        """The model as the server's session file names it."""
        return f"{self.provider}/{self.model}"

    def cost(self, input_tokens: int, output_tokens: int, *, priced: bool) -> float:
        """USD for one call, by the fallback where the server has no price for the model and does not say so."""
        into, out = (self.input_usd, self.output_usd) if priced else (FALLBACK_INPUT_USD, FALLBACK_OUTPUT_USD)
        return (input_tokens * into + output_tokens * out) / _MILLION

    def document(self) -> dict[str, Any]:
        """Return the configuration as GET /llm/configurations lists it; this server keeps no credentials."""
        return {
            "credentials": {},
            "id": self.configuration_id,
            "model": self.model,
            "name": self.name,
            "provider": self.provider,
        }


# So that the shipped profiles resemble docs/reference/seed.md, "Quick comparison": IDEAT about 3 s
# on the quick one, OPTIM about 20 s on the other.
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
