"""A run in a store: made by ``run --output URL``, finished by ``work``, and read by its address."""

from __future__ import annotations

import json
import subprocess
import sys

import polars as pl
import pytest
from cli.conftest import FINISHED, placed

import uderia_bench as ub


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Yield the command where a store has a complete run, the store's address, and what the run printed."""
    command = placed(tmp_path_factory.mktemp("shared"))
    store = f"file://{command.cwd}/store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(command.cwd / "cache"))
        done = command("run", "experiment.yaml", "--output", store, "--run-id", "one", "--set", "warmup=0")
        assert done.returncode == 0, done.stderr
        yield command, store, done
    command.end()


def begun(shared):
    """Return the command, and the address of a store in which tests begin runs."""
    command, _, _ = shared
    return command, f"file://{command.cwd}/more"


def test_the_run_is_complete_and_names_its_address(shared):
    """The report gives files and the next command by address; the store has what a run directory has."""
    command, store, done = shared
    assert f"{store}/one/report.md" in done.stdout
    assert f"uderia-bench report {store}/one" in " ".join(done.stdout.split())  # lines break at 80 columns
    manifest = json.loads((command.cwd / "store/one/manifest.json").read_text())
    assert (manifest["state"], manifest["left"], len(manifest["generator"])) == ("complete", 0, 1)
    assert pl.read_parquet(command.cwd / "store/one/trials/part-0.parquet").height == 8
    assert not list((command.cwd / "store/.servers").glob("probe-*"))


def test_reading_commands_take_the_address(shared):
    """A run by its address, or by its id with --output; and tables in a notebook."""
    command, store, _ = shared
    by_address = command("report", f"{store}/one", "--json")
    assert by_address.returncode == 0, by_address.stderr
    assert by_address.stderr == ""  # the saved analysis is used
    assert command("report", "latest", "--output", store, "--json").stdout == by_address.stdout
    trial = ub.load(f"{store}/one")["trial_id"][0]
    assert trial in command("inspect", f"{store}/one", trial).stdout
    assert [run["run_id"] for run in json.loads(command("runs", "--output", store, "--json").stdout)] == ["one"]
    assert ub.load(f"{store}/o*").height == ub.load(output=store).height == 8


def test_a_worker_has_nothing_to_do_in_a_complete_run(shared):
    """It prints the report. An unknown run is named in the error, and an id is used once."""
    command, store, done = shared
    again = command("work", f"{store}/one")
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
    resumed = command("resume", "latest", "--output", store)
    assert (resumed.returncode, resumed.stdout) == (0, done.stdout)
    changed = command("resume", f"{store}/one", "--grace", "1s")
    assert changed.returncode == 2
    assert "several workers may be at work" in changed.stderr
    missing = command("work", f"{store}/two")
    assert missing.returncode == 2
    assert (
        missing.stderr
        == f"uderia-bench: {store}/two: no run here; 'uderia-bench runs --output {store}' lists those there are\n"
    )
    twice = command("run", "experiment.yaml", "--output", store, "--run-id", "one")
    assert twice.returncode == 2
    assert f"run one exists in {store}: go on with 'uderia-bench work {store}/one'" in twice.stderr


def test_the_next_worker_writes_what_a_dead_one_had_not_written(shared):
    """The dead one left its files in this machine's cache, where they look as if they came from the store."""
    command, store = begun(shared)
    run = command.cwd / "more/died"
    in_the_way = run / "results.jsonl"
    in_the_way.mkdir(parents=True)
    died = command("run", "experiment.yaml", "--output", store, "--run-id", "died", "--set", "warmup=0")
    assert "Is a directory" in died.stderr
    in_the_way.rmdir()
    assert json.loads((run / "manifest.json").read_text()).get("left") != 0
    done = command("work", f"{store}/died")
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "manifest.json").read_text())["left"] == 0
    assert pl.read_parquet(run / "trials/part-0.parquet").height == 8


