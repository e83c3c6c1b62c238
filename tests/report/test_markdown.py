"""The pull-request report: the same story, and nothing in it that a server could use to format, link or ping."""

import pytest
from report.golden import assert_golden
from report.reports import arm, comparison, ratio, report, seed_story, summary

from uderia_bench.printable import plain
from uderia_bench.report.formats.escape import markdown
from uderia_bench.report.formats.markdown import to_markdown
from uderia_bench.report.headline import headline


def test_the_seed_story_reads_as_it_should():
    """The whole report, looked at once by a person and kept."""
    assert_golden("seed_story.md", to_markdown(seed_story()))


def test_it_begins_with_the_same_lines_as_the_terminal():
    """One rule for the verdict's words: only the room they have differs."""
    lines = [markdown(str(line)) for line in headline(seed_story())]
    assert [line.strip("> *") for line in to_markdown(seed_story()).splitlines()[2:5]] == lines


def test_a_hostile_name_breaks_no_table():
    """Pipes, markup, mentions and line breaks in names are shown as they are."""
    name = "a|b\n<img src=x onerror=1>`@team`"
    arms = (arm(name, summary("latency_s", 3.0, 0.1)), arm("B", summary("latency_s", 3.0, 0.1)))
    pair = (name, "B")
    text = to_markdown(report(arms=arms, comparisons=(comparison("latency_s", ratio(1.0, 0.9, 1.1), "better", pair=pair),)))
    assert "<img" not in text
    assert "@team" not in text
    table = [line for line in text.splitlines() if line.startswith("| latency_s | 3.00s")]
    assert len(table) == 1
    assert table[0].count("|") == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("`code`", r"\`code\`"),
        ("snake_case _em_", r"snake_case \_em\_"),
        ("@someone #12", r"@<!-- -->someone \#12"),
        ("[x](http://y)", r"\[x\](http://y)"),
        ("one\ntwo", r"one\\ntwo"),
    ],
)
def test_markdown_escapes(text, expected):
    """Text from a server is text."""
    assert markdown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\tb\r\n", r"a\tb\r\n"),
        ("x\u202ey", r"x\u202ey"),
        ("\x9b1m", r"\x9b1m"),
        ("\ud800", r"\ud800"),
        ("Grüße 日本", "Grüße 日本"),
    ],
)
def test_plain_writes_out_what_a_terminal_would_obey(text, expected):
    """Control characters are shown, every other language is left alone."""
    assert plain(text) == expected


def test_it_fits_into_a_comment():
    """Under 60 KB whatever the corpus has in tags: what does not fit is left out and named, the decision and the end stay."""
    warnings = tuple(f"warning {n}: {'ä' * 200}" for n in range(500))
    made = seed_story(warnings=warnings)
    text = to_markdown(made)
    assert len(text.encode()) < 60_000
    assert "_Not shown because of the length limit: Warnings. See report.html._" in text
    assert text.startswith("## quickstart")
    assert "</details>" in text
    assert "length limit" not in to_markdown(seed_story())
