"""Fixtures every test may use: virtual time, and a clean place for runs."""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from hypothesis import settings
from trio.testing import MockClock

UNTRACED_EVERY = 3
STARTING = {"browser", "chaos", "cli", "recipes"}  # folders of tests that start the command

# No deadline: other workers slow an example down, and ``--timeout`` ends a test that hangs. CI uses the same examples every
# time. New ones are tried on developers' machines and by ``make fuzz``.
settings.register_profile("any", deadline=None)
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "any")


# What a developer or a CI system has set for other programs: servers and credentials, proxies, certificates.
for variable in [*os.environ]:
    foreign = variable.startswith(("AWS_", "GITHUB_", "SSL_CERT_", "UDERIA_")) and not variable.startswith("UDERIA_BENCH_")
    if foreign or variable.lower().endswith("_proxy"):
        del os.environ[variable]


def cores() -> int:
    """Return how many cores this process may use; a container may have a quota of those that it sees."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no Linux, or no quota
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        usable = min(usable, max(round(quota / period), 1))
    return usable


def pytest_xdist_auto_num_workers():
    """Use two workers for each core: tests of the command line wait for servers. On two cores three took 14 % longer.

    There is one for each GB of memory at most, which is what a worker with its processes takes.
    """
    return max(min(2 * cores(), psutil.virtual_memory().available >> 30), 1)


gc.disable()  # until everything has been imported and collected


def pytest_collection_modifyitems(items):
    """Measure coverage in two of three tests, and there only in the first case, because tracing adds half to the CPU time.

    The result is a lower bound. Nothing is measured in property tests, and in tests that start the command.
    """
    seen = set()
    for item in items:
        test = item.nodeid.partition("[")[0]
        is_law = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        if test in seen or len(seen) % UNTRACED_EVERY == 0 or is_law or STARTING.intersection(item.path.parts):
            item.add_marker("no_cover")
        seen.add(test)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session):
    """Measure the coverage of the package's imports, not of the collection: tracing doubles its CPU time in each worker."""
    plugins = session.config.pluginmanager
    measuring = plugins.has_plugin("_cov") and plugins.get_plugin("_cov").cov_controller
    if not measuring or plugins.has_plugin("dsession"):  # where workers collect, this process does not
        return (yield)
    package = importlib.import_module("uderia_bench")
    for module in pkgutil.walk_packages(package.__path__, "uderia_bench."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    measuring.pause()
    try:
        return (yield)
    finally:
        measuring.resume()


def pytest_collection_finish():
    """Leave what has been imported and collected out of garbage collections: each would look at 370,000 objects."""
    gc.collect()
    gc.freeze()
    gc.enable()


SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True, scope="session")
def _no_cache_of_the_user(tmp_path_factory):
    """Keep tokens of test servers out of the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def anyio_backend():
    """Run async tests on trio with a clock that jumps to the next deadline: minutes of waiting take no time."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}


@pytest.fixture
def shared() -> Path:
    """Return the shared material beside the checkout, or skip."""
    if not SHARED.is_dir():
        pytest.skip("no shared material beside this checkout")
    return SHARED
