"""Documents: YAML 1.2 read strictly, and mistakes that say what, where and what to do."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from uderia_bench.documents.yaml.checking import Written, entries, validate, wrong
from uderia_bench.documents.yaml.document import Document, Override
from uderia_bench.documents.yaml.overrides import set_values
from uderia_bench.documents.yaml.reading import MAX_BYTES, MAX_DEPTH, read, read_text
from uderia_bench.errors import DocumentError, UsageError


class Leaf(Written):
    weight: Annotated[float, Field(gt=0, le=10)] = 1.0
    colour: Literal["red", "green"] = "red"


class Tree(Written):
    name: str
    height: Annotated[int, Field(ge=1, lt=100)] = 1
    leaves: tuple[Leaf, ...] = ()
    by_name: dict[str, Leaf] = Field(default_factory=dict)
    evergreen: bool = False


def values(text):
    """Return what a text says."""
    return read_text(text, file="f.yaml").data


def complaint(text, *checks):
    """Return the mistakes of a text that is not a tree."""
    with pytest.raises(DocumentError) as caught:
        validate(Tree, read_text(text, file="tree.yaml"), *checks)
    return str(caught.value)


# ---- reading


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-3", -3),
        ("1_000", "1_000"),
        ("no", "no"),
        ("off", "off"),
        ("true", True),
        ("~", None),
        ("", None),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("-.inf", float("-inf")),
        ("10%", "10%"),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ('"3"', "3"),
        ("'yes'", "yes"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(written, value):
    """``012`` is 12 and ``no`` is text; what the core schema does not name is text."""
    read = values(f"x: {written}")["x"]
    assert read == value
    assert type(read) is type(value)


def test_values_are_plain_and_know_their_lines():
    """Lists become tuples, and every value knows the line it was written in; what is missing has the line around it."""
    document = read_text("a: 1\nb:\n  - x\n  - y: {z: 2}\n", file="f.yaml")
    assert document.data == {"a": 1, "b": ("x", {"y": {"z": 2}})}
    assert document.place(("a",)) == ("f.yaml", 1)
    assert document.place(("b", 1, "y", "z")) == ("f.yaml", 4)
    assert document.place(("b", 0, "nothing")) == ("f.yaml", 3)
    assert document.place(("nothing",)) == ("f.yaml", None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a:\tb\n", {"a": "b"}),
        ("a:\tb\tc \t\n", {"a": "b\tc"}),
        ("a: b\t# note\n", {"a": "b"}),
        ("a\t: b\n", {"a": "b"}),
        ("a:\t\n  b:\t1\t\n", {"a": {"b": 1}}),
        ("[a,\tb\t,\t{c:\td}]", ("a", "b", {"c": "d"})),
        ("a: [\n\tb,\n\tc\n]\n", {"a": ("b", "c")}),
        ("-\ta\n-\tb\n", ("a", "b")),
        ("a:\n  - x\n\t\n\t# note\n  - y\n", {"a": ("x", "y")}),
        ("a:\t&x b\nc:\t*x\n", {"a": "b", "c": "b"}),
        ("a:\t|\n  b\tc\n", {"a": "b\tc\n"}),
        ("---\ta", "a"),
    ],
)
def test_a_tab_separates_as_a_space_does(text, value):
    """Between tokens, before comments and in blank lines; only indentation is of spaces (YAML 1.2.2, 6.2)."""
    assert values(text) == value


@pytest.mark.parametrize("text", [r'"\ud83d\ude00"', '{"a": "\\ud83d\\ude00"}', r'"\U0001f600"', '"\U0001f600"'])
def test_a_pair_of_json_escapes_is_one_character(text):
    """JSON writes characters beyond the first plane as surrogate pairs."""
    assert "\U0001f600" in str(values(text))


def test_a_merge_key_says_what_to_do_instead():
    """It is named once, with its line, and is not an unknown key too; in quotes it is a key like others."""
    with pytest.raises(DocumentError) as caught:
        validate(Leaf, read_text("weight: 2\n<<: {colour: red}\n", file="f.yaml"))
    assert str(caught.value) == (
        "f.yaml:2: <<: YAML 1.2 has no merge keys; write the keys out, or repeat the whole value with its alias"
    )
    assert values('"<<": 1\n') == {"<<": 1}


def test_an_anchor_repeats_what_it_names():
    """Anchors work as YAML has them."""
    assert values("a: &a [1, 2]\nb: *a\n") == {"a": (1, 2), "b": (1, 2)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n\tb: 2\n", "f.yaml:2: a tab cannot indent YAML; use spaces"),
        ("a:\n\tb: 2\n", "f.yaml:2: a tab cannot indent YAML; use spaces"),
        ("a: |\t# note\n  text\n", "f.yaml:1: a tab cannot follow | or > here; use a space"),
        (
            "-\ta: b\n",
            "f.yaml:1: a colon is not allowed here; check the indentation, and put text with a colon in quotes",
        ),
        ("a: 1\nb: @IDEAT\n", 'f.yaml:2: a value cannot begin with @; put it in quotes, as in "@IDEAT"'),
        ("a: %x\n", "f.yaml:1: a value cannot begin with %; put it in quotes"),
        ("a: `x`\n", "f.yaml:1: a value cannot begin with `; put it in quotes"),
        (
            "prompt: count: all\n",
            "f.yaml:1: a colon is not allowed here; check the indentation, and put text with a colon in quotes",
        ),
        ("a: 1\nb: 'x\nc: 2\n", "f.yaml:2: a quote opened here is never closed"),
        ("a: 1\nb: [1,\nc\n", "f.yaml:2: a bracket opened here is never closed"),
        ("- a\nb: c\n", "f.yaml:2: this does not continue the lines above; check the indentation"),
        ("a: *b\n", "f.yaml:1: *b refers to nothing above it; write &b at what it should repeat"),
        ("a: &a [*a]\n", "f.yaml:1: *a refers to nothing above it; write &a at what it should repeat"),
        ("? [a]\n: b\n", "f.yaml:1: a key must be plain text"),
        ("a: 1\n---\na: 2\n", "f.yaml:2: a second document begins here; a file holds one"),
        ("a: 1\nb: \x07\n", "f.yaml:2: the character #x0007 is not allowed in YAML"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "f.yaml:2: has a \\U escape that is not a character"),
        (f"a: {'[' * (MAX_DEPTH + 1)}", f"f.yaml:1: is nested more than {MAX_DEPTH} levels deep"),
    ],
)
def test_what_cannot_be_read_is_said_in_plain_words(text, message):
    """Broken YAML is one line: the place, what is wrong, what to do."""
    with pytest.raises(DocumentError) as caught:
        read_text(text, file="f.yaml")
    assert str(caught.value) == message


def test_aliases_cannot_explode():
    """Ten lines that stand for a billion values are refused, at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(DocumentError, match=r"^f.yaml:6: has more than 500,000 values, counted through aliases$"):
        read_text("\n".join(lines), file="f.yaml")


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    """A missing file, a directory, an empty, a foreign and a huge one each say what they are."""
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    (tmp_path / "huge.yaml").write_bytes(b"#" * (MAX_BYTES + 1))

    def complaint_about(name):
        with pytest.raises(DocumentError) as caught:
            read(tmp_path / name)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    assert complaint_about("nothing.yaml") == "nothing.yaml: no such file"
    assert complaint_about("") == f"{tmp_path}: is a directory, not a file"
    assert complaint_about("empty.yaml") == "empty.yaml: is empty"
    assert complaint_about("latin.yaml") == "latin.yaml:2: is not UTF-8 text"
    assert complaint_about("huge.yaml") == "huge.yaml: is larger than 4 MiB; split it and use include"
    assert complaint_about("\0").endswith(": cannot be read: embedded null byte")


