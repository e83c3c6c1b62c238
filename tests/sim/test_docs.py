"""Tests of the documentation page of the embedded server."""

from __future__ import annotations

import re
from pathlib import Path

from uderia_bench.sim.agent import questions
from uderia_bench.sim.agent.profiles import PROFILES
from uderia_bench.sim.trouble.effects import TARGETS
from uderia_bench.sim.trouble.faults import KINDS
from uderia_bench.sim.trouble.scenario import load

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "embedded-uderia.md").read_text()


def test_the_example_scenario_loads(tmp_path):
    """The YAML of the page is a valid scenario."""
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "scenario.yaml"
    path.write_text(block)
    settings = load(path)
    assert (len(settings.faults), len(settings.effects), settings.quotas.calls_per_hour) == (2, 4, 1000)


def test_the_page_names_every_profile_fault_effect_and_mark():
    """Every mark of the page has an effect."""
    for name in (*(profile.tag for profile in PROFILES), *(f"`{kind}`" for kind in KINDS), *(f"`{on}`" for on in TARGETS)):
        assert name in PAGE, name
    marks = set(re.findall(r"`(#\w+)", PAGE))
    known = {mark for pattern in questions._WORDS.values() for mark in re.findall(r"#\w+", pattern)} | {"#slow", "#rewrite"}
    assert marks == known
    plain = questions.difficulties("which version?")
    assert all(questions.difficulties(f"which version? {mark}") != plain for mark in marks)
