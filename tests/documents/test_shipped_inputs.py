"""The corpora and experiments that ship: they load, they are what the documents promise, and they fit each other."""

from collections import Counter
from functools import cache
from pathlib import Path

import embedded_answers
import pytest

from uderia_bench.documents import corpus, corpus_counts, experiment
from uderia_bench.reading.expectations import BUILT_IN, Answer, check, plain_text
from uderia_bench.runner import plan
from uderia_bench.runner.outline import describe

ROOT = Path(__file__).resolve().parents[2]
CORPORA = sorted((ROOT / "corpora").glob("*.yaml"))
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
load = cache(corpus.load)
pytestmark = pytest.mark.no_cover  # megabytes of YAML, by lines that small documents cover


def starter():
    """Return the starter corpus."""
    return load(ROOT / "corpora" / "starter.yaml")


@cache
def shipped(name):
    """Return an experiment that ships, with its plan in numbers."""
    loaded = experiment.load(ROOT / "configs" / name)
    return loaded, describe(plan.build(loaded, loaded.queries), loaded)


@pytest.mark.parametrize("path", CORPORA, ids=lambda path: path.name)
def test_every_corpus_loads_and_every_query_is_labelled(path):
    """No mistakes; complexity and tags on each query, and the name is the file's."""
    loaded = load(path)
    assert loaded.name == path.stem
    assert [query.id for query in loaded.queries if query.complexity is None or not query.tags] == []


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_experiment_loads_and_can_be_planned(path):
    """No mistakes, a name that is the file's, and enough turns of each arm to compare it."""
    loaded, outline = shipped(path.name)
    assert loaded.name == path.stem
    assert outline.trials > 0
    assert outline.unbalanced == (), "it can reach a verdict"


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
    assert set(loaded.asked_servers) == {"sim"}
    assert (loaded.sim.speed, loaded.sim.seed, loaded.load.concurrency) == (20, 7, 8)
    assert [arm.arm for arm in outline.arms] == ["IDEAT", "OPTIM"]
    assert sum(arm.measured for arm in outline.arms) >= 100
    assert min(arm.windows for arm in outline.arms) >= 6
    assert set(loaded.margins) == {"latency_s", "total_tokens", "cost_usd"}


def test_the_real_comparison_and_the_provider_comparison_have_their_arms():
    """One asks a real server about IDEAT and OPTIM, the other one profile type on two providers."""
    real, _ = shipped("ideat-vs-optim.yaml")
    providers, _ = shipped("providers.yaml")
    assert (real.server, [arm.name for arm in real.arms]) == ("http://localhost:5050", ["IDEAT", "OPTIM"])
    assert [arm.profile for arm in providers.arms] == ["OPTIM", "OPTIM2"]
    assert {query.complexity for query in providers.queries} == {"simple", "complex"}


# ---- the corpora together

BEYOND = "beyond-embedded"  # the tag of what a real agent may know and the embedded one must fail
KINDS = {kind.name: kind for kind in BUILT_IN}
ALL = load(ROOT / "corpora" / "nightly.yaml").queries


def faultless(query):
    """Return the checks of a query that the embedded planner passes and fails on a day without accidents."""
    passed, failed = [], []
    for turn, prompt in enumerate(query.turns, start=1):
        expected = [each for each in query.expect if (each.turn or len(query.turns)) == turn]
        trace = embedded_answers.optim(prompt)
        evidence = Answer(trace=trace, text=plain_text(trace.answer), others=PLAIN_ANSWERS)
        for each in check(evidence, expected, KINDS):
            if each.passed is not None:
                (passed if each.passed else failed).append(each)
    return passed, failed


PLAIN_ANSWERS = {
    query.id: plain_text(trace.answer) for query in ALL for trace in (embedded_answers.optim(query.turns[-1]),) if trace.answer
}


def test_the_nightly_corpus_is_worth_a_night():
    """At least 240 conversations that differ, each with an expectation or a rubric, all three complexities well filled."""
    asked = Counter(query.turns for query in ALL)
    assert len(asked) >= 240
    assert [turns for turns, times in asked.items() if times > 1] == []
    assert [query.id for query in ALL if not query.expect] == []
    assert sum(corpus_counts.ANSWER_DECIDES in query.tags for query in ALL) >= 40
    assert min(Counter(query.complexity for query in ALL).values()) >= 60
    assert {query.id for path in CORPORA for query in load(path).queries} == {query.id for query in ALL}


@pytest.mark.parametrize("query", [query for query in ALL if query.expect and BEYOND not in query.tags], ids=lambda q: q.id)
def test_the_embedded_server_can_satisfy_what_is_not_beyond_it(query):
    """Whatever an unlucky trial does, a lucky one passes every check; a planner that cannot chat is not judged on it."""
    _, failed = faultless(query)
    assert [(check.kind, check.expected, check.found) for check in failed] == []


@pytest.mark.parametrize("query", [query for query in ALL if BEYOND in query.tags], ids=lambda query: query.id)
def test_the_embedded_server_must_fail_what_is_beyond_it(query):
    """So that a run on it shows failures, on purpose."""
    _, failed = faultless(query)
    assert failed


def test_enough_expectations_are_put_to_the_test_on_the_embedded_server():
    """At least 80 queries that it satisfies or must fail."""
    satisfied = [query.id for query in ALL if query.expect and BEYOND not in query.tags and faultless(query)[0]]
    beyond = [query.id for query in ALL if BEYOND in query.tags]
    assert len(satisfied) + len(beyond) >= 80
    assert min(len(satisfied), len(beyond)) >= 30


def test_every_kind_of_expectation_is_in_use():
    """Users find kinds in the corpora that ship."""
    used = {kind for query in ALL for expectation in query.expect for _, kind, _ in expectation.named()}
    assert used == {*KINDS, "any", "all"}


def test_the_nightly_and_the_smoke_experiment_have_their_size():
    """Everything twice, and twenty queries with the mix of the whole."""
    nightly, outline = shipped("nightly.yaml")
    assert (len(nightly.queries), nightly.repeats) == (len(ALL), 2)
    assert outline.trials == 2 * (2 * sum(len(query.turns) for query in ALL) + nightly.warmup)
    smoke, _ = shipped("smoke.yaml")
    assert len(smoke.queries) == 20
    assert set(Counter(query.complexity for query in smoke.queries)) == {"simple", "complex", "edge"}


def test_the_docs_count_what_ships():
    """The table between its markers is the one `uderia-bench corpus stats corpora/*.yaml` prints."""
    page = (ROOT / "docs" / "reference" / "shipped-corpora.md").read_text(encoding="utf-8")
    rest = page.partition("<!-- corpora -->")[2]
    made = corpus_counts.to_markdown(corpus_counts.table([load(path) for path in CORPORA]))
    assert rest.partition("<!-- /corpora -->")[0].strip() == made
