"""Collections of cases and of knowledge documents: ownership, retrieval, champions, export, import.

Source: docs/reference/learning.md, "Collections", "Retrieval" and "Writing".
"""

from __future__ import annotations

import copy
import hashlib
import io
import zipfile
from collections.abc import Collection as SizedIterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from uderia_bench.sim.accounts import User
from uderia_bench.sim.agent.profiles import KNOWLEDGE_COLLECTION, MCP_SERVER_ID
from uderia_bench.sim.memory.cases import TEMPLATE_USER, Case
from uderia_bench.sim.memory.documents import FITNESS, Document
from uderia_bench.sim.memory.similarity import similarity, words

PLANNER, KNOWLEDGE = "planner", "knowledge"
LEAST_SIMILARITY = 0.7
EXPORT_VERSION = "1.0"
SHORTEST_SEARCH = 3  # characters of a search in the rows
_PUBLIC = ("public", "unlisted")
_READABLE_KINDS = (PLANNER, KNOWLEDGE)


@dataclass(slots=True, kw_only=True)
class Collection:
    """A collection of cases (``planner``) or documents (``knowledge``). ``owner`` None means shared."""

    id: int
    name: str
    kind: str
    owner: User | None
    created_at: str
    description: str = ""
    mcp_server_id: str | None = None
    enabled: bool = True
    visibility: str = "private"
    chunking_strategy: str = "none"
    search_mode: str = "semantic"
    hybrid_keyword_weight: float = 0.3
    chunk_count: int = 0  # wrong for cases, as on the real server: it counts new questions
    cases: list[Case] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    subscribers: dict[str, str] = field(default_factory=dict)  # user uuid -> subscription id

    @property
    def storage_name(self) -> str:
        """The name in the vector store."""
        return f"tda_rag_coll_{self.id}_{hashlib.sha256(self.name.encode()).hexdigest()[:6]}"

    def owned_by(self, user: User | None) -> bool:
        """Return whether the user owns it. An administrator owns collections without an owner."""
        return user is not None and (self.owner is user or (self.owner is None and user.is_admin))

    def readable_by(self, user: User | None) -> bool:
        """Return whether retrieval for the user may read it."""
        if self.owner is None or self.owner is user or self.visibility in _PUBLIC:
            return True
        return user is not None and user.uuid in self.subscribers

    def champion(self, query: str) -> Case | None:
        """Return the most efficient case of exactly this question."""
        return next((case for case in self.cases if case.is_most_efficient and case.query == query), None)

    def add(self, case: Case) -> None:
        """Add a case. It becomes the champion with better feedback, or with fewer output tokens."""
        rival = self.champion(case.query)
        if all(other.query != case.query for other in self.cases):
            self.chunk_count += 1
        case.is_most_efficient = rival is None or _rank(case) > _rank(rival)
        case.metadata["is_most_efficient"] = case.is_most_efficient
        if rival is not None and case.is_most_efficient:
            rival.is_most_efficient = False
        self.cases.append(case)

    def vote(self, case: Case, score: int) -> None:
        """Set the feedback of a case. A vote against the champion can leave the question without one."""
        before = _rank(case)
        case.feedback = case.metadata["user_feedback_score"] = score
        if score < 0 and case.is_most_efficient:
            case.is_most_efficient = False
            rivals = [other for other in self.cases if other is not case and other.query == case.query and other.feedback >= 0]
            best = max(rivals, key=_rank, default=None)
            if best is not None and _rank(best) > before:  # the server compares with the old score
                best.is_most_efficient = True

    def size(self) -> int:
        """Return the number of cases or chunks."""
        return len(self.cases) if self.kind == PLANNER else sum(len(document.chunks) for document in self.documents)

    def reset(self) -> int:
        """Remove all cases and documents; return how many items there were."""
        removed = self.size()
        self.cases, self.documents, self.chunk_count = [], [], 0
        return removed

    def settings(self) -> dict[str, Any]:
        """Return the collection as ``GET /rag/collections/{id}`` shows it."""
        return {
            "backend_config": "{}",
            "backend_type": "chromadb",
            "chunk_count": self.chunk_count,
            "chunk_overlap": 200,
            "chunk_size": 1000,
            "chunking_strategy": self.chunking_strategy,
            "collection_name": self.storage_name,
            "created_at": self.created_at,
            "description": self.description,
            "document_count": len(self.documents),
            "embedding_model": "all-MiniLM-L6-v2",
            "embedding_model_locked": 0,
            "enabled": int(self.enabled),
            "footer_height": 0,
            "header_height": 0,
            "hybrid_keyword_weight": self.hybrid_keyword_weight,
            "id": self.id,
            "is_marketplace_listed": int(self.visibility in _PUBLIC),
            "marketplace_metadata": {"category": "", "long_description": "", "tags": []},
            "mcp_server_id": self.mcp_server_id,
            "name": self.name,
            "next_sync_at": None,
            "optimized_chunking": 1,
            "owner_user_id": None if self.owner is None else self.owner.uuid,
            "owner_username": None if self.owner is None else self.owner.username,
            "repository_type": self.kind,
            "search_mode": self.search_mode,
            "source_root": None,
            "ss_chunk_size": 2000,
            "subscriber_count": len(self.subscribers),
            "sync_interval": "daily",
            "vector_store_config_id": None,
            "visibility": self.visibility,
        }

    def listing(self, user: User | None) -> dict[str, Any]:
        """Return the collection as ``GET /rag/collections`` lists it for the user."""
        subscription = None if user is None else self.subscribers.get(user.uuid)
        return {
            **self.settings(),
            "agent_packs": [],
            "average_rating": 0.0,
            "count": self.chunk_count,
            "is_active": self.enabled,
            "is_owned": self.owned_by(user),
            "is_subscribed": subscription is not None,
            "last_sync_at": None,
            "rating_count": 0,
            "sharing_count": 0,
            "stale_doc_count": 0,
            "sync_doc_count": 0,
            **({} if subscription is None else {"subscription_id": subscription}),
        }

    def rows(self, query: str, *, limit: int, light: bool) -> tuple[list[dict[str, Any]], int]:
        """Return rows and their total number. A query of at least three characters sorts by similarity."""
        if len(query) < SHORTEST_SEARCH:
            shown = self.cases[:limit]
            return [case.row(light=light, similarity=None) for case in shown], len(self.cases)
        wanted = words(query)
        scored = sorted(((similarity(wanted, case.words), case) for case in self.cases), key=lambda pair: -pair[0])
        rows = [case.row(light=light, similarity=score) for score, case in scored[:limit]]
        return rows, len(rows)

    def export(self) -> bytes:
        """Return the collection as a zip archive."""
        archive = io.BytesIO()
        batch = {
            "ids": [case.id for case in self.cases],
            "documents": [case.query for case in self.cases],
            "metadatas": [
                {**case.row(light=True, similarity=None), "full_case_data": orjson.dumps(case.body).decode()}
                for case in self.cases
            ],
            "embeddings": [[] for _ in self.cases],
        }
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("collection_metadata.json", orjson.dumps({**self.settings(), "export_version": EXPORT_VERSION}))
            file.writestr("documents.jsonl", orjson.dumps(batch) + b"\n")
        return archive.getvalue()


