"""Lists of runs: a run with broken files does not end the list."""

from __future__ import annotations

import json

import pytest
from runs import manifest_of

from uderia_bench.commands import listing


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("report.json", "[1, 2]"),
        ("report.json", "{torn"),
        ("report.json", '{"gates": [{}]}'),
        ("report.json", '{"run": {"settled": 3}}'),
        ("manifest.json", "[]"),
        ("manifest.json", '{"experiment": []}'),
        ("manifest.json", "{torn"),
    ],
)
def test_a_run_with_a_broken_file_is_listed_as_unreadable(tmp_path, name, content):
    """Whatever its JSON is."""
    for run_id in ("good", "broken"):
        (tmp_path / run_id).mkdir()
        (tmp_path / run_id / "manifest.json").write_text(json.dumps(manifest_of(run_id).to_json()))
    (tmp_path / "broken" / name).write_text(content)
    assert {run.run_id: run.state for run in listing.runs(tmp_path)} == {"good": "complete", "broken": "unreadable"}