def test_the_same_command_begins_a_run_and_joins_it(shared):
    """Workers of a launcher need no order: one begins the run, and the others work on it, also after its end."""
    command, store = begun(shared)
    arguments = ("run", "experiment.yaml", "--output", store, "--run-id", "joined", "--join")
    workers = [command.start(*arguments) for _ in range(3)]
    ended = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], ended
    assert sum(f"joins {store}/joined" in err for _, err in ended) == 2
    late = command(*arguments)
    assert (late.returncode, late.stdout) == (0, ended[0][0])
    assert ub.load(f"{store}/joined")["trial_id"].is_unique().all()
    other = command(*arguments, "--repeats", "2")
    assert other.returncode == 2
    assert f"{store}/joined has another experiment or corpus: choose another --run-id" in other.stderr


def test_a_sample_by_cost_is_joined_also_when_more_is_known_of_the_costs(shared):
    """The worker that begins a run draws its queries. Later ones know the tokens of other runs, and then of this one."""
    command, store = begun(shared)
    classes = ("edge", "complex")  # of which other tokens are expected than these questions need
    asked = [f"  - {{id: q{n}, prompt: how many rows has table {n}?, complexity: {classes[n % 2]}}}\n" for n in range(12)]
    command.write("costs.yaml", "version: 1\nname: costs\nqueries:\n" + "".join(asked))
    settings = ("--set", "corpus=costs.yaml", "--set", "repeats=1", "--set", "warmup=0", "--output", store)
    sampled = ("run", "experiment.yaml", *settings, "--set", "sample={n: 6, by: cost}", "--run-id", "drawn", "--join")
    first = command(*sampled)
    assert first.returncode in FINISHED, first.stderr
    for _ in range(2):
        later = command(*sampled)
        assert (later.returncode, later.stdout) == (first.returncode, first.stdout), later.stderr
        assert f"joins {store}/drawn" in later.stderr
        other = command("run", "experiment.yaml", *settings, "--run-id", "other", "--join")
        assert other.returncode in FINISHED, other.stderr
    assert ub.load(f"{store}/drawn")["query_id"].n_unique() == 6
    other_draw = command(*sampled, "--set", "sample.n=5")
    assert "drawn has another experiment or corpus" in other_draw.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--output", "{store}", "--join"), "--join needs --run-id"),
        (("--join", "--run-id", "two"), "--join is for a run in a store"),
    ],
)
def test_join_needs_a_store_and_an_id(shared, options, message):
    """Nothing is asked where it cannot be known which run is meant."""
    command, store, _ = shared
    done = command("run", "experiment.yaml", *(option.format(store=store) for option in options))
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("stop={metric: latency_s, looks: 2}", "stop: interim looks need all trials in one process"),
        ("budget.usd=20", "budget: each worker would spend all of it: remove budget, or give --output a directory"),
    ],
)
def test_what_needs_one_process_is_refused(shared, key, message):
    """Workers see all trials, and what all of them spent, only when the run is complete."""
    command, store, _ = shared
    done = command("run", "experiment.yaml", "--output", store, "--set", key)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_command_line_imports_no_cloud_package():
    """Start-up time does not grow by what only a store or a cluster needs."""
    packages = {"obstore", "distributed", "dask", "boto3", "fsspec"}
    code = f"import sys, uderia_bench.cli.app, uderia_bench.commands.run; print({packages} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "arguments",
    [
        *((name, "URL/one") for name in ("report", "trials", "watch", "derive", "restore", "power", "work", "resume")),
        *((name, "--output", "URL") for name in ("history", "runs")),
        *(("export", "URL/one", "-o", "-"), ("diff", "URL/one", "URL/two"), ("report", "latest", "--output", "URL")),
    ],
    ids=" ".join,
)
def test_a_reading_command_does_not_make_the_folder_of_a_store(command, arguments):
    """One message that names the address, with the exit code of other missing input."""
    url = f"file://{command.cwd}/none/here"
    before = sorted(command.cwd.iterdir())
    done = command(*(argument.replace("URL", url) for argument in arguments), env={"XDG_CACHE_HOME": f"{command.cwd}/../cache"})
    assert sorted(command.cwd.iterdir()) == before
    assert (done.returncode, done.stdout) == (0 if "runs" in arguments else 2, "")
    assert done.stderr.startswith("uderia-bench: ")
    assert (url in done.stderr, done.stderr.count("\n")) == (True, 1)
