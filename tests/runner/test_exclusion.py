"""Two runs on one server: windows that want it alone do not overlap, and take turns."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from uderia_bench.runner import exclusion
from uderia_bench.runner.stop import Stop

pytestmark = pytest.mark.anyio
URL = "https://uderia.test"


async def windows(folder, who, seen, *, n=3, shared=False, server=URL, stop=None) -> None:
    """Hold a server for some windows, one after the other, and note each begin and end."""
    for _ in range(n):
        async with exclusion.window(folder, server, stop or Stop(), shared=shared):
            seen.append(f"{who} begins")
            await anyio.sleep(0.05)
            seen.append(f"{who} ends")


async def test_two_runs_take_turns(tmp_path, monkeypatch):
    """Each window ends before the other run's begins, and neither run gets two in a row while the other waits."""
    monkeypatch.setattr(exclusion, "LOOK_AGAIN_S", 0.001)  # windows are much longer than the waits between two looks
    seen = []
    async with anyio.create_task_group() as group:
        group.start_soon(windows, tmp_path, "a", seen)
        group.start_soon(windows, tmp_path, "b", seen)
    one, other = seen[0][0], "ab".replace(seen[0][0], "")
    assert seen == [f"{who} {what}" for _ in range(3) for who in (one, other) for what in ("begins", "ends")]


@pytest.mark.parametrize(("shared", "server"), [(True, URL), (False, "https://other.test")])
async def test_what_may_overlap_does(tmp_path, shared, server):
    """Windows of overlapping arms share a server, and other servers have nothing to do with it."""
    seen = []
    async with exclusion.window(tmp_path, server, Stop(), shared=shared):
        await windows(tmp_path, "b", seen, n=1, shared=shared)
    assert seen == ["b begins", "b ends"]


async def test_a_window_of_one_arm_waits_for_overlapping_ones(tmp_path):
    """A server that arms share is not free for a run that wants it alone."""
    seen = []
    async with anyio.create_task_group() as group, exclusion.window(tmp_path, URL, Stop(), shared=True):
        group.start_soon(partial(windows, tmp_path, "b", seen, n=1))
        await anyio.sleep(0.1)
        assert seen == []
    assert seen == ["b begins", "b ends"]


async def test_a_stop_ends_the_wait(tmp_path, monkeypatch):
    """A run that waits for a server says so once, and can be stopped."""
    monkeypatch.setattr(exclusion, "LOOK_AGAIN_S", 0.001)
    monkeypatch.setattr(exclusion, "TELL_AFTER_S", 0.005)
    said, seen = [], []
    stop = Stop(say=said.append)
    async with exclusion.window(tmp_path, URL, Stop(), shared=False), anyio.create_task_group() as group:
        group.start_soon(partial(windows, tmp_path, "b", seen, n=1, stop=stop))
        await anyio.sleep(0.02)
        assert seen == []
        stop.ask()
    assert seen == ["b begins", "b ends"]
    assert said == [f"waiting for another run's turn on {URL} to end"]


async def test_without_a_place_for_locks_nothing_waits(tmp_path):
    """A cache directory that cannot be written does not stop a run."""
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file" / "below"):
        async with exclusion.window(folder, URL, Stop(), shared=False), exclusion.window(folder, URL, Stop(), shared=False):
            pass
