"""Engine of rag_focused: a knowledge search, then a synthesis by one LLM call or by the agent.

If the search finds nothing, the session is named first and a fixed answer is sent without an LLM
call. A profile without a collection is refused: an error event, status complete, no result and no
turn (docs/reference/protocol.md, "Retrieval and genie events").
"""

from __future__ import annotations

from typing import Any

import orjson

from uderia_bench.sim.agent import answers, knowledge, scripts
from uderia_bench.sim.agent.knowledge import Found
from uderia_bench.sim.agent.profiles import KNOWLEDGE_COLLECTION
from uderia_bench.sim.agent.tools import COMPONENT_TOOLS
from uderia_bench.sim.engines import naming, turns
from uderia_bench.sim.engines.conversation import Conversation
from uderia_bench.sim.engines.run import Completion, Run

_SET_UP_S = 0.05
_REFUSED = "No knowledge collections are available for this profile."


async def play(run: Run) -> orjson.Fragment | None:
    """Play the turn, save it and return the result of the task, None if the turn was refused."""
    started = run.clock.seconds
    await run.state.loop.work(_SET_UP_S)
    begin = {"history_length": 2 * (run.turn - 1), "knowledge_collections": 1, "query": run.prompt}
    run.notify("execution_start", {**run.base(), **begin})
    run.require_text()
    script = scripts.knowledge_script(run.prompt, run.draw)
    run.slow_s = script.slow_s
    if script.refused:
        run.refuse(_REFUSED)
        return None
    most = run.profile.document["knowledgeConfig"]["maxDocs"]
    found = await _search(run, most, nothing=script.no_hit)
    turn = _Turn(run, script, found, started)
    return await (turn.answer() if found.chunks else turn.find_nothing())


async def _search(run: Run, most: int, *, nothing: bool) -> Found:
    run.notify("knowledge_retrieval_start", knowledge.search("", most, 0).start(run.session.id, most))
    began = run.clock.seconds
    await run.clock.sleep(run.draw.tool_seconds(0.12))
    await run.state.loop.work(knowledge.SEARCH_S)
    took = round((run.clock.seconds - began) * 1000)
    return knowledge.search("" if nothing else run.prompt, most, took)


class _Turn:
    """One turn after its search."""

    def __init__(self, run: Run, script: scripts.AgentScript, found: Found, started: float) -> None:
        self.run = run
        self.script = script
        self.found = found
        self.events: list[dict[str, Any]] = []
        self._started = started
        self._searched = run.clock.seconds
        self._failed = script.agent_fails and run.profile.has_agent

    def _note(self, kind: str, payload: dict[str, Any]) -> None:
        self.events.append({"payload": payload, "type": kind})
        self.run.notify(kind, payload)

    async def answer(self) -> orjson.Fragment:
        """Write an answer from the chunks that were found."""
        run, found = self.run, self.found
        self._note("knowledge_retrieval_complete", found.complete())
        call_id = f"rag-{run.task.id[-12:]}"
        asked = {"call_id": call_id, "collections": [knowledge.COLLECTION], "document_count": len(found.chunks)}
        summary = f"Synthesizing an answer from {len(found.chunks)} documents"
        run.show("Calling LLM for Knowledge Synthesis", "system_message", {**asked, "summary": summary})
        text = self._text()
        if run.profile.has_agent:
            talk = Conversation(run, self.script, "rag_focused", more_input=found.tokens)
            talk.begin(COMPONENT_TOOLS)
            text = await talk.converse(text)
            talk.complete()
            self.events += talk.events
        else:
            await self._synthesise(call_id, text)
        totals = run.spent()
        self._searches_done("success", totals)
        sources = [
            {"collection_id": KNOWLEDGE_COLLECTION, "similarity_score": chunk.similarity_score} for chunk in found.chunks
        ]
        result = run.answer(text, counts=not self._failed, knowledge_sources=sources)
        self._finish(totals)
        if run.session.unnamed:
            await naming.name_session(run)
        self._save(text, status="failed" if self._failed else "success", knowledge_chunks_ui=found.complete()["chunks"])
        return result

    def _text(self) -> str:
        """Return the text of the best chunk, or of the last one for a wrong answer."""
        chunks = self.found.chunks
        chosen = chunks[-1] if self.script.wrong_answer else chunks[0]
        return f"According to '{chosen.source}': {chosen.content}"

    async def _synthesise(self, call_id: str, text: str) -> None:
        run = self.run
        run.indicate("llm", "busy")
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
        run, nothing = self.run, answers.NO_KNOWLEDGE
        empty = self.found.complete()
        empty["collection_names"] = empty.pop("collections")
        self._note("knowledge_retrieval_complete", empty)
        run.fault("no_knowledge")
        run.served()
        update = Completion(call_id="rag_no_results", input_tokens=0, output_tokens=0, cost_usd=0.0, duration_ms=0)
        run.token_update(update, priced=False)
        totals = run.spent()
        self._searches_done("no_results", totals)
        if run.session.unnamed:
            await naming.name_session(run)
        result = run.answer(nothing, counts=not self._failed, no_knowledge_found=True)
        self._finish(totals, no_knowledge_found=True)
        self._save(nothing, status="success", no_knowledge_found=True)
        return result

    def _searches_done(self, status: str, totals: dict[str, Any]) -> None:
        synthesis_ms = self._milliseconds_since(self._searched)
        done = {
            "collection_names": [knowledge.COLLECTION],
            "collections_searched": 1,
            "documents_retrieved": len(self.found.chunks),
            "retrieval_time_ms": self.found.duration_ms,
            "session_id": self.run.session.id,
            "status": status,
            "synthesis_time_ms": synthesis_ms,
            "synthesis_tokens_in": totals["total_input_tokens"],
            "synthesis_tokens_out": totals["total_output_tokens"],
            "total_time_ms": self.found.duration_ms + synthesis_ms,
        }
        self._note("knowledge_search_complete", done)

    def _milliseconds_since(self, moment: float) -> int:
        return round((self.run.clock.seconds - moment) * 1000)

    def _finish(self, totals: dict[str, Any], **own: Any) -> None:
        done = {
            **totals,
            "collections_searched": 1,
            "documents_retrieved": len(self.found.chunks),
            "retrieval_duration_ms": self.found.duration_ms,
            "success": True,
            "synthesis_duration_ms": self._milliseconds_since(self._searched),
            "total_duration_ms": self._milliseconds_since(self._started),
            **own,
        }
        self._note("execution_complete", {**self.run.base(), **done})

    def _save(self, text: str, **own: Any) -> None:
        run, found = self.run, self.found
        searched = {
            "chunks": found.complete()["chunks"],
            "collections": [knowledge.COLLECTION],
            "document_count": len(found.chunks),
            "duration_ms": found.duration_ms,
            "enabled": True,
            "retrieved": bool(found.chunks),
            "summary": found.complete()["summary"],
        }
        turn = turns.build(
            run,
            {
                "context_window_snapshot_event": run.window,
                "execution_trace": [],
                "final_summary_text": text,
                "kg_enrichment_event": None,
                "knowledge_accessed": [KNOWLEDGE_COLLECTION] if found.chunks else [],
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
