"""The container image and the recipes that start workers: they agree, and run where the programs are installed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import zygote
from cli.conftest import CORPUS, EXPERIMENT
from ruamel.yaml import YAML
from typer.main import get_command

import uderia_bench as ub
from uderia_bench import __version__
from uderia_bench.cli.app import app
from uderia_bench.runner.heartbeat import VARIABLE

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "configs" / "recipes"
DOCKERFILE = (ROOT / "Dockerfile").read_text()
DIGEST = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")


def instructions():
    """Return the instructions of the Dockerfile with their arguments, in order."""
    lines = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def last(name):
    """Return the argument of the last instruction of that name, which is the one of the image."""
    return [argument for instruction, argument in instructions() if instruction == name][-1]


def recipe(name):
    """Read a YAML recipe."""
    return YAML(typ="safe", pure=True).load(RECIPES / name)


def pod():
    """Return the template of the pods."""
    return recipe("kubernetes.yaml")["spec"]["template"]["spec"]


def worker():
    """Return the container of the pods."""
    (container,) = pod()["containers"]
    return container


def parsed(arguments):
    """Return the options with which the command line reads these arguments; raises for a mistake."""
    with get_command(app).make_context("uderia-bench", list(arguments)) as context:
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        return name, command.make_context(name, rest).params


def started(store):
    """Return the arguments of the worker of each recipe, with a store of this machine."""
    script = {
        name: re.search(r"uderia-bench (run .*?--at-once 1)", (RECIPES / name).read_text())[1]
        for name in ("slurm.sh", "parallel.sh")
    }
    places = {'"$experiment"': "experiment.yaml", '"$store"': store, '"$run_id"': "night"}
    for place, value in places.items():
        script = {name: line.replace(place, value) for name, line in script.items()}
    return {
        "kubernetes.yaml": worker()["args"],
        "compose.yaml": recipe("compose.yaml")["services"]["worker"]["command"],
        **{name: shlex.split(line) for name, line in script.items()},
    }


def test_the_image_is_built_from_what_is_pinned():
    """The base has a digest, pip checks hashes, nothing is downloaded by ADD, and only the first step uses the network."""
    pinned = [argument for name, argument in instructions() if name == "ARG" and argument.startswith("BASE=")]
    assert len(pinned) == 1
    assert DIGEST.fullmatch(pinned[0].removeprefix("BASE="))
    assert {argument.split()[0] for name, argument in instructions() if name == "FROM"} == {"${BASE}"}
    assert "ADD" not in dict(instructions())
    installs = [step for name, argument in instructions() if name == "RUN" for step in argument.split("&&") if "/pip" in step]
    assert len(installs) == 4
    assert all("--require-hashes" in step or "--no-index" in step for step in installs)


@pytest.mark.parametrize("file", ["requirements/build.txt", "requirements/image.txt"])
def test_the_image_has_the_versions_that_the_tests_have(file):
    """Every package has a hash and the version of the tests, which 'make audit' looks up. No registry is named."""
    lines = (ROOT / file).read_text()
    names = re.findall(r"^([\w.\[\],-]+==\S+)(.*)$", lines, flags=re.MULTILINE)
    tested = (ROOT / "requirements/dev.txt").read_text()
    assert names
    assert not [name for name, _ in names if f"{name} " not in tested]
    assert len(re.findall(r"\\\n    --hash=sha256:", lines)) >= len(names)
    assert "://" not in lines


def test_the_process_of_the_image():
    """It is started without a shell and without root, and a worker has a health check."""
    assert last("ENTRYPOINT") == '["uderia-bench"]'
    assert last("CMD").startswith("[")
    assert last("HEALTHCHECK").endswith('CMD ["uderia-bench", "healthcheck"]')
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    assert f"{VARIABLE}=/tmp/" in last("ENV")
    assert last("STOPSIGNAL") == "SIGTERM"


def test_nothing_else_gets_into_the_image():
    """The build sees what it copies, and no environment, run or secret of a developer."""
    seen = {line.lstrip("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = " ".join(argument for name, argument in instructions() if name == "COPY" and "--from" not in argument).split()
    assert {name.split("/")[0] for name in copied} - {"."} == seen
    assert all((ROOT / name).exists() for name in seen)


@pytest.mark.parametrize("name", ["kubernetes.yaml", "compose.yaml", "slurm.sh", "parallel.sh"])
def test_every_recipe_starts_the_same_command(name, tmp_path, monkeypatch):
    """Its options exist, and the worker joins a run whose id all of them know."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = f"file://{tmp_path}"
    command, options = parsed(re.sub(r"s3://[\w/]+", store, argument) for argument in started(store)[name])
    assert command == "run"
    assert options["join"]
    assert options["run_id"]
    assert options["at_once"] == 1
    assert name in (ROOT / "docs/how-to/cluster.md").read_text()


def test_recipes_name_the_image_of_this_version():
    """The tag is the version, also in the guide, and other images have a digest."""
    services = recipe("compose.yaml")["services"]
    assert worker()["image"] == f"registry.example/uderia-bench:{__version__}"
    assert services["worker"]["image"] == f"uderia-bench:{__version__}"
    assert DIGEST.fullmatch(services["store"]["image"])
    for page in ("docs/how-to/cluster.md", "RELEASING.md"):
        assert set(re.findall(r"uderia-bench:(\d\S*)", (ROOT / page).read_text())) == {__version__}


