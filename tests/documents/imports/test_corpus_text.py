"""Questions from elsewhere: each once, with an id, and back as they were asked."""

from __future__ import annotations

import csv
import io
import json

import pytest
from bounded import bounded, examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importing import imported, loaded

from uderia_bench.documents.imports import corpus_text, expected
from uderia_bench.documents.imports.question import Options, Question, Unread
from uderia_bench.errors import DocumentError, UsageError


def read_back(tmp_path, questions, **options):
    """Write questions as a corpus and load it."""
    kept = corpus_text.named(corpus_text.folded(questions), Unread())
    return loaded(tmp_path, corpus_text.to_yaml(kept, name="imported", **options))


def test_ids_stay_apart_and_stay_the_same(tmp_path):
    """Two questions that begin alike get two ids; one of no letters gets one too."""
    prompts = ("how many rows are in the table a", "how many rows are in the table b", "???", "!?!")
    made = read_back(tmp_path, [Question(turns=(prompt,)) for prompt in prompts])
    assert [query.id for query in made.queries] == [
        "how-many-rows-are-in-the",
        "how-many-rows-are-in-the-2",
        "question",
        "question-2",
    ]


def test_a_complexity_is_proposed_with_its_reason(tmp_path):
    """Only where asked for, and only where the source has none."""
    questions = [Question(turns=("Compare the two systems.",)), Question(turns=("Hello!",), complexity="simple")]
    made = read_back(tmp_path, questions, label=True)
    assert [query.complexity for query in made.queries] == ["complex", "simple"]


@given(st.lists(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3), min_size=1, max_size=8))
def test_whatever_was_asked_comes_back(tmp_path_factory, conversations):
    """Any text, in any script, with any braces and control characters, loads as the same prompts."""
    questions = corpus_text.folded(
        Question(turns=tuple(turn.encode("utf-8", "replace").decode() for turn in turns)) for turns in conversations
    )
    made = read_back(tmp_path_factory.mktemp("c"), questions)
    assert [query.turns for query in made.queries] == [question.turns for question in questions]


def test_a_log_is_no_corpus():
    """More than ten thousand questions are refused."""
    with pytest.raises(UsageError, match="more than 10,000"):
        corpus_text.folded(Question(turns=(f"question {number}",)) for number in range(10_001))


def test_questions_that_the_source_tells_apart_stay_apart(tmp_path):
    """Other ids, labels or expectations make two queries of the same words; everything else is joined."""
    lines = (
        '{"id": "a", "prompt": "How many tables?"}',
        '{"id": "b", "prompt": "how many TABLES"}',
        '{"prompt": "C", "tags": "x"}',
        '{"id": "named", "prompt": "c?", "tags": "y"}',
        '{"prompt": "Why?", "expected": 1}',
        '{"prompt": "Why?", "expected": 2}',
    )
    made, unread = imported(tmp_path, "jsonl", "\n".join(lines))
    assert [(query.id, query.prompt, query.tags) for query in made.queries] == [
        ("a", "How many tables?", ()),
        ("b", "how many TABLES", ()),
        ("named", "C", ("x", "y")),
        ("why", "Why?", ()),
        ("why-2", "Why?", ()),
    ]
    assert unread == []


def test_ids_that_collide_are_made_unique_and_named(tmp_path):
    """An id that is valid as it is keeps its name, wherever it stands."""
    text = "id,prompt\n7,one\n7,two\n07,three\na[1],four\na1,five\n"
    made, unread = imported(tmp_path, "csv", text)
    assert [query.id for query in made.queries] == ["7", "7-2", "07", "a1-2", "a1"]
    assert unread == [
        "3: id: '7' is taken: this query is '7-2'",
        "5: id: 'a[1]' has a character that an id cannot have: this query is 'a1-2'",
    ]


def test_an_id_of_zero_is_an_id(tmp_path):
    """Numbers and false are names like others; 1 and "1" are one name."""
    made, unread = imported(tmp_path, "jsonl", '{"id": 0, "prompt": "a"}\n{"id": 1, "prompt": "b"}\n{"id": "1", "prompt": "c"}')
    assert [query.id for query in made.queries] == ["0", "1", "1-2"]
    assert unread == ["3: id: '1' is taken: this query is '1-2'"]


