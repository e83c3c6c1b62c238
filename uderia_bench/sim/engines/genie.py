"""Engine of genie: a coordinator asks expert profiles in separate sessions and joins their answers.

As on the real server, its turn counts the coordinator's tokens, and the sessions of the experts
count theirs. The experts are asked in parallel. The answer of a single expert is passed on without
a synthesis (docs/reference/protocol.md, "Retrieval and genie events"). The experts are asked inside
this process; the real coordinator calls port 5050.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from uderia_bench.sim.agent import answers, questions, scripts
from uderia_bench.sim.agent.profiles import Profile
from uderia_bench.sim.engines import naming, turns
from uderia_bench.sim.engines.run import Completion, Run
from uderia_bench.sim.memory import knowledge
from uderia_bench.sim.sessions import Session
from uderia_bench.sim.tasks import SORTED

_SET_UP_S = 0.05
_REFUSED = "The coordinator could not be set up: none of its experts is reachable."
_PREVIEW_SHOWN, _RESPONSE_SHOWN = 200, 500
_CHARACTERS_PER_TOKEN = 4
_ERROR = "Error during coordination: "
_DOWN = "The model is overloaded. Please try again later."


async def play(run: Run) -> orjson.Fragment | None:
    """Play the turn, save it and return the result of the task, None if the turn was refused."""
    await run.state.loop.work(_SET_UP_S)
    run.require_text()
    script = scripts.knowledge_script(run.prompt, run.draw)
    run.slow_s = script.slow_s
    if script.refused or not _known(run):
        run.refuse(_REFUSED)
        return None
    return await _Turn(run, script).carry_out()


def _experts(run: Run) -> tuple[Profile, ...]:
    """Return the experts whose documents or data match the prompt."""
    known = _known(run)
    about_knowledge = any(_has_documents(run, expert) for expert in known if expert.profile_type == "rag_focused")
    about_data = questions.understood(run.prompt)
    chosen = [
        expert
        for expert in known
        if (_has_documents(run, expert) if expert.profile_type == "rag_focused" else about_data or not about_knowledge)
    ]
    return tuple(chosen or known[:1])


def _known(run: Run) -> list[Profile]:
    """Return the experts of the coordinator; deleted profiles are left out."""
    named = run.profile.section("genieConfig").get("slaveProfiles")
    found = [run.book.get(profile_id) for profile_id in named] if isinstance(named, list) else []
    return [expert for expert in found if expert is not None and expert.profile_type != "genie"]


def _has_documents(run: Run, expert: Profile) -> bool:
    """Return whether the expert's documents match the prompt."""
    config = expert.section("knowledgeConfig")
    searched = knowledge.configured(run.state.collections, config)
    return bool(knowledge.search(searched, config, run.prompt, duration_ms=0).chunks)


