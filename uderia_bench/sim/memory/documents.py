"""Documents of knowledge collections, their chunks, and the shipped documents about a fitness business."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any

_NAMESPACE = uuid.UUID("0b7c6a34-95d1-5a0e-8f5e-9a0c53d1f7aa")
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document with its chunks."""

    document_id: str
    title: str
    filename: str
    size: int
    created_at: str
    chunks: tuple[str, ...]

    def metadata(self, collection_id: int) -> dict[str, Any]:
        """Return the metadata that an upload answers."""
        return {
            "author": "",
            "category": "",
            "collection_id": collection_id,
            "created_at": self.created_at,
            "document_id": self.document_id,
            "document_type": self.filename.rpartition(".")[2] or "txt",
            "file_size": self.size,
            "filename": self.filename,
            "page_count": 0,
            "repository_type": "knowledge",
            "source": "upload",
            "tags": "",
            "title": self.title,
        }

    def chunk_id(self, index: int) -> str:
        """Return the id of a chunk."""
        digest = hashlib.sha256(self.chunks[index].encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"{self.document_id}_chunk_{index}_{digest}"

    def chunk_metadata(self, collection_id: int, index: int) -> dict[str, Any]:
        """Return the metadata of a chunk."""
        return {
            **self.metadata(collection_id),
            "chunk_index": index,
            "chunk_method": "paragraph",
            "ingest_epoch": 0,
            "paragraph_count": 1,
            "token_count": len(self.chunks[index]) // _CHARACTERS_PER_TOKEN,
        }

    def listing(self, collection_id: int, number: int) -> dict[str, Any]:
        """Return the document as its repository lists it."""
        text = "\n\n".join(self.chunks)
        known = {name: value for name, value in self.metadata(collection_id).items() if name != "repository_type"}
        return {
            **known,
            "chunk_count": 0,
            "content_hash": hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
            "id": number,
            "ingest_epoch": None,
            "last_checked_at": None,
            "metadata": None,
            "page_count": None,
            "source_uri": None,
            "sync_enabled": 0,
            "tags": [],
            "updated_at": None,
        }


def split(text: str, *, title: str, filename: str, created_at: str) -> Document:
    """Return a document whose chunks are the paragraphs of a text."""
    chunks = tuple(part.strip() for part in text.replace("\r\n", "\n").split("\n\n") if part.strip())
    return Document(
        document_id=str(uuid.uuid5(_NAMESPACE, f"{filename}/{title}/{text}")),
        title=title,
        filename=filename,
        size=len(text.encode("utf-8", "surrogatepass")),
        created_at=created_at,
        chunks=chunks or ("",),
    )


def _shipped(title: str, *chunks: str) -> Document:
    return Document(
        document_id=str(uuid.uuid5(_NAMESPACE, title)),
        title=title,
        filename=f"{title.lower().replace(' ', '-')}.txt",
        size=sum(map(len, chunks)),
        created_at="2026-05-04T00:00:00.000000+00:00",
        chunks=chunks,
    )


FITNESS = (
    _shipped(
        "Fitness policy",
        "Premium members have a monthly plan and may cancel it at the end of any month.",
        "Service tickets must be answered within 24 hours, those of premium members within four.",
        "The table customers holds one row per member; a member who leaves keeps the row for two years.",
    ),
    _shipped(
        "Training guide",
        "A good training plan for beginners has three sessions a week: strength, endurance and mobility.",
        "Warm up for ten minutes before a workout, stretch after it, and rest a day between heavy sessions.",
        "To lose weight, combine endurance training with a balanced diet; to gain muscle, lift heavier and eat more protein.",
    ),
    _shipped(
        "Equipment handbook",
        "Treadmills are serviced every 500 hours, rowers every 800 hours, bikes once a year.",
        "Broken equipment is taken out of use at once and reported as a service ticket.",
        "A heart rate monitor helps beginners to keep the intensity of their exercise low.",
    ),
)
