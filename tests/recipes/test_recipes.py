"""The recipes, run: their own commands, taken out of their own files, against the embedded server."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from cli.conftest import CORPUS, EXPERIMENT
from ruamel.yaml import YAML

RECIPES = Path(__file__).resolve().parents[2] / "configs" / "recipes"
INSTALL = "pip install uderia-bench"
MISSED = 'gates: ["OPTIM.latency_s.p95 < 1ms"]\n'


@pytest.fixture
def place(tmp_path):
    """Return a directory with an experiment, and the command on the path."""
    (tmp_path / "corpus.yaml").write_text(CORPUS)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT.replace("repeats: 2", "repeats: 1"))
    command = tmp_path / "bin" / "uderia-bench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uderia_bench "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def shell(place, script, *, timeout=100, **env):
    """Run a script as CI systems do: by bash, stopping at the first error."""
    path = f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=place,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def recipe(name):
    """Read a YAML recipe."""
    return YAML(typ="safe", pure=True).load(RECIPES / name)


def cut_short(place):
    """Put a command in the way that interrupts the first run, as a signal would, and lets everything else through."""
    command = place / "bin" / "uderia-bench"
    real = command.with_name("real")
    command.rename(real)
    command.write_text(
        f'#!/bin/sh\n[ "$1" = run ] || exec "{real}" "$@"\n"{real}" "$@" --set sim.speed=8 &\n'
        "until ls output/*/log.jsonl >/dev/null 2>&1; do sleep 0.1; done\nsleep 1\nkill -TERM $!\nwait $!\n"
    )
    command.chmod(0o755)


def test_github_actions(place):
    """Run, report and history work in the order of the file. The summary is the report, and the artifacts exist."""
    job = recipe("github-actions.yaml")["jobs"]["night"]
    scripts = [step["run"] for step in job["steps"] if "run" in step]
    assert scripts[0] == INSTALL
    env = {"EXPERIMENT": "experiment.yaml", "NIGHT": "night-1", "GITHUB_STEP_SUMMARY": str(place / "summary.md")}
    assert set(job["env"]) == {"EXPERIMENT", "NIGHT", "UDERIA_URL", "UDERIA_TOKEN"}
    for script in scripts[1:]:
        done = shell(place, script, **env)
        assert done.returncode == 0, done.stderr
    upload = job["steps"][-1]["with"]["path"].split()
    assert all(list(place.glob(pattern)) for pattern in upload if pattern.strip("|# "))
    assert (place / "summary.md").read_text().startswith("## ")


def test_a_missed_gate_fails_the_job(place):
    """Exit 1 of the run is the step's, and the report is still written."""
    (place / "experiment.yaml").write_text((place / "experiment.yaml").read_text() + MISSED)
    _, run, report = [step["run"] for step in recipe("github-actions.yaml")["jobs"]["night"]["steps"] if "run" in step]
    env = {"EXPERIMENT": "experiment.yaml", "NIGHT": "night-1", "GITHUB_ACTIONS": "true"}
    done = shell(place, run, **env)
    assert done.returncode == 1
    assert "::error title=Gate missed::" in done.stderr
    assert shell(place, report, **env).returncode == 0
    assert ET.parse(place / "junit.xml").getroot()[0].get("failures") == "1"


def test_gitlab_ci(place):
    """The script's lines, one after the other in one shell."""
    job = recipe("gitlab-ci.yaml")["uderia-bench"]
    assert job["before_script"] == [INSTALL]
    done = shell(place, "\n".join(job["script"]), EXPERIMENT="experiment.yaml", NIGHT="night-1")
    assert done.returncode == 0, done.stderr
    assert (place / job["artifacts"]["reports"]["junit"]).is_file()
    assert all(list(place.glob(pattern)) for pattern in job["artifacts"]["paths"])


def test_cron_and_systemd(place):
    """The script both call: a run, its JUnit file beside it; the unit names the script with its experiment."""
    done = shell(place, f"sh {RECIPES / 'nightly.sh'} experiment.yaml runs")
    assert done.returncode == 0, done.stderr
    assert len(list(place.glob("runs/night-*/junit.xml"))) == 1
    assert "ExecStart=/srv/bench/nightly.sh experiment.yaml\n" in (RECIPES / "uderia-bench.service").read_text()
    assert os.access(RECIPES / "nightly.sh", os.X_OK)


def test_an_interrupted_night_goes_on_once(place):
    """Exit 4 is resumed, and what comes out is a whole run."""
    cut_short(place)
    done = shell(place, f"sh {RECIPES / 'nightly.sh'} experiment.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "uderia-bench resume" in done.stderr
    (manifest,) = place.glob("output/night-*/manifest.json")
    assert json.loads(manifest.read_text())["state"] == "complete"


def test_a_night_that_could_not_run_leaves_its_code(place):
    """A server that is not there: exit 3, and no report is attempted."""
    text = (place / "experiment.yaml").read_text().replace("server: {sim: {speed: 200, seed: 7}}", "server: http://127.0.0.1:9")
    (place / "experiment.yaml").write_text(text)
    done = shell(place, f"sh {RECIPES / 'nightly.sh'} experiment.yaml", UDERIA_TOKEN="t")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1


def test_the_commands_of_the_airflow_dag(place):
    """Its two scripts, with Airflow's own template filled in; the DAG itself is loaded by Airflow in 'make recipes'."""
    tree = ast.parse((RECIPES / "airflow_dag.py").read_text())
    names = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    for name in ("RUN", "REPORT"):
        done = shell(place, ast.literal_eval(names[name]).replace("{{ ts_nodash }}", "20261124T020000"))
        assert done.returncode == 0, done.stderr
    assert (place / "output/night-20261124T020000/junit.xml").is_file()


@pytest.mark.timeout(400)
def test_the_airflow_dag_runs_in_airflow(place):
    """Both tasks, by Airflow itself, which 'make recipes' installs."""
    if shutil.which("airflow") is None:
        pytest.skip("no airflow on the path: 'make recipes' has one")
    env = {
        "AIRFLOW_HOME": str(place / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(RECIPES),
        "UDERIA_BENCH_HOME": str(place),
    }
    script = "airflow db migrate && airflow dags reserialize && airflow dags test uderia_bench_night"
    done = shell(place, script, timeout=360, **env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(list(place.glob("output/night-*/junit.xml"))) == 1


def test_the_notebook_runs_from_top_to_bottom(place):
    """Every cell, in a directory with two runs; both figures are drawn."""
    pytest.importorskip("matplotlib")
    for night in ("one", "two"):
        assert shell(place, f"uderia-bench run experiment.yaml --run-id {night}").returncode == 0
    cells = json.loads((RECIPES / "notebook.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = "\n".join([*code, "assert len(plt.get_fignums()) == 2"])
    (place / "notebook.py").write_text(script)
    done = shell(place, f'"{sys.executable}" notebook.py', MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr
