"""Every document that code, tests and docs cite exists, with the heading that is named."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from docs import pages

CITATION = re.compile(r'(?<![\w/])(docs/[\w./-]+?\.md)((?:(?:, | and )"[^"]+")*)')
OLD = re.compile(r"(?<![\w/\"-])(?:(?:protocol|observed|statistics|seed-vs-server|rag-and-prompts|contract|design)\.md)")
HERE = Path(__file__)
EXAMPLES = pages.ROOT / "tests" / "prose"  # sentences with names that do not exist


def _sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=pages.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    kept = (pages.ROOT / line for line in listed)
    wanted = (path for path in kept if path.suffix in {".py", ".md", ".toml", ".yaml", ".js"} and path.is_file())
    return [path for path in wanted if not path.is_relative_to(EXAMPLES) and path != HERE]


def _joined(path: Path) -> str:
    """Return a file's text with the line breaks of comments and docstrings taken out."""
    return re.sub(r"\s*\n\s*(?:#+ )?", " ", path.read_text(encoding="utf-8"))


SOURCES = _sources()
CITED = sorted(
    {
        (document, heading)
        for path in SOURCES
        for document, headings in CITATION.findall(_joined(path))
        for heading in re.findall(r'"([^"]+)"', headings) or [""]
    }
)


def test_code_cites_the_documentation():
    """There is something to check."""
    assert len(CITED) > 40


@pytest.mark.parametrize(("document", "heading"), CITED)
def test_what_is_cited_exists(document, heading):
    """A document in the repository, and a heading in it."""
    path = pages.ROOT / document
    assert path.is_file(), f"{document} is cited and does not exist"
    assert not heading or heading in pages.headings(path), f"{document} has no heading {heading!r}"


def test_documents_outside_the_repository_are_not_cited():
    """Earlier citations named documents that readers do not have."""
    found = [
        f"{pages.name(path)}: {name}"
        for path in SOURCES
        if pages.DOCS not in path.parents
        for name in OLD.findall(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize("room", ["analysis", "reading", "report", "runner", "runs", "stats", "view"])
def test_the_map_of_a_room_names_its_modules(room):
    """A name in the docstring of one of these packages is a module or folder of it."""
    folder = pages.ROOT / "uderia_bench" / room
    map_of_room = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert set(re.findall(r"``(\w+)``", map_of_room)) <= {path.stem for path in folder.iterdir()}
