"""Search of knowledge collections: ranked chunks by shared words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.memory.collections import KNOWLEDGE, Collection, Collections
from uderia_bench.sim.memory.documents import Document

SEARCH_S = 0.03  # one search with embeddings; a recorded one took 28 ms
MOST_CHUNKS = 3
_GLOBAL_LEAST_SCORE = 0.3  # the server's default of minRelevanceScore
_BASE_SCORE, _WORD_SCORE, _BEST_SCORE = 0.36, 0.09, 0.94
_NO_WORD_SCORE = 0.1
_CHARACTERS_PER_TOKEN = 4
_STOP = (
    " a an and any are as at be by do does for from give has have how i in is it many me my of on or should show system tell"
    " that the their there to we what when which who why with you your "
)
_MARK = re.compile(r"#\w+(=\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk of a document with its collection and its score."""

    collection: Collection
    document: Document
    index: int
    score: float

    @property
    def content(self) -> str:
        """The text of the chunk."""
        return self.document.chunks[self.index]

    def payload(self, **own: Any) -> dict[str, Any]:
        """Return the chunk as events show it, with the ``own`` keys of the event."""
        return {
            "chunk_index": self.index,
            "content": self.content,
            "document_id": self.document.document_id,
            "similarity_score": self.score,
            **own,
        }

    def result(self) -> dict[str, Any]:
        """Return the chunk as the search route shows it."""
        return {
            "chunk_id": self.document.chunk_id(self.index),
            "content": self.content,
            "distance": round(1 - self.score, 6),
            "metadata": self.document.chunk_metadata(self.collection.id, self.index),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A collection that a profile searches. ``label`` names it in events, by default its id."""

    collection: Collection
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The chunks that a search found, best first, and the searched collections."""

    chunks: tuple[Chunk, ...]
    searched: tuple[Searched, ...]
    duration_ms: int

    @property
    def tokens(self) -> int:
        """The approximate number of prompt tokens of the chunks."""
        return sum(len(chunk.content) for chunk in self.chunks) // _CHARACTERS_PER_TOKEN

    @property
    def names(self) -> list[str]:
        """The names of the searched collections."""
        return [one.collection.name for one in self.searched]

    def search_modes(self, *, by_id: bool = False) -> dict[str, str]:
        """Return the search mode of each collection, by its id or by its label."""
        return {str(one.collection.id) if by_id else one.label: one.collection.search_mode for one in self.searched}

    def start(self, session_id: str, most: int, *, by_id: bool = False) -> dict[str, Any]:
        """Return the payload of the start of the search."""
        modes = self.search_modes(by_id=by_id)
        return {"collections": self.names, "max_docs": most, "search_modes": modes, "session_id": session_id}

    def planned(self) -> dict[str, Any]:
        """Return the payload that the planner sends, with the collection of each chunk."""
        return {
            "chunks": [chunk.payload(collection_name=chunk.collection.name) for chunk in self.chunks],
            "collections": self.names,
            "document_count": len(self.chunks),
            "summary": f"Retrieved {len(self.chunks)} relevant documents from {len(self.searched)} knowledge collection(s)",
        }

    def complete(self, *, by_id: bool = False) -> dict[str, Any]:
        """Return the payload of the end of the search, with the document of each chunk."""
        count, searched = len(self.chunks), len(self.searched)
        return {
            "chunks": [chunk.payload(source=chunk.document.title) for chunk in self.chunks],
            "collections": self.names,
            "document_count": count,
            "duration_ms": self.duration_ms,
            "search_modes": self.search_modes(by_id=by_id),
            "summary": f"Retrieved {count} relevant document(s) from {searched} knowledge collection(s)",
        }


def _words(text: str) -> set[str]:
    found = re.findall(r"[a-z]+", _MARK.sub(" ", text).lower())
    return {word.removesuffix("s") for word in found if f" {word} " not in _STOP}


def ranked(collections: Iterable[Collection], query: str) -> list[Chunk]:
    """Return every chunk of the collections with its score, best first."""
    wanted = _words(query)
    chunks = []
    for collection in collections:
        for document in collection.documents:
            for index, text in enumerate(document.chunks):
                shared = len(wanted & _words(text))
                score = min(_BEST_SCORE, _BASE_SCORE + _WORD_SCORE * shared) if shared else _NO_WORD_SCORE
                chunks.append(Chunk(collection=collection, document=document, index=index, score=round(score, 6)))
    return sorted(chunks, key=lambda chunk: -chunk.score)


def configured(collections: Collections, config: Mapping[str, Any]) -> tuple[Searched, ...]:
    """Return the enabled knowledge collections that a profile names; unknown ids are left out."""
    entries = config.get("collections")
    searched = []
    for entry in entries if isinstance(entries, list) else ():
        found = collections.get(entry["id"]) if isinstance(entry, dict) and isinstance(entry.get("id"), int) else None
        if found is not None and found.enabled and found.kind == KNOWLEDGE:
            searched.append(Searched(collection=found, label=str(entry.get("name", found.id))))
    return tuple(searched)


def search(searched: tuple[Searched, ...], config: Mapping[str, Any], query: str, *, duration_ms: int) -> Found:
    """Return the chunks for a query within the limits of a profile's ``knowledgeConfig``."""
    most, least = limit(config), _number(config.get("minRelevanceScore"), _GLOBAL_LEAST_SCORE)
    per_document = int(_number(config.get("maxChunksPerDocument"), 0))
    taken: dict[str, int] = {}
    chunks: list[Chunk] = []
    for chunk in ranked((one.collection for one in searched), query):
        count = taken.get(chunk.document.document_id, 0)
        if chunk.score > least and len(chunks) < most and (not per_document or count < per_document):
            taken[chunk.document.document_id] = count + 1
            chunks.append(chunk)
    return Found(chunks=tuple(chunks), searched=searched, duration_ms=duration_ms)


def limit(config: Mapping[str, Any]) -> int:
    """Return the largest number of chunks of a profile."""
    return max(0, int(_number(config.get("maxDocs"), MOST_CHUNKS)))


def _number(value: Any, default: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
