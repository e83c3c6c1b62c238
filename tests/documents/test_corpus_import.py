"""Questions from elsewhere: each once, with an id, and back as they were asked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.documents import corpus, corpus_import
from uderia_bench.documents.corpus_import import Question
from uderia_bench.errors import UsageError


def read_back(tmp_path, questions, **options):
    """Write questions as a corpus and load it."""
    file = tmp_path / "imported.yaml"
    file.write_text(corpus_import.to_yaml(corpus_import.folded(questions), name="imported", **options), encoding="utf-8")
    return corpus.load(file)


def test_a_list_of_lines(tmp_path):
    """Each line is a question, without comments and empty lines. A repeated question is one query."""
    text = "# ours\nHow many databases?\n\n  how  many databases \nList the tables in {database}\n"
    loaded = read_back(tmp_path, corpus_import.from_text(text), tags=("ours",))
    assert [(query.id, query.prompt, query.tags) for query in loaded.queries] == [
        ("how-many-databases", "How many databases?", ("ours",)),
        ("list-the-tables-in-database", "List the tables in {database}", ("ours",)),
    ]


def test_csv_with_further_columns(tmp_path):
    """Id, complexity and tags are read. An unknown label is dropped, and tags of a repeated question add up."""
    text = "id,question,complexity,tags\nq1,How many?,Simple,a b\n,How many?,hard,c\n,Why?,hard,\n"
    loaded = read_back(tmp_path, corpus_import.from_csv(text, column="question"))
    assert [(query.id, query.complexity, query.tags) for query in loaded.queries] == [
        ("q1", "simple", ("a", "b", "c")),
        ("why", None, ()),
    ]
    with pytest.raises(UsageError, match="no column 'prompt'; there are: id, question, complexity, tags"):
        list(corpus_import.from_csv(text))


def test_json_lines(tmp_path):
    """An object a line; a broken one is named by its number."""
    text = '{"prompt": "Who is on?", "tags": ["ops"]}\n\n{"prompt": "Who is on now?"}\n'
    loaded = read_back(tmp_path, corpus_import.from_jsonl(text))
    assert [(query.id, query.tags) for query in loaded.queries] == [("who-is-on", ("ops",)), ("who-is-on-now", ())]
    with pytest.raises(UsageError, match="line 2 is not JSON"):
        list(corpus_import.from_jsonl('{"prompt": "a b"}\n{'))
    with pytest.raises(UsageError, match="line 1 has no text under 'text'"):
        list(corpus_import.from_jsonl('{"prompt": "a b"}', field="text"))


def session(*prompts, **first):
    """Return a session file in which these were asked and answered."""
    said = [{"role": "user", "content": prompt, "isValid": True} | first for prompt in prompts]
    history = [message for each in said for message in (each, {"role": "assistant", "content": "ok"})]
    return json.dumps({"id": "s", "session_history": history}).encode()


def test_sessions_as_questions_or_as_conversations(tmp_path):
    """What the user said, not the agent; whole sessions keep their turns."""
    body = session("How many databases?", "And which is the largest?")
    assert [question.turns for question in corpus_import.from_session(body)] == [
        ("How many databases?",),
        ("And which is the largest?",),
    ]
    loaded = read_back(tmp_path, corpus_import.from_session(body, whole=True))
    assert loaded.queries[0].turns == ("How many databases?", "And which is the largest?")
    assert loaded.queries[0].tags == ("conversation",)
    assert list(corpus_import.from_session(session("x y", isValid=False))) == []
    wrapped = json.dumps({"session": json.loads(body)}).encode()
    assert len(list(corpus_import.from_session(wrapped))) == 2
    for wrong, said in ((b"{", "not JSON"), (b"[]", "session_history is missing"), (b'{"a": 1}', "session_history is missing")):
        with pytest.raises(UsageError, match=said):
            list(corpus_import.from_session(wrong))


def test_ids_stay_apart_and_stay_the_same(tmp_path):
    """Two questions that begin alike get two ids; one of no letters gets one too."""
    prompts = ("how many rows are in the table a", "how many rows are in the table b", "???", "!?!")
    loaded = read_back(tmp_path, [Question(turns=(prompt,)) for prompt in prompts])
    assert [query.id for query in loaded.queries] == [
        "how-many-rows-are-in-the",
        "how-many-rows-are-in-the-2",
        "question",
        "question-2",
    ]


def test_a_complexity_is_proposed_with_its_reason(tmp_path):
    """Only where asked for, and only where the source has none."""
    questions = [Question(turns=("Compare the two systems.",)), Question(turns=("Hello!",), complexity="simple")]
    loaded = read_back(tmp_path, questions, label=True)
    assert [query.complexity for query in loaded.queries] == ["complex", "simple"]


@given(st.lists(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3), min_size=1, max_size=8))
def test_whatever_was_asked_comes_back(tmp_path_factory, conversations):
    """Any text, in any script, with any braces and control characters, loads as the same prompts."""
    questions = corpus_import.folded(
        Question(turns=tuple(turn.encode("utf-8", "replace").decode() for turn in turns)) for turns in conversations
    )
    loaded = read_back(tmp_path_factory.mktemp("c"), questions)
    assert [query.turns for query in loaded.queries] == [question.turns for question in questions]


def test_a_log_is_no_corpus():
    """More than ten thousand questions are refused."""
    with pytest.raises(UsageError, match="more than 10,000"):
        corpus_import.folded(Question(turns=(f"question {number}",)) for number in range(10_001))