class _Turn:
    """One turn of a coordinator."""

    def __init__(self, run: Run, script: scripts.AgentScript) -> None:
        self.run = run
        self.script = script
        self.events: list[dict[str, Any]] = []
        self._steps = 0
        self._started = run.clock.seconds
        self._cost_usd = 0.0

    def note(self, kind: str, payload: dict[str, Any]) -> None:
        """Append an event to the task and to the turn."""
        self.events.append({"payload": payload, "type": kind})
        self.run.emit(kind, payload)

    async def carry_out(self) -> orjson.Fragment:
        """Choose the experts, ask them, join their answers and send the result."""
        run = self.run
        self._begin()
        experts = _experts(run)
        await self._think("Routing Decision", "route")
        failed = self.script.agent_fails
        if failed:
            run.fault("agent_failure")
            text = _ERROR + _DOWN
        else:
            said = await asyncio.gather(*(self._ask(number, expert) for number, expert in enumerate(experts, start=1)))
            text = await self._join(experts, said)
        run.served()
        self._end(experts, text, failed=failed)
        html = answers.card(text)
        result = self._result(text, html)
        if not failed:
            run.answered(text)
        run.emit("final_answer", result)
        run.session.reply(html, text, run.turn)
        if run.session.unnamed:
            await naming.name_session(run, call_id="genie_session_name", in_turn=False)
            self.events += run.system_events
        run.emit("session_model_update", run.session.models())
        self._save(text, failed=failed)
        return result

    def _begin(self) -> None:
        run = self.run
        begun = {"available_slaves": len(_known(run)), "query": run.prompt, "turn_id": run.turn}
        self.note("execution_start", {**self._who(), **begun})
        experts = [
            {"id": expert.id, "name": expert.name, "profile_type": expert.profile_type, "tag": expert.tag}
            for expert in _known(run)
        ]
        begin = {
            "genie_session_id": run.session.id,
            "profile_tag": run.profile.tag,
            "query": run.prompt,
            "session_id": run.session.id,
            "slave_profiles": experts,
        }
        self.note("genie_coordination_start", begin)

    def _who(self) -> dict[str, Any]:
        """Return the keys of the first and the last event."""
        run = self.run
        return {
            "profile_tag": run.profile.tag,
            "profile_type": "genie",
            "session_id": run.session.id,
            "timestamp": run.clock.stamp(),
        }

    async def _think(self, name: str, kind: str, more_input: int = 0) -> None:
        run = self.run
        run.indicate("llm", "busy")
        completion = await run.ask_llm(kind, more_input=more_input)
        self._steps += 1
        self._cost_usd += completion.cost_usd
        step = {**completion.tokens(), "session_id": run.session.id, "step_name": name, "step_number": self._steps}
        self.note("genie_llm_step", step)
        run.indicate("llm", "idle")

    async def _ask(self, number: int, expert: Profile) -> str:
        """Ask an expert and return its answer or an error text."""
        run, tag = self.run, expert.tag
        here = {"profile_tag": tag, "session_id": run.session.id}
        asked = {"is_nested_genie": False, "nesting_level": 0, "profile_id": expert.id, "query": run.prompt}
        self.note("genie_slave_invoked", {**here, **asked, "query_preview": run.prompt[:_PREVIEW_SHOWN]})
        began = run.clock.seconds

        def started(session: Session) -> None:
            progress = {"message": "Processing query...", "slave_session_id": session.id, "status": "executing"}
            self.note("genie_slave_progress", {**here, **progress})

        try:
            session, task = await run.consult(run, expert, number, started)
        except ConnectionError as failure:
            done: dict[str, Any] = {"error": str(failure), "success": False}
            text = str(failure)
        else:
            text = task.answer if task.answer is not None else f"Error from @{tag}: no answer was produced."
            done = {
                "result": text,
                "result_preview": text[:_PREVIEW_SHOWN],
                "slave_session_id": session.id,
                "success": task.answer is not None,
            }
            if task.answer is None:
                done["error"] = text
        took = round((run.clock.seconds - began) * 1000)
        self.note("genie_slave_completed", {**here, **done, "duration_ms": took})
        return text

    async def _join(self, experts: tuple[Profile, ...], said: list[str]) -> str:
        """Return the answer of a single expert unchanged, or a synthesis of several."""
        run = self.run
        if len(experts) == 1:
            reason = "single expert: its answer is passed through"
            self.note("genie_synthesis_skipped", {"profile_tag": experts[0].tag, "reason": reason})
            return said[0]
        tags = [expert.tag for expert in experts]
        heard = sum(len(text) for text in said) // _CHARACTERS_PER_TOKEN
        await self._think("Response Synthesis", "coordinate", heard)
        text = " ".join(said)
        about = {"profiles_consulted": tags, "session_id": run.session.id}
        self.note("genie_synthesis_start", about)
        self.note("genie_synthesis_complete", {**about, "success": True, "synthesized_response": text})
        return text

    def _end(self, experts: tuple[Profile, ...], text: str, *, failed: bool) -> None:
        run = self.run
        took = round((run.clock.seconds - self._started) * 1000)
        done: dict[str, Any] = {
            "cost_usd": self._cost_usd,
            "input_tokens": run.input_tokens,
            "output_tokens": run.output_tokens,
            "profiles_used": [] if failed else [expert.tag for expert in experts],
            "session_id": run.session.id,
            "success": not failed,
            "total_duration_ms": took,
        }
        self.note("genie_coordination_complete", done | ({"error": text} if failed else {}))
        totals = {"total_input_tokens": run.input_tokens, "total_output_tokens": run.output_tokens}
        if failed:
            error = {"error_message": text, "error_type": "coordination_error", "success": False}
            self.note("execution_error", {**run.base(), **error})
        else:
            ended = {**totals, "duration_ms": took, "experts_consulted": len(experts), "success": True, "tools_used": []}
            self.note("execution_complete", {**self._who(), **ended})
        whole = Completion(
            call_id=f"genie_{run.turn}",
            input_tokens=run.input_tokens,
            output_tokens=run.output_tokens,
            cost_usd=self._cost_usd,
            duration_ms=took,
        )
        run.token_update(whole)

    def _result(self, text: str, html: str) -> orjson.Fragment:
        run = self.run
        result = {
            "execution_trace": self.events,
            "final_answer": html,
            "final_answer_text": text,
            "genie_coordination": True,
            "genie_events": self.events,
            "html_response": html,
            "kg_enrichment_event": None,
            "model": run.llm.model,
            "profile_tag": run.profile.tag,
            "profile_type": "genie",
            "provider": run.llm.provider,
            "raw_response": text,
            "session_id": run.session.id,
            "slave_sessions_used": {},  # always empty on the real server
            "tools_used": [],
            "total_input_tokens": run.session.input_tokens,
            "total_output_tokens": run.session.output_tokens,
            "turn_id": run.turn,
            "turn_input_tokens": run.input_tokens,
            "turn_output_tokens": run.output_tokens,
        }
        return orjson.Fragment(orjson.dumps(result, option=SORTED))

    def _save(self, text: str, *, failed: bool) -> None:
        run = self.run
        turn = turns.build(
            run,
            {
                "context_window_snapshot_event": run.window,
                "final_response": text[:_RESPONSE_SHOWN],
                "genie_coordination": True,
                "genie_events": self.events,
                "kg_enrichment_event": None,
                "profile_type": "genie",
                "slave_sessions": {},
                "status": "failed" if failed else "success",
                "success": not failed,
                "tools_used": [],
            },
        )
        turns.save(run, turn, without=("timestamp", "session_id", "turn_cost", "session_cost_usd", "is_session_primer"))
