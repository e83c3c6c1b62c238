"""Check the project's prose: docs, docstrings, comments and messages.

Run it as ``make prose``, or on some files: ``python tests/prose/prose.py PATH…``. Every finding is one line,
``file:line: rule: text → what to write instead``. The exit code is 1 when there is a finding.

The rules are data, in ``rules.toml`` beside this file. Each rule carries examples that it must find and near misses
that it must not find; ``test_prose.py`` checks them.

Why this checker: vale's package on PyPI downloads its program on first use, and proselint has a fixed list of checks
and takes no rules from a project.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULES_FILE = Path(__file__).with_name("rules.toml")
LONG, TOO_LONG = 25, 40  # words in a sentence: --warn reports the first, the second is a finding
SEMICOLONS = 2  # in one sentence
MESSAGE_WORDS = 3  # a string literal with fewer words is an identifier, a unit or a label

_CODE_SPAN = re.compile(r"(``?)(?!`)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_ADDRESS = re.compile(r"https?://\S+")
_SENTENCE_END = re.compile(r"(?<!e\.g)(?<!i\.e)(?<!al)(?<!vs)(?<!etc)(?<!\b[A-Z])[.!?…][)\"'*_]*\s+(?=[\"'(*_]*[A-Z0-9])")
_LIST_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")
_WORD = re.compile(r"[^\W_][\w'\u2019.%-]*")
_LABEL = re.compile(r"\s*\S+ {2,}(?=\S)")  # "name   what it means", in the comments of a configuration
_COMMAND = re.compile(r"\s+(?:uderia-bench|python|make|docker|export) ")
_LITERAL_BLOCK = re.compile(r"::\s*$")
_FIGURE = re.compile(r"^\s*(?:[=~^-]{3,}|\||:param|>>>)|[├└│─┐┘]|\S {3,}\S")
_NOT_PROSE = re.compile(  # markup, options, SQL, SVG paths, styles and regular expressions
    r"^\s*(?:<|--?\w|(?:SELECT|INSERT|CREATE|UPDATE|DELETE|PRAGMA|DROP)\b|WITH \w+ AS\b|M[\d.]+ )"
    r"|[{};]\s*\n|\\[bdswSW(]|\(\?[:=!P<]|\$[\w{(]|^\w+=|--\w[\w-]* \S+ -"
)
_SCRIPT_COMMENT = re.compile(r"(?<![:\"'])//[^\n]*|/\*.*?\*/", re.DOTALL)
_SCRIPT_STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One habit to avoid."""

    name: str
    pattern: re.Pattern[str]
    instead: str
    kinds: tuple[str, ...]
    finds: tuple[str, ...]
    passes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One paragraph, comment, docstring paragraph or message, with the line it starts on."""

    kind: str
    line: int
    text: str
    opens: str = ""  # what its first sentence is besides: "first sentence" of a docstring, or of a module's


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence that breaks a rule."""

    line: int
    rule: str
    text: str
    instead: str


def load_rules(path: Path = RULES_FILE) -> tuple[Rule, ...]:
    """Read the rules, whose patterns are searched in one sentence at a time."""
    return tuple(
        Rule(
            name=rule["name"],
            pattern=re.compile(rule["pattern"], re.IGNORECASE),
            instead=rule["instead"],
            kinds=tuple(rule.get("kinds", ())),
            finds=tuple(rule["finds"]),
            passes=tuple(rule.get("passes", ())),
        )
        for rule in tomllib.loads(path.read_text(encoding="utf-8"))["rule"]
    )


def check_text(text: Text, rules: tuple[Rule, ...], *, warn: bool = False) -> Iterator[Finding]:
    """Find the sentences of a text that break a rule."""
    prose = plain(text.text)
    for number, (start, sentence) in enumerate(sentences(prose)):
        kinds = {text.kind, text.opens} if number == 0 else {text.kind}
        if "first sentence of a module" in kinds:
            kinds.add("first sentence")
        for rule in rules:
            if rule.kinds and not kinds.intersection(rule.kinds):
                continue
            if found := rule.pattern.search(sentence.replace("\n", " ")):
                line = text.line + prose.count("\n", 0, start + found.start())
                yield Finding(line=line, rule=rule.name, text=_quote(sentence, found), instead=rule.instead)
        if text.kind in {"test name", "table"}:
            continue
        line = text.line + prose.count("\n", 0, start)
        words = len(_WORD.findall(sentence))
        if words > TOO_LONG or (warn and words > LONG):
            limit = TOO_LONG if words > TOO_LONG else LONG
            yield Finding(line=line, rule=f"over {limit} words", text=f"{words} words: {_short(sentence)}", instead="split it")
        if sentence.count(";") >= SEMICOLONS:
            yield Finding(line=line, rule="semicolon chain", text=_short(sentence), instead="write separate sentences")


def plain(text: str) -> str:
    """Replace code, links and addresses by what a reader pronounces, on the same lines without indentation."""
    text = "\n".join(" ".join(line.split()) for line in text.split("\n"))
    text = _CODE_SPAN.sub(lambda span: "X" + "\n" * span[0].count("\n"), text)
    return _ADDRESS.sub("X", _LINK.sub(r"\1", text))


