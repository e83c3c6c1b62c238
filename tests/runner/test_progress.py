"""Progress output: counts by outcome, rate and time left; plain lines when piped, a bar on a terminal."""

from __future__ import annotations

import io

import pytest
import traces
from rich.console import Console

from uderia_bench.reading import profile_types
from uderia_bench.runner import progress

ANSWERED = {"task_id": "t", "status": "complete", "events": [], "result": None}


def watched(total: int, *, terminal: bool, monkeypatch, seconds_each: float = 6.0) -> str:
    """Feed ``total`` trials, half of them answered, a fixed time apart, and return what was shown."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100, soft_wrap=True)
    with progress.shown(total, console) as watch:
        for number in range(total):
            now[0] += seconds_each
            watch(profile_types.read(traces.record(ANSWERED if number % 2 else None)))
    return screen.getvalue()


def test_piped_lines_count_outcomes_and_time_left(monkeypatch):
    """About every ten seconds a line with outcomes, rate and time left; none at the end, where the report follows."""
    lines = watched(10, terminal=False, monkeypatch=monkeypatch).splitlines()
    assert lines[0].startswith("2/10 trials (2 failed), 0.2/s, about 48 s left")
    assert not any(line.startswith("10/10") for line in lines)


def test_quick_runs_print_nothing_when_piped(monkeypatch):
    """A run of a few seconds prints no progress lines."""
    assert watched(10, terminal=False, monkeypatch=monkeypatch, seconds_each=0.1) == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    """The bar shows outcomes, done of total, and a rate."""
    shown = watched(4, terminal=True, monkeypatch=monkeypatch)
    assert "4 failed" in shown
    assert "4/4" in shown


@pytest.mark.parametrize("terminal", [True, False])
def test_an_empty_run_is_no_error(terminal, monkeypatch):
    """A resume without trials left is not an error."""
    watched(0, terminal=terminal, monkeypatch=monkeypatch)
