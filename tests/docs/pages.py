"""The documentation as tests see it: pages, their headings, their code blocks."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
DOCUMENTS = [*PAGES, *sorted(ROOT.glob("*.md"))]

_FENCE = re.compile(r"^```([\w-]*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_INCLUDE = re.compile(r"^```\{include\} (\S+)\n.*?^```$", re.DOTALL | re.MULTILINE)


def generated():
    """Return the module that makes the generated parts."""
    if str(DOCS) not in sys.path:
        sys.path.insert(0, str(DOCS))
    import generated as module

    return module


@lru_cache
def text(path: Path) -> str:
    """Return a page as it is built, with its generated and included parts."""
    filled = generated().fill(path.read_text(encoding="utf-8"))
    return _INCLUDE.sub(lambda found: (path.parent / found[1]).read_text(encoding="utf-8"), filled)


@lru_cache
def headings(path: Path) -> frozenset[str]:
    """Return the headings of a page, without marks of code and links."""
    prose = _FENCE.sub("", text(path))
    return frozenset(re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", each).replace("`", "") for each in _HEADING.findall(prose))


def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    return frozenset(re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings(path))


def blocks(path: Path, *kinds: str) -> list[str]:
    """Return the code blocks of these kinds, in their order."""
    return [body for kind, body in _FENCE.findall(path.read_text(encoding="utf-8")) if kind in kinds]


def commands(path: Path) -> list[str]:
    """Return the lines that a reader types, without the prompt."""
    return [line[2:] for block in blocks(path, "console") for line in block.splitlines() if line.startswith("$ ")]


def name(path: Path) -> str:
    """Return a document's path from the root, as a test's name."""
    return path.relative_to(ROOT).as_posix()
