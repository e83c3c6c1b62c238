"""What the README shows works as written: its commands parse, its experiment is sound, its notebook lines run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from uderia_bench import check, experiment, plugins
from uderia_bench.documents import read_text

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [
    line.removeprefix("$ ").split("  #")[0].strip()
    for kind, text in BLOCKS
    if kind == "console"
    for line in text.splitlines()
    if line.startswith("$ uderia-bench")
]


def blocks(kind: str) -> list[str]:
    """Return the README's code of one kind."""
    return [text for name, text in BLOCKS if name == kind]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_shown_parses(line):
    """With --help at its end a command with an unknown option or a missing argument would be refused."""
    done = subprocess.run(
        [sys.executable, "-m", "uderia_bench", *shlex.split(line)[1:], "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`uderia-bench ([a-z]+)", README))))
def test_every_command_named_exists(name):
    """Those in running text and tables, too."""
    done = subprocess.run([sys.executable, "-m", "uderia_bench", name, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_calibration_quoted_is_the_one_stored():
    """What the README says of the statistics stands in the study's own table."""
    quoted = README.partition("<!-- calibration -->")[2].partition("<!-- /calibration -->")[0].strip()
    assert quoted
    assert quoted in (ROOT / "tests" / "calibration" / "table.md").read_text(encoding="utf-8")


def test_every_make_target_shown_exists():
    """What a newcomer types first."""
    targets = re.findall(r"^\$ make (\w+)", README, flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_the_experiment_shown_is_sound():
    """The pieces shown are one experiment, in configs/ beside the corpora it names; its margins and gates mean something."""
    text = "".join(blocks("yaml"))
    document = read_text(text, file=str(ROOT / "configs" / "readme.yaml"))
    loaded = experiment.parse(document, checks=[check.known_names(plugins.load())])
    assert loaded.queries
    assert loaded.gates


def test_the_files_and_links_shown_exist():
    """Relative links and shipped files."""
    for name in re.findall(r"\]\(([\w./-]+)\)|\b((?:configs|corpora)/[\w-]+\.yaml)", README):
        path = next(part for part in name if part)
        assert (ROOT / path).exists(), path


def test_the_notebook_lines_run(tmp_path, monkeypatch):
    """On a run with two trials."""
    import polars as pl

    (tmp_path / "output" / "r" / "trials").mkdir(parents=True)
    pl.DataFrame({"trial_id": ["a", "b"]}).write_parquet(tmp_path / "output" / "r" / "trials" / "part-0.parquet")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for text in blocks("python"):
        exec(compile(text, "README.md", "exec"), names)
    assert names["trials"].height == 2