@pytest.mark.no_cover
def test_a_corpus_that_is_too_large_to_be_read_is_not_written(tmp_path):
    """The limit of a corpus file holds for an import too."""
    with pytest.raises(UsageError, match="would be larger than 4 MiB"):
        imported(tmp_path, "csv", "prompt\n" + "\n".join(f"{'word ' * 200_000}{n}" for n in range(5)))


def test_files_without_a_question_are_refused(tmp_path):
    """The message says what was not understood, if anything was."""
    with pytest.raises(UsageError, match="contain no question"):
        imported(tmp_path, "text", "# nothing\n")
    with pytest.raises(DocumentError, match="source:1: is not JSON"):
        imported(tmp_path, "jsonl", "{")


ODD = st.sampled_from(
    [
        *("", "0", "a", "A", "a[1]", "simple", "contains: 3", "x;y", "1e3", "\ufeff", "{a}", "=1", "9" * 400, "\ud83d", "NaN"),
        *("a\u2028b", "a\x85b", "a\fb", "a\rb", "a\nb", "a\x00b", "\x1b[2J", '"', "\U0001f600"),
    ]
)
CELLS = st.text(max_size=12) | ODD
NAMES = (
    *("id", "prompt", "complexity", "tags", "group", "expected", "expect", "number", "one_of", "__expected", "same_as"),
    "json_schema",
)
ROWS = st.lists(st.tuples(*[CELLS] * len(NAMES)), min_size=1, max_size=6)
KEYS = st.sampled_from(["role", "content", "isValid", "type", "value", "threshold", "weight", "question"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(10**400) | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=6,
)
ASSERTION = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted(expected.ASSERTIONS))}, optional={"value": VALUES, "threshold": VALUES, "weight": VALUES}
)
TEST = st.fixed_dictionaries(
    {},
    optional={"vars": VALUES | st.fixed_dictionaries({"question": VALUES}), "assert": VALUES | st.lists(ASSERTION, max_size=3)},
)
PROMPTS = st.fixed_dictionaries({"role": st.just("user"), "content": CELLS | VALUES})


def as_csv(rows):
    """Return rows as CSV with the names first."""
    kept = io.StringIO()
    csv.writer(kept).writerows([NAMES, *rows])
    return kept.getvalue()


def as_session(history):
    """Return a session file of Uderia."""
    return json.dumps({"session_history": history})


FILES = (
    ROWS.map(lambda rows: ("jsonl", "\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in rows)))
    | st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES), min_size=1, max_size=6).map(
        lambda rows: ("jsonl", json.dumps(rows))
    )
    | ROWS.map(lambda rows: ("csv", as_csv(rows)))
    | st.lists(CELLS, min_size=1, max_size=20).map(lambda cells: ("csv", ",".join(cells)))
    | st.lists(CELLS, min_size=1, max_size=6).map(lambda cells: ("text", "\n".join(cells)))
    | st.lists(PROMPTS | VALUES, max_size=6).map(lambda history: ("sessions", as_session(history)))
    | st.tuples(TEST | VALUES, st.lists(TEST | VALUES, max_size=3)).map(
        lambda made: (
            "promptfoo",
            json.dumps({"prompts": ["{{question}}"], "defaultTest": made[0], "tests": made[1]}),
        )
    )
)


@settings(max_examples=examples(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=FILES, mark=st.booleans())
def test_whatever_is_imported_loads(tmp_path_factory, made, mark):
    """Every corpus that an import writes is one that ``check`` accepts; any other file has a message."""
    kind, text = made
    folder = tmp_path_factory.mktemp("files")
    file = folder / "source"
    file.write_bytes(b"\xef\xbb\xbf" * mark + text.encode("utf-8", "surrogatepass"))
    with bounded():
        try:
            corpus = corpus_text.make(kind, [file], Options(), name="imported")
        except UsageError as error:
            assert str(error)  # noqa: PT017 - whether it is raised is the file's business
        else:
            assert loaded(folder, corpus.text).queries
            assert all(str(each).isprintable() for each in corpus.unread)
