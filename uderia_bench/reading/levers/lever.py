"""Types of a lever: a named, documented, pure function from a profile to changes that are worth a try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything a lever may look at: the profile as its server lists it, and what else the server has.

    ``prompts`` has the names of the prompts that each ``category/subcategory`` can use. ``called`` are the
    data tools that the profile's trials called, and ``issues`` the kinds of issue found in them. Both
    come from the queries of the screening only, so that the other queries are a fair test. ``texts`` are
    the user's, by name.
    """

    profile: Mapping[str, Any]
    llm_configurations: tuple[Mapping[str, Any], ...] = ()
    context_windows: tuple[Mapping[str, Any], ...] = ()
    collections: tuple[Mapping[str, Any], ...] = ()
    prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    called: tuple[str, ...] = ()
    issues: frozenset[str] = frozenset()
    texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def profile_type(self) -> str:
        """The type of the profile; a profile without one is a planner."""
        return str(self.profile.get("profile_type") or "tool_enabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One change to try. ``changes`` is what an arm of an experiment has under that name."""

    name: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """A kind of change. ``answers`` are the kinds of issue that it may cure; () for one that is always worth a try.

    ``propose`` returns the changes that apply to a profile, and must not raise for any setting.
    """

    name: str
    doc: str
    answers: tuple[str, ...]
    propose: Callable[[Setting], tuple[Candidate, ...]]
