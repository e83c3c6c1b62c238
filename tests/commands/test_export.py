"""What an export promises: the same rows in each form, whole or not at all, and no formula for a spreadsheet to run."""

from __future__ import annotations

import csv
from itertools import product

import duckdb
import polars as pl
import pytest

from uderia_bench.commands import export
from uderia_bench.errors import StoreError

TRIALS = pl.DataFrame(
    {"trial_id": ["a", "b"], "tags": [["x", "y"], []], "latency_s": [1.5, None], "outcome_detail": ["=cmd|' /C calc'!A0", None]}
)


def test_csv_has_the_rows_and_no_formula(tmp_path):
    """A text that begins like a formula is made plain. A missing value is empty, and a list is joined."""
    assert export.write(TRIALS, tmp_path / "t.csv", "csv") == 2
    back = pl.read_csv(tmp_path / "t.csv")
    assert back["latency_s"].to_list() == [1.5, None]
    assert back["tags"].to_list() == ["x;y", ""]
    assert back["outcome_detail"][0].startswith("'=cmd")


def written(tmp_path, texts):
    """Write texts as CSV, alone and as part of a list, and return the rows of the file without the head."""
    export.write(pl.DataFrame({"text": texts, "tags": [["a", text] for text in texts]}), tmp_path / "t.csv", "csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]


def test_no_cell_is_a_formula(tmp_path):
    """Spreadsheets ignore blanks and invisible characters, and read full-width signs. It holds for parts of a list too."""
    before = ("", " ", "\n", "\t", "\r", "\u00a0", "\ufeff", "\u200b", " \u00a0 ", '"')
    hostile = [
        f"{blank}{sign}1+1" for blank, sign in product(before, "=+-@|\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212")
    ]
    for (text, tags), source in zip(written(tmp_path, hostile), hostile, strict=True):
        assert text.startswith("'")
        assert tags == f"a;{text}"
        assert text.replace("'", "") == source


def test_no_part_of_a_cell_is_a_formula_for_another_separator(tmp_path):
    """A spreadsheet that separates with semicolons begins cells and rows inside our quotes."""
    formulas = ("=1+1", "@SUM(A1)", "|cmd", "-HYPERLINK(A1)", "+cmd|A0", "\uff1d1+1", "\ufe661+1", "\u2212cmd|A0")
    parts = [*product(";\t\r\n", ("", " ", '"', "\u00a0", "\ufeff"), formulas)]
    found = written(tmp_path, [f"a{mark}{mark}{blank}{formula}" for mark, blank, formula in parts])
    assert [text for text, _ in found] == [f"a{mark}{mark}'{blank}{formula}" for mark, blank, formula in parts]


def test_other_text_stays_as_it_is(tmp_path):
    """Lists, numbers and signs inside a line do no harm."""
    texts = ["a\n- b\n- c", "a; -5", "a, =b", "a\n+ 3", "x = 1; y", "a\n-"]
    assert [text for text, _ in written(tmp_path, texts)] == texts


def test_parquet_and_jsonl_come_back_equal(tmp_path):
    """Nothing is lost on the way."""
    export.write(TRIALS, tmp_path / "t.parquet", "parquet")
    export.write(TRIALS, tmp_path / "t.jsonl", "jsonl")
    assert pl.read_parquet(tmp_path / "t.parquet").equals(TRIALS)
    assert pl.read_ndjson(tmp_path / "t.jsonl")["tags"].to_list() == [["x", "y"], []]


def test_duckdb_can_be_asked(tmp_path):
    """The file is a database with a table of trials."""
    export.write(TRIALS, tmp_path / "t.duckdb", "duckdb")
    with duckdb.connect(str(tmp_path / "t.duckdb"), read_only=True) as database:
        assert database.execute("SELECT count(*), max(latency_s) FROM trials").fetchone() == (2, 1.5)


def test_what_cannot_be_written_is_one_line(tmp_path):
    """A directory that is not there; nothing is left behind."""
    with pytest.raises(StoreError, match="cannot be written"):
        export.write(TRIALS, tmp_path / "none" / "t.csv", "csv")
    assert list(tmp_path.iterdir()) == []
