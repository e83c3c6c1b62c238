"""The exit code and the output of a command whose surroundings are broken."""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import xml.etree.ElementTree as ET
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from cli.conftest import placed

ADMIN = {"UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
FINISHED = {"fine": 0, "missed": 1, "invalid": 5}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, once):
    """Return the command and, by the exit code of a run, arguments that end with it without asking a query."""
    command = placed(tmp_path_factory.mktemp("outcomes"))
    output = command.cwd / "output"
    for name in ("fine", "missed"):
        shutil.copytree(once, output / name)
    manifest = json.loads((output / "missed/manifest.json").read_text())
    manifest["experiment"]["gates"] = ["IDEAT.answered < 1%"]
    (output / "missed/manifest.json").write_text(json.dumps(manifest))
    overlapping = ("--set", "load.isolation=none", "--set", "load.concurrency=8", "--set", "repeats=4")
    assert command("run", "experiment.yaml", "--run-id", "invalid", *overlapping).returncode == 5
    assert command("run", "experiment.yaml", "--run-id", "cut", "--set", "budget.trials=2").returncode == 4
    return command, {
        0: ("resume", "fine"),
        1: ("resume", "missed"),
        2: ("run", "nothing.yaml"),
        3: ("profiles", "--server", "http://127.0.0.1:9"),
        4: ("resume", "cut"),
        5: ("resume", "invalid"),
    }


@contextmanager
def reader_that_has_gone():
    """Return the end of a pipe that is not read any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@contextmanager
def nothing_left():
    """Return a device on which no byte fits."""
    with Path("/dev/full").open("wb") as full:
        yield full


@contextmanager
def closed():
    """Return what stands for a closed file."""
    yield None


SURROUNDINGS = {
    "the step summary is in a missing directory": ({"GITHUB_STEP_SUMMARY": "/proc/none/x"}, {}),
    "the step summary is a directory": ({"GITHUB_STEP_SUMMARY": "/"}, {}),
    "stdout is closed": ({}, {1: closed}),
    "stdout is full": ({}, {1: nothing_left}),
    "the reader of stdout has gone": ({}, {1: reader_that_has_gone}),
    "stderr is closed": ({}, {2: closed}),
    "stderr is full": ({}, {2: nothing_left}),
    "the reader of both has gone": ({}, {1: reader_that_has_gone, 2: reader_that_has_gone}),
    "stdout is not UTF-8": ({"PYTHONIOENCODING": "cp1252"}, {}),
    "stdout is ASCII": ({"PYTHONIOENCODING": "ascii"}, {}),
}


CASES = [(broken, code) for broken in SURROUNDINGS for code in range(4)]  # 4 and 5 end as 1 does
CASES += [(broken, code) for broken in ("stdout is full", "the reader of both has gone") for code in (4, 5)]


@pytest.mark.parametrize(("broken", "code"), CASES)
def test_the_exit_code_is_that_of_the_run(outcomes, broken, code):
    """A job reads it, whatever happens to the texts."""
    command, of_code = outcomes
    env, streams = SURROUNDINGS[broken]
    given = {number: make() for number, make in streams.items()}
    opened = {number: stream.__enter__() for number, stream in given.items()}
    try:
        done = command(*of_code[code], env={**ADMIN, **env}, streams=opened)
    finally:
        for stream in given.values():
            stream.__exit__(None, None, None)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_a_summary_that_cannot_be_written_is_reported(outcomes):
    """On stderr, with the path."""
    command, _ = outcomes
    done = command("resume", "fine", env={"GITHUB_STEP_SUMMARY": "/proc/none/x"})
    assert "GITHUB_STEP_SUMMARY: /proc/none/x cannot be written: No such file or directory" in done.stderr
    assert done.stdout.rstrip().splitlines()[-1].strip().endswith(".")


def test_a_command_that_only_prints_fails_where_nothing_can_be_printed(outcomes):
    """A job that stores a report must see that it is not complete. A reader that stops early is no error."""
    command, _ = outcomes
    with nothing_left() as full:
        done = command("report", "fine", streams={1: full})
    assert (done.returncode, done.stderr) == (2, "uderia-bench: stdout cannot be written: No space left on device\n")
    with reader_that_has_gone() as pipe:
        assert command("report", "fine", streams={1: pipe}).returncode == 0


@pytest.mark.parametrize("form", ["junit", "markdown", "html", "json"])
def test_a_document_on_stdout_is_utf_8(outcomes, tmp_path, form):
    """Whatever the terminal's encoding is: XML that declares UTF-8 must be UTF-8."""
    command, _ = outcomes
    with (tmp_path / "printed").open("wb") as file:
        assert (
            command("report", "fine", "--format", form, env={"PYTHONIOENCODING": "cp1252"}, streams={1: file}).returncode == 0
        )
    assert command("report", "fine", "--format", form, "-o", str(tmp_path / "saved")).returncode == 0
    assert (tmp_path / "printed").read_bytes() == (tmp_path / "saved").read_bytes()
    if form == "junit":
        ET.fromstring((tmp_path / "printed").read_bytes())


