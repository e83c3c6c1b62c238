"""Files of other tools: every question with what it expects, and a line for whatever a corpus cannot hold."""

from __future__ import annotations

import json

import pytest
from importing import imported

from uderia_bench.documents.imports.question import Options
from uderia_bench.errors import UsageError


def prompts(made):
    """Return the prompts of a corpus."""
    return [query.prompt for query in made.queries]


def expectations(made):
    """Return what a corpus expects, by query id."""
    return {query.id: [each.model_dump(exclude_unset=True) for each in query.expect] for query in made.queries}


def test_a_list_of_lines(tmp_path):
    """Each line is a question, without comments and empty lines. A form feed or a separator ends no line."""
    text = "# ours\nHow many databases?\r\n\n  how  many databases \rList the tables\fin {database}\nWhat is\x1cthis?\n"
    made, unread = imported(tmp_path, "text", text)
    assert prompts(made) == ["How many databases?", "List the tables\fin {database}", "What is\x1cthis?"]
    assert unread == []


def test_csv_with_further_columns(tmp_path):
    """Id, complexity and tags are read; an unknown label is named with its line."""
    text = "ID,question, Complexity,tags\nq1,How many?,Simple,a b\n,How many?,hard,c\n,Why?,,x y;z\n"
    made, unread = imported(tmp_path, "csv", text)
    assert [(query.id, query.complexity, query.tags) for query in made.queries] == [
        ("q1", "simple", ("a", "b", "c")),
        ("why", None, ("x y", "z")),
    ]
    assert unread == ["3: complexity: is 'hard'; the classes are simple, complex, edge"]


@pytest.mark.parametrize(
    ("written", "tags"),
    [(5, ("5",)), ("a;b c", ("a", "b c")), ("a, b", ("a", "b")), ("a b", ("a", "b")), (["a b", 1], ("a b", "1"))],
)
def test_tags_in_every_notation(tmp_path, written, tags):
    """A number is a tag; semicolons and commas come before spaces."""
    made, unread = imported(tmp_path, "jsonl", json.dumps({"prompt": "a", "tags": written}))
    assert (made.queries[0].tags, unread) == (tags, [])


def test_what_csv_allows(tmp_path):
    """CR alone ends rows, cells have line breaks and 200 kB, and the first bytes may be a mark; Excel's tabs are UTF-16."""
    long = "word " * 40_000
    for text in (
        "id,prompt\ra,How many?\rb,Why?\r",
        '\ufeffid,prompt\r\na,"How\r\nmany?"\r\nb,Why?\r\n',
        f"id,prompt\na,{long}\nb,Why?",
    ):
        made, unread = imported(tmp_path, "csv", text)
        assert ([query.id for query in made.queries], unread) == (["a", "b"], [])
    assert prompts(imported(tmp_path, "csv", "id\tprompt\na\tWhy, then?\n".encode("utf-16"), ending=".tsv")[0]) == [
        "Why, then?"
    ]
    assert prompts(imported(tmp_path, "csv", "id;prompt\na;Why, then?\n", options=Options(delimiter=";"))[0]) == ["Why, then?"]


@pytest.mark.parametrize(
    "text", ['prompt\nfirst\n"unclosed,x\nthird\n', 'prompt,a\nfirst,1\n"unclosed,x\nthird,"How "many?,y\nfourth,1\n']
)
def test_a_quote_that_swallows_rows_is_named_with_its_line(tmp_path, text):
    """Rows before it are read; nothing after it is guessed."""
    made, unread = imported(tmp_path, "csv", text, options=Options(ignore=frozenset({"a"})))
    assert prompts(made) == ["first"]
    assert len(unread) == 1
    assert unread[0].startswith("3: a quote of this row does not end its cell")


def test_columns_and_cells_that_have_no_place_are_named(tmp_path):
    """Each once with its first line, unless it is ignored."""
    text = "prompt,owner,owner,team\nWhy?,me,you,a\nHow?,me,,b,left\n,me,,\n"
    made, unread = imported(tmp_path, "csv", text, options=Options(ignore=frozenset({"Team"})))
    assert prompts(made) == ["Why?", "How?"]
    assert unread == [
        "1: owner: is the name of two columns, and the last one counts",
        "2: owner: is not understood and left out; if that is right, add --ignore owner",
        "3: has 5 cells and the first row 4: the last ones are left out",
    ]


