"""Engine of rag_focused: a knowledge search, then a synthesis by one LLM call or by the agent.

If the search finds nothing, the session is named first and a fixed answer is sent without an LLM
call. A profile without a collection is refused: an error event, status complete, no result and no
turn (docs/reference/protocol.md, "Retrieval and genie events").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from uderia_bench.sim.agent import answers, scripts
from uderia_bench.sim.agent.tools import COMPONENT_TOOLS
from uderia_bench.sim.engines import naming, turns
from uderia_bench.sim.engines.conversation import Conversation
from uderia_bench.sim.engines.run import Completion, Run
from uderia_bench.sim.memory import knowledge
from uderia_bench.sim.memory.knowledge import Found, Searched
from uderia_bench.sim.state import new_id

_SET_UP_S = 0.05
_NOT_STORED = ("model", "provider", "session_id", "timestamp", "turn_id")
_REFUSED = "No knowledge collections are available for this profile."


async def play(run: Run) -> orjson.Fragment | None:
    """Play the turn, save it and return the result of the task, None if the turn was refused."""
    started = run.clock.seconds
    await run.state.loop.work(_SET_UP_S)
    run.require_text()
    config = run.profile.section("knowledgeConfig")
    searched = knowledge.configured(run.state.collections, config)
    begin = run.base() | {"knowledge_collections": len(searched), "query": run.prompt}
    run.notify("execution_start", begin)
    script = scripts.knowledge_script(run.prompt, run.draw)
    run.slow_s = script.slow_s
    if script.refused or not searched or not run.state.switches.rag_enabled:
        run.refuse(_REFUSED)
        return None
    turn = _Turn(run, script, started, begin)
    await turn.search(searched, config)
    return await (turn.answer() if turn.found.chunks else turn.find_nothing())


class _Turn:
    """One turn and its events."""

    def __init__(self, run: Run, script: scripts.AgentScript, started: float, begin: dict[str, Any]) -> None:
        self.run = run
        self.script = script
        self.found = Found(chunks=(), searched=(), duration_ms=0)
        self.events: list[dict[str, Any]] = [{"payload": _stored(begin), "type": "execution_start"}]
        self._started = started
        self._searched = started
        self._failed = script.agent_fails and run.profile.has_agent

    def _note(self, kind: str, payload: dict[str, Any]) -> None:
        self.events.append({"payload": payload, "type": kind})
        self.run.notify(kind, payload)

    async def search(self, searched: tuple[Searched, ...], config: dict[str, Any]) -> None:
        """Search the collections of the profile."""
        run = self.run
        nothing = Found(chunks=(), searched=searched, duration_ms=0)
        self._note("knowledge_retrieval_start", nothing.start(run.session.id, knowledge.limit(config)))
        began = run.clock.seconds
        await run.clock.sleep(run.draw.tool_seconds(0.12))
        await run.state.loop.work(knowledge.SEARCH_S)
        took = round((run.clock.seconds - began) * 1000)
        found = knowledge.search(searched, config, run.prompt, duration_ms=took)
        self.found = replace(found, chunks=()) if self.script.no_hit else found
        self._searched = run.clock.seconds

    async def answer(self) -> orjson.Fragment:
        """Write an answer from the chunks that were found."""
        run, found = self.run, self.found
        self._note("knowledge_retrieval_complete", found.complete())
        call_id = new_id()
        summary = "Synthesizing answer from retrieved knowledge"
        asked = {"call_id": call_id, "collections": found.names, "document_count": len(found.chunks), "summary": summary}
        run.show("Calling LLM for Knowledge Synthesis", "system_message", asked)
        run.indicate("llm", "busy")
        text = self._text()
        if run.profile.has_agent:
            talk = Conversation(run, self.script, "rag_focused", more_input=found.tokens)
            talk.begin(COMPONENT_TOOLS)
            text = await talk.converse(text)
            talk.complete(call_id)
            self.events += talk.events
        else:
            await self._synthesise(call_id, text)
        totals = run.spent()
        self._search_complete(totals)
        sources = [{"collection_id": chunk.collection.id, "similarity_score": chunk.score} for chunk in found.chunks]
        result = run.answer(text, counts=not self._failed, knowledge_sources=sources)
        run.notify("session_model_update", {**run.session.models(), "dual_model_info": None})
        self._finish(totals)
        if run.session.unnamed:
            await naming.name_session(run)
        self._save(
            text,
            case_id=None,
            input_tokens=run.input_tokens,
            kg_enrichment_event=None,
            output_tokens=run.output_tokens,
            rag_source_collection_id=found.searched[0].collection.id,
            knowledge_chunks_ui=found.complete()["chunks"],
            status="failed" if self._failed else "success",
        )
        return result

    def _text(self) -> str:
        """Return the text of the best chunk, or of the last one for a wrong answer."""
        chunks = self.found.chunks
        chosen = chunks[-1] if self.script.wrong_answer else chunks[0]
        return f"According to '{chosen.document.title}': {chosen.content}"

    async def _synthesise(self, call_id: str, text: str) -> None:
        run = self.run
        completion = await run.ask_llm("synthesis", more_input=self.found.tokens, call_id=call_id)
        run.indicate("llm", "idle")
        run.served()
        run.token_update(completion)
        step = {
            **completion.tokens(),
            "duration_ms": completion.duration_ms,
            "model": run.llm.model,
            "session_id": run.session.id,
            "step_name": "Knowledge Synthesis",
        }
        self._note("rag_llm_step", step)
        details = {"results": [{"response": text}], "status": "success", "metadata": {"tool_name": "LLM_Synthesis"}}
        run.emit("tool_result", {"details": details, "step": "LLM Synthesis Results", "tool_name": "LLM_Synthesis"})

    async def find_nothing(self) -> orjson.Fragment:
        """Name the session, then answer that nothing was found."""
        run, found = self.run, self.found
        empty = {
            "collection_names": found.names,
            "document_count": 0,
            "duration_ms": found.duration_ms,
            "search_modes": found.search_modes(),
            "session_id": run.session.id,
        }
        self._note("knowledge_retrieval_complete", empty)
        run.fault("no_knowledge")
        if run.session.unnamed:
            await naming.name_session(run)
        update = Completion(call_id="rag_no_results", input_tokens=0, output_tokens=0, cost_usd=0.0, duration_ms=0)
        run.token_update(update, priced=False)
        run.served()
        run.notify("session_model_update", run.session.models())
        result = run.answer(answers.NO_KNOWLEDGE, counts=not self._failed, no_knowledge_found=True, source=None)
        self._finish(run.spent(), no_knowledge_found=True)
        self._save(answers.NO_KNOWLEDGE, status="success", no_knowledge_found=True)
        return result

    def _search_complete(self, totals: dict[str, Any]) -> None:
        found, synthesis_ms = self.found, self._milliseconds_since(self._searched)
        done = {
            "collection_names": found.names,
            "collections_searched": len(found.searched),
            "documents_retrieved": len(found.chunks),
            "retrieval_time_ms": found.duration_ms,
            "session_id": self.run.session.id,
            "status": "complete",
            "synthesis_time_ms": synthesis_ms,
            "synthesis_tokens_in": totals["total_input_tokens"],
            "synthesis_tokens_out": totals["total_output_tokens"],
            "total_time_ms": found.duration_ms + synthesis_ms,
        }
        self.run.notify("knowledge_search_complete", done)

    def _milliseconds_since(self, moment: float) -> int:
        return round((self.run.clock.seconds - moment) * 1000)

    def _finish(self, totals: dict[str, Any], **own: Any) -> None:
        done = self.run.base() | {
            **totals,
            "collections_searched": len(self.found.searched),
            "documents_retrieved": len(self.found.chunks),
            "retrieval_duration_ms": self.found.duration_ms,
            "success": True,
            "synthesis_duration_ms": self._milliseconds_since(self._searched) if self.found.chunks else 0,
            "total_duration_ms": self._milliseconds_since(self._started),
            **own,
        }
        self.events.append({"payload": _stored(done), "type": "execution_complete"})
        self.run.notify("execution_complete", done)

    def _save(self, text: str, **own: Any) -> None:
        run, found = self.run, self.found
        searched = {
            "collections": found.names,
            "document_count": len(found.chunks),
            "duration_ms": found.duration_ms,
            "enabled": True,
            "retrieved": bool(found.chunks),
            "summary": f"Searched {len(found.searched)} collection(s), no relevant documents found",
        }
        if found.chunks:
            searched |= {"chunks": found.complete()["chunks"], "summary": found.complete()["summary"]}
            own |= {"knowledge_accessed": [one.collection.id for one in found.searched]}
        turn = turns.build(
            run,
            {
                "context_window_snapshot_event": run.window,
                "execution_trace": [],
                "final_summary_text": text,
                "knowledge_events": self.events,
                "knowledge_retrieval_event": searched,
                "original_plan": None,
                "profile_type": "rag_focused",
                "raw_llm_plan": None,
                "system_events": run.system_events,
                "task_id": run.task.id,
                **own,
            },
        )
        turns.save(run, turn)


def _stored(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a lifecycle payload as the turn stores it."""
    return {name: value for name, value in payload.items() if name not in _NOT_STORED}
