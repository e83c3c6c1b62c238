"""``-o FILE``: its ending gives the format, and an existing file is safe."""

import json

import polars as pl
import pytest
from typer.main import get_command

from uderia_bench.cli import options
from uderia_bench.cli.app import app
from uderia_bench.errors import UsageError


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


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (("report", "whole", "--json"), "{"),
        (("runs",), "started (UTC)"),
        (("export", "whole"), '"run_id"'),
        (("label", "draw", "whole", "--kind", "answers"), '"id","question"'),
        (("corpus", "from-text", "questions.txt"), "version: 1"),
    ],
)
def test_a_dash_is_stdout(command, here, arguments, begins):
    """As in other programs. No file of that name is made."""
    command.write("questions.txt", "how many tables are there?\n")
    done = (command if arguments[0] == "corpus" else here)(*arguments, "-o", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(begins)
    assert not (command.cwd / "-").exists()
    assert here("report", "whole", "-o", "./-").returncode == 0
    assert (command.cwd / "-").read_text()


def test_every_file_to_write_may_be_stdout():
    """Whatever command has -o: no member of the family makes a file named -."""

    def options(found):
        for inner in getattr(found, "commands", {}).values():
            yield from options(inner)
        yield from (each for each in found.params if "-o" in each.opts)

    parsers = {each.type_descriptor.parameter_info.parser for each in options(get_command(app))}
    assert {parser and str(parser("-")) for parser in parsers} == {"None", "/dev/stdout"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("runs", "--output", "-"), "--output -: the directory of the runs cannot be stdout"),
        (("init", "-"), "-: stdout cannot be used here"),
        (("view", "whole", "--record", "-"), "-: stdout cannot be used here"),
    ],
)
def test_what_is_no_document_is_not_written_to_stdout(command, arguments, said):
    """A folder or a recording beside other output: exit 2, and nothing is made."""
    before = sorted(command.cwd.iterdir())
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"uderia-bench: {said}")
    assert sorted(command.cwd.iterdir()) == before


def test_data_do_not_go_to_a_terminal(monkeypatch):
    """They are written as they are, with whatever a server said."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(UsageError, match="-o -: data could control the terminal"):
        options.data_file("-")


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
