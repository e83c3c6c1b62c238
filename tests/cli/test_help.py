"""What a reader sees before a command runs: help, completion, and summaries that fit their line."""

import functools
import re
import subprocess
import sys

import pytest
from invoked import TREE, invoked

COMMANDS = sorted(TREE.commands)


@functools.cache
def helped(*arguments):
    """Return the help that a terminal of 80 columns shows."""
    shown = invoked([*arguments], env={"COLUMNS": "80"}, terminal_width=78)  # click leaves two columns free
    assert shown.exit_code == 0
    return shown.output


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_h_works_as_help(command):
    """Many programs have it."""
    assert helped(*command, "-h") == helped(*command, "--help")


@pytest.mark.parametrize("command", [(), ("corpus",), ("baseline",), ("label",)])
def test_summaries_fit_their_line(command):
    """A summary that is cut ends in three dots."""
    lines = helped(*command, "--help").partition("Commands:")[2].splitlines()
    assert [line for line in lines if line.endswith("...")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_of_help_is_wider_than_the_terminal(command):
    """Also options with long names."""
    assert max(map(len, helped(command, "--help").splitlines())) <= 80


def test_help_and_completion_import_only_typer():
    """Every press of the tabulator key starts the program, and each package takes time."""
    code = "import sys, uderia_bench.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {"anyio", "httpx", "numpy", "orjson", "polars", "pydantic", "rich", "ruamel", "scipy", "structlog"}
    assert packages.intersection(done.stdout.split()) == set()


def test_completion_can_be_installed():
    """The options come from typer."""
    assert {"--install-completion", "--show-completion"} <= set(re.findall(r"--[\w-]+", helped("--help")))
