"""Temporary directories of workers: gone with their process, also where it was killed."""

import subprocess
import sys
import tempfile

import pytest

from uderia_bench.runner import scratch

HOLDS = """
import sys, time
from uderia_bench.runner import scratch
with scratch.folder() as made:
    (made / "log.jsonl").touch()
    print(made, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Give this process and its children another temporary directory."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_directory_of_a_killed_process_is_removed_by_the_next(temporary):
    """While the process lives its directory stays, and so does one that is not of a worker."""
    (temporary / "uderia-bench-notes").mkdir()
    with subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True) as other:
        try:
            left = other.stdout.readline().strip()
            with scratch.folder() as made:
                assert {path.name for path in temporary.iterdir()} == {"uderia-bench-notes", made.name, left.rpartition("/")[2]}
        finally:
            other.kill()
    with scratch.folder() as made:
        assert {path.name for path in temporary.iterdir()} == {"uderia-bench-notes", made.name}
    assert [path.name for path in temporary.iterdir()] == ["uderia-bench-notes"]
