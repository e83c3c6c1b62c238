"""Routes of knowledge repositories: upload, list and search documents (docs/reference/learning.md, "Knowledge")."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import signed_in
from uderia_bench.sim.api.collections import collection_of, owned, read_form, read_object
from uderia_bench.sim.memory.collections import KNOWLEDGE, Collection
from uderia_bench.sim.memory.documents import split
from uderia_bench.sim.memory.knowledge import ranked

_DENIED = "Only collection owners can manage documents"
_NOT_FOUND = (404, "Repository not found")


async def _upload(request: Request, collection: Collection) -> Response:
    fields = await read_form(request)
    filename, content = fields.get("file", ("", b""))
    if not filename or collection.kind != KNOWLEDGE:
        return responses.failure(400, "A file for a knowledge repository is required")
    title = fields.get("title", ("", b""))[1].decode(errors="replace").strip() or filename
    now = request.app.state.uderia.clock.stamp()
    document = split(content.decode(errors="replace"), title=title, filename=filename, created_at=now)
    collection.documents.append(document)
    collection.chunk_count += len(document.chunks)
    body = {
        "chunks_stored": len(document.chunks),
        "collection_id": collection.id,
        "collection_name": collection.storage_name,
        "metadata": document.metadata(collection.id),
        "repository_type": KNOWLEDGE,
        "status": "success",
    }
    return responses.json(body)


async def _documents(request: Request) -> Response:
    collection = collection_of(request)
    if collection is None:
        return responses.failure(404, "Repository not found")
    listed = [document.listing(collection.id, number) for number, document in enumerate(collection.documents, start=1)]
    body = {"collection_id": collection.id, "count": len(listed), "documents": listed[::-1], "status": "success"}
    return responses.json(body)


async def _delete(request: Request, collection: Collection) -> Response:
    wanted = request.path_params["document_id"]
    kept = [document for document in collection.documents if document.document_id != wanted]
    if len(kept) == len(collection.documents):
        return responses.failure(404, "Document not found")
    collection.documents = kept
    return responses.success("Document deleted successfully")


async def _search(request: Request, collection: Collection) -> Response:
    body = await read_object(request) or {}
    query, most = body.get("query"), body.get("k", 5)
    if not isinstance(query, str) or not query:
        return responses.failure(400, "query is required")
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        return responses.failure(400, "k must be a positive integer")
    results = [chunk.result() for chunk in ranked([collection], query)[:most]]
    return responses.json({"count": len(results), "query": query, "results": results, "status": "success"})


async def _chunks(request: Request) -> Response:
    collection = collection_of(request)
    if collection is None:
        return responses.error(404, "Collection not found")
    shown = [
        {
            "chunk_index": index,
            "content": text,
            "document_id": document.document_id,
            "id": document.chunk_id(index),
            "metadata": document.chunk_metadata(collection.id, index),
            "token_count": document.chunk_metadata(collection.id, index)["token_count"],
        }
        for document in collection.documents
        for index, text in enumerate(document.chunks)
    ]
    limit = responses.number(request, "limit", 25)
    body = {
        "chunks": shown[:limit],
        "collection_id": collection.id,
        "collection_name": collection.name,
        "query": "",
        "total": len(shown),
    }
    return responses.json(body)


_PATH = "/api/v1/knowledge/repositories/{collection_id:int}"
ROUTES = [
    Route(f"{_PATH}/documents", owned(_upload, _DENIED, unknown=_NOT_FOUND), methods=["POST"]),
    Route(f"{_PATH}/documents", signed_in(_documents), methods=["GET"]),
    Route(f"{_PATH}/documents/{{document_id}}", owned(_delete, _DENIED, unknown=_NOT_FOUND), methods=["DELETE"]),
    Route(f"{_PATH}/search", owned(_search, _DENIED, unknown=_NOT_FOUND), methods=["POST"]),
    Route("/api/v1/knowledge/collections/{collection_id:int}/chunks", signed_in(_chunks), methods=["GET"]),
]
