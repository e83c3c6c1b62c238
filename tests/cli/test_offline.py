"""The commands that need no server, through the real command."""

from __future__ import annotations

import json

import polars as pl
import pytest

from uderia_bench import plugins
from uderia_bench.commands import conclude, report, results
from uderia_bench.runs.directory import RunDirectory
from uderia_bench.runs.run import Run

COMMANDS = [
    "demo",
    "run",
    "compare",
    "resume",
    "derive",
    "report",
    "diff",
    "power",
    "export",
    "profiles",
    "check",
    "metrics",
    "schema",
    "history",
    "sim",
    "watch",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(command, name):
    """Help is there, fits 80 columns and shows how the command is typed."""
    done = command(name, "--help")
    assert done.returncode == 0
    assert f"Example: uderia-bench {name}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_version_is_the_packages(command):
    """--version says which."""
    assert command("--version").stdout.startswith("uderia-bench 0.")


@pytest.mark.parametrize("arguments", [["nonsense"], ["run"], ["run", "--nonsense"], ["report", "latest", "--format", "pdf"]])
def test_usage_errors_are_exit_2(command, arguments):
    """As every command line does it; no traceback."""
    done = command(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_check_describes_what_is_sound_and_lists_what_is_not(command):
    """Sound documents in a line each; every mistake of the others at once, exit 2."""
    done = command("check", "corpus.yaml", "experiment.yaml")
    assert done.returncode == 0, done.stderr
    assert "corpus of 4 queries (3 simple, 1 complex)" in done.stdout
    assert "experiment of 8 measured trials" in done.stdout
    command.write("one.yaml", "version: 1\nqueries: [{id: a, prompt: how many?}]\n")
    assert "corpus of 1 query (1 unlabelled)" in command("check", "one.yaml").stdout
    command.write("a.yaml", "version: 1\nqueries: []\n")
    command.write("b.yaml", "version: 1\nserver: sim\ncorpus: none.yaml\narms: []\n")
    command.write("c.yaml", "version: 1\nqueries: [{id: a, prompt: how many?, expect: [custom: {kind: odd, value: 1}]}]\n")
    names = ("a.yaml", "c.yaml", "b.yaml", "missing.yaml")
    done = command("check", *names)
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "a.yaml",
        "c.yaml",
        *["b.yaml"] * 2,
        "missing.yaml",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "corpus.yaml"), "corpus.yaml: is a corpus, not an experiment; name it in an experiment, as corpus: FILE"),
        (("corpus", "stats", "experiment.yaml"), "experiment.yaml: is an experiment, not a corpus; name the file with its"),
        (("run", "words.txt"), "words.txt: should be a mapping (key: value), not 'hello'"),
        (("work", "r"), "uderia-bench: r: not the address of a run in a store, such as s3://bucket/prefix/RUN"),
        (("runs", "--output", "words.txt"), "uderia-bench: --output words.txt: is a file; name a directory or a store"),
        (("schema", "report", "-o", ""), "uderia-bench: -o is empty; name a file, or - for stdout"),
        (("schema", "report", "-o", "none/x.json"), "uderia-bench: none/x.json: cannot be written: no directory none; make"),
        (("sim", "--port", "99999"), "uderia-bench: port must be from 0 to 65535, not 99999"),
        (("sim", "--faults", "none.yaml"), "uderia-bench: none.yaml: cannot be read: No such file or directory"),
        (("sim", "--faults", "tab.yaml"), "uderia-bench: tab.yaml:2: found character '\\t' that cannot start any token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_usual_mistake_gets_one_message(command, arguments, said):
    """It names what is wrong, and what to write instead, on one line."""
    command.write("words.txt", "hello\n")
    command.write("tab.yaml", "faults:\n\t- {kind: x}\n")
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_lists_without_an_entry_say_what_to_do(command, once):
    """A wrong name is not an empty directory."""
    done = command("baseline", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no baseline yet. Name a run with 'uderia-bench baseline save NAME RUN'" in done.stderr
    done = command("runs", "--experiment", "none", "--output", str(once.parent))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"uderia-bench: {once.parent} has no run of experiment 'none'; there are runs of small\n"
    done = command("baseline", "save", "latest", "whole", "--output", str(once.parent))
    assert done.stderr == "uderia-bench: baseline 'latest': it always means the newest run; choose another name\n"


def test_check_gives_its_findings_as_json(command):
    """One object a document, with the same mistakes as on stderr and the same exit code."""
    command.write("a.yaml", "version: 1\nqueries: [{id: a, prompt: how many?, complexity: easy}]\n")
    done = command("check", "corpus.yaml", "a.yaml", "--json")
    sound, wrong = json.loads(done.stdout)
    assert (done.returncode, sound["file"], sound["mistakes"]) == (2, "corpus.yaml", [])
    assert sound["summary"] == "corpus of 4 queries (3 simple, 1 complex)"
    assert (wrong["summary"], wrong["remarks"]) == (None, [])
    (mistake,) = wrong["mistakes"]
    place = f"{mistake['file']}:{mistake['line']}: {mistake['path']}"
    assert done.stderr == f"{place}: {mistake['message']}\n"


def test_metrics_lists_the_registry(command):
    """Every metric with unit and meaning, for people and as JSON."""
    rows = json.loads(command("metrics", "--json").stdout)
    assert {"latency_s", "total_tokens", "fastpath_rate", "direct_tool_rate"} <= {row["name"] for row in rows}
    assert all(row["doc"] and row["unit"] for row in rows)
    text = command("metrics").stdout
    assert "latency_s [s, lower]" in text
    assert max(map(len, text.splitlines())) <= 80


def test_profiles_lists_what_there_is_to_compare(command):
    """The embedded server's, with type and model."""
    done = command("profiles", "--server", "sim")
    assert done.returncode == 0, done.stderr
    assert {"profile", "@IDEAT", "@OPTIM", "@FOCUS", "@COORD"} <= {line.split()[0] for line in done.stdout.splitlines()}
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert any(
        row["tag"] == "OPTIM" and row["models"] for row in json.loads(command("profiles", "--server", "sim", "--json").stdout)
    )


def test_a_run_is_derived_reported_and_exported_offline(command, whole):
    """From the ledger alone: the same Parquet again, each report form, each export form; reports as if computed again."""
    run, installed = Run.open(RunDirectory(whole)), plugins.load()
    fresh, kept = conclude.report_on(run, installed), results.read(run, installed)
    for form in report.FORMS:
        assert report.render(kept, form, Run.open(RunDirectory(whole))) == report.render(
            fresh, form, Run.open(RunDirectory(whole))
        )
    before = pl.read_parquet(whole / "trials" / "*.parquet")
    for path in (whole / "trials").iterdir():
        path.unlink()
    done = command("derive", "latest")
    assert done.returncode == 0, done.stderr
    assert "derived 8 measured trials" in done.stdout
    assert pl.read_parquet(whole / "trials" / "*.parquet").equals(before)
    assert command("report", "whole").stdout.count("latency_s") > 0
    assert command("report", "whole", "--format", "markdown").stdout.startswith("#")
    assert command("report", "whole", "--format", "html").stdout.startswith("<!doctype html>")
    assert json.loads(command("report", str(whole), "--json").stdout)["schema"] == "uderia-bench/report/1"
    assert command("report", "whole", "--format", "markdown", "-o", "out.md").stdout == ""
    assert (command.cwd / "out.md").read_text().startswith("#")
    for form in ("csv", "parquet", "jsonl"):
        done = command("export", "whole", "--format", form, "-o", f"trials.{form}")
        assert done.returncode == 0, done.stderr
    assert pl.read_csv(command.cwd / "trials.csv").height == before.height


def test_no_run_is_one_line(command):
    """Exit 2 with what to do."""
    done = command("report", "latest")
    assert done.returncode == 2
    assert "start one with" in done.stderr