def test_a_missing_column_is_refused_with_the_delimiter_that_is_meant(tmp_path):
    """Before anything is read."""
    with pytest.raises(UsageError, match="no column 'text'; there are: id, question"):
        imported(tmp_path, "csv", "id,question\n1,a\n", options=Options(column="text"))
    with pytest.raises(UsageError, match="is the delimiter ';'"):
        imported(tmp_path, "csv", "id;prompt\n1;a\n")
    with pytest.raises(UsageError, match="should be one character"):
        imported(tmp_path, "csv", "id;prompt\n1;a\n", options=Options(delimiter="semicolon"))


def test_json_lines(tmp_path):
    """An object or a text a line, or one list. Separators of Unicode stay in their text; a broken line is named."""
    text = (
        '{"prompt": "first part\u2028second part"}\n\n{"prompt": "next\u0085line", "turns": null}\n'
        '{\n["Why?"]\n"How?"\n{"turns": ["a", "b"]}\n'
    )
    made, unread = imported(tmp_path, "jsonl", text)
    assert [query.turns for query in made.queries] == [
        ("first part\u2028second part",),
        ("next\u0085line",),
        ("How?",),
        ("a", "b"),
    ]
    assert unread[0].startswith("4: is not JSON")
    assert unread[1] == '5: should be an object with a question, as in {"prompt": "…"}'
    made, unread = imported(tmp_path, "jsonl", '\ufeff[\n{"prompt": "a"},\n{"prompt": "half \\ud83d", "x": NaN}]')
    assert prompts(made) == ["a", "half \ufffd"]
    assert unread == ["3: entry 2: NaN was read as missing", "3: entry 2: half a surrogate pair was replaced"]
    assert imported(tmp_path, "jsonl", '{"prompt": "half \\ud83d"}')[1] == ["1: half a surrogate pair was replaced"]
    assert imported(tmp_path, "jsonl", '{"prompt": "a"}\n{"text": {"a": 1}}\n{"id": 3}')[1] == [
        "2: text: should be a text",
        "2: text: has no question",
        "3: is not there: no turns or prompt or question or input or query or text",
    ]
    empty = 'should be an object with a question, as in {"prompt": "…"}'
    assert imported(tmp_path, "jsonl", '{"prompt": "a"}\n{"prompt": " "}\n{}')[1] == [f"2: {empty} (2 times)"]


def session(*said, **first):
    """Return a session file in which these were asked and answered."""
    asked = [{"role": "user", "content": prompt, "isValid": True} | first for prompt in said]
    history = [message for each in asked for message in (each, {"role": "assistant", "content": "ok"})]
    return json.dumps({"id": "s", "session_history": history, "cost": float("nan")})


def test_sessions_as_questions_or_as_conversations(tmp_path):
    """What the user said, not the agent; whole sessions keep their turns. A prompt that is not text is named."""
    body = session("How many databases?", "And which is the largest?")
    assert prompts(imported(tmp_path, "sessions", "\ufeff" + body)[0]) == ["How many databases?", "And which is the largest?"]
    whole, _ = imported(tmp_path, "sessions", body, options=Options(whole=True))
    assert whole.queries[0].turns == ("How many databases?", "And which is the largest?")
    assert whole.queries[0].tags == ("conversation",)
    wrapped = json.dumps({"session": json.loads(session("x y", ["parts"]))})
    assert imported(tmp_path, "sessions", wrapped)[1] == ["session_history.2: has a prompt that is not text"]
    for wrong, said in (
        ("{", "not JSON"),
        ("[]", "session_history is missing"),
        (session("x y", isValid=False), "no question"),
    ):
        with pytest.raises(UsageError, match=said):
            imported(tmp_path, "sessions", wrong)


