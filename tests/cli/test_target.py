"""``-o FILE``: its ending gives the format, and an existing file is safe."""

import json

import polars as pl
import pytest


@pytest.fixture
def here(command, once):
    """Return the command in an empty directory, for which the runs are elsewhere."""

    def call(*arguments):
        return command(*arguments, "--output", str(once.parent))

    return call


@pytest.mark.parametrize(
    ("arguments", "file", "begins"),
    [
        (("report", "whole"), "r.md", "## "),
        (("report", "whole"), "r.json", "{"),
        (("report", "whole"), "r.HTML", "<!doctype html>"),
        (("report", "whole"), "r.xml", "<?xml"),
        (("report", "whole"), "r.txt", "Simple queries"),
        (("report", "whole", "--format", "markdown"), "r.txt", "## "),
        (("history",), "h.html", "<!doctype html>"),
        (("history",), "h.json", "{"),
        (("runs",), "runs.json", "["),
        (("trials", "whole"), "t.json", "["),
        (("inspect", "whole", "db-count-IDEAT-r1"), "trial.json", "{"),
        (("inspect", "whole"), "list.txt", "outcome"),
        (("export", "whole"), "t.csv", '"run_id"'),
        (("export", "whole"), "t.jsonl", "{"),
    ],
)
def test_the_ending_gives_the_format(command, here, arguments, file, begins):
    """``--format`` wins where it is given. Nothing is printed on stdout."""
    done = here(*arguments, "-o", file)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert f"wrote {file}\n" in done.stderr or done.stderr.endswith(f" to {file}\n")
    assert (command.cwd / file).read_text().startswith(begins)


def test_the_endings_of_binary_exports(command, here):
    """Parquet is recognised too."""
    assert here("export", "whole", "-o", "t.parquet").returncode == 0
    assert pl.read_parquet(command.cwd / "t.parquet").height > 0


@pytest.mark.parametrize("arguments", [("report", "whole"), ("history",), ("export", "whole"), ("trials", "whole")])
def test_an_existing_file_is_replaced_only_on_request(command, here, arguments):
    """Exit 2 and the option that replaces it. The file keeps its text."""
    name = "out.csv" if arguments[0] == "export" else "out.json"
    (command.cwd / name).write_text("mine")
    refused = here(*arguments, "-o", name)
    assert refused.returncode == 2
    assert refused.stderr == f"uderia-bench: {name}: exists already. Use --overwrite to replace it\n"
    assert (command.cwd / name).read_text() == "mine"
    assert here(*arguments, "-o", name, "--overwrite").returncode == 0
    assert (command.cwd / name).read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("report", "whole", "-o", "r.foo"), "-o r.foo: the ending .foo names no format of this command: use .txt (text), "),
        (("export", "whole", "-o", "r.md"), "-o r.md: the ending .md names no format of this command: use .csv (csv), "),
        (("report", "whole", "--json", "--format", "html"), "--json and --format html contradict each other"),
        (("report", "whole", "--format", "pdf"), "--format pdf: use text, markdown, json, html or junit"),
    ],
)
def test_a_format_that_cannot_be_meant_is_refused(command, here, arguments, said):
    """In one line, before anything is computed or written."""
    done = here(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"uderia-bench: {said}")
    assert done.stderr.count("\n") == 1
    assert list(command.cwd.glob("r.*")) == []


def test_times_of_options_have_the_units_of_experiments(here):
    """A wrong one names the option."""
    done = here("watch", "whole", "--every", "5q")
    assert done.returncode == 2
    assert done.stderr.startswith("uderia-bench: --every 5q: should be a time such as ")
    assert here("watch", "whole", "--every", "500ms").returncode == 0


def test_a_schema_can_be_written_to_a_file(command):
    """As every document."""
    done = command("schema", "experiment", "-o", "s.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((command.cwd / "s.json").read_text())["title"] == "uderia-bench experiment"


@pytest.mark.parametrize("option", ["--run-id", "--output"])
def test_an_empty_option_is_an_error(command, option):
    """A variable of a script that is not set would otherwise make a run under another name, or in another directory."""
    done = command("run", "experiment.yaml", f"{option}=")
    assert done.returncode == 2, done.stderr
    assert not list(command.cwd.glob("**/manifest.json"))
