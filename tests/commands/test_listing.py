"""Lists of runs: a run with broken files does not end the list."""

from __future__ import annotations

import json

import pytest
from runs import manifest_of

from uderia_bench.commands import listing
from uderia_bench.runs import directory


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


def test_a_run_whose_process_is_gone_is_listed_as_abandoned(tmp_path):
    """Its manifest still has ``running``, so that only the lock shows it."""
    made = directory.create(tmp_path, "r")
    made.write_manifest({**manifest_of("r").to_json(), "state": "running"})
    with made.claimed():
        assert [run.state for run in listing.runs(tmp_path)] == ["running"]
    assert [run.state for run in listing.runs(tmp_path)] == ["abandoned"]
