"""The generated parts of the reference, as Markdown.

A page holds a marker such as ``<!-- generated: metrics -->``. When the site is built, the marker is replaced by what the
function of that name returns. Everything is read from the public interface: the commands, their JSON, and the package.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import typer.main
from typer.testing import CliRunner

import uderia_bench
from uderia_bench import plugins
from uderia_bench.cli.app import app
from uderia_bench.commands.columns import TABLES, columns
from uderia_bench.reading.metrics import BUILT_IN

_WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list", "object": "mapping"}
MARKER = re.compile(r"<!-- generated: ([a-z-]+) -->")


def fill(text: str) -> str:
    """Return a page with its markers replaced."""
    return MARKER.sub(lambda found: PARTS[found[1]](), text)


def corpus() -> str:
    """Return the fields of a corpus file."""
    return _document(_printed("schema", "corpus"), root="A corpus file")


def experiment() -> str:
    """Return the fields of an experiment file."""
    return _document(_printed("schema", "experiment"), root="An experiment file")


def metrics() -> str:
    """Return every metric, one table per family."""
    every = _printed("metrics", "--json")
    families = dict.fromkeys(metric["family"] for metric in every)
    return "\n\n".join(
        f"## {family.capitalize()}\n\n"
        + _table(
            ("name", "meaning", "unit", "type", "better", "compared as", "across profile types"),
            (
                (
                    f"`{metric['name']}`",
                    metric["doc"],
                    metric["unit"],
                    metric["type"],
                    metric["direction"],
                    metric["assumption"],
                    metric["across_profile_types"],
                )
                for metric in every
                if metric["family"] == family
            ),
        )
        for family in families
    )


def detectors() -> str:
    """Return every detector, then the thresholds."""
    told = _printed("detectors", "--json")
    kinds = (
        f"## {each['name']}\n\n*{each['severity']}*: {_prose(each['doc'])}\n\nRecommendation: {_prose(each['recommendation'])}"
        for each in told["detectors"]
    )
    thresholds = _table(
        ("threshold", "default", "meaning", "origin of the default"),
        ((f"`{each['name']}`", f"{each['default']:g}", each["doc"], each["origin"]) for each in told["thresholds"]),
    )
    return "\n\n".join(
        [*kinds, "## Thresholds", "Change one with `uderia-bench derive RUN --threshold NAME=VALUE`.", thresholds]
    )


def expectations() -> str:
    """Return every kind of expectation."""
    return _table(("kind", "meaning"), ((f"`{each['name']}`", each["doc"]) for each in _printed("corpus", "kinds", "--json")))


def commands() -> str:
    """Return every command with its help text."""
    return "\n\n".join(_commands(typer.main.get_command(app), ("uderia-bench",)))


def python_api() -> str:
    """Return directives that document the two public modules."""
    public = [name for name in uderia_bench.__all__ if not name.startswith("__")]
    modules = [name for name in public if inspect.ismodule(getattr(uderia_bench, name))]
    functions = [name for name in public if name not in modules]
    parts = ["## uderia_bench", "For notebooks and scripts.", _directive("autofunction", "uderia_bench", functions)]
    parts += [f"## uderia_bench.{name}\n\n" + _members(getattr(uderia_bench, name)) for name in modules]
    parts += ["## uderia_bench.plugins", "For authors of plug-ins.", _members(plugins)]
    return "\n\n".join(parts)


def tables() -> str:
    """Return the columns of every Parquet table, except those of the metrics."""
    metrics = {metric.name for metric in BUILT_IN}
    every = [each for each in columns(BUILT_IN) if each.column not in metrics]
    parts = []
    for table, about in TABLES.items():
        rows = ((f"`{each.column}`", each.type, each.meaning) for each in every if each.table == table)
        parts.append(f"## {table}\n\n{about}\n\n" + _table(("column", "type", "meaning"), rows))
    return "\n\n".join(parts)


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "corpus": corpus,
    "detectors": detectors,
    "expectations": expectations,
    "experiment": experiment,
    "metrics": metrics,
    "python-api": python_api,
    "tables": tables,
}


def _printed(*arguments: str) -> Any:
    """Return the JSON that a command prints."""
    done = CliRunner().invoke(app, arguments)
    if done.exit_code:
        raise RuntimeError(f"uderia-bench {' '.join(arguments)}: exit code {done.exit_code}: {done.output}")
    return json.loads(done.stdout)


def _commands(command: Any, path: tuple[str, ...]) -> Iterable[str]:
    nested = getattr(command, "commands", None)
    if nested is None:
        shown = CliRunner().invoke(app, [*path[1:], "--help"], terminal_width=100, env={"COLUMNS": "100"}).stdout.strip()
        yield f"## {' '.join(path[1:])}\n\n```text\n{shown}\n```"
        return
    for name, below in nested.items():
        yield from _commands(below, (*path, name))


def _document(schema: Mapping[str, Any], *, root: str) -> str:
    """Return one section for the file itself, then one for each part, titled by the first key that it stands under."""
    models = schema.get("$defs", {})
    titles: dict[str, str] = {}
    waiting: list[tuple[str, Mapping[str, Any]]] = [(root, schema)]
    sections = []
    while waiting:
        title, model = waiting.pop(0)
        for key, field in model["properties"].items():
            for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(field)):
                if name not in titles and "properties" in models[name]:
                    titles[name] = name.lower() if name.lower() in model["properties"] else key
                    waiting.append((titles[name], models[name]))
        sections.append((title, model))
    return "\n\n".join(_section(title, model, titles) for title, model in sections)


def _section(title: str, model: Mapping[str, Any], titles: Mapping[str, str]) -> str:
    required = set(model.get("required", ()))
    rows = (
        (f"`{name}`", _kind(field, titles), "required" if name in required else _default(field), field.get("description", ""))
        for name, field in model["properties"].items()
    )
    about = "" if model.get("$schema") else _prose(model.get("description", ""))
    return f"## {title}\n\n{about}\n\n" + _table(("field", "type", "default", "meaning"), rows)


def _default(field: Mapping[str, Any]) -> str:
    """Return a default as YAML has it; nothing where it is missing, or where a section lists it field by field."""
    value = field.get("default")
    return "" if value is None or isinstance(value, dict) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _kind(field: Mapping[str, Any], titles: Mapping[str, str]) -> str:  # noqa: PLR0911 - one return per form of a schema
    match field:
        case {"$ref": reference}:
            title = titles.get(reference.rpartition("/")[2])
            return f"[{title}](#{title})" if title else "mapping"
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"anyOf": forms}:
            return _either(forms, titles)
        case {"type": "array"}:
            return f"list of {_kind(field.get('items', {}), titles)}"
        case {"type": "object", "additionalProperties": dict() as values}:
            return f"mapping to {_kind(values, titles)}"
    kinds = field.get("type", "any")
    return " or ".join(_WORDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)) + _bounds(field)


def _either(forms: list[Mapping[str, Any]], titles: Mapping[str, str]) -> str:
    """Return what a field may be: its long form, and how it may be shortened."""
    exact = [form for form in forms if isinstance(form.get("type", ""), str) and form.get("type") != "null"]
    kinds = list(dict.fromkeys(_kind(form, titles) for form in exact))
    if kinds[1:] == ["text"] and "number" in kinds[0]:
        return f"{kinds[0]}, or text with a unit"
    if len(kinds) == 2 and kinds[0] == f"list of {kinds[1]}":
        return f"{kinds[1]}, or a list of them"
    short = any(not isinstance(form.get("type", ""), str) for form in forms) and "$ref" in exact[0]
    return " or ".join(kinds) + (", or its short form" if short else "")


def _bounds(field: Mapping[str, Any]) -> str:
    signs = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
    told = [f"{sign} {field[key]:g}" for key, sign in signs if key in field and abs(field[key]) < 10**18]
    return f" ({', '.join(told)})" if told else ""


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(_prose(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _prose(text: str) -> str:
    """Return a docstring's text as Markdown: one code mark for two, a paragraph on one line."""
    paragraphs = text.replace("``", "`").split("\n\n")
    return " ".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _members(module: Any) -> str:
    names = getattr(module, "__all__", None)
    if names is None:
        own = inspect.getmembers(module, lambda value: getattr(value, "__module__", None) == module.__name__)
        names = [name for name, value in own if not name.startswith("_") and inspect.getdoc(value)]
    classes = [name for name in names if inspect.isclass(getattr(module, name))]
    functions = [name for name in names if inspect.isfunction(getattr(module, name))]
    data = [name for name in names if name not in classes and name not in functions]
    return "\n\n".join(
        part
        for part in (
            _directive("autoclass", module.__name__, classes, ":members:", ":undoc-members:"),
            _directive("autofunction", module.__name__, functions),
            _directive("autodata", module.__name__, data, ":no-value:"),
        )
        if part
    )


def _directive(kind: str, module: str, names: Iterable[str], *options: str) -> str:
    return "\n\n".join(
        "\n".join(["```{eval-rst}", f".. {kind}:: {module}.{name}", *(f"   {option}" for option in options), "```"])
        for name in names
    )
