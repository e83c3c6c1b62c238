"""One task being executed: the pen that writes its events, trace, tokens and truth, and the calls that cost time.

Engines decide what happens; every LLM and every data tool is called here, so that what ``/sim/truth`` says was counted where it
happened. A call waits, is counted, and only then returns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from uderia_bench.sim.agent import tools
from uderia_bench.sim.agent.agent import INPUT_PER_TURN, Draw
from uderia_bench.sim.agent.answers import card
from uderia_bench.sim.agent.knowledge import Found
from uderia_bench.sim.agent.llms import Llm
from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.agent.scripts import ATTEMPTS, Use
from uderia_bench.sim.capacity import LLM_CALL_S, TOOL_CALL_S
from uderia_bench.sim.sessions import Session
from uderia_bench.sim.state import State, new_id
from uderia_bench.sim.tasks import SORTED, Task
from uderia_bench.sim.trouble.faults import Hit

DEPTH = {"execution_depth": 0}
BYTES_PER_TOKEN = 4
RESULT_TOKENS, TOKENS_PER_CELL = 60, 9


class BadPromptError(Exception):
    """A prompt that is no text, over which the engines trip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One LLM call that came back."""

    call_id: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    duration_ms: int

    def tokens(self) -> dict[str, Any]:
        """Return the keys most places repeat."""
        return {"cost_usd": self.cost_usd, "input_tokens": self.input_tokens, "output_tokens": self.output_tokens}


# Asking another profile, in a session of its own; the number counts a coordinator's children.
Consult = Callable[["Run", Profile, int], Awaitable[tuple[Session, Task]]]


class Run:
    """The run of one task. ``trace`` is the execution trace of the planning engine, empty for the others."""

    def __init__(
        self,
        *,
        state: State,
        task: Task,
        session: Session,
        profile: Profile,
        prompt: str,
        draw: Draw,
        hit: Hit,
        arrived: float,
        consult: Consult,
    ) -> None:
        self.state = state
        self.clock = state.clock
        self.task = task
        self.session = session
        self.profile = profile
        self.prompt = prompt
        self.draw = draw
        self.turn = session.next_turn
        self.truth = task.ledger
        self.trace: list[dict[str, Any]] = []
        self.input_tokens = 0
        self.output_tokens = 0
        self.naming_s = 0.0  # the part of naming that came before the answer
        self.slow_s = 0.0  # what the prompt asks every LLM call to take longer
        self.hit = hit
        self.consult = consult
        self.window: dict[str, Any] = {}  # the snapshot of the context window at the turn's start
        self.found: Found | None = None  # the knowledge looked up for it
        self.system_events: list[dict[str, Any]] = []
        self._arrived = arrived
        self._held: list[tuple[str | None, Any]] | None = None

    @property
    def llm(self) -> Llm:
        """The profile's own LLM."""
        return self.profile.llm

    def require_text(self) -> None:
        """Trip over a prompt that is no text, as late as the server does."""
        if not isinstance(self.prompt, str):
            raise BadPromptError(f"'{type(self.prompt).__name__}' object is not subscriptable")

    # --- writing

    def emit(self, event_type: str | None, data: Any) -> None:
        """Append one event to the task, or keep it back while a parallel group runs."""
        if self._held is not None:
            self._held.append((event_type, data))
            return
        self.task.append(event_type, data, self.clock.stamp())
        ids = {"session_id": self.session.id, "task_id": self.task.id}
        self.state.notifications.task_event(self.session.user_uuid, ids, event_type, data)

    def hold(self) -> None:
        """Keep events back from here on."""
        self._held = []

    def release(self, *, flush: bool = True) -> None:
        """Append the events kept back in one flush, or lose them as the server does when a group is cut short."""
        held, self._held = self._held, None
        for event_type, data in held or ():
            if flush:
                self.emit(event_type, data)

    def notify(self, kind: str, payload: dict[str, Any]) -> None:
        """Append one lifecycle event."""
        self.emit("notification", {"payload": payload, "type": kind})

    def step(self, step: str, kind: str | None, details: Any, **extra: Any) -> None:
        """Append one step of the planning engine, and log it in the trace."""
        self.log(step, kind, details)
        self.show(step, kind, details, **extra)

    def show(self, step: str, kind: str | None, details: Any, **extra: Any) -> None:
        """Append one step that the trace does not keep."""
        self.emit(None, {"details": details, "step": step, "type": kind, **extra})

    def log(self, message: str, kind: str | None, details: Any, status: str = "info") -> None:
        """Log one message in the trace only."""
        action = {
            "arguments": {"details": details, "message": message},
            "metadata": {**DEPTH, "timestamp": self.clock.stamp(), "type": kind},
            "tool_name": "TDA_SystemLog",
        }
        self.trace.append({"action": action, "result": {"status": status}})

    def indicate(self, target: str, state: str) -> None:
        """Append a busy or idle mark for the ``llm`` or the ``db``."""
        self.emit("status_indicator_update", {"state": state, "target": target})

    def token_update(self, completion: Completion, *, priced: bool = True, **extra: Any) -> None:
        """Append the running token counts after a call; one kind of them carries no cost."""
        cost = {"cost_usd": completion.cost_usd} if priced else {}
        self.emit(
            "token_update",
            {
                "call_id": completion.call_id,
                **cost,
                "statement_input": completion.input_tokens,
                "statement_output": completion.output_tokens,
                "total_input": self.session.input_tokens,
                "total_output": self.session.output_tokens,
                "turn_input": self.input_tokens,
                "turn_output": self.output_tokens,
                **extra,
            },
        )

    def fault(self, name: str) -> None:
        """Note in the truth that something went wrong."""
        if name not in self.truth.faults:
            self.truth.faults.append(name)

    def base(self) -> dict[str, Any]:
        """Return the keys of every lifecycle payload."""
        return {
            "model": self.llm.model,
            "profile_tag": self.profile.tag,
            "profile_type": self.profile.profile_type,
            "provider": self.llm.provider,
            "session_id": self.session.id,
            "timestamp": self.clock.stamp(),
            "turn_id": self.turn,
        }

    def answer(self, text: str, *, counts: bool, **own: Any) -> orjson.Fragment:
        """Send the answer and put it into the session; return it as the task's result, with what is the engine's ``own``.

        ``counts``: it is one, and no apology of an agent that failed.
        """
        html = card(text)
        result = {
            "final_answer": html,
            "final_answer_text": text,
            "is_session_primer": False,
            "session_id": self.session.id,
            "source": "rest",
            "step": "Finished",
            "turn_id": self.turn,
            **own,
        }
        fragment = orjson.Fragment(orjson.dumps(result, option=SORTED))
        if counts:
            self.answered(text)
        self.emit("final_answer", fragment)
        self.session.reply(html, text, self.turn)
        return fragment

    def answered(self, text: str) -> None:
        """Note that the answer is out."""
        self.task.answer = text
        self.truth.latency_s = self.clock.seconds - self._arrived - self.naming_s

    def ended(self) -> None:
        """Note in the truth that the task is over."""
        self.truth.task_s = self.clock.seconds - self._arrived

    def spent(self) -> dict[str, Any]:
        """Return what the turn cost so far, under the keys its last event uses."""
        return {
            "cost_usd": self.cost(),
            "total_input_tokens": self.input_tokens,
            "total_output_tokens": self.output_tokens,
        }

    def cost(self) -> float:
        """USD of the turn as the server prices it: all tokens at the profile's own model."""
        return self.llm.cost(self.input_tokens, self.output_tokens, priced=self._is_priced(self.llm))

    def served(self) -> None:
        """Note in the session that the profile and its model take part."""
        self.session.served_by(self.profile)
        self._tell_models()

    def called(self, llm: Llm, role: str | None, tag: str | None) -> None:
        """Note in the session one LLM call of the planning engine, as ``Session.called``."""
        self.session.called(llm, role, tag)
        self._tell_models()

    def _tell_models(self) -> None:
        self.state.notifications.publish(self.session.user_uuid, "session_model_update", self.session.models())

    def _is_priced(self, llm: Llm) -> bool:
        return llm.provider not in self.state.settings.unpriced

    # --- calling

    async def ask_llm(
        self, kind: str, *, llm: Llm | None = None, more_input: int = 0, more_output: int = 0, call_id: str | None = None
    ) -> Completion:
        """Make one LLM call of the turn. ``llm`` is another than the profile's where the server mixed them up.

        The tokens are the profile's own draw even then: a trial's tokens must not depend on what ran beside it. Speed and price
        are those of the model that really wrote.
        """
        more_input += INPUT_PER_TURN * (self.turn - 1) + len(self.prompt) // BYTES_PER_TOKEN
        into, out = self.draw.tokens(kind, self.llm, more_input=more_input, more_output=more_output)
        completion = await self._complete(llm or self.llm, into, out, call_id or new_id())
        self.input_tokens += into
        self.output_tokens += out
        self.truth.llm_calls += 1
        self.truth.input_tokens += into
        self.truth.output_tokens += out
        return completion

    async def ask_for_name(self, call_id: str, *, in_turn: bool) -> Completion:
        """Make the LLM call that names the session, in the turn's tokens or not; it is none of the truth's calls."""
        into, out = self.draw.tokens("naming", self.llm, more_input=len(self.prompt) // BYTES_PER_TOKEN)
        completion = await self._complete(self.llm, into, out, call_id)
        if in_turn:
            self.input_tokens += into
            self.output_tokens += out
        self.truth.naming_tokens += into + out
        return completion

    async def _complete(self, llm: Llm, into: int, out: int, call_id: str) -> Completion:
        started = self.clock.seconds
        usual = (llm.first_token_s + out * llm.token_s) * self.draw.llm_noise()
        await self.clock.sleep(usual * self.hit.factor + self.slow_s)
        await self.state.loop.work(LLM_CALL_S)
        self.state.meter.count(into, out)
        self.session.spend(into, out)
        return Completion(
            call_id=call_id,
            input_tokens=into,
            output_tokens=out,
            cost_usd=llm.cost(into, out, priced=self._is_priced(llm)),
            duration_ms=round((self.clock.seconds - started) * 1000),
        )

    async def call_tool(self, use: Use, attempt: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Make one attempt (from 1) of a tool use; return its arguments and the tool's result."""
        await self.clock.sleep(self.draw.tool_seconds(tools.TOOL_SECONDS.get(use.tool, tools.USUAL_TOOL_SECONDS)))
        await self.state.loop.work(TOOL_CALL_S)
        self.truth.tool_calls += 1
        if attempt > use.failures:
            return use.arguments, tools.answer(use.tool, use.arguments, self.today())
        self.fault("tool_error")
        if attempt == ATTEMPTS:
            self.fault("tool_failed")
        return use.bad_arguments, tools.failure(use.tool, use.error)

    def today(self) -> date:
        """Return today by the server's clock."""
        return date.fromisoformat(self.clock.stamp()[:10])


def size(result: dict[str, Any]) -> int:
    """Return about how many tokens a result takes in a prompt: by its cells, so that no value changes a trial's tokens."""
    return RESULT_TOKENS + TOKENS_PER_CELL * sum(len(row) for row in result.get("results", ()))