def test_text_on_a_terminal_that_lacks_a_character_is_readable(outcomes, tmp_path):
    """Characters it does not have are written out."""
    command, _ = outcomes
    with (tmp_path / "printed").open("wb") as file:
        assert command("report", "fine", env={"PYTHONIOENCODING": "cp1252"}, streams={1: file}).returncode == 0
    text = (tmp_path / "printed").read_text("cp1252")
    assert "±" in text
    assert "─" not in text


def test_a_pipe_is_written_through(outcomes, tmp_path):
    """Its reader gets the report, and it stays a pipe."""
    command, _ = outcomes
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    assert command("report", "fine", "--format", "junit", "-o", str(tmp_path / "pipe")).returncode == 0
    reader.join(timeout=60)
    assert got
    ET.fromstring(got[0])
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_stdout_by_its_name_is_written_through(outcomes, tmp_path, mode):
    """Also through a link to it, and where the shell appends to a file."""
    command, _ = outcomes
    (tmp_path / "out").symlink_to("/proc/self/fd/1")
    for name in ("/dev/stdout", str(tmp_path / "out")):
        (tmp_path / "file").write_text("before\n")
        with (tmp_path / "file").open(mode) as file:
            assert command("export", "fine", "-o", name, "--format", "jsonl", streams={1: file}).returncode == 0
        lines = (tmp_path / "file").read_text().splitlines()
        assert (lines[0] == "before") == (mode == "ab")
        assert sum(line.startswith("{") for line in lines) >= 8
    assert (tmp_path / "out").is_symlink()


def test_a_link_is_followed_and_a_mode_is_kept(outcomes, tmp_path):
    """A file that others read stays readable, and ``latest.md`` stays a link."""
    command, _ = outcomes
    (tmp_path / "dated.md").write_text("old")
    (tmp_path / "dated.md").chmod(0o664)
    (tmp_path / "latest.md").symlink_to("dated.md")
    assert command("report", "fine", "--format", "markdown", "-o", str(tmp_path / "latest.md"), "--overwrite").returncode == 0
    assert (tmp_path / "latest.md").is_symlink()
    assert (tmp_path / "dated.md").read_text().startswith("## ")
    assert stat.S_IMODE((tmp_path / "dated.md").stat().st_mode) == 0o664
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dated.md", "latest.md"]


def test_a_file_that_others_have_too_stays_theirs(outcomes, tmp_path):
    """A second name of a file and its owner are kept, because the text is written into the file."""
    command, _ = outcomes
    for name in ("own.md", "theirs.md"):
        (tmp_path / name).write_text("replaced" * 10_000)
    (tmp_path / "second.md").hardlink_to(tmp_path / "own.md")
    with suppress(PermissionError):  # only root can give a file away
        os.chown(tmp_path / "theirs.md", 65534, 65534)
    owner = (tmp_path / "theirs.md").stat().st_uid
    for name in ("own.md", "theirs.md"):
        assert command("report", "fine", "-o", str(tmp_path / name), "--overwrite").returncode == 0
        assert (tmp_path / name).read_text().startswith("## ")
        assert "replaced" not in (tmp_path / name).read_text()
    assert (tmp_path / "second.md").samefile(tmp_path / "own.md")
    assert (tmp_path / "theirs.md").stat().st_uid == owner


@pytest.mark.parametrize("target", ["", "file/in/it", "missing/in/it", "loop"])
def test_a_path_that_cannot_be_written_is_named(outcomes, tmp_path, target):
    """A directory, a path below a file, a path in a missing directory, and a link to itself."""
    command, _ = outcomes
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    for arguments in (("report", "fine"), ("export", "fine"), ("history",)):
        done = command(*arguments, "-o", str(tmp_path / target))
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert f"{tmp_path / target}: cannot be written: " in done.stderr