def test_a_byte_order_mark_is_no_character(tmp_path):
    """A file saved by an editor that marks UTF-8 reads the same."""
    (tmp_path / "f.yaml").write_bytes("a: ü\n".encode("utf-8-sig"))
    assert read(tmp_path / "f.yaml").data == {"a": "ü"}


# ---- checking


def test_all_mistakes_come_at_once_in_order_of_lines():
    """A key given twice, a tag, wrong types, unknown keys and a missing one: one complaint, a line each."""
    text = """\
leaves:
  - {weight: 0, colour: blue}
  - 3
  - weihgt: 2
height: 1
height: 2
by_name:
  oak: {weight: 99}
evergreen: !!bool yes
"""
    assert complaint(text).splitlines() == [
        "tree.yaml: name: is missing",
        "tree.yaml:2: leaves.0.weight: must be more than 0, not 0",
        "tree.yaml:2: leaves.0.colour: should be red or green, not 'blue'",
        "tree.yaml:3: leaves.1: should be a mapping (key: value), not 3",
        "tree.yaml:4: leaves.2.weihgt: unknown key; did you mean weight?",
        "tree.yaml:6: height: is given twice; the first is in line 5",
        "tree.yaml:8: by_name.oak.weight: must be at most 10, not 99",
        "tree.yaml:9: evergreen: tags such as tag:yaml.org,2002:bool have no meaning here; take it out",
        "tree.yaml:9: evergreen: should be true or false, not 'yes'",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: 3", "tree.yaml:1: name: should be text, not 3; put it in quotes"),
        ("name: [a]", "tree.yaml:1: name: should be text, not a list"),
        ("name:", "tree.yaml:1: name: should be text, not empty"),
        ("name: a\nheight: 1.5", "tree.yaml:2: height: should be a whole number, not 1.5"),
        ("name: a\nheight: true", "tree.yaml:2: height: should be a whole number, not true"),
        ('name: a\nheight: "2"', "tree.yaml:2: height: should be a whole number, not '2'"),
        ("name: a\nheight: 0", "tree.yaml:2: height: must be at least 1, not 0"),
        ("name: a\nheight: 100", "tree.yaml:2: height: must be less than 100, not 100"),
        ("name: a\nleaves: {}", "tree.yaml:2: leaves: should be a list, not a mapping"),
        ("name: a\nby_name: 2", "tree.yaml:2: by_name: should be a mapping (key: value), not 2"),
        ("name: a\nleaves: [{weight: .nan}]", "tree.yaml:2: leaves.0.weight: must be a finite number, not nan"),
        ("name: a\nleaves: [{weight: heavy}]", "tree.yaml:2: leaves.0.weight: should be a number, not 'heavy'"),
        (f"name: a\nheight: {'9' * 5000}", "tree.yaml:2: height: is a number of 5,000 digits; the limit is 18"),
        ("- name: a", "tree.yaml: should be a mapping (key: value), not a list"),
        ("%YAML 1.1\n---\nname: a\n", "tree.yaml:2: is read as YAML 1.2; take the %YAML line out"),
        (
            "name: a\nzzz: 1",
            "tree.yaml:2: zzz: unknown key; known: name, height, leaves, by_name, evergreen",
        ),
        ('name: "\\ud800"', "tree.yaml:1: name: has half of a surrogate pair, which is not a character"),
    ],
)
def test_a_mistake_says_what_is_wanted_and_what_was_found(text, message):
    """Each kind of mistake, to the letter."""
    assert message in complaint(text).splitlines()


