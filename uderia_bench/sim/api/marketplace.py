"""Routes of sharing: publish, list, subscribe, copy (docs/reference/learning.md, "Collections")."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from uderia_bench.sim.accounts import User
from uderia_bench.sim.api import responses
from uderia_bench.sim.api.auth import account_of, signed_in, signed_in_user, state_of
from uderia_bench.sim.api.collections import collection_of, owned, read_object
from uderia_bench.sim.memory.collections import Collection
from uderia_bench.sim.state import new_id

_VISIBILITIES = ("public", "targeted", "unlisted")


async def _publish(request: Request, collection: Collection) -> Response:
    body = await read_object(request) or {}
    visibility = body.get("visibility", _VISIBILITIES[0])
    if visibility not in _VISIBILITIES:
        return responses.failure(400, f"visibility must be one of {', '.join(_VISIBILITIES)}")
    collection.visibility = visibility
    return responses.success("Collection published successfully", visibility=visibility)


async def _unpublish(_: Request, collection: Collection) -> Response:
    collection.visibility = "private"
    collection.subscribers.clear()
    return responses.success("Collection unpublished successfully")


async def _market(request: Request) -> Response:
    user = account_of(request)
    limit, offset = responses.number(request, "limit", 50), responses.number(request, "offset", 0)
    shown = [here.listing(user) for here in state_of(request).collections if _is_offered(here, user)]
    page = shown[offset : offset + limit]
    return responses.json({"collections": page, "limit": limit, "offset": offset, "total": len(shown)})


def _is_offered(collection: Collection, user: User | None) -> bool:
    return collection.owner is not None and collection.owner is not user and collection.visibility == "public"


async def _subscribe(request: Request) -> Response:
    user, collection = signed_in_user(request), collection_of(request)
    if collection is None:
        return responses.failure(404, "Collection not found")
    if collection.owned_by(user) or user.uuid in collection.subscribers:
        return responses.failure(400, "You own this collection or are already subscribed to it")
    if collection.visibility == "private":
        return responses.failure(403, "Collection is private")
    collection.subscribers[user.uuid] = new_id()
    done = {"collection_id": collection.id, "subscription_id": collection.subscribers[user.uuid]}
    return responses.created("Subscribed successfully", **done)


async def _unsubscribe(request: Request) -> Response:
    user, wanted = signed_in_user(request), request.path_params["subscription_id"]
    for collection in state_of(request).collections:
        if collection.subscribers.get(user.uuid) == wanted:
            del collection.subscribers[user.uuid]
            return responses.success("Unsubscribed successfully")
    return responses.failure(404, "Subscription not found")


async def _fork(request: Request) -> Response:
    state, user, body = state_of(request), signed_in_user(request), await read_object(request) or {}
    source, name = collection_of(request), body.get("name")
    if source is None:
        return responses.failure(404, "Collection not found")
    if not source.readable_by(user):
        return responses.failure(403, "Collection is private")
    if not isinstance(name, str) or not name.strip():
        return responses.failure(400, "name is required")
    made = state.collections.fork(source, user, name.strip(), state.clock.stamp())
    done = {"collection_id": made.id, "source_collection_id": source.id}
    return responses.created("Collection forked successfully", **done)


_PATH = "/api/v1/rag/collections/{collection_id:int}"
_MARKET = "/api/v1/marketplace/collections"
ROUTES = [
    Route(f"{_PATH}/publish", owned(_publish, "Only collection owners can publish collections"), methods=["POST"]),
    Route(f"{_PATH}/unpublish", owned(_unpublish, "Only collection owners can unpublish collections"), methods=["POST"]),
    Route(_MARKET, _market, methods=["GET"]),
    Route(f"{_MARKET}/{{collection_id:int}}/subscribe", signed_in(_subscribe), methods=["POST"]),
    Route(f"{_MARKET}/{{collection_id:int}}/fork", signed_in(_fork), methods=["POST"]),
    Route("/api/v1/marketplace/subscriptions/{subscription_id}", signed_in(_unsubscribe), methods=["DELETE"]),
]