def sentences(prose: str) -> Iterator[tuple[int, str]]:
    """Split a paragraph into sentences, each with its offset."""
    start = 0
    for end in [*(match.end() for match in _SENTENCE_END.finditer(prose)), len(prose)]:
        sentence = prose[start:end]
        lead = len(sentence) - len(sentence.lstrip(" \t\n*_\"'(-"))
        if sentence.strip():
            yield start + lead, sentence[lead:].rstrip()
        start = end


def _quote(sentence: str, found: re.Match[str]) -> str:
    """Return the match with a few characters around it, on one line."""
    start, end = max(0, found.start() - 30), found.end() + 30
    cut = " ".join(sentence[start:end].split())
    return ("…" if start else "") + cut + ("…" if end < len(sentence) else "")


def _short(sentence: str) -> str:
    flat = " ".join(sentence.split())
    return flat if len(flat) <= 60 else flat[:60] + "…"


def texts_of(path: Path, name: str) -> Iterator[Text]:
    """Read every piece of prose in a file; ``name`` is its path in the repository."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _python(content, tests=name.startswith("tests/"), messages=not name.startswith(_OTHERS_WORDS))
    elif path.suffix == ".md":
        yield from _markdown(content)
    elif path.suffix == ".ipynb":
        for cell in json.loads(content)["cells"]:
            if cell["cell_type"] == "markdown":
                yield from _markdown("".join(cell["source"]))
    elif path.suffix in {".js", ".css"}:
        yield from _script(content)
    else:
        yield from _hash_comments(content)


# String literals in these places repeat what a server, a model or a user says.
_OTHERS_WORDS = ("tests/", "uderia_bench/sim/", "uderia_bench/reading/profile_types/wordings")


def _python(content: str, *, tests: bool, messages: bool) -> Iterator[Text]:
    tree = ast.parse(content)
    docstrings: set[int] = set()
    for node, statement in _statements(tree):
        if isinstance(statement, ast.Expr) and _is_text(statement.value):
            docstrings.add(id(statement.value))
            opens = "first sentence of a module" if isinstance(node, ast.Module) else "first sentence"
            yield from _docstring(statement.value.value, statement.lineno, "" if tests else opens)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and tests and statement.name.startswith("test_"):
            yield Text(kind="test name", line=statement.lineno, text=statement.name.removeprefix("test_").replace("_", " "))
    if messages:
        yield from _messages(tree, docstrings)
    yield from _python_comments(content)


def _statements(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.stmt]]:
    """Yield every statement with the node whose body it is in."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield node, child


def _messages(tree: ast.Module, docstrings: set[int]) -> Iterator[Text]:
    """Yield the string literals that read as prose; a value inside an f-string reads as 0."""
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts.update(id(part) for part in node.values)
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
        elif _is_text(node) and id(node) not in parts and id(node) not in docstrings:
            text = node.value
        else:
            continue
        if _is_message(text):
            for start, paragraph in _paragraphs(text):
                yield Text(kind="message", line=node.lineno + start, text=paragraph)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_message(text: str) -> bool:
    words = re.findall(r"(?<!\S)[^\W\d_]{2,}[,;:.)]?(?!\S)", text)
    return " " in text.strip() and len(words) >= MESSAGE_WORDS and not _NOT_PROSE.search(text)


