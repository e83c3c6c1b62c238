"""The recipes, run: their own commands, taken out of their own files, against the embedded server."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import zygote
from cli.conftest import CORPUS, EXPERIMENT, FINISHED
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "configs" / "recipes"
MISSED = 'gates: ["OPTIM.latency_s.p95 < 1ms"]\n'
BASELINE = 'baseline: main\ngates: ["vs baseline: nothing worse"]\n'
LIBRARIES = next(path for path in sys.path if path.endswith("site-packages"))
OFFLINE = {  # what pip would download is installed here already
    "PYTHONPATH": LIBRARIES,
    "PIP_NO_INDEX": "1",
    "PIP_NO_DEPS": "1",
    "PIP_IGNORE_INSTALLED": "1",
    "PIP_NO_COMPILE": "1",  # the commands compile what they import
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Return a wheel of this checkout, which stands for the repository or the index."""
    wheels = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(command, env={**os.environ, **OFFLINE}, check=True)
    return str(next(wheels.glob("*.whl")))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Return a path whose ``python3 -m venv .venv`` makes one environment for all jobs: each would take five seconds."""
    made = tmp_path_factory.mktemp("machine")
    (made / "python3").write_text(
        f'#!/bin/sh\n[ "$*" = "-m venv .venv" ] || exec "{sys.executable}" "$@"\n'
        f'[ -d {made}/.venv ] || "{sys.executable}" -m venv {made}/.venv && exec ln -s {made}/.venv .venv\n'
    )
    (made / "python3").chmod(0o755)
    return f"{made}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def empty(tmp_path, package, path):
    """Return a directory with an experiment and nothing else, as a checkout on a new machine.

    What its job installs is not forked: a run on a busy machine ends with 5.
    """
    (tmp_path / "corpus.yaml").write_text(CORPUS)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    return tmp_path, {"PACKAGE": package, "PATH": path, **OFFLINE}


@pytest.fixture
def place(empty):
    """Return such a directory in which the command is installed already."""
    folder, _ = empty
    (folder / ".venv/bin").mkdir(parents=True)
    zygote.executable(folder / ".venv/bin/uderia-bench")
    return folder


def shell(place, script, **env):
    """Run a script as CI systems do: by bash, stopping at the first error."""
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=place,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[zygote.requests()],
    )


def recipe(name):
    """Read a YAML recipe."""
    return YAML(typ="safe", pure=True).load(RECIPES / name)


class Job:
    """The steps of the GitHub workflow, run one by one as its runner does: ``$GITHUB_PATH`` extends the path."""

    def __init__(self, place, night, **env):
        """Take a job in a workspace."""
        self.place = place
        self.steps = recipe("github-actions.yaml")["jobs"]["night"]["steps"]
        self.env = {**env, "EXPERIMENT": "experiment.yaml", "NIGHT": night}
        self.env |= {name: str(place / name.lower()) for name in ("GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        (place / "github_path").touch()

    def step(self, number):
        """Run the step of that number among those that run commands."""
        script = [step["run"] for step in self.steps if "run" in step][number]
        added = (self.place / "github_path").read_text().splitlines()
        path = [*added, *([] if added else [str(self.place / ".venv/bin")]), self.env.get("PATH", os.environ["PATH"])]
        return shell(self.place, script, **{**self.env, "PATH": os.pathsep.join(path)})

    def cached(self, of):
        """Return the paths that a cache action of the workflow keeps."""
        (found,) = (step["with"]["path"].split() for step in self.steps if f"cache/{of}@" in step.get("uses", ""))
        return found


def cut_short(place):
    """Put a command in the way that gives the first run a budget for a part of its trials, and the resumed one the rest."""
    command = place / ".venv" / "bin" / "uderia-bench"
    real = command.with_name("real")
    command.rename(real)
    options = 'run) set -- "$@" --set budget.trials=3 ;;\nresume) set -- "$@" --set budget.trials=100 ;;'
    command.write_text(f'#!/bin/sh\ncase "$1" in\n{options}\nesac\nexec "{real}" "$@"\n')
    command.chmod(0o755)


def test_github_actions_from_an_empty_machine(empty, tmp_path_factory):
    """Install, run and report as written. The next night has the runs and the baseline of the cache, and nothing else."""
    place, env = empty
    (place / "experiment.yaml").write_text((place / "experiment.yaml").read_text() + BASELINE)
    first = Job(place, "night-1", **env)
    assert first.cached("restore") == first.cached("save") == ["output", "baselines.json"]
    assert first.step(0).returncode == 0
    assert (place / ".venv/bin/uderia-bench").is_file()
    assert first.step(1).returncode in (1, 5), "there is no baseline on the first night, so its gate is missed"
    zygote.executable(place / ".venv/bin/uderia-bench")  # the installed one works: the other commands need not start it
    reported = first.step(2)
    assert reported.returncode == 0, reported.stderr
    assert "main is output/night-1" in reported.stdout
    upload = first.steps[-1]["with"]["path"].split()
    assert all(list(place.glob(pattern)) for pattern in upload if pattern.strip("|# "))
    assert (place / "github_step_summary").read_text().startswith("## ")

    new = tmp_path_factory.mktemp("second")
    for kept in ("experiment.yaml", "corpus.yaml", *first.cached("save")):
        (shutil.copytree if (place / kept).is_dir() else shutil.copy)(place / kept, new / kept)
    second = Job(new, "night-2", **env)
    (new / "github_path").write_text(f"{place / '.venv/bin'}\n")
    ran = second.step(1)
    assert "vs baseline: nothing worse" in ran.stdout
    assert "baseline night-1" in ran.stdout
    assert second.step(2).returncode == 0
    assert "night-1" in (new / "baselines.json").read_text(), "the baseline stays until somebody moves it"


def test_a_missed_gate_fails_the_job(place):
    """Exit 1 of the run is the step's, the report is still written, and the cache is saved."""
    (place / "experiment.yaml").write_text((place / "experiment.yaml").read_text() + MISSED)
    job = Job(place, "night-1", GITHUB_ACTIONS="true")
    done = job.step(1)
    assert done.returncode == 1
    assert "::error title=Gate missed::" in done.stderr
    assert job.step(2).returncode == 0
    assert ET.parse(place / "junit.xml").getroot()[0].get("failures") == "1"
    later = [
        step for step in job.steps if step.get("name", "").startswith(("Report", "Keep")) or "upload" in step.get("uses", "")
    ]
    assert [step["if"] for step in later] == ["always()"] * 3


