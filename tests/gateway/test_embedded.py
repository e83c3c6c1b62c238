"""What the child process promises: it answers while it is wanted, ends with us, and says why where it does not start."""

from __future__ import annotations

import gc
import os
import resource
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from uderia_bench.errors import CannotRun
from uderia_bench.gateway import embedded

OPEN = Path("/proc/self/fd")


def test_it_listens_and_ends_with_the_block():
    """Its address answers inside the block and not afterwards."""
    with embedded.serve(seed=1, speed=100.0) as url:
        assert httpx.get(f"{url}/sim/truth").json() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/sim/truth")


@contextmanager
def descriptors(left: int):
    """Leave this process so many file descriptors to open, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 + left + max(int(path.name) for path in OPEN.iterdir()), hard))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(left):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in taken:
            os.close(each)


@pytest.mark.parametrize("left", range(5))
def test_out_of_file_descriptors_is_a_reason(left):
    """However few are left: one line, and nothing stays open."""
    gc.collect()  # what an earlier test left open may be closed at any time
    before = set(OPEN.iterdir())
    with (
        descriptors(left),
        pytest.raises(CannotRun, match=r"did not start: (Too many open files|No usable temporary)"),
        embedded.serve(seed=1, speed=1.0),
    ):
        pass
    assert set(OPEN.iterdir()) <= before


def test_its_last_words_are_ours():
    """A child that cannot start is one line with its reason."""
    with pytest.raises(CannotRun, match=r"the embedded Uderia did not start: .*speed"), embedded.serve(seed=1, speed=-1.0):
        pass
