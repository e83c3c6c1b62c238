"""JSON as Python writes it: read with a note, and never with a value that breaks later."""

from __future__ import annotations

import json
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uderia_bench.json_text import parse_json

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None, exclude_categories=())),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "value", "note"),
    [
        (b'{"a": 1}', {"a": 1}, None),
        (b'{"a": NaN}', {"a": None}, "NaN was read as missing"),
        (b"[Infinity, -Infinity, 1]", [None, None, 1], "Infinity was read as missing"),
        (b"[1e400]", [None], "a number too large was read as missing"),
        (b"[1" + b"0" * 5000 + b", NaN]", [None, None], "a number too large was read as missing"),
        (b"[12345678901234567890123, NaN]", [12345678901234567890123.0, None], "NaN was read as missing"),
        (rb'["half \ud83d"]', ["half \ufffd"], "half a surrogate pair was replaced"),
        (rb'["\ude00\ud83d", "\ud83d\ude00"]', ["\ufffd\ufffd", "\U0001f600"], "half a surrogate pair was replaced"),
        (rb'{"\ud83d": 1}', {"\ufffd": 1}, "half a surrogate pair was replaced"),
        (rb'["\\ud83d", NaN]', [r"\ud83d", None], "NaN was read as missing"),
        (b"\xef\xbb\xbf[1]", [1], "a byte-order mark was left out"),
        ("\ufeff[1]".encode("utf-16"), [1], "a byte-order mark was left out"),
        ("\ufeff[1]", [1], "a byte-order mark was left out"),
        ('["\u00e9"]'.encode("latin-1"), ["\ufffd"], "bytes that are not UTF-8 were replaced"),
        (b'["\xed\xa0\xbd"]', ["\ufffd"], "half a surrogate pair was replaced"),
        (b'["a\nb\tc"]', ["a\nb\tc"], "control characters in its strings"),
    ],
)
def test_what_python_writes_is_read(body, value, note):
    """The value has nothing that JSON or UTF-8 cannot express, and the note says what was changed."""
    found = parse_json(body)
    assert found.value == value
    assert (note in found.notes) if note else found.notes == ()
    orjson.dumps(found.value)


@pytest.mark.parametrize("depth", [255, 1000, 1025, 50_000])
@pytest.mark.parametrize(("opened", "closed"), [("[", "]"), ('{"[": ', "}")])
def test_deep_nesting_is_cut_off(depth, opened, closed):
    """The rest is read, with a note, and functions that call themselves for each level take the value."""
    found = parse_json(f'{{"said": "[[[\\"", "deep": {opened * depth}1{closed * depth}, "rest": 2}}')
    assert (found.value["said"], found.value["rest"]) == ('[[["', 2)
    assert found.notes == ("what is nested deeper than 200 levels was read as missing",)
    assert len(str(found.value)) > 200
    orjson.dumps(found.value)


def test_many_brackets_are_not_deep_nesting():
    """A long list of lists is read unchanged."""
    assert parse_json(b"[" + b"[[1]]," * 1000 + b"0]").notes == ()


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"<html>", b"{'a': 1}", b"[1,]", b"nul", b"\xff\xfe", b"NaNa", b"[1] 2"),
        *(b"[" * 100_000, b"[" * 200_001 + b"]" * 200_001),
    ],
)
def test_what_is_not_json_is_an_error(body):
    """Half a body, a page of HTML and endless nesting are not read as something else."""
    with pytest.raises(ValueError):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"answer": "cut off ' + b'\\"' * 60_000,
        b"[" * 300 + b'"' + b'\\"' * 60_000,
        b'["' + b"\\" * 300_001,
        b"[" + b",".join([b"[" * 300 + b"]" * 300] * 5_000) + b"]",
    ],
    ids=["quotes", "quotes after brackets", "backslashes", "many deep lists"],
)
def test_a_hostile_body_costs_little(body):
    """Also a body that was cut off inside a text full of quotes: each quote could begin another text."""
    begin = time.process_time()
    with pytest.raises(ValueError):
        parse_json(body)
    assert time.process_time() - begin < 3


@given(ANY)
def test_whatever_python_dumps_is_read(value):
    """Everything from ``json.dumps`` comes back as a value that can be written again as strict JSON."""
    found = parse_json(json.dumps(value).encode())
    assert orjson.loads(orjson.dumps(found.value, option=orjson.OPT_NON_STR_KEYS)) == found.value or found.notes
