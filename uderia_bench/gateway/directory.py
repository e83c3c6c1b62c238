"""Profiles of a server: find the one of an arm, with its models, in the bodies of two REST calls."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from uderia_bench.errors import UnknownProfile
from uderia_bench.trial import Serving

DEFAULT_TYPE = "tool_enabled"  # the type of a profile without one (docs/reference/protocol.md, "Profiles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A profile as the server lists it; ``models`` are ``"Provider/model"``, base model first."""

    profile_id: str
    tag: str
    name: str
    profile_type: str
    models: tuple[str, ...]


def read(profiles: dict[str, Any], configurations: list[Any]) -> tuple[Profile, ...]:
    """Join the profile list with the LLM configurations, which name the models.

    Source: docs/reference/protocol.md, "Profiles".
    """
    models: dict[str, str] = {}
    for item in configurations:
        if isinstance(item, dict) and item.get("provider") and item.get("model"):
            models[str(item.get("id"))] = f"{item['provider']}/{item['model']}"
    listed = profiles.get("profiles")
    found: list[Profile] = []
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            continue
        dual = item.get("dualModelConfig")
        wanted = [item.get("llmConfigurationId")]
        if isinstance(dual, dict):
            wanted += [dual.get("strategicModelId"), dual.get("tacticalModelId")]
        own = dict.fromkeys(models[str(key)] for key in wanted if key is not None and str(key) in models)
        found.append(
            Profile(
                profile_id=item["id"],
                tag=str(item.get("tag") or ""),
                name=str(item.get("name") or ""),
                profile_type=str(item.get("profile_type") or DEFAULT_TYPE),
                models=tuple(own),
            )
        )
    return tuple(found)


def resolve(wanted: str, profiles: tuple[Profile, ...], *, server: str) -> Serving:
    """Find the profile that an arm names: by id, or by tag with or without ``@``, in any case.

    Raises ``UnknownProfile`` for an ambiguous tag, and for an unknown one with the known ones and the nearest.
    """
    by_id = [profile for profile in profiles if profile.profile_id == wanted]
    matches = by_id or [profile for profile in profiles if plain(profile.tag) == plain(wanted)]
    if len(matches) > 1:
        ids = ", ".join(profile.profile_id for profile in matches)
        raise UnknownProfile(f"profile {wanted!r} is ambiguous on {server}: name one by its profile_id ({ids})")
    if not matches:
        raise UnknownProfile(_unknown(wanted, profiles, server))
    profile = matches[0]
    return Serving(
        server=server,
        profile_id=profile.profile_id,
        profile_tag=profile.tag,
        profile_type=profile.profile_type,
        models=profile.models,
    )


def plain(tag: str) -> str:
    """Normalise a tag for comparison, because the server stores it exactly as typed.

    Source: docs/reference/seed.md, "Sessions and profiles".
    """
    return tag.strip().lstrip("@").upper()


def _unknown(wanted: str, profiles: tuple[Profile, ...], server: str) -> str:
    tags = sorted({plain(profile.tag) for profile in profiles if profile.tag})
    if not tags:
        return f"no profile {wanted!r} on {server}: the server lists no profiles for this user"
    near = difflib.get_close_matches(plain(wanted), tags, n=1, cutoff=0.5)
    hint = f"; did you mean @{near[0]}?" if near else ""
    return f"no profile {wanted!r} on {server}: it has {', '.join('@' + tag for tag in tags)}{hint}"
