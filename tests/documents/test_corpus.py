"""Corpora: short to write, expanded when read, and wrong in plain words."""

import pytest

from uderia_bench.documents import corpus
from uderia_bench.documents.corpus import Query
from uderia_bench.errors import DocumentError

KINDS = (
    "contains, not_contains, one_of, matches, regex_all, equals, similar, not_refused, number, json_path, json_schema, table,"
    " tools_called, tools_not_called, sources, phases_at_most, max_s, max_tokens, same_as, llm_judge, custom, any, all"
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file beside the others and go there, so that messages show short names."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="corpus.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    return write


def complaint(*files):
    """Return the mistakes of corpora that cannot be loaded."""
    with pytest.raises(DocumentError) as caught:
        corpus.load_all(files)
    return str(caught.value).splitlines()


def test_a_query_needs_only_an_id_and_a_prompt(write):
    """The smallest corpus: its name is the file's, everything else is absent."""
    loaded = corpus.load(write("queries:\n  - {id: a, prompt: how many?}\n", "small.yaml"))
    assert loaded.name == "small"
    assert loaded.queries == (Query(id="a", prompt="how many?", turns=("how many?",)),)


def test_everything_a_query_may_say_arrives(write):
    """Name, complexity, tags, turns and every kind of expectation."""
    file = write("""\
version: 1
name: full
queries:
  - id: all
    turns: [how many databases are there?, and which is the largest?]
    complexity: complex
    tags: [metadata, chat]
    expect:
      - contains: "3"
      - matches: '\\d+'
      - number: {value: 3, tolerance: 0.5}
      - tools_called: base_databaseList
      - tools_not_called: [base_readQuery, base_tableDDL]
      - max_s: 60
      - max_tokens: 20000
      - json_path: $.rows[0].name
      - not_contains: sorry
        weight: 2
        turn: 1
      - one_of: [orders, customers]
      - number: 3
      - json_path: {path: $.a, equals: 1}
      - table: [[a, 1], [b, 2]]
      - phases_at_most: 2
      - custom: {kind: polite, value: {at least: 3}}
      - any: [{contains: three}, {all: [{matches: "3"}, {max_s: 9}]}]
      - same_as: other
  - {id: other, prompt: x}
""")
    loaded = corpus.load(file)
    query, _ = loaded.queries
    assert (loaded.name, query.id, query.complexity, query.tags) == ("full", "all", "complex", ("metadata", "chat"))
    assert query.prompt == "how many databases are there?"
    assert query.turns == ("how many databases are there?", "and which is the largest?")
    plain = [(expectation.kind, expectation.value) for expectation in query.expect[:8]]
    assert [(kind, value) for kind, value in plain if kind not in ("number", "json_path")] == [
        ("contains", "3"),
        ("matches", r"\d+"),
        ("tools_called", ("base_databaseList",)),
        ("tools_not_called", ("base_readQuery", "base_tableDDL")),
        ("max_s", 60.0),
        ("max_tokens", 20000),
    ]
    assert query.expect[7].json_path.path == "$.rows[0].name"
    assert (query.expect[8].weight, query.expect[8].turn) == (2, 1)
    assert [(expectation.kind, expectation.said) for expectation in query.expect[9:]] == [
        ("one_of", '["orders","customers"]'),
        ("number", '{"value":3}'),
        ("json_path", '{"path":"$.a","equals":1}'),
        ("table", '{"rows":[["a",1],["b",2]]}'),
        ("phases_at_most", "2"),
        ("polite", '{"kind":"polite","value":{"at least":3}}'),
        ("any", '[{"contains":"three"},{"all":[{"matches":"3"},{"max_s":9}]}]'),
        ("same_as", "other"),
    ]
    assert (query.expect[2].number.value, query.expect[2].number.tolerance) == (3.0, 0.5)


def test_the_queries_of_a_matrix_are_a_group(write):
    """Named like the query unless said otherwise; a plain query has none, and the hash does not depend on it."""
    text = """
queries:
  - {id: a, prompt: "in {d}", matrix: {d: [x, y]}}
  - {id: b, prompt: "of {d}", matrix: {d: [x]}, group: other}
  - {id: c, prompt: plain, group: other}
  - {id: d, prompt: alone}
"""
    loaded = corpus.load(write(text))
    assert [query.group for query in loaded.queries] == ["a", "a", "other", "other", None]
    plain = corpus.load(write(text.replace(", group: other", ""), "plain.yaml"))
    assert plain.content_hash == loaded.content_hash


def test_a_matrix_stands_for_every_combination(write):
    """Ids name the values, the last key changes fastest; expectations are filled too, patterns with the value as it is."""
    file = write("""\
queries:
  - id: q
    prompt: list {what} in {database} as {{json}}
    matrix: {database: [sales_db, hr_db], what: [tables, "3"]}
    expect: [contains: "{database}", matches: "{what}{2}"]
  - id: dots
    prompt: version {v}
    matrix: {v: [1.5]}
    expect: [matches: "{v}"]
""")
    *pairs, dots = corpus.load(file).queries
    assert [(query.id, query.prompt) for query in pairs] == [
        ("q[database=sales_db,what=tables]", "list tables in sales_db as {json}"),
        ("q[database=sales_db,what=3]", "list 3 in sales_db as {json}"),
        ("q[database=hr_db,what=tables]", "list tables in hr_db as {json}"),
        ("q[database=hr_db,what=3]", "list 3 in hr_db as {json}"),
    ]
    assert [expectation.value for expectation in pairs[0].expect] == ["sales_db", "tables{2}"]
    assert (dots.prompt, dots.expect[0].value) == ("version 1.5", r"1\.5")


def test_includes_are_relative_to_the_file_and_read_once(write):
    """A file two others include brings its queries once, in the place of the first."""
    write("queries: [{id: shared, prompt: s}]", "parts/shared.yaml")
    write("queries: [{id: b, prompt: b}]\ninclude: [shared.yaml]", "parts/b.yaml")
    file = write("queries: [{id: a, prompt: a}]\ninclude: [parts/b.yaml, parts/shared.yaml]")
    assert [query.id for query in corpus.load(file).queries] == ["a", "b", "shared"]


def test_several_corpora_are_one_space_of_ids(write):
    """Corpora used together may not share an id; both places are named."""
    first = write("queries:\n  - {id: a, prompt: a}\n", "first.yaml")
    second = write("name: s\nqueries:\n  - {id: b, prompt: b}\n  - {id: a, prompt: a}\n", "second.yaml")
    assert complaint(first, second) == ["second.yaml:4: queries.1.id: 'a' is taken; it is first in first.yaml:2"]
    assert complaint(first, first)[0] == "first.yaml: is read twice; it is listed or included before"
    assert [each.name for each in corpus.load_all([first])] == ["first"]


def test_two_mistakes_are_both_named_with_their_lines(write):
    """A key misspelled in one query and an id taken in another: one complaint, two lines."""
    file = write("""\
queries:
  - id: a
    promt: how many?
  - id: b
    prompt: how many?
  - id: b
    prompt: how many more?
""")
    assert complaint(file) == [
        "corpus.yaml:3: queries.0.promt: unknown key; did you mean prompt?",
        "corpus.yaml:6: queries.2.id: 'b' is taken; it is first in line 4",
    ]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{prompt: x}", "0.id: is missing"),
        ("{id: '', prompt: x}", "0.id: must not be empty"),
        ("{id: ' a', prompt: x}", "0.id: must be printable, without [ or ] and without space around it"),
        ("{id: 'a[1]', prompt: x}", "0.id: must be printable, without [ or ] and without space around it"),
        ("{id: 7, prompt: x}", "0.id: should be text, not 7; put it in quotes"),
        ("{id: a}", "0: has no question; give it a prompt"),
        ("{id: a, prompt: ' '}", "0.prompt: must not be empty"),
        ("{id: a, prompt: x, turns: [x]}", "0.turns: and prompt exclude each other; a prompt is a conversation of one turn"),
        ("{id: a, turns: []}", "0.turns: must not be empty"),
        ("{id: a, prompt: x, complexity: simpel}", "0.complexity: should be simple, complex or edge, not 'simpel'"),
        ("{id: a, prompt: x, tags: metadata}", "0.tags: should be a list, not 'metadata'"),
        ("a question", "0: should be a mapping (key: value), not 'a question'"),
        (
            "{id: a, prompt: 'in {x}'}",
            "0.prompt: {x} has no values; give it some in matrix, or write {{x}} for the text itself",
        ),
        (
            "{id: a, turns: [ok, 'in {x}'], matrix: {}}",
            "0.matrix: must not be empty",
        ),
        (
            "{id: a, prompt: x, matrix: {x: [1]}}",
            "0.matrix.x: is used in no prompt; write {x} where its values should stand",
        ),
        ("{id: a, prompt: '{x}', matrix: {x: []}}", "0.matrix.x: must not be empty"),
        ("{id: a, prompt: '{x}', matrix: {x: [1, '1']}}", "0.matrix: gives two queries one id; is a value there twice?"),
        (
            "{id: a, prompt: '{x}{y}', matrix: {x: [1, '1,y=2'], y: [3, '2,y=3']}}",
            "0.matrix: gives two queries one id; is a value there twice?",
        ),
        ("{id: a, prompt: '{x}', matrix: {x: [true]}}", "0.matrix.x.0: should be text, not true; put it in quotes"),
        (
            "{id: a, prompt: '{x}{y}', matrix: {x: &v [" + ", ".join(map(str, range(101))) + "], y: *v}}",
            "0.matrix: makes 10,201 queries; the limit is 10,000",
        ),
        ("{id: a, prompt: x, expect: [{contains: 3}]}", "0.expect.0.contains: should be text, not 3; put it in quotes"),
        ("{id: a, prompt: x, expect: [{contain: x}]}", "0.expect.0.contain: unknown key; did you mean contains?"),
        ("{id: a, prompt: x, expect: [3]}", "0.expect.0: should be a mapping (key: value), not 3"),
        (
            "{id: a, prompt: x, expect: [{contains: x, max_s: 1}]}",
            f"0.expect.0: should have one of {KINDS}; begin each with its own dash",
        ),
        (
            "{id: a, prompt: x, expect: [{matches: '('}]}",
            "0.expect.0.matches: is not a regular expression: missing ) at position 1",
        ),
        ("{id: a, prompt: x, expect: [{number: x}]}", "0.expect.0.number: should be a mapping (key: value), not 'x'"),
        ("{id: a, prompt: x, expect: [{contains: x, turn: 2}]}", "0.expect.0.turn: is 2, and the query has 1"),
        ("{id: a, prompt: x, expect: [{weight: 2}]}", f"0.expect.0: should have one of {KINDS}; begin each with its own dash"),
        ("{id: a, prompt: x, expect: [{any: []}]}", "0.expect.0.any: must not be empty"),
        (
            "{id: a, prompt: x, expect: [{any: [{contains: x, weight: 2}]}]}",
            "0.expect.0.any.0.weight: belongs beside any, not inside it",
        ),
        (
            "{id: a, prompt: x, expect: [{any: [{any: [{any: [{any: [{contains: x}]}]}]}]}]}",
            "0.expect.0: is nested more than 4 levels deep",
        ),
        ("{id: a, prompt: x, expect: [{same_as: b}]}", "0.expect.0.same_as: no query is named 'b'; known: a"),
        ("{id: a, prompt: x, expect: [{same_as: a}]}", "0.expect.0.same_as: names the query itself"),
        ("{id: a, prompt: x, expect: [{table: []}]}", "0.expect.0.table: must not be empty"),
        (
            "{id: a, prompt: x, expect: [{json_path: '$..a..b..c'}]}",
            "0.expect.0.json_path: may descend (..) 2 times and search no patterns; use matches",
        ),
        (
            "{id: a, prompt: x, expect: [{json_path: '$[?search(@.a, \"(a+)+b\")]'}]}",
            "0.expect.0.json_path: may descend (..) 2 times and search no patterns; use matches",
        ),
        (
            "{id: a, prompt: x, expect: [{number: {value: 3, tolerance: -1}}]}",
            "0.expect.0.number.tolerance: must be at least 0, not -1",
        ),
        ("{id: a, prompt: x, expect: [{max_s: 0}]}", "0.expect.0.max_s: must be more than 0, not 0"),
        ("{id: a, prompt: x, expect: [{max_tokens: 1.5}]}", "0.expect.0.max_tokens: should be a whole number, not 1.5"),
        ("{id: a, prompt: x, expect: [{tools_called: []}]}", "0.expect.0.tools_called: must not be empty"),
        (
            "{id: a, prompt: x, expect: [{json_path: rows}]}",
            "0.expect.0.json_path: should begin with $, as in $.rows[0].name, not 'rows'",
        ),
    ],
)
def test_a_wrong_query_is_said_in_plain_words(write, query, message):
    """Each mistake, to the letter, at the line of the query."""
    assert complaint(write(f"queries:\n  - {query}\n")) == [f"corpus.yaml:2: queries.{message}"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["corpus.yaml: is empty"]),
        ("version: 1\nqueries: []\n", ["corpus.yaml: queries: is empty; a corpus needs a query"]),
        ("name: x\n", ["corpus.yaml: queries: is empty; a corpus needs a query"]),
        ("version: 2\nqueries: [{id: a, prompt: a}]\n", ["corpus.yaml:1: version: should be 1, not 2"]),
        ("queries:\n\t- id: a\n", ["corpus.yaml:2: a tab cannot indent YAML; use spaces"]),
        ("- id: a\n", ["corpus.yaml: should be a mapping (key: value), not a list"]),
        (
            "include: [corpus.yaml, nothing.yaml]\nqueries: [{id: a}]\n",
            [
                "corpus.yaml:2: queries.0: has no question; give it a prompt",
                "corpus.yaml:1: include.0: includes itself: corpus.yaml → corpus.yaml",
                "corpus.yaml:1: include.1: no such file: nothing.yaml",
            ],
        ),
    ],
)
def test_a_wrong_file_is_said_in_plain_words(write, text, lines):
    """Empty, foreign, broken or circular: what and where."""
    assert complaint(write(text)) == lines


def test_a_cycle_shows_its_way_and_mistakes_in_included_files_are_found(write):
    """The files of a cycle are named in order; other mistakes in them are reported beside it."""
    write("queries: [{id: b, promt: b}]\ninclude: [corpus.yaml]", "b.yaml")
    assert complaint(write("queries: [{id: a, prompt: a}]\ninclude: [b.yaml]")) == [
        "b.yaml:1: queries.0.promt: unknown key; did you mean prompt?",
        "b.yaml:2: include.0: includes itself: corpus.yaml → b.yaml → corpus.yaml",
    ]


def test_the_hash_is_of_what_is_asked_and_not_of_how_it_is_written(write):
    """Moving queries to an included file, or writing a matrix out, keeps the hash; another word changes it."""
    whole = write("queries: [{id: a, prompt: x 1}, {id: 'b', prompt: y}]", "whole.yaml")
    write("queries: [{id: b, prompt: y}]", "part.yaml")
    split = write("name: other\nqueries: [{id: a, turns: [x 1]}]\ninclude: [part.yaml]", "split.yaml")
    changed = write("queries: [{id: a, prompt: x 2}, {id: b, prompt: y}]", "changed.yaml")
    hashes = [corpus.load(file).content_hash for file in (whole, split, changed)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 64
