"""The run of one task: its events, trace, tokens and truth, and its LLM and tool calls.

Engines decide what happens and call every LLM and every data tool here. ``/sim/truth`` is counted
at these calls, independently of the events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from uderia_bench.sim.agent import skills, tools
from uderia_bench.sim.agent.answers import card
from uderia_bench.sim.agent.draw import INPUT_PER_TURN, TOKENS_PER_TOOL, Draw
from uderia_bench.sim.agent.llms import Llm
from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.agent.scripts import ATTEMPTS, Use
from uderia_bench.sim.capacity import LLM_CALL_S, TOOL_CALL_S
from uderia_bench.sim.memory.knowledge import Found
from uderia_bench.sim.profile_book import ProfileBook
from uderia_bench.sim.sessions import Session
from uderia_bench.sim.state import State, new_id
from uderia_bench.sim.tasks import SORTED, Task
from uderia_bench.sim.trouble.faults import Hit

DEPTH = {"execution_depth": 0}
BYTES_PER_TOKEN = 4
MAPPED_PROMPT_TOKENS = 31  # of another shipped prompt, as measured
RESULT_TOKENS, TOKENS_PER_CELL = 60, 9


class BadPromptError(Exception):
    """The prompt is not a string, so the engine fails."""


class BadProfileError(Exception):
    """The profile cannot run. The text is the server's error message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One finished LLM call."""

    call_id: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    duration_ms: int

    def tokens(self) -> dict[str, Any]:
        """Return cost and tokens under the keys that most events use."""
        return {"cost_usd": self.cost_usd, "input_tokens": self.input_tokens, "output_tokens": self.output_tokens}


# Asks another profile in a new session. The number counts the children of a coordinator, from 1.
# The function is called with the session when its task has started.
Consult = Callable[["Run", Profile, int, Callable[[Session], None]], Awaitable[tuple[Session, Task]]]