def test_a_check_runs_beside_the_model_and_its_findings_have_places():
    """What one model cannot see is found even where the model does not validate."""

    def heights_differ(data):
        if data.get("height") == data.get("name"):
            yield ("height",), "is the name"

    assert complaint("name: 3\nheight: 3\n", heights_differ).splitlines() == [
        "tree.yaml:1: name: should be text, not 3; put it in quotes",
        "tree.yaml:2: height: is the name",
    ]


def test_a_long_wrong_value_is_cut():
    """A prompt pasted into the wrong place does not fill the screen."""
    (line,) = complaint(f"name: a\nheight: {'x' * 500}").splitlines()
    assert line == f"tree.yaml:2: height: should be a whole number, not '{'x' * 39}…"


def test_wrong_carries_several_findings_below_the_value():
    """A validator may find several things wrong, each at its own place."""
    error = wrong((("a",), "one"), ((0, "b"), "two"))
    assert error.context == {"findings": ((("a",), "one"), ((0, "b"), "two"))}


def test_entries_bear_values_of_any_shape():
    """A check also walks values that are not valid."""
    assert list(entries({"a": ({"b": 1}, 3, {"c": 2})}, "a")) == [(0, {"b": 1}), (2, {"c": 2})]
    assert [list(entries(data, "a")) for data in ({"a": 3}, {}, None, ())] == [[], [], [], []]


# ---- overriding


