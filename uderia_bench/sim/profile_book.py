"""The profiles of one user: the shipped ones, and those that the user created or changed."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Collection
from typing import Any

from uderia_bench.sim.agent import context_windows
from uderia_bench.sim.agent.profiles import KNOWLEDGE_COLLECTION, PROFILES, Profile, from_document
from uderia_bench.sim.memory.knowledge import MOST_CHUNKS

_MODES = ("light", "full")
_SMALLEST_CONTEXT = 4096
_RECLASSIFY = ("classification_mode", "mcpServerId")


class RefusedError(Exception):
    """The server refuses a change of a profile. ``status`` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ProfileBook:
    """The profiles of a user. Changes take effect on the next query."""

    def __init__(
        self, *, owner: str, default_tag: str | None, own_collection: int, knowledge: Collection[str], seed: int
    ) -> None:
        self._seed = f"{seed}/{owner}"
        self._profiles: dict[str, Profile] = {}
        self.windows = context_windows.shipped()
        for shipped in PROFILES:
            document = copy.deepcopy(shipped.document)
            if own_collection not in document["ragCollections"]:
                document["ragCollections"].append(own_collection)
            if shipped.tag in knowledge:
                document |= {"knowledgeConfig": _retrieving(document), "useKnowledgeCollections": True}
            self._profiles[shipped.id] = from_document(document)
        self.default_id = next((profile.id for profile in PROFILES if profile.tag == default_tag), None)

    def __iter__(self) -> Any:
        return iter(self._profiles.values())

    def get(self, profile_id: object) -> Profile | None:
        """Return a profile by id, None for an unknown one."""
        return self._profiles.get(profile_id) if isinstance(profile_id, str) else None

    @property
    def default(self) -> Profile | None:
        """The default profile, None without one."""
        return self.get(self.default_id)

    def create(self, body: dict[str, Any]) -> Profile:
        """Create a profile. Raises ``RefusedError``."""
        self._check(body)
        tag = str(body.get("tag", ""))
        new_id = body.get("id")
        if not isinstance(new_id, str) or not new_id or new_id in self._profiles:
            # Depends on the seed and the tag only, so that the same clone draws the same trials.
            new_id = f"profile-{uuid.uuid5(uuid.NAMESPACE_OID, f'{self._seed}/{tag}')}"
        made = from_document({**body, "id": new_id})
        self._profiles[new_id] = made
        return made

    def update(self, profile_id: str, changes: dict[str, Any]) -> None:
        """Replace top-level fields of a profile. Raises ``RefusedError``."""
        profile = self.get(profile_id)
        if profile is None:
            raise RefusedError(404, f"Profile '{profile_id}' not found")
        if changes.get("id", profile_id) != profile_id:
            raise RefusedError(400, "Profile ID cannot be changed.")
        self._check(changes, profile)
        document = {**profile.document, **copy.deepcopy(changes)}
        if any(name in changes and changes[name] != profile.document.get(name) for name in _RECLASSIFY):
            document |= {"classification_results": {}, "needs_reclassification": True}
        self._profiles[profile_id] = from_document(document)

    def delete(self, profile_id: str) -> None:
        """Delete a profile. Raises ``RefusedError``."""
        if profile_id not in self._profiles:
            raise RefusedError(404, "Profile not found")
        if profile_id == self.default_id:
            message = "Cannot delete the default profile while other profiles exist. Please change the default profile first."
            raise RefusedError(400, message)
        del self._profiles[profile_id]

    def using(self, window_id: str) -> list[str]:
        """Return the tags of the profiles with a context-window type."""
        return [profile.tag for profile in self if profile.document.get("contextWindowTypeId") == window_id]

    def window(self, profile: Profile) -> dict[str, Any]:
        """Return the context-window type of a profile, the default one for an unknown id."""
        return self.windows.get(str(profile.document.get("contextWindowTypeId")), self.windows[context_windows.DEFAULT])

    def _check(self, body: dict[str, Any], profile: Profile | None = None) -> None:
        tag = body.get("tag")
        if any(other.tag == tag and other is not profile for other in self):
            raise RefusedError(400, f"Tag '{tag}' is already in use.")
        mode = body.get("classification_mode", _MODES[0])
        if mode not in _MODES:
            raise RefusedError(400, f"Invalid classification_mode: '{mode}'. Must be 'light' or 'full'.")
        limit = body.get("contextLimitOverride")
        if limit is not None and (not isinstance(limit, int) or limit < _SMALLEST_CONTEXT):
            raise RefusedError(400, f"contextLimitOverride must be at least {_SMALLEST_CONTEXT}.")


def _retrieving(document: dict[str, Any]) -> dict[str, Any]:
    """Return the knowledge configuration of a profile that retrieves knowledge."""
    return {
        **document["knowledgeConfig"],
        "collections": [{"id": KNOWLEDGE_COLLECTION, "name": "Fitness Knowledge", "reranking": False}],
        "enabled": True,
        "maxDocs": MOST_CHUNKS,
    }