def test_the_pods_are_restricted():
    """What the security standard "restricted" of Kubernetes asks for, with the user of the image and a read-only root."""
    user, group = map(int, last("USER").split(":"))
    said, of_worker = pod()["securityContext"], worker()["securityContext"]
    assert (said["runAsNonRoot"], said["runAsUser"], said["runAsGroup"]) == (True, user, group)
    assert said["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_worker == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = {mount["mountPath"]: mount.get("readOnly", False) for mount in worker()["volumeMounts"]}
    assert mounts == {last("WORKDIR"): True, "/tmp": False}
    assert {mount["name"] for mount in worker()["volumeMounts"]} == {volume["name"] for volume in pod()["volumes"]}
    assert pod()["automountServiceAccountToken"] is False
    assert worker()["livenessProbe"]["exec"]["command"] == ["uderia-bench", "healthcheck"]


def test_the_job_tries_again_what_another_try_can_change():
    """Of the exit codes in the reference, only "interrupted" is worth another pod; a soft stop fits into the grace period."""
    spec = recipe("kubernetes.yaml")["spec"]
    rules = {rule["action"]: rule for rule in spec["podFailurePolicy"]["rules"]}
    codes = re.findall(r"^\| (\d) \| (\w+)", (ROOT / "docs/reference/exit-codes.md").read_text(), flags=re.MULTILINE)
    worth = [int(code) for code, meaning in codes if meaning == "interrupted"]
    final = [int(code) for code, meaning in codes if meaning not in ("fine", "interrupted")]
    assert worth == [4]
    assert rules["FailIndex"]["onExitCodes"]["values"] == final
    assert rules["FailIndex"]["onExitCodes"]["containerName"] == worker()["name"]
    assert [condition["type"] for condition in rules["Ignore"]["onPodConditions"]] == ["DisruptionTarget"]
    assert pod()["restartPolicy"] == "Never", "podFailurePolicy needs it"
    assert spec["completionMode"] == "Indexed", "backoffLimitPerIndex needs it"
    assert pod()["terminationGracePeriodSeconds"] > 30, "the default of grace"
    named = [each["name"] for each in worker()["env"]]
    assert f"--run-id=$({named[0]})" in worker()["args"]


def test_compose_names_no_secret():
    """Credentials come from the environment, and the worker has the rights that the image needs."""
    services = recipe("compose.yaml")["services"]
    given = services["worker"]["environment"]
    assert {name for name, value in given.items() if value is None} >= {"UDERIA_TOKEN", "AWS_SECRET_ACCESS_KEY"}
    assert all(value.startswith("${") for value in services["store"]["environment"].values())
    assert services["worker"]["read_only"]
    assert services["worker"]["cap_drop"] == ["ALL"]
    assert services["worker"]["depends_on"] == {"store": {"condition": "service_healthy"}}


@pytest.fixture
def place(tmp_path):
    """Return a directory with an experiment and a store, and the environment of its workers."""
    (tmp_path / "corpus.yaml").write_text(CORPUS)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    zygote.executable(tmp_path / "uderia-bench")
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return tmp_path, {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}


def finished(folder, environ, *command):
    """Run a recipe to its end in a folder."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[zygote.requests()],
    )


def test_parallel_works_on_one_run(place):
    """Two workers and the last one share the run, whose report is printed once; its exit code is that of the run."""
    if shutil.which("parallel") is None:
        pytest.skip("no GNU parallel on the path")
    folder, environ = place
    store = f"file://{folder}/store"
    done = finished(folder, environ, str(RECIPES / "parallel.sh"), "experiment.yaml", store, "one")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("experiment small") == 1
    assert f"joins {store}/one" in done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", environ["XDG_CACHE_HOME"])
        assert ub.load(f"{store}/one")["trial_id"].is_unique().all()
    wrong = finished(folder, environ, str(RECIPES / "parallel.sh"), "missing.yaml", store, "two")
    assert wrong.returncode == 2


@pytest.fixture
def element(place):
    """Return an element of a Slurm array: its script, as Slurm starts it, with a ``scontrol`` that notes what it is asked."""
    folder, environ = place
    (folder / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> "{folder}/scontrol.txt"\n')
    (folder / "scontrol").chmod(0o755)
    environ |= {"SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "0"}
    return folder, environ, ["bash", str(RECIPES / "slurm.sh"), "experiment.yaml", f"file://{folder}/store"]


def test_an_element_works_to_the_end(element):
    """The id of the run is that of the array."""
    folder, environ, command = element
    done = finished(folder, environ, *command)
    assert done.returncode == 0, done.stderr
    assert (folder / "store/slurm-17/report.json").is_file()
    assert not (folder / "scontrol.txt").exists()


@pytest.mark.parametrize(("signal", "requeued"), [("USR1", "requeue 17_0\n"), ("TERM", None)])
def test_an_element_that_is_stopped(element, signal, requeued):
    """Before the time limit it is requeued; when somebody cancels it, it is not. Both are soft stops."""
    folder, environ, command = element
    (folder / "experiment.yaml").write_text(EXPERIMENT.replace("speed: 200", "speed: 2") + "grace: 100ms\n")
    stop = f'while [ ! -d store/slurm-17/journal ]; do sleep 0.1; done; kill -{signal} "$1"'
    script = f"sh -c '{stop}' sh $$ & exec {shlex.join(command)}"
    done = finished(folder, environ, "bash", "-c", script)
    assert done.returncode == 4, done.stderr
    assert "stopping: no new trials are sent" in done.stderr
    noted = folder / "scontrol.txt"
    assert (noted.read_text() if noted.exists() else None) == requeued
