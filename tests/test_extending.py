"""The instructions of CONTRIBUTING, followed as written: by an edit of one file, and from another distribution."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import exchanges
import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENT = """
version: 1
name: small
server: {sim: {speed: 200, seed: 7}}
corpus: corpus.yaml
arms: [{name: IDEAT, profile: "@IDEAT"}]
repeats: 2
"""
CORPUS = """
version: 1
name: small
queries: [{id: db-count, prompt: how many databases are on the system?}, {id: tables, prompt: list the tables in sales_db}]
"""


def code(heading):
    """Return the Python of a section of CONTRIBUTING.md."""
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)


def run(cwd, path, *arguments):
    """Run the command with something put before the package's own place, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "uderia_bench", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 5), done.stderr  # 5: a busy machine makes times invalid
    return done.stdout


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the package, to be edited."""
    shutil.copytree(ROOT / "uderia_bench", tmp_path / "copy/uderia_bench", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy"


def edit(path, *replacements):
    """Replace each text once in a file."""
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def test_a_metric_is_one_edit_of_one_file(copy, tmp_path):
    """The code of CONTRIBUTING in its family's file: in Parquet, the statistics, the report and ``metrics``."""
    start = "METRICS: tuple[Metric, ...] = (\n"
    edit(copy / "uderia_bench/reading/metrics/answer.py", (start, f"{code('Add a metric')}\n\n{start}    ANSWER_WORDS,\n"))
    assert "answer_words" in [row["name"] for row in json.loads(run(tmp_path, copy, "metrics", "--json"))]
    (tmp_path / "corpus.yaml").write_text(CORPUS, encoding="utf-8")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    report = json.loads(run(tmp_path, copy, "run", "experiment.yaml", "--run-id", "r", "--json"))
    assert report["arms"][0]["metrics"]["answer_words"]["mean"]["value"] > 0
    assert pl.read_parquet(tmp_path / "output/r/trials/part-0.parquet")["answer_words"].dtype == pl.Int64
    assert "answer_words" in run(tmp_path, copy, "report", "r")


def test_a_detector_is_one_edit_of_one_file(copy, tmp_path):
    """It is listed, and found in a trial that deserves it."""
    start = "DETECTORS: tuple[Detector, ...] = (\n"
    edit(copy / "uderia_bench/reading/detectors/overhead.py", (start, f"{code('Add a detector')}\n\n{start}    LONG_ANSWER,\n"))
    assert "long_answer [info]" in run(tmp_path, copy, "detectors")
    task = exchanges.task([exchanges.final_answer(1.0, "word " * 201)])
    (tmp_path / "task.json").write_text(json.dumps(task), encoding="utf-8")
    shown = json.loads(run(tmp_path, copy, "inspect", "--task", "task.json", "--json"))
    assert [(issue["kind"], issue["evidence"]) for issue in shown["issues"]] == [("long_answer", ["201 words"])]


def test_an_expectation_is_one_value_and_one_field(copy, tmp_path):
    """It is listed, may be written in a corpus, and is checked."""
    made = code("Add an expectation").split("from uderia_bench.plugins import Answer, ExpectationKind, Judged\n")[1]
    start = "KINDS: tuple[ExpectationKind, ...] = (\n"
    edit(copy / "uderia_bench/reading/expectations/words.py", (start, f"{made}\n\n{start}    MAX_WORDS,\n"))
    field = "    phases_at_most: "
    edit(
        copy / "uderia_bench/documents/expectation.py", (field, f'    max_words: int | None = None\n    """Words."""\n{field}')
    )
    expect = CORPUS.replace("system?}", "system?, expect: [{max_words: 0}]}")
    (tmp_path / "corpus.yaml").write_text(expect, encoding="utf-8")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT, encoding="utf-8")
    assert "max_words" in run(tmp_path, copy, "corpus", "kinds")
    run(tmp_path, copy, "run", "experiment.yaml", "--run-id", "r")
    checks = pl.read_parquet(tmp_path / "output/r/checks/part-0.parquet")
    assert set(checks["kind"]) == {"max_words"}
    assert not checks["passed"].any()


def test_a_profile_type_is_one_file_and_its_name(copy, tmp_path):
    """Its turns are read by it."""
    (copy / "uderia_bench/reading/profile_types/echo.py").write_text(code("Add a profile type"), encoding="utf-8")
    exchange = "from uderia_bench.reading.profile_types.exchange"
    edit(
        copy / "uderia_bench/reading/profile_types/__init__.py",
        ("(GENIE, RAG_FOCUSED,", "(ECHO, GENIE, RAG_FOCUSED,"),
        (exchange, f"from uderia_bench.reading.profile_types.echo import ECHO\n{exchange}"),
    )
    assert echoed(tmp_path, copy)["served"]["profile_type"] == "echo"


def echoed(tmp_path, path):
    """Return what ``inspect`` shows of an echo."""
    task = exchanges.task([exchanges.event("echo_complete", 0.5), exchanges.final_answer(1.0, "how many?")])
    (tmp_path / "task.json").write_text(json.dumps(task), encoding="utf-8")
    return json.loads(run(tmp_path, path, "inspect", "--task", "task.json", "--json"))


def test_another_distribution_adds_all_three(tmp_path):
    """Installed beside the package and found through its entry points, with no other line changed."""
    target = tmp_path / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"),
            *("--no-build-isolation", "--target", str(target), str(ROOT / "tests/plugin_example")),
        ],
        check=True,
    )
    assert json.loads(run(tmp_path, target, "metrics", "--json"))[-1]["name"] == "answer_words"
    assert json.loads(run(tmp_path, target, "detectors", "--json"))["detectors"][-1]["name"] == "long_answer"
    shown = echoed(tmp_path, target)
    assert (shown["served"]["profile_type"], shown["metrics"]["answer_words"]) == ("echo", 2)
