"""Whatever stands in a file: loaded, it is a corpus or an experiment, or mistakes in our own words, in bounded memory.

Files are real ones, mangled: as text, line by line and byte by byte, and as values, each replaced by anything.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from bounded import bounded, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uderia_bench import plugins
from uderia_bench.commands import check
from uderia_bench.documents import corpus
from uderia_bench.documents.yaml.reading import read_text
from uderia_bench.errors import BenchError, DocumentError

CORPUS = """\
version: 1
name: small
include: [other.yaml]
queries:
  - &first {id: a, prompt:	"count the databases \\ud83d\\ude00", complexity: simple, tags: [x, y]}
  - {id: "b-{n}", prompt: "list {n} tables in {db}", matrix: {n: [1, 2.5], db: [sales, hr]}, complexity: complex}
  - id: c
    turns: [who are you?, and what did I ask?]
    expect:
      - {contains: one, turn: 2}
      - {number: {value: 3, tolerance: 0.1, unit: rows}}
      - {matches: 'a+b{1,3}'}
      - {any: [{one_of: [x, y]}, {not_contains: error}]}
      - {json_path: {path: '$.a[*].b', equals: 1}}
      - {same_as: a}
      - {table: [[sales, 3], [hr, 1.5]]}
      - {llm_judge: is it polite?}
  - id: d
    prompt: |
      several
      lines
    expect: [{max_s: 20}, {max_tokens: 10000}, {tools_called: [base_readQuery]}]
"""
EXPERIMENT = """\
version: 1
server: http://localhost:5050
sim: {speed: 10, seed: 7}
corpus: corpus.yaml
filter: {tags: [x], complexity: [simple, complex]}
sample: {n: 5, seed: 1, by: complexity}
shard: 1/2
arms:
  - {name: IDEAT, profile: "@IDEAT"}
  - {name: OPTIM, profile: OPTIM, server: sim, concurrency: 2}
contrasts: [{baseline: IDEAT, candidate: OPTIM}]
repeats: 3
load: {concurrency: 4, isolation: arm, arrivals: poisson, rate: 2/s}
timeout: 10m
budget: {usd: 3.5, tokens: 100000, trials: 60, time: 2h}
stop: {metric: total_tokens, looks: 3}
margins: {latency_s: 10%, cost_usd: 0.05}
gates: ["OPTIM.latency_s.p95 < 20s", "OPTIM vs IDEAT: total_tokens not worse", issues.recursion == 0]
prices: {"Alpha/one": {input_cost_per_million: 1.5, output_cost_per_million: 6}}
judge: {url: "http://localhost:11434/v1", model: m}
"""
SNIPPETS = st.sampled_from(
    [
        *(
            "- ",
            ": ",
            "{",
            "}",
            "[",
            "]",
            "&a ",
            "*first",
            "*a",
            "<<: *first",
            "!!python/object ",
            "? ",
            "| ",
            "> ",
            "---",
            "%",
        ),
        *("\t", "\x00", "\ufeff", "\u2028", "'", '"', "\\U0011ffff", "1" * 40, "1e999", "-.inf", ".nan", "10%", "{n}", "{{n}}"),
        *("/dev/zero", "../", "id: a", "name: OPTIM", "99999999h", "(a+)+$", "'" + "x" * 3000 + "'", "[" * 40, "\ud83d\udca5"),
    ]
)
KEYS = st.sampled_from(["id", "prompt", "expect", "matrix", "name", "rate", "value", "any", "all", "custom", "kind", "path"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | SNIPPETS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
PLUGINS = plugins.load()


def places(value, path=()):
    """Return the way to every value inside a value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


@st.composite
def mangled_text(draw, source):
    """Return the bytes of a text with up to four pieces of it cut out, said twice, moved or replaced."""
    text = source
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(start + draw(st.sampled_from([0, 1, 5, 40, 400])), len(text))
        piece = draw(st.one_of(SNIPPETS, st.just(""), st.just(text[start:end] * 2), st.text(max_size=4)))
        text = text[:start] + piece + text[end:]
    body = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=8)) + body[at + 4 :]
    return body


@st.composite
def mangled_values(draw, source):
    """Return a document with up to four of its values replaced by anything or taken out; JSON is YAML."""
    data = json.loads(source)
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from([path for path in places(data) if path]))
        holder = data
        for key in way:
            holder = holder[key]
        if draw(st.booleans()):
            holder[last] = draw(ANYTHING)
        else:
            del holder[last]
    return json.dumps(data).encode()


def as_json(text):
    """Return a YAML text as JSON."""
    return json.dumps(read_text(text, file="source.yaml").data)


def mistakes(load, *arguments):
    """Return what is wrong, nothing where there is nothing; any error but ours is the test's failure."""
    with bounded():
        try:
            load(*arguments)
        except DocumentError as error:
            return error.mistakes
        except BenchError as error:
            return (error,)
    return ()


def say_what_they_mean(found):
    """Hold that every mistake is one line, or three where it points into a gate, and none in the words of a library."""
    for mistake in found:
        said = str(mistake).split("\n")
        assert all(line.isprintable() for line in said)
        assert len(said) == 1 or (len(said) == 3 and mistake.path.startswith("gates") and said[2].strip(" ^") == "")
        assert not any(words in str(mistake) for words in ("Input should", "Value error", "Traceback", "object at 0x"))


def load_checked(path):
    """Load an experiment as ``check`` does."""
    check.load(path, PLUGINS)


def test_the_originals_are_sound(tmp_path):
    """What is mangled below loads without a mistake as it is."""
    (tmp_path / "corpus.yaml").write_text(CORPUS)
    (tmp_path / "other.yaml").write_text("version: 1\nqueries: [{id: other, prompt: who}]\n")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    assert [str(mistake) for mistake in mistakes(corpus.load, tmp_path / "corpus.yaml")] == []
    assert [str(mistake) for mistake in mistakes(load_checked, tmp_path / "experiment.yaml")] == []


@pytest.mark.timeout(3600)
@settings(max_examples=examples(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(mangled_text(CORPUS), st.deferred(lambda: mangled_values(as_json(CORPUS))), st.binary(max_size=200)))
def test_any_file_is_a_corpus_or_mistakes(body):
    """No traceback, no library's words, bounded memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.yaml"
        path.write_bytes(body)
        path.with_name("other.yaml").write_text("version: 1\nqueries: [{id: other, prompt: who}]\n")
        say_what_they_mean(mistakes(corpus.load, path))


@pytest.mark.timeout(3600)
@settings(max_examples=examples(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(mangled_text(EXPERIMENT), st.deferred(lambda: mangled_values(as_json(EXPERIMENT))), st.binary(max_size=200)))
def test_any_file_is_an_experiment_or_mistakes(body):
    """The same, gates and margins checked as ``check`` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.yaml"
        path.write_bytes(body)
        path.with_name("corpus.yaml").write_text("version: 1\nqueries: [{id: a, prompt: who, tags: [x], complexity: simple}]\n")
        say_what_they_mean(mistakes(load_checked, path))