def test_gitlab_ci(empty):
    """All lines, one after the other in one shell, from a new machine."""
    place, env = empty
    job = recipe("gitlab-ci.yaml")["uderia-bench"]
    lines = [*job["before_script"], *job["script"]]
    done = shell(place, "\n".join(lines), **env, EXPERIMENT="experiment.yaml", NIGHT="night-1")
    assert done.returncode in FINISHED, done.stderr
    assert (place / job["artifacts"]["reports"]["junit"]).is_file()
    assert all(list(place.glob(pattern)) for pattern in (*job["artifacts"]["paths"], *job["cache"]["paths"]))


def test_cron_and_systemd(empty):
    """The script that both call installs the command once. The unit names the script with its experiment."""
    place, env = empty
    script = f"sh {RECIPES / 'nightly.sh'} experiment.yaml"
    done = shell(place, script, **env)
    assert done.returncode in FINISHED, done.stderr
    assert len(list(place.glob("output/night-*/junit.xml"))) == 1
    assert json.loads((place / "baselines.json").read_text())["main"].startswith("output/night-")
    assert "ExecStart=/srv/bench/nightly.sh experiment.yaml\n" in (RECIPES / "uderia-bench.service").read_text()
    assert os.access(RECIPES / "nightly.sh", os.X_OK)


def test_a_night_that_could_not_be_installed(empty):
    """The exit code is that of the installation, and nothing runs."""
    place, _ = empty
    (place / "python3").write_text("#!/bin/sh\nexit 9\n")
    (place / "python3").chmod(0o755)
    path = f"{place}{os.pathsep}{os.environ['PATH']}"
    assert shell(place, f"sh {RECIPES / 'nightly.sh'} experiment.yaml", PATH=path).returncode == 9
    assert not (place / "output").exists()


def test_an_interrupted_night_goes_on_once(place):
    """Exit 4 is resumed, and the result is a whole run."""
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
    """Its scripts, with Airflow's own template filled in; the DAG itself is loaded by Airflow in 'make recipes'."""
    tree = ast.parse((RECIPES / "airflow_dag.py").read_text())
    names = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}
    for name in ("INSTALL", "RUN", "REPORT"):
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
    done = shell(place, script, **env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert len(list(place.glob("output/night-*/junit.xml"))) == 1


def test_the_notebook_runs_from_top_to_bottom(place):
    """Every cell, in a directory with two runs; both figures are drawn."""
    pytest.importorskip("matplotlib")
    for night in ("one", "two"):
        assert shell(place, f".venv/bin/uderia-bench run experiment.yaml --run-id {night}").returncode == 0
    cells = json.loads((RECIPES / "notebook.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    script = "\n".join([*code, "assert len(plt.get_fignums()) == 2"])
    (place / "notebook.py").write_text(script)
    done = shell(place, f'"{sys.executable}" notebook.py', MPLBACKEND="Agg")
    assert done.returncode == 0, done.stderr