def test_right_answers_become_expectations(tmp_path):
    """A number, a short text, a long text, one of several, a kind by its name, and the form of a corpus."""
    rows = [
        {"prompt": "a", "expected": "42"},
        {"prompt": "b", "Expected Answer": "Paris"},
        {"prompt": "c", "answer": "There are forty-two of them, and they are all in one database."},
        {"prompt": "d", "target": ["Paris", "Lutetia"]},
        {"prompt": "e", "one_of": "Paris; Lutetia", "number": "{value: 3, tolerance: 1}", "tools-called": "base_readQuery"},
        {"prompt": "f", "expect": '[{"contains": "3"}, {max_s: 2}]'},
        {"prompt": "g", "expect": {"number": 3, "weight": 2}},
        {"prompt": "h", "expected": {"a": 1}, "matches": "("},
    ]
    made, unread = imported(tmp_path, "jsonl", "\n".join(map(json.dumps, rows)))
    assert expectations(made) == {
        "a": [{"number": {"value": 42.0}}],
        "b": [{"contains": "Paris"}],
        "c": [{"similar": {"text": "There are forty-two of them, and they are all in one database."}}],
        "d": [{"one_of": ("Paris", "Lutetia")}],
        "e": [
            {"one_of": ("Paris", "Lutetia")},
            {"number": {"value": 3.0, "tolerance": 1.0}},
            {"tools_called": ("base_readQuery",)},
        ],
        "f": [{"contains": "3"}, {"max_s": 2.0}],
        "g": [{"number": {"value": 3.0}, "weight": 2.0}],
        "h": [],
    }
    assert unread[0] == "8: expected: should be a text, a number or a list of them"
    assert unread[1].startswith("8: matches: matches is not a regular expression")


def test_a_dataset_of_inspect(tmp_path):
    """Samples with targets, choices, chat messages and metadata."""
    samples = [
        {"id": 1, "input": "How many databases?", "target": "3", "metadata": {"complexity": "simple", "tags": ["ops"]}},
        {"id": 2, "input": "Which is a fruit?", "choices": ["stone", "apple"], "target": "B"},
        {
            "id": 3,
            "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
            "files": {"a": "b"},
        },
        {"id": 4, "input": "Which?", "choices": ["stone"], "target": "D", "metadata": {"author": "me"}},
    ]
    made, unread = imported(tmp_path, "jsonl", "\n".join(map(json.dumps, samples)))
    assert [query.complexity for query in made.queries] == ["simple", None, None, None]
    assert prompts(made)[1:3] == ["Which is a fruit?\n\nA) stone\nB) apple", "Why?"]
    assert list(expectations(made).values()) == [[{"number": {"value": 3.0}}], [{"contains": "apple"}], [], []]
    assert unread == [
        "3: input: has a message of the system, which is left out",
        "3: files: is not understood and left out; if that is right, add --ignore files",
        "4: target: names no choice by its letter",
        "4: metadata: is not understood and left out; if that is right, add --ignore metadata",
    ]


def test_a_csv_of_promptfoo(tmp_path):
    """Variables are columns, and ``__expected`` has a type, a threshold and a value."""
    text = (
        "question,__expected,__expected2,__expected3,__description\n"
        'a,contains: Paris,"contains-any: x, y",not-contains: London,first\n'
        "b,Paris,llm-rubric(0.9): names the capital,latency(1500):,second\n"
        "c,similar(0.8): Paris,javascript: output.length,starts-with: The,third\n"
    )
    made, unread = imported(tmp_path, "csv", text)
    assert expectations(made) == {
        "a": [{"contains": "Paris"}, {"one_of": ("x", "y")}, {"not_contains": "London"}],
        "b": [{"contains": "Paris"}, {"llm_judge": {"rubric": "names the capital", "at_least": 0.9}}, {"max_s": 1.5}],
        "c": [{"matches": "\\A\\s*The"}],
    }
    assert unread == [
        "4: __expected: similar has a threshold for embeddings, and a corpus compares words",
        "4: __expected2: the type javascript has no counterpart in a corpus",
    ]


PROMPTFOO = """\
description: capitals
prompts:
  - "What is the capital of {{country}}?"
  - file://prompt.txt
providers: [openai:gpt-4.1]
defaultTest:
  assert: [{type: latency, threshold: 5000}]
tests:
  - vars: {country: [France, Spain]}
    assert:
      - {type: icontains, value: a, weight: 2}
  - vars: {city: Paris}
  - file://more.csv
  - file://more.py
"""


