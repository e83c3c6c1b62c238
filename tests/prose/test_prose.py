"""The prose check finds the habits it names, passes plain sentences, and reads every kind of text."""

import subprocess
import sys
import tomllib

import pytest
from prose.prose import ROOT, Text, check_text, load_rules, texts_of

RULES = load_rules()
PAIRS = tomllib.loads((ROOT / "tests/prose/examples.toml").read_text(encoding="utf-8"))["pair"]
EVERY_KIND = ("docs", "docstring", "comment", "message")


def found(text, kind="message", opens=""):
    """Return the names of the rules that a text breaks."""
    return [finding.rule for finding in check_text(Text(kind=kind, line=1, text=text, opens=opens), RULES)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["before"][:40])
def test_each_sentence_that_users_did_not_understand_is_found(pair):
    """Each of them breaks at least one rule."""
    assert found(pair["before"], pair["kind"])


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["after"][:40])
def test_each_rewritten_sentence_passes(pair):
    """The advice of the check must pass the check."""
    opens = "first sentence of a module" if pair["kind"] == "docstring" else ""
    assert found(pair["after"], pair["kind"], opens) == []


@pytest.mark.parametrize(
    ("rule", "text"), [pytest.param(rule, text, id=f"{rule.name}: {text}") for rule in RULES for text in rule.finds]
)
def test_each_rule_finds_its_examples(rule, text):
    """Each example breaks the rule that it illustrates."""
    kind = rule.kinds[0] if rule.kinds else "message"
    assert rule.name in found(text, kind, opens=kind)


@pytest.mark.parametrize("text", [text for rule in RULES for text in rule.passes])
def test_near_misses_pass_every_rule(text):
    """Plain sentences near a rule break none, whatever kind of text they stand in."""
    for kind in EVERY_KIND:
        assert found(text, kind) == []


def test_a_sentence_over_forty_words_and_a_chain_of_semicolons_are_found():
    """Forty words and one semicolon pass."""
    assert found("word " * 40) == []
    assert found("word " * 41) == ["over 40 words"]
    assert found("It starts; it runs.") == []
    assert found("It starts; it runs; it ends.") == ["semicolon chain"]


def test_code_links_and_addresses_are_not_prose():
    """Names in code and addresses may contain any word."""
    assert found("See `nobody` and [the docs](https://nobody.example/want-of) at https://a.example/nobody", "docs") == []


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("docs/a.md", "# Title\n\nFine.\n\n- A list that\n  nobody reads.\n", 6),
        ("docs/a.md", "| a | b |\n|---|---|\n| c | nobody |\n", 3),
        ("uderia_bench/a.py", '"""Read it.\n\nA metric\nnobody knows.\n"""\n', 4),
        ("uderia_bench/a.py", 'LIMIT = 3\n"""A limit nobody knows."""\n', 2),
        ("uderia_bench/a.py", "A = 1  # fine\n# a comment over\n# two lines that nobody reads\n", 3),
        ("uderia_bench/a.py", 'def f(n):\n    raise ValueError(f"{n} is a name nobody knows")\n', 2),
        ("tests/a.py", '"""It holds."""\n\n\ndef test_nobody_is_asked():\n    pass\n', 4),
        ("configs/a.yaml", "a: 1  # a key nobody knows\n", 1),
        ("configs/a.yaml", "# What it is.\n#\n#   a   fine, and\n#       nobody knows\n", 4),
        ("page.js", 'let a = "a text nobody reads";\n', 1),
        ("page.css", "a { }\n/* a rule nobody reads */\n", 2),
        ("a.ipynb", '{"cells": [{"cell_type": "markdown", "source": ["A cell nobody reads."]}]}', 1),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_every_kind_of_text_is_read_with_its_line(tmp_path, name, content, line):
    """The finding names the line of the word, in docs, code, comments, configuration and scripts."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    findings = [finding for text in texts_of(path, name) for finding in check_text(text, RULES)]
    assert [(finding.rule, finding.line) for finding in findings] == [("nobody", line)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("docs/a.md", "```\nnobody reads this\n```\n"),
        ("uderia_bench/a.py", 'def f():\n    """Return it.\n\n    ::\n\n        code nobody reads\n    """\n'),
        ("configs/a.yaml", "# Run it:\n#\n#   uderia-bench run nobody.yaml\n"),
        ("uderia_bench/a.py", 'SCRIPT = "code=0 && echo a name nobody has"\n'),
        ("uderia_bench/a.py", 'QUERY = "SELECT nobody FROM a table"\n'),
        ("uderia_bench/sim/a.py", 'ANSWER = "a table nobody has"\n'),
        ("tests/a.py", 'ANSWER = "a table nobody has"\n'),
    ],
)
def test_code_and_words_of_others_are_not_read(tmp_path, name, content):
    """Examples, SQL, and what a server or a model says."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    assert [finding for text in texts_of(path, name) for finding in check_text(text, RULES)] == []


def test_the_command_names_file_line_rule_text_and_remedy(tmp_path):
    """One line per finding and exit code 1; nothing and 0 without findings."""
    (tmp_path / "a.md").write_text("# Title\n\nA metric nobody knows.\n", encoding="utf-8")
    (tmp_path / "b.md").write_text("A metric without a definition.\n", encoding="utf-8")
    script = ROOT / "tests/prose/prose.py"
    clean = subprocess.run([sys.executable, script, tmp_path / "b.md"], capture_output=True, text=True, check=False)
    assert (clean.returncode, clean.stdout) == (0, "")
    both = [sys.executable, script, tmp_path / "a.md", tmp_path / "b.md"]
    broken = subprocess.run(both, capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert broken.stdout.startswith("a.md:3: nobody: A metric nobody knows. → name the person")
    assert broken.stdout.count("\n") == 1
