"""Copies of profiles for the arms that change something: made for a run and deleted at its end.

A copy has an id and a tag of the run and the arm, so a run that is resumed makes the same ones again.
Deleting a copy archives its sessions, which the server does by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from uderia_bench.documents.changes import IDENTITY
from uderia_bench.documents.expectation import as_json
from uderia_bench.documents.experiment_parts import Arm
from uderia_bench.gateway import directory
from uderia_bench.runner.managed import KINDS, NEW_PROFILE, PROFILE_ID, PROMPTS, SKILL, SKILL_ID, Managed
from uderia_bench.runs.changes import Change

OURS = (NEW_PROFILE, PROMPTS, SKILL)
"""The kinds of change that a copy needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A copy of a profile, as its server will list it, and the changes of the server that make it."""

    profile: directory.Profile
    changes: tuple[Change, ...]


def copy(arm: Arm, run_id: str, server: str, profiles: Mapping[str, Any], configurations: list[Any]) -> Copy:
    """Return the copy that an arm needs, from what the server lists; raises ``UnknownProfile``."""
    original = directory.resolve(arm.profile, directory.read(dict(profiles), configurations), server=server).profile_id
    listed = next(each for each in profiles["profiles"] if isinstance(each, dict) and each.get("id") == original)
    digest = _digest(arm, run_id)
    skills = {f"{SKILL_ID}{digest}-{number}": said for number, said in enumerate(arm.changes.skills.items())}
    document = {name: value for name, value in listed.items() if name not in IDENTITY}
    document |= as_json(arm.changes.fields)
    document |= {"id": f"{PROFILE_ID}{digest}", "tag": f"BENCH{digest.upper()}", "name": f"uderia-bench: {arm.name}"}
    if skills:
        document["skillsConfig"] = _with_skills(document.get("skillsConfig"), skills)
    (profile,) = directory.read({"profiles": [document]}, configurations)
    changes = [
        *(_new(server, arm, SKILL, name, {"content": text, "name": title}) for name, (title, text) in skills.items()),
        _new(server, arm, NEW_PROFILE, profile.profile_id, document),
    ]
    if arm.changes.prompts:
        changes.append(_new(server, arm, PROMPTS, profile.profile_id, dict(arm.changes.prompts)))
    return Copy(profile=profile, changes=tuple(changes))


def served(arm: Arm, run_id: str) -> Arm:
    """Return the arm with the profile that serves it: its copy, where it changes something."""
    return arm.model_copy(update={"profile": f"{PROFILE_ID}{_digest(arm, run_id)}"}) if arm.changes else arm


def _digest(arm: Arm, run_id: str) -> str:
    return hashlib.sha256(f"{run_id}\0{arm.name}".encode()).hexdigest()[:10]


def _new(server: str, arm: Arm, kind: str, about: str, after: Any) -> Change:
    return Change(server=server, kind=kind, about=about, before=None, after=after, arm=arm.name)


def _with_skills(config: Any, added: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile's skills with new ones that are active in every query."""
    known = config if isinstance(config, dict) else {}
    listed = known.get("skills")
    active = [{"id": name, "enabled": True, "active": True, "param": None} for name in added]
    return {**known, "skills": [*(listed if isinstance(listed, list) else ()), *active]}


@asynccontextmanager
async def made(changes: Sequence[Change], managed: Managed) -> AsyncGenerator[None]:
    """Make the copies of a run, and delete them after it; those of a killed sitting are deleted first."""
    if not changes:
        yield
        return
    await managed.restore(keep=[kind for kind in KINDS if kind not in OURS])
    async with managed.changed(changes):
        yield