def test_a_configuration_of_promptfoo(tmp_path):
    """Prompts are filled with each combination of variables; defaults, other files and lines are kept."""
    (tmp_path / "more.csv").write_text("prompt,__expected\nWhy?,42\n")
    made, unread = imported(tmp_path, "promptfoo", PROMPTFOO)
    assert prompts(made) == ["What is the capital of France?", "What is the capital of Spain?", "Why?"]
    assert list(expectations(made).values()) == [
        [{"max_s": 5.0}, {"contains": "a", "weight": 2.0}],
        [{"max_s": 5.0}, {"contains": "a", "weight": 2.0}],
        [{"number": {"value": 42.0}}],
    ]
    assert unread == [
        "4: prompts.1: is another file; write the prompt here",
        "12: vars: has no value for a variable of the prompt 'What is the capital of {{country}}?'",
        "14: file://more.py is not a file of tests in CSV, JSON or YAML",
    ]
    tests = "- vars: {question: Why?}\n  assert: [{type: equals, value: because}, {type: python, value: x}]\n"
    made, unread = imported(tmp_path, "promptfoo", tests)
    assert (list(expectations(made).values()), unread) == (
        [[{"equals": "because"}]],
        ["1: assert: the type python has no counterpart in a corpus"],
    )
    with pytest.raises(UsageError, match="tests is missing"):
        imported(tmp_path, "promptfoo", "prompts: [a]\n")


def test_parts_of_promptfoo_that_are_elsewhere_are_named(tmp_path):
    """Default tests and variables in other files, and more combinations than a corpus holds, get a line; the rest is read."""
    many = "[" + ", ".join(map(str, range(200))) + "]"
    text = (
        "prompts: ['{{question}}']\n"
        "defaultTest: file://default.yaml\n"
        "tests:\n"
        "  - vars: file://vars.csv\n"
        f"  - vars: {{question: {many}, size: {many}}}\n"
        "  - {vars: {question: Why?}, assert: {type: contains, value: because}}\n"
    )
    made, unread = imported(tmp_path, "promptfoo", text)
    assert list(expectations(made).values()) == [[{"contains": "because"}]]
    assert unread == [
        "2: defaultTest: is another file or not an object; write it here",
        "4: vars: is another file or not an object; write it here",
        "4: vars: has no value for a variable of the prompt '{{question}}'",
        "5: vars: has 40,000 combinations; at most 10,000 are read",
    ]


def test_values_of_another_type_are_named(tmp_path):
    """A list in ``__expected``, a threshold that is no number, and a number too large for seconds end no import."""
    rows = (
        {"prompt": "a", "__expected": ["x"]},
        {"prompt": "b", "__expected": "latency(1.2.3):"},
        {"prompt": "c", "choices": ["x", "y"], "target": [0]},
        {"vars": {"prompt": "d"}, "assert": [{"type": "latency", "threshold": 10**400}]},
    )
    made, unread = imported(tmp_path, "jsonl", json.dumps(rows))
    assert (prompts(made), expectations(made)["a"]) == (["a", "b", "c\n\nA) x\nB) y", "d"], [{"contains": "x"}])
    assert unread == [
        "1: entry 2: __expected: the threshold 1.2.3 is not a number",
        "1: entry 3: target: names no choice by its letter",
        "1: entry 4: a number too large was read as missing",
        "1: entry 4: assert: the value of latency cannot be read",
    ]


def test_a_key_that_is_given_twice_is_named_with_its_line(tmp_path):
    """In an object, in an object inside it, in an entry of a list, and in an expectation that is written as text."""
    twice = ['{"prompt": "a", "prompt": "b"}', '{"prompt": "c", "metadata": {"x": 1, "x": 2}}', '{"prompt": "d"}']
    within = json.dumps({"prompt": "e", "expect": '[{"contains": "3", "contains": "4"}]'})
    said = "is given twice, and the last one counts"
    expected = "expect: 0.contains is given twice; the first is in line 1"
    options = Options(ignore=frozenset({"metadata"}))
    made, unread = imported(tmp_path, "jsonl", "\n".join([*twice, within]), options=options)
    assert (prompts(made), unread) == (["b", "c", "d", "e"], [f"1: prompt: {said}", f"2: x: {said}", f"4: {expected}"])
    made, unread = imported(tmp_path, "jsonl", "[ " + "\n, ".join([*twice, within]) + " ]\n", options=options)
    assert prompts(made) == ["b", "c", "d", "e"]
    assert unread == [f"1: entry 1: prompt: {said}", f"2: entry 2: x: {said}", f"4: entry 4: {expected}"]


@pytest.mark.parametrize("text", ["[]", " [ ] ", "[\n\n]\n"])
def test_an_empty_list_has_no_questions(tmp_path, text):
    """It is an error that names the file, as a file without lines is."""
    with pytest.raises(UsageError, match="no question"):
        imported(tmp_path, "jsonl", text)
