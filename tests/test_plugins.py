"""What plug-ins promise: what another distribution registers is in force, and what cannot be used names its distribution."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest

from uderia_bench import plugins
from uderia_bench.commands import check
from uderia_bench.documents.corpus import Query
from uderia_bench.documents.expectation import Expectation
from uderia_bench.errors import UsageError
from uderia_bench.reading import expectations, metrics

EXTRA = replace(metrics.BUILT_IN[0], name="extra")
NOT_A_METRIC = "a string"
POLITE = replace(expectations.BUILT_IN[0], name="polite")


class Added:
    """Entry points as an installed distribution would register them."""

    def __init__(self, *values: str, group: str) -> None:
        self.points = [EntryPoint(name=value.rpartition(":")[2], value=value, group=group) for value in values]

    def __call__(self):
        """Return all points, to select from."""
        return self

    def select(self, group: str):
        """Return the points of a group."""
        return [point for point in self.points if point.group == group]


@pytest.fixture
def added(monkeypatch):
    """Return a way to register values of this module."""

    def register(*names: str, group: str = "uderia_bench.metrics") -> None:
        monkeypatch.setattr(plugins, "entry_points", Added(*(f"plugin_values:{name}" for name in names), group=group))
        monkeypatch.setitem(__import__("sys").modules, "plugin_values", __import__("sys").modules[__name__])

    return register


def test_without_plugins_the_built_ins_are_in_force(added):
    """Nothing installed, nothing added."""
    added()
    assert plugins.load().metrics == metrics.BUILT_IN


def test_an_installed_metric_is_in_force(added):
    """It comes after the built-ins."""
    added("EXTRA")
    assert plugins.load().metrics[-1] is EXTRA


@pytest.mark.parametrize(
    ("name", "said"),
    [("NOT_THERE", "does not load: AttributeError"), ("NOT_A_METRIC", "is a str, not a Metric")],
)
def test_what_cannot_be_used_is_named(added, name, said):
    """The plug-in, its distribution, and what is wrong."""
    added(name)
    with pytest.raises(UsageError, match=rf"plug-in '{name}' of an unknown distribution \(plugin_values:{name}\): {said}"):
        plugins.load()


def test_a_name_is_taken_once(added):
    """A second metric of one name would hide the first."""
    added("EXTRA", "EXTRA")
    with pytest.raises(UsageError, match="has a 'extra' already"):
        plugins.load()


def test_an_installed_expectation_can_be_used_by_a_corpus(added):
    """A custom kind that no distribution brings is refused with the nearest name. An installed one is taken."""
    query = Query(id="q", prompt="x", turns=("x",), expect=(Expectation.model_validate({"custom": {"kind": "polite"}}),))
    added()
    with pytest.raises(UsageError, match="query q expects 'polite', and no installed distribution brings that"):
        check.expectations_have_judges([query], plugins.load())
    added("POLITE", group="uderia_bench.expectations")
    check.expectations_have_judges([query], plugins.load())
    assert plugins.load().expectations == (*expectations.BUILT_IN, POLITE)