def _docstring(text: str, line: int, opens: str) -> Iterator[Text]:
    kind = "docstring" if opens else "test docstring"
    for start, paragraph in _paragraphs(text):
        yield Text(kind=kind, line=line + start, text=paragraph, opens=opens)
        opens = ""


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Split a docstring or a message into paragraphs and list items, without literal blocks, tables and drawings."""
    held: list[str] = []
    start, literal = 0, False
    margin = min((len(line) - len(line.lstrip()) for line in text.split("\n")[1:] if line.strip()), default=0)
    for number, line in enumerate(text.split("\n")):
        if literal and (not line.strip() or len(line) - len(line.lstrip()) > margin):
            continue
        literal = False
        figure = bool(_FIGURE.search(line))
        if (not line.strip() or figure or _LIST_ITEM.match(line)) and held:
            yield start, "\n".join(held)
            held = []
        if line.strip() and not figure:
            start = number if not held else start
            held.append(line)
        if _LITERAL_BLOCK.search(line):
            literal = True
            yield start, "\n".join(held)
            held = []
    if held:
        yield start, "\n".join(held)


def _python_comments(content: str) -> Iterator[Text]:
    lines = content.split("\n")
    comments = {
        token.start[0]: (token.start[1], token.string)
        for token in tokenize.generate_tokens(io.StringIO(content).readline)
        if token.type == tokenize.COMMENT
    }
    yield from _joined_comments(
        (number, not lines[number - 1][:column].strip(), text) for number, (column, text) in comments.items()
    )


def _hash_comments(content: str) -> Iterator[Text]:
    found = ((number, re.search(r"(?:^|\s)#(?!!)\s?(.*)$", line), line) for number, line in enumerate(content.split("\n"), 1))
    yield from _joined_comments((number, not line[: hit.start()].strip(), "# " + hit[1]) for number, hit, line in found if hit)


def _joined_comments(comments: Iterator[tuple[int, bool, str]]) -> Iterator[Text]:
    """Join comments that fill consecutive lines; a comment behind code starts a text, and continues below it."""
    held: list[str] = []
    start = last = 0
    for number, alone, comment in comments:
        text = re.sub(r"^#+:?\s?", "", comment)
        if re.match(r"(?:noqa|type:|pragma|fmt:|ruff:|mypy:)", text):
            continue
        label = _LABEL.match(text)
        command = _COMMAND.match(text)
        if held and (number != last + 1 or not alone or not text.strip() or label or command):
            yield Text(kind="comment", line=start, text="\n".join(held))
            held = []
        if command or not text.strip():
            continue
        start = start if held else number
        text = text[label.end() :] if label else text
        held.append(re.sub(r"\s*#\s*(?:noqa|type:|pragma).*$", "", text))
        last = number
    if held:
        yield Text(kind="comment", line=start, text="\n".join(held))


def _markdown(content: str) -> Iterator[Text]:
    held: list[str] = []
    start, fence = 0, ""
    content = re.sub(r"<!--.*?-->", lambda comment: "\n" * comment[0].count("\n"), content, flags=re.DOTALL)
    for number, line in enumerate([*content.split("\n"), ""], 1):
        mark = re.match(r"\s*(```+|~~~+)", line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        alone = line.lstrip().startswith(("|", "#", "<", "!!!", "???", ":::", "---")) or bool(mark)
        if held and (not line.strip() or alone or fence or _LIST_ITEM.match(line)):
            yield Text(kind="docs", line=start, text="\n".join(held))
            held = []
        if fence or mark or not line.strip():
            continue
        if line.lstrip().startswith("|"):
            for cell in re.split(r"(?<!\\)\|", plain(line)):
                yield Text(kind="table", line=number, text=cell)
        elif alone:
            yield Text(kind="docs", line=number, text=re.sub(r"<[^>]*>|^\s*[#!?:]+\s*", "", line))
        else:
            start = start if held else number
            held.append(_LIST_ITEM.sub("", line) if not held else line)


def _script(content: str) -> Iterator[Text]:
    for comment in _SCRIPT_COMMENT.finditer(content):
        text = re.sub(r"^\s*(?://|/\*|\*)|\*/", "", comment[0], flags=re.MULTILINE)
        yield Text(kind="comment", line=1 + content.count("\n", 0, comment.start()), text=text)
    code = _SCRIPT_COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), content)
    for string in _SCRIPT_STRING.finditer(code):
        if _is_message(string[0][1:-1]):
            yield Text(kind="message", line=1 + code.count("\n", 0, string.start()), text=string[0][1:-1])


def files(paths: list[str]) -> list[Path]:
    """Return the files to check: those named and those committed in named folders, where they have prose of ours."""
    chosen = [Path(path).resolve() for path in paths]
    named = [path for path in chosen if not path.is_dir()]
    folders = [str(path) for path in chosen if path.is_dir()] if paths else [str(ROOT)]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    committed = [ROOT / name for name in listed.stdout.split("\0") if name] if folders else []
    return sorted({path for path in [*named, *committed] if path.is_file() and _has_prose(_name(path))})


def _name(path: Path) -> str:
    """Return the path in the repository, or the file's name outside it."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _has_prose(name: str) -> bool:
    path = Path(name)
    if path.parts[:2] == ("tests", "prose") and path.suffix == ".toml":
        return False  # the examples of what to avoid
    if path.parts[0] == "requirements" or "golden" in path.parts or "output" in path.parts:
        return False  # written by programs
    endings = {".py", ".md", ".ipynb", ".js", ".css", ".yaml", ".yml", ".toml", ".sh"}
    return path.suffix in endings or path.name == "Makefile" or name == ".ci/run"


def main() -> int:
    """Check some files, or all; print the findings and return the exit code."""
    parser = argparse.ArgumentParser(description="Check the project's prose.")
    parser.add_argument("paths", nargs="*", help="files or folders; without any, the whole repository")
    parser.add_argument("--warn", action="store_true", help=f"also report sentences over {LONG} words")
    parser.add_argument("--count", action="store_true", help="print only the number of findings by rule")
    options = parser.parse_args()
    rules = load_rules()
    counts: dict[str, int] = {}
    for path in files(options.paths):
        name = _name(path)
        found = {f for text in texts_of(path, name) for f in check_text(text, rules, warn=options.warn)}
        for finding in sorted(found, key=lambda f: (f.line, f.rule, f.text)):
            counts[finding.rule] = counts.get(finding.rule, 0) + 1
            if not options.count:
                print(f"{name}:{finding.line}: {finding.rule}: {finding.text} → {finding.instead}")
    for rule, count in sorted(counts.items(), key=lambda item: -item[1]) if options.count else ():
        print(f"{count:5} {rule}")
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main())