def test_set_values_replace_those_of_the_file_and_the_last_one_counts():
    """Keys are added, entries replaced and appended. Values are YAML, and the document that was read does not change."""
    document = read_text("name: oak\nleaves:\n  - {weight: 1}\n", file="f.yaml")
    assignments = ["height=2", "height=3", "leaves.0.colour=green", "leaves.1.weight=2.5", "by_name={a: {weight: 4}}"]
    tree = validate(Tree, set_values(document, assignments))
    assert tree == Tree(
        name="oak",
        height=3,
        leaves=(Leaf(weight=1, colour="green"), Leaf(weight=2.5)),
        by_name={"a": Leaf(weight=4)},
    )
    assert document.data == {"name": "oak", "leaves": ({"weight": 1},)}


def test_a_mistake_in_a_set_value_points_at_the_option():
    """The place of what ``--set`` said is the option, of the rest the file; a flag names itself."""
    document = read_text("name: oak\nleaves:\n  - {weight: 0}\n", file="f.yaml")
    flag = Override(steps=("evergreen",), value=7, origin="--evergreen 7")
    with pytest.raises(DocumentError) as caught:
        validate(Tree, set_values(document, ["heigth=2", "leaves.1.colour=blue", "by_name.oak.weight=x", flag]))
    assert sorted(str(caught.value).splitlines()) == [
        "--evergreen 7: evergreen: should be true or false, not 7",
        "--set by_name.oak.weight=x: by_name.oak.weight: should be a number, not 'x'",
        "--set heigth=2: heigth: unknown key; did you mean height?",
        "--set leaves.1.colour=blue: leaves.1.colour: should be red or green, not 'blue'",
        "f.yaml:3: leaves.0.weight: must be more than 0, not 0",
    ]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("height", "--set height: write it as path=value, as in --set load.concurrency=4"),
        ("=3", "--set =3: write it as path=value, as in --set load.concurrency=4"),
        ("a..b=3", "--set a..b=3: write it as path=value, as in --set load.concurrency=4"),
        ("leaves.3.weight=1", "--set leaves.3.weight=1: leaves has 1 entry, so leaves.3.weight is not one; count from 0"),
        ("leaves.first=1", "--set leaves.first=1: leaves has 1 entry, so leaves.first is not one; count from 0"),
        ("name.x=1", "--set name.x=1: name has no parts, so there is no name.x"),
        ("0=1", "--set 0=1: the document has keys, not numbered entries"),
        ("new.0=1", "--set new.0=1: new has no parts, so there is no new.0"),
        ("height=[1", "--set height=[1: a bracket opened here is never closed"),
    ],
)
def test_a_set_value_that_leads_nowhere_is_a_usage_error(assignment, message):
    """One line names the option and what is wrong with it."""
    document = read_text("name: oak\nleaves: [{weight: 1}]\n", file="f.yaml")
    with pytest.raises(UsageError) as caught:
        set_values(document, [assignment])
    assert str(caught.value) == message


def test_setting_nothing_sets_null():
    """``--set x=`` and ``--set x=null`` take a value away."""
    document = read_text("name: oak\n", file="f.yaml")
    assert set_values(document, ["name="]).data == set_values(document, ["name=null"]).data == {"name": None}


# ---- laws


def mistakes(document_of, source):
    """Return what is wrong with it, nothing where it is a tree; any other exception is the test's failure."""
    try:
        validate(Tree, document_of(source, file="f.yaml"))
    except DocumentError as error:
        return error.mistakes
    return ()


INDICATORS = "a name height leaves weight : - [ ] { } , \" ' &a *a !t | > # 1 -.5 0x .nan ~ % @ \\ é ? --- ... <<:"
SNIPPETS = st.sampled_from([*INDICATORS.split(), ": ", "- ", "\n", "  ", "\t", "\u2028"])


@given(st.one_of(st.text(), st.lists(SNIPPETS).map("".join)))
def test_any_text_is_a_document_or_a_document_error(text):
    """Whatever stands in a file, reading and checking it ends in values or in mistakes, each one line in our own words."""
    for mistake in mistakes(read_text, text):
        assert "\n" not in str(mistake)
        assert "Input should" not in mistake.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "height", "leaves", "by_name", "evergreen", "other"), JSON)))
def test_any_values_are_a_model_or_a_document_error(data):
    """The same for values that no file holds."""
    for mistake in mistakes(Document.of, data):
        assert "Input should" not in mistake.message