class Run:
    """The run of one task. ``trace`` is the planner's execution trace."""

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
        skills: list[str] | None = None,
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
        self.naming_s = 0.0  # naming before the answer
        self.slow_s = 0.0  # added to every LLM call because the prompt asks for it
        self.hit = hit
        self.consult = consult
        self.skills = skills or []  # ids of the skills that the query asks for
        self.skills_applied: list[dict[str, Any]] = []
        self.window: dict[str, Any] = {}  # snapshot of the context window at the start of the turn
        self.found: Found | None = None  # retrieved knowledge
        self.system_events: list[dict[str, Any]] = []
        self._arrived = arrived
        self._held: list[tuple[str | None, Any]] | None = None

    @property
    def llm(self) -> Llm:
        """The LLM of the profile."""
        return self.profile.llm

    @property
    def book(self) -> ProfileBook:
        """The profiles of the user."""
        return self.state.book(self.session.user_uuid)

    @property
    def system_tokens(self) -> int:
        """Tokens that tools, skills and mapped prompts add to a prompt, relative to a shipped profile."""
        tool_tokens = TOKENS_PER_TOOL * (self.profile.tool_count - len(tools.DATA_TOOLS))
        mapped = self.state.switches.mappings.get((self.profile.id, "master_system_prompts", self.llm.provider))
        skill_tokens: int = sum(skill["estimated_tokens"] for skill in self.skills_applied)
        return tool_tokens + skill_tokens + (MAPPED_PROMPT_TOKENS if mapped is not None else 0)

    def apply_skills(self) -> None:
        """Announce the active skills of the profile and those of the query that it enables."""
        known = skills.enabled(self.profile, self.state.switches.skills)
        wanted = [*self.profile.active_skills, *self.skills]
        self.skills_applied = [known[name] for name in dict.fromkeys(wanted) if name in known]
        if self.skills_applied:
            total = sum(skill["estimated_tokens"] for skill in self.skills_applied)
            self.notify("skills_applied", {"skills": self.skills_applied, "total_estimated_tokens": total})

    @property
    def is_text(self) -> bool:
        """Whether the prompt is a string; a client may send anything."""
        prompt: object = self.prompt
        return isinstance(prompt, str)

    def require_text(self) -> None:
        """Raise ``BadPromptError`` for a prompt that is not a string."""
        if not self.is_text:
            raise BadPromptError(f"'{type(self.prompt).__name__}' object is not subscriptable")

    # --- events and trace

    def emit(self, event_type: str | None, data: Any) -> None:
        """Append an event to the task, or hold it back while a parallel group runs."""
        if self._held is not None:
            self._held.append((event_type, data))
            return
        self.task.append(event_type, data, self.clock.stamp())
        ids = {"session_id": self.session.id, "task_id": self.task.id}
        self.state.notifications.task_event(self.session.user_uuid, ids, event_type, data)

    def hold(self) -> None:
        """Hold back events from now on."""
        self._held = []

    def release(self, *, flush: bool = True) -> None:
        """Append the events held back, or drop them as the server does on a cancel."""
        held, self._held = self._held, None
        for event_type, data in held or ():
            if flush:
                self.emit(event_type, data)

    def notify(self, kind: str, payload: dict[str, Any], **extra: Any) -> None:
        """Append a lifecycle event."""
        self.emit("notification", {"payload": payload, "type": kind, **extra})

    def step(self, step: str, kind: str | None, details: Any, **extra: Any) -> None:
        """Append a planner step as an event and as a log entry of the trace."""
        self.log(step, kind, details)
        self.show(step, kind, details, **extra)

    def show(self, step: str, kind: str | None, details: Any, **extra: Any) -> None:
        """Append a planner step as an event only."""
        self.emit(None, {"details": details, "step": step, "type": kind, **extra})

    def log(self, message: str, kind: str | None, details: Any, status: str = "info") -> None:
        """Add a log entry to the trace only."""
        action = {
            "arguments": {"details": details, "message": message},
            "metadata": {**DEPTH, "timestamp": self.clock.stamp(), "type": kind},
            "tool_name": "TDA_SystemLog",
        }
        self.trace.append({"action": action, "result": {"status": status}})

    def indicate(self, target: str, state: str) -> None:
        """Append a status event: ``llm`` or ``db`` is busy or idle."""
        self.emit("status_indicator_update", {"state": state, "target": target})

    def token_update(self, completion: Completion, *, priced: bool = True, **extra: Any) -> None:
        """Append the token counts after a call. ``priced=False`` leaves out the cost."""
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
        """Record a fault in the truth."""
        if name not in self.truth.faults:
            self.truth.faults.append(name)

    def refuse(self, text: str) -> None:
        """Emit the error of a profile that cannot be set up."""
        self.fault("refused")
        self.emit("error", {"error": text, "error_type": "configuration_error", "step": "Finished"})

    def base(self) -> dict[str, Any]:
        """Return the keys that every lifecycle payload has."""
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
        """Send the answer, add it to the session and return the result of the task.

        ``counts`` is False for the error text of a failed agent. ``own`` are further keys of the
        result.
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
        result = {name: value for name, value in result.items() if name != "source" or value is not None}
        fragment = orjson.Fragment(orjson.dumps(result, option=SORTED))
        if counts:
            self.answered(text)
        self.emit("final_answer", fragment)
        self.session.reply(html, text, self.turn, tagged=self.profile.profile_type != "rag_focused")
        return fragment

    def answered(self, text: str) -> None:
        """Record the time of the answer in the truth."""
        self.task.answer = text
        self.truth.latency_s = self.clock.seconds - self._arrived - self.naming_s

    def ended(self) -> None:
        """Record the end of the task in the truth."""
        self.truth.task_s = self.clock.seconds - self._arrived

    def spent(self) -> dict[str, Any]:
        """Return tokens and cost of the turn so far, under the keys of its last event."""
        return {
            "cost_usd": self.cost(),
            "total_input_tokens": self.input_tokens,
            "total_output_tokens": self.output_tokens,
        }

    def cost(self) -> float:
        """Return the cost of the turn in USD, with all tokens at the price of the profile's LLM."""
        return self.llm.cost(self.input_tokens, self.output_tokens, priced=self._is_priced(self.llm))

    def served(self) -> None:
        """Record in the session that the profile and its LLM took part."""
        self.session.served_by(self.profile)
        self._publish_models()

    def called(self, llm: Llm, role: str | None, tag: str | None) -> None:
        """Record an LLM call of the planner in the session (see ``Session.called``)."""
        self.session.called(llm, role, tag)
        self._publish_models()

    def _publish_models(self) -> None:
        self.state.notifications.publish(self.session.user_uuid, "session_model_update", self.session.models())

    def _is_priced(self, llm: Llm) -> bool:
        return llm.provider not in self.state.settings.unpriced

    # --- LLM and tool calls

    async def ask_announced(self, message: str, kind: str, summary: str) -> None:
        """Make an LLM call of the planner: an event before it, a log entry and tokens after it."""
        asked = {"call_id": new_id(), "summary": summary}
        self.show(message, "system_message", asked)
        self.indicate("llm", "busy")
        completion = await self.ask_llm(kind, call_id=asked["call_id"])
        self.called(self.llm, None, self.profile.tag)
        self.log(message, "system_message", {**asked, **completion.tokens()})
        self.indicate("llm", "idle")
        self.token_update(completion)

    async def ask_llm(
        self,
        kind: str,
        *,
        llm: Llm | None = None,
        more_input: int = 0,
        more_output: int = 0,
        call_id: str | None = None,
        own: Llm | None = None,
        factor: float = 1.0,
    ) -> Completion:
        """Make one LLM call of the turn.

        ``llm`` is another LLM than the profile's where overlapping arms mixed them up. Speed and
        price are then those of ``llm``. The tokens are still drawn for the profile's LLM, so that
        they do not depend on other trials. ``own`` is the LLM of a dual-model profile for this
        call. ``factor`` multiplies the tokens.
        """
        more_input += INPUT_PER_TURN * (self.turn - 1) + len(self.prompt) // BYTES_PER_TOKEN
        into, out = self.draw.tokens(kind, own or self.llm, more_input=more_input, more_output=more_output)
        into, out = round(into * factor), max(1, round(out * factor))
        completion = await self._complete(llm or own or self.llm, into, out, call_id or new_id())
        self.input_tokens += into
        self.output_tokens += out
        self.truth.llm_calls += 1
        self.truth.input_tokens += into
        self.truth.output_tokens += out
        return completion

    async def ask_for_name(self, call_id: str, *, in_turn: bool) -> Completion:
        """Make the LLM call that names the session; the truth counts its tokens separately."""
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

    async def call_tool(self, use: Use, attempt: int) -> dict[str, Any]:
        """Make one attempt (from 1) of a tool call and return the result of the tool."""
        await self.clock.sleep(self.draw.tool_seconds(tools.TOOL_SECONDS.get(use.tool, tools.USUAL_TOOL_SECONDS)))
        await self.state.loop.work(TOOL_CALL_S)
        self.truth.tool_calls += 1
        if attempt > use.failures:
            return tools.answer(use.tool, use.arguments, self.today())
        self.fault("tool_error")
        if attempt == ATTEMPTS:
            self.fault("tool_failed")
        return tools.failure(use.tool, use.error)

    def today(self) -> date:
        """Return the date of the server's clock."""
        return date.fromisoformat(self.clock.stamp()[:10])


def size(result: dict[str, Any]) -> int:
    """Return the approximate number of prompt tokens of a result, from its number of cells."""
    return RESULT_TOKENS + TOKENS_PER_CELL * sum(len(row) for row in result.get("results", ()))
