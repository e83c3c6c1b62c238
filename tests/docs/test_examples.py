"""What the documentation shows works as written: commands, YAML and Python."""

from __future__ import annotations

import re
import shlex
import shutil

import pytest
from invoked import invoked
from ruamel.yaml import YAML

from docs import pages

COMMANDS = sorted(
    {
        (pages.name(path), line.split("  #")[0].strip())
        for path in pages.DOCUMENTS
        for line in pages.commands(path)
        if line.startswith("uderia-bench ")
    }
)
NAMED = sorted({found for path in pages.DOCUMENTS for found in re.findall(r"`uderia-bench ([a-z]+)", path.read_text())})
WRITTEN = [
    pytest.param(path, number, block, id=f"{pages.name(path)}-{number}")
    for path in pages.DOCUMENTS
    for number, block in enumerate(pages.blocks(path, "yaml"))
]
BASE = """\
version: 1
server: sim
corpus: corpora/starter.yaml
arms:
  - {name: IDEAT, profile: IDEAT}
  - {name: OPTIM, profile: OPTIM}
"""
QUERIES = "version: 1\nname: n\nqueries:\n  - id: q\n    prompt: p\n"


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_commands_parse(document, line):
    """An unknown command or option is refused, also before --help."""
    done = invoked([*shlex.split(line)[1:], "--help"])
    assert done.exit_code == 0, f"{document}: {done.output}"


@pytest.mark.parametrize("command", NAMED)
def test_commands_in_running_text_exist(command):
    """Those in tables, too."""
    assert invoked([command, "--help"]).exit_code == 0


@pytest.mark.no_cover
@pytest.mark.parametrize(("path", "number", "block"), WRITTEN)
def test_documents_are_sound(path, number, block, tmp_path):
    """An experiment or a corpus passes check. A part of one passes check inside a small document."""
    keys = set(YAML(typ="safe").load(block))
    if {"faults", "effects"} & keys or "jobs" in keys:
        return  # tests/sim/test_docs.py loads the scenario
    if "expect" in keys:
        written = QUERIES + "".join(f"    {line}\n" for line in block.splitlines())
    elif "queries" in keys:
        written = re.sub(r"^include:.*\n", "", block, flags=re.MULTILINE)
    elif "arms" in keys:
        written = block
    else:
        needs = "" if "baseline" in keys or "baseline" not in block else "baseline: main-nightly\n"
        written = BASE + needs + block
    shutil.copytree(pages.ROOT / "corpora", tmp_path / "corpora")
    shutil.copytree(pages.ROOT / "corpora", tmp_path / "up" / "corpora")
    questions = pages.blocks(pages.DOCS / "tutorial" / "first-decision.md", "yaml")[0]
    (tmp_path / "up" / "questions.yaml").write_text(questions)
    (tmp_path / "up" / "corpora" / "own").mkdir()
    file = tmp_path / "up" / "document.yaml"
    file.write_text(written)
    done = invoked(["check", str(file)])
    assert done.exit_code == 0, f"{pages.name(path)}, YAML block {number}: {done.output}{done.exception}"


@pytest.mark.parametrize("path", [pages.DOCS / "how-to" / "plug-ins.md", pages.ROOT / "CONTRIBUTING.md"], ids=pages.name)
def test_plug_ins_can_be_made_with_the_public_imports(path):
    """Each block defines a plug-in by itself, and imports from nowhere else in the package."""
    blocks = pages.blocks(path, "python")
    assert blocks
    for block in blocks:
        modules = re.findall(r"^from (uderia_bench\S*) import|^import (uderia_bench\S*)", block, re.MULTILINE)
        assert modules == [("uderia_bench.plugins", "")]
        names: dict = {}
        exec(compile(block, pages.name(path), "exec"), names)
        assert any(name.isupper() and hasattr(value, "doc") for name, value in names.items())
