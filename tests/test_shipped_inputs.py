"""The corpora and experiments that ship: they load, they are what the documents promise, and they fit each other."""

from collections import Counter
from pathlib import Path

import pytest

from uderia_bench import corpus, experiment, plan

ROOT = Path(__file__).resolve().parents[1]
CORPORA = sorted((ROOT / "corpora").glob("*.yaml"))
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def starter():
    """Return the starter corpus."""
    return corpus.load(ROOT / "corpora" / "starter.yaml")


def shipped(name):
    """Return an experiment that ships, with its plan in numbers."""
    loaded = experiment.load(ROOT / "configs" / name)
    return loaded, plan.describe(plan.build(loaded, loaded.queries))


@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.name)
def test_every_corpus_loads_and_every_query_is_labelled(path):
    """No mistakes; complexity and tags on each query, and the name is the file's."""
    loaded = corpus.load(path)
    assert loaded.name == path.stem
    assert [query.id for query in loaded.queries if query.complexity is None or not query.tags] == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_experiment_loads_and_can_be_planned(path):
    """No mistakes, and a name that is the file's."""
    loaded, outline = shipped(path.name)
    assert loaded.name == path.stem
    assert outline.trials > 0


def test_the_starter_corpus_covers_simple_complex_and_edge():
    """At least 24 queries, enough of each kind for a verdict (6), and expectations on a third."""
    queries = starter().queries
    counts = Counter(query.complexity for query in queries)
    assert len(queries) >= 24
    assert min(counts["simple"], counts["complex"], counts["edge"]) >= 6
    assert sum(bool(query.expect) for query in queries) >= len(queries) / 3


@pytest.mark.parametrize(
    "prompt",
    [
        "how many databases are on the system?",
        "what is the system utilization for the past 24 hours",
        "what is the system utilization for the past 2 days",
        "how many tables were created in the past 2 days",
    ],
)
def test_the_questions_people_measured_so_far_are_in_the_starter_corpus(prompt):
    """Word for word, so that results can be set beside the old ones."""
    assert prompt in {query.prompt for query in starter().queries}


def test_the_quickstart_is_large_enough_to_judge_and_needs_no_server():
    """At least 100 measured trials of IDEAT and OPTIM, each in several turns, on the embedded server at speed 20."""
    loaded, outline = shipped("quickstart.yaml")
    assert {loaded.server_of(arm.name) for arm in loaded.arms} == {"sim"}
    assert (loaded.sim.speed, loaded.sim.seed, loaded.load.concurrency) == (20, 7, 8)
    assert [arm.arm for arm in outline.arms] == ["IDEAT", "OPTIM"]
    assert sum(arm.measured for arm in outline.arms) >= 100
    assert min(arm.windows for arm in outline.arms) >= 6
    assert set(loaded.margins) == {"latency_s", "total_tokens", "cost_usd"}


def test_the_real_comparison_and_the_provider_comparison_are_what_they_say():
    """One asks a real server about IDEAT and OPTIM, the other one profile type on two providers."""
    real, _ = shipped("ideat-vs-optim.yaml")
    providers, _ = shipped("providers.yaml")
    assert (real.server, [arm.name for arm in real.arms]) == ("http://localhost:5050", ["IDEAT", "OPTIM"])
    assert [arm.profile for arm in providers.arms] == ["OPTIM", "OPTIM2"]
    assert {query.complexity for query in providers.queries} == {"simple", "complex"}
