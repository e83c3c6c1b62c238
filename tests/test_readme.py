"""The README is short, and what it shows works as written. ``tests/docs`` checks its commands, YAML and links as well."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from docs import pages

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_it_is_short():
    """Everything else is in the documentation."""
    assert len(TEXT.splitlines()) <= 150


def test_every_make_target_shown_exists():
    """What a newcomer types first."""
    targets = re.findall(r"^\$ make (\w+)", TEXT, flags=re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_the_files_named_in_commands_exist():
    """Relative links are checked with those of the documentation."""
    named = re.findall(r"\b(?:configs|corpora)/[\w-]+\.yaml", TEXT)
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_the_picture_is_of_a_report():
    """It shows the decision and the effects of the same run as the text beside it, and is small."""
    found = re.search(r"!\[[^]]+\]\(([^)]+)\)", TEXT)
    picture = ROOT / found[1]
    words = " ".join(ET.fromstring(picture.read_text(encoding="utf-8")).itertext())
    assert all(expected in words for expected in ("quickstart", "SIMPLE QUERIES", "OPTIM compared with IDEAT", "latency_s"))
    (decision,) = pages.blocks(README, "text")
    assert all(share in words for share in re.findall(r"\d+%", decision.splitlines()[0]))
    assert "href" not in picture.read_text(encoding="utf-8")
    assert picture.stat().st_size < 30_000


def test_the_notebook_lines_run(tmp_path, monkeypatch):
    """On a run with two trials."""
    import polars as pl

    (tmp_path / "output" / "r" / "trials").mkdir(parents=True)
    pl.DataFrame({"trial_id": ["a", "b"]}).write_parquet(tmp_path / "output" / "r" / "trials" / "part-0.parquet")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for text in pages.blocks(README, "python"):
        exec(compile(text, "README.md", "exec"), names)
    assert names["trials"].height == 2