def _rank(case: Case) -> tuple[int, int]:
    """Return what champions are compared by: feedback, then fewer output tokens."""
    return case.feedback, -case.output_tokens


class Collections:
    """All collections of the server."""

    def __init__(self, now: str) -> None:
        self._made = 0
        fitness = Collection(
            id=KNOWLEDGE_COLLECTION,
            name="Fitness Knowledge",
            kind=KNOWLEDGE,
            owner=None,
            created_at=now,
            documents=list(FITNESS),
            visibility="public",
        )
        self._by_id: dict[int, Collection] = {fitness.id: fitness}
        self._defaults: dict[str, Collection] = {}

    def create(self, owner: User, name: str, now: str, *, kind: str = PLANNER, **settings: Any) -> Collection:
        """Create a collection with the next free id."""
        self._made += 1
        while self._made in self._by_id:
            self._made += 1
        made = Collection(id=self._made, name=name, kind=kind, owner=owner, created_at=now, **settings)
        self._by_id[made.id] = made
        return made

    def default(self, user: User, now: str) -> Collection:
        """Return the user's default planner collection, created at the first request."""
        if user.uuid not in self._defaults:
            description = "Default planner repository for MCP server: Teradata MCP"
            name = "Default Collection - Teradata MCP"
            made = self.create(user, name, now, description=description, mcp_server_id=MCP_SERVER_ID)
            self._defaults[user.uuid] = made
        return self._defaults[user.uuid]

    def is_default(self, collection: Collection) -> bool:
        """Return whether it is a user's default collection."""
        return collection in self._defaults.values()

    def get(self, collection_id: int) -> Collection | None:
        """Return a collection by id."""
        return self._by_id.get(collection_id)

    def __iter__(self) -> Any:
        return iter(self._by_id.values())

    def delete(self, collection: Collection) -> None:
        """Delete a collection."""
        del self._by_id[collection.id]

    def case(self, case_id: str) -> tuple[Collection, Case] | None:
        """Return a case and its collection by the id with or without ``case_``."""
        wanted = case_id.removeprefix("case_")
        return next(((here, case) for here in self for case in here.cases if case.case_id == wanted), None)

    def cases_of(self, session_id: str) -> list[dict[str, Any]]:
        """Return the cases of a session as its details list them."""
        found = {
            case.case_id: case for here in self for case in here.cases
            if case.metadata["session_id"] == session_id and case.metadata["collection_id"] == here.id
        }  # fmt: skip
        return [case.listing() for case in found.values()]

    def retrieve(self, user: User, prompt: str, allowed: SizedIterable[int] | None, most: int) -> list[Case]:
        """Return the most similar cases for a prompt, best first.

        ``allowed`` are the collections of the profile, None for no limit.
        """
        wanted = words(prompt)
        scored: list[tuple[float, Case]] = []
        for here in self:
            if here.kind != PLANNER or not here.enabled or not here.readable_by(user):
                continue
            if allowed is not None and here.id not in allowed:
                continue
            for case in here.cases:
                mine = here.owner is not user or case.owner in (user.uuid, TEMPLATE_USER)
                if mine and case.is_candidate:
                    scored.append((similarity(wanted, case.words), case))
        found = [pair for pair in scored if pair[0] >= LEAST_SIMILARITY]
        found.sort(key=lambda pair: -pair[0])
        return [case for _, case in found[:most]]

    def target(self, user: User, retrieved: Case | None) -> Collection | None:
        """Return the collection that stores the user's next case, None if it is not stored.

        It is the collection that the retrieved case names, else the user's oldest planner
        collection. A foreign or disabled collection stores no case.
        """
        if retrieved is not None:
            chosen = self.get(retrieved.metadata["collection_id"])
        else:
            owned = (here for here in self if here.owner is user and here.kind == PLANNER)
            chosen = min(owned, key=lambda here: here.id, default=None)
        return chosen if chosen is not None and chosen.enabled and chosen.owner is user else None

    def import_(self, owner: User, archive: bytes, now: str, mcp_server_id: str | None) -> Collection:
        """Create a collection from an archive. Its cases keep the id of their old collection.

        Raises ValueError for an archive that is not valid.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(archive)) as file:
                metadata = orjson.loads(file.read("collection_metadata.json"))
                batches = [orjson.loads(line) for line in file.read("documents.jsonl").splitlines() if line]
            cases = [
                _imported(case_id, about)
                for batch in batches
                for case_id, about in zip(batch["ids"], batch["metadatas"], strict=True)
            ]
            name, kind, version = (str(metadata[key]) for key in ("name", "repository_type", "export_version"))
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError, NotImplementedError) as failure:
            raise ValueError(f"the file is not an exported collection: {failure}") from failure
        if version != EXPORT_VERSION:
            raise ValueError(f"the file has an unsupported export_version {version!r}")
        if kind not in _READABLE_KINDS:
            raise ValueError(f"the file has an unknown repository_type {kind!r}")
        made = self.create(owner, f"{name} (Imported)", now, kind=kind, mcp_server_id=mcp_server_id or MCP_SERVER_ID)
        made.cases = cases
        made.chunk_count = len({case.query for case in cases})
        return made

    def fork(self, source: Collection, owner: User, name: str, now: str) -> Collection:
        """Create a copy of a collection for another owner. Its cases keep their user."""
        made = self.create(owner, name, now, kind=source.kind, mcp_server_id=source.mcp_server_id)
        made.cases, made.documents = copy.deepcopy(source.cases), list(source.documents)
        made.chunk_count = source.chunk_count
        return made


def _imported(case_id: object, about: dict[str, Any]) -> Case:
    """Return a case from its entry in an archive."""
    body = orjson.loads(about["full_case_data"])
    case = Case(id=str(case_id), body=body, is_most_efficient=bool(about["is_most_efficient"]))
    case.feedback = int(about["user_feedback_score"])
    _ = case.output_tokens, case.owner, case.metadata["collection_id"], case.listing()  # raises for a missing field
    return case
