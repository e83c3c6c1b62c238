"""What the child process promises: it answers while it is wanted, ends with us, and says why where it does not start."""

from __future__ import annotations

import httpx
import pytest

from uderia_bench import embedded
from uderia_bench.errors import CannotRun


def test_it_listens_and_ends_with_the_block():
    """An address that answers inside, and nobody there afterwards."""
    with embedded.serve(seed=1, speed=100.0) as url:
        assert httpx.get(f"{url}/sim/truth").json() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/sim/truth")


def test_its_last_words_are_ours():
    """A child that cannot start is one line with its reason."""
    with pytest.raises(CannotRun, match=r"the embedded Uderia did not start: .*speed"), embedded.serve(seed=1, speed=-1.0):
        pass
