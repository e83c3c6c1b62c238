"""Knowledge collection: documents about a fitness business, and their search by shared words."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from uderia_bench.sim.agent.profiles import KNOWLEDGE_COLLECTION, Profile

COLLECTION = "Fitness Knowledge"
SEARCH_S = 0.03  # one search with embeddings; a recorded one took 28 ms
MOST_CHUNKS = 3
_LEAST_SCORE = 0.4  # the shipped profile's minRelevanceScore
_BASE_SCORE, _WORD_SCORE, _BEST_SCORE = 0.36, 0.09, 0.94
_CHARACTERS_PER_TOKEN = 4
_NAMESPACE = uuid.UUID("0b7c6a34-95d1-5a0e-8f5e-9a0c53d1f7aa")
_DOCUMENTS = {
    "Fitness policy": (
        "Premium members have a monthly plan and may cancel it at the end of any month.",
        "Service tickets must be answered within 24 hours, those of premium members within four.",
        "The table customers holds one row per member; a member who leaves keeps the row for two years.",
    ),
    "Training guide": (
        "A good training plan for beginners has three sessions a week: strength, endurance and mobility.",
        "Warm up for ten minutes before a workout, stretch after it, and rest a day between heavy sessions.",
        "To lose weight, combine endurance training with a balanced diet; to gain muscle, lift heavier and eat more protein.",
    ),
    "Equipment handbook": (
        "Treadmills are serviced every 500 hours, rowers every 800 hours, bikes once a year.",
        "Broken equipment is taken out of use at once and reported as a service ticket.",
        "A heart rate monitor helps beginners to keep the intensity of their exercise low.",
    ),
}
_STOP = (
    " a an and any are as at be by do does for from give has have how i in is it many me my of on or should show system tell"
    " that the their there to we what when which who why with you your "
)
_MARK = re.compile(r"#\w+(=\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk of a document and its score."""

    source: str
    document_id: str
    chunk_index: int
    content: str
    similarity_score: float

    def document(self, **own: Any) -> dict[str, Any]:
        """Return the chunk as events show it, with the ``own`` keys of the event."""
        return {
            "chunk_index": self.chunk_index,
            "content": self.content,
            "document_id": self.document_id,
            "similarity_score": self.similarity_score,
            **own,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The chunks that a search found, best first."""

    chunks: tuple[Chunk, ...]
    duration_ms: int

    @property
    def tokens(self) -> int:
        """The approximate number of prompt tokens of the chunks."""
        return sum(len(chunk.content) for chunk in self.chunks) // _CHARACTERS_PER_TOKEN

    def start(self, session_id: str, most: int) -> dict[str, Any]:
        """Return the payload of the start of the search."""
        return {
            "collections": [COLLECTION],
            "max_docs": most,
            "search_modes": {str(KNOWLEDGE_COLLECTION): "semantic"},
            "session_id": session_id,
        }

    def planned(self) -> dict[str, Any]:
        """Return the payload that the planner sends, with the collection of each chunk."""
        return {
            "chunks": [chunk.document(collection_name=COLLECTION) for chunk in self.chunks],
            "collections": [COLLECTION],
            "document_count": len(self.chunks),
            "summary": f"Retrieved {len(self.chunks)} relevant documents from 1 knowledge collection(s)",
        }

    def complete(self) -> dict[str, Any]:
        """Return the payload of the end of the search, with the document of each chunk."""
        return {
            "chunks": [chunk.document(source=chunk.source) for chunk in self.chunks],
            "collections": [COLLECTION],
            "document_count": len(self.chunks),
            "duration_ms": self.duration_ms,
            "search_modes": {str(KNOWLEDGE_COLLECTION): "semantic"},
            "summary": f"Retrieved {len(self.chunks)} documents from 1 collection(s)",
        }


def _words(text: str) -> set[str]:
    words = re.findall(r"[a-z]+", _MARK.sub(" ", text).lower())
    return {word.removesuffix("s") for word in words if f" {word} " not in _STOP}


_CHUNKS = tuple(
    (Chunk(source=source, document_id=str(uuid.uuid5(_NAMESPACE, source)), chunk_index=index, content=text, similarity_score=0),
     _words(text))
    for source, texts in _DOCUMENTS.items()
    for index, text in enumerate(texts)
)  # fmt: skip


def search(prompt: str, most: int, duration_ms: int) -> Found:
    """Return at most ``most`` chunks, scored by the number of words shared with the prompt."""
    wanted = _words(prompt)
    scored = []
    for chunk, words in _CHUNKS:
        score = min(_BEST_SCORE, _BASE_SCORE + _WORD_SCORE * len(wanted & words))
        if score > _LEAST_SCORE:
            scored.append((score, chunk))
    scored.sort(key=lambda pair: -pair[0])
    chunks = tuple(
        Chunk(
            source=chunk.source,
            document_id=chunk.document_id,
            chunk_index=chunk.chunk_index,
            content=chunk.content,
            similarity_score=round(score, 6),
        )
        for score, chunk in scored[:most]
    )
    return Found(chunks=chunks, duration_ms=duration_ms)


def concerns(prompt: str) -> bool:
    """Return whether a search for the prompt finds a chunk."""
    return bool(search(prompt, 1, 0).chunks)


def configuration(profile: Profile) -> dict[str, Any]:
    """Return the knowledge configuration of a profile that retrieves knowledge."""
    return {
        **profile.document["knowledgeConfig"],
        "collections": [{"id": KNOWLEDGE_COLLECTION, "name": COLLECTION, "reranking": False}],
        "enabled": True,
        "maxDocs": MOST_CHUNKS,
    }
