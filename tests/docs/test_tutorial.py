"""The tutorial works as written, against the embedded server, and its notebook lines read the run it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zygote

from docs import pages

TUTORIAL = pages.DOCS / "tutorial" / "first-decision.md"
NOTEBOOK = pages.DOCS / "how-to" / "notebook.md"
COMMAND = [sys.executable, "-m", "uderia_bench"]
SPEED = "60"  # the tutorial has 20
pytestmark = pytest.mark.timeout(300)  # a dozen processes, on a machine that may be busy


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder in which every command of the tutorial has been run, and what each one printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    questions, experiment = pages.blocks(TUTORIAL, "yaml")
    server = subprocess.Popen([*COMMAND, "sim", "--port", "0", "--speed", SPEED], stdout=subprocess.PIPE, text=True)
    try:
        url = server.stdout.readline().split('"url":"')[1].split('"')[0]
        (folder / "questions.yaml").write_text(questions)
        (folder / "experiment.yaml").write_text(experiment.replace("http://localhost:5050", url))
        yield folder, {line: _printed(line.replace("http://localhost:5050", url), folder) for line in _lines()}
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def _lines() -> list[str]:
    return [line for line in pages.commands(TUTORIAL) if line.startswith("uderia-bench ") and " sim " not in line]


def _printed(line: str, folder: Path) -> str:
    env = {**os.environ, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
    done = zygote.run(*line.split()[1:], cwd=folder, env=env)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def test_it_leads_to_a_decision(place):
    """The run asks what the tutorial counts, and its last paragraphs name an arm for simple queries."""
    _, printed = place
    assert "IDEAT" in printed["uderia-bench profiles --server http://localhost:5050"]
    assert "72 measured trials" in printed["uderia-bench check experiment.yaml"]
    decision = printed["uderia-bench run experiment.yaml"].rpartition("\n\n")[2]
    assert decision.startswith("Simple queries: use IDEAT")
    assert "Complex queries: this run has none." in decision


def test_it_leaves_a_report_and_shows_a_trial(place):
    """A page for the browser, and one trial in the terminal."""
    folder, printed = place
    assert (folder / "report.html").stat().st_size > 10_000
    assert "OPTIM" in printed["uderia-bench inspect latest databases-OPTIM-r1"]


def test_the_notebook_lines_run(place, monkeypatch):
    """Every Python block of the guide, in one session, on the run of the tutorial."""
    folder, _ = place
    monkeypatch.chdir(folder)
    (folder / "corpora").mkdir()
    (run,) = (folder / "output").iterdir()
    shutil.copytree(run, folder / "earlier" / "run")
    (folder / "baselines.json").write_text('{"last-week": "earlier/run"}')
    (folder / "corpora" / "starter.yaml").write_text((pages.ROOT / "corpora" / "starter.yaml").read_text())
    names: dict = {}
    for block in pages.blocks(NOTEBOOK, "python"):
        exec(compile(block, "notebook.md", "exec"), names)
    assert names["trials"].height >= 72
    assert names["table"].height
    assert names["queries"]
    assert names["frame"].height
