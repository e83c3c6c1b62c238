"""``init``: what it writes is valid, runs on the embedded server, and never replaces a file."""

import ast
import json
import os
import pty
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from uderia_bench.commands.init import RECIPES

CHOSEN = ("init", "bench", "--server", "sim", "--profile", "@IDEAT", "--profile", "optim")


def loaded(path):
    """Read a YAML file."""
    return YAML(typ="safe", pure=True).load(path)


def test_what_it_writes_passes_check_and_runs(command):
    """All gates are passed and most checks, since the template's answers are those of the embedded server."""
    done = command(*CHOSEN)
    assert done.returncode == 0, done.stderr
    assert "uderia-bench run experiment.yaml --dry-run" in done.stdout
    checked = command("check", "bench/corpus.yaml", "bench/experiment.yaml")
    assert checked.returncode == 0, checked.stderr
    assert "warning" not in checked.stdout
    ran = command(
        "run", "bench/experiment.yaml", "--set", "repeats=1", "--set", "sim.speed=200", "--concurrency", "16", "--json"
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert [arm["arm"] for arm in report["arms"]] == ["IDEAT", "OPTIM"]
    assert len(report["gates"]) == 3
    assert all(gate["passed"] for gate in report["gates"]), report["gates"]
    assert min(arm["metrics"]["checks_passed_ratio"]["mean"]["value"] for arm in report["arms"]) > 0.7


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes(command, recipe):
    """Each is the shipped file. The workflow for the embedded server needs no secret."""
    done = command(*CHOSEN, "--ci", recipe)
    assert done.returncode == 0, done.stderr
    written = [command.cwd / "bench" / path for _, path in RECIPES[recipe]]
    assert all(path.is_file() for path in written)
    for path in written:
        text = path.read_text()
        if path.suffix in (".yaml", ".yml"):
            assert loaded(text)
        elif path.suffix == ".py":
            ast.parse(text)
        elif path.suffix == ".sh":
            assert os.access(path, os.X_OK)
    if recipe == "github":
        job = loaded(written[0].read_text())["jobs"]["night"]
        assert job["runs-on"] == "ubuntu-latest"
        assert not [name for name in job["env"] if name.startswith("UDERIA")]


def test_a_server_by_its_address(command):
    """Its address is in the experiment and in the recipe, and the next step names the credentials."""
    where = "https://uderia.test/base"
    done = command("init", "own", "--server", where, "--profile", "A", "--profile", "A", "--profile", "B b")
    assert done.returncode == 0, done.stderr
    assert f"export UDERIA_URL={where} UDERIA_TOKEN=" in done.stdout
    experiment = loaded((command.cwd / "own/experiment.yaml").read_text())
    assert experiment["server"] == where
    assert [arm["name"] for arm in experiment["arms"]] == ["A (1)", "A (2)", "B B"]
    assert command("check", "own/experiment.yaml").returncode == 0
    workflow = loaded((command.cwd / "own/.github/workflows/uderia-bench.yaml").read_text())
    assert workflow["jobs"]["night"]["env"]["UDERIA_URL"] == where


def test_existing_files_are_never_changed(command):
    """The refusal names them all, and nothing is written. An existing .gitignore is kept and said."""
    (command.cwd / "bench").mkdir()
    kept = {"corpus.yaml": "mine", ".gitignore": "mine too"}
    for name, text in kept.items():
        (command.cwd / "bench" / name).write_text(text)
    refused = command(*CHOSEN)
    assert refused.returncode == 2
    assert "init never overwrites, and these exist: bench/corpus.yaml" in refused.stderr
    assert {path.name: path.read_text() for path in (command.cwd / "bench").iterdir()} == kept
    (command.cwd / "bench/corpus.yaml").unlink()
    done = command(*CHOSEN)
    assert done.returncode == 0
    assert "kept bench/.gitignore" in done.stdout
    assert (command.cwd / "bench/.gitignore").read_text() == "mine too"


def test_it_asks_on_a_terminal(command, server):
    """The server, the profiles of that server, and the recipe. Enter takes the default."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    process = subprocess.Popen(
        [sys.executable, "-m", "uderia_bench", "init", "asked"],
        cwd=command.cwd,
        env={**environment, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, f"{server}\n\nnone\n".encode())
    _, asked = process.communicate()
    assert process.returncode == 0, asked
    assert "@COORD" in asked
    assert not (command.cwd / "asked/.github").exists()
    experiment = loaded((command.cwd / "asked/experiment.yaml").read_text())
    assert experiment["server"] == server
    assert len(experiment["arms"]) == 2


def test_the_refusals(command):
    """A recipe or an address that there is not."""
    for arguments in (("--ci", "jenkins"), ("--server", "ftp://x")):
        done = command(*CHOSEN, *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith(f"uderia-bench: {' '.join(arguments)}: ")
    assert not (command.cwd / "bench").exists()
