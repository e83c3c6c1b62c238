"""JSON Schemas of corpora, experiments and ``report.json``, for editors and for other programs.

Those of documents come from the models that check them, in the forms a document may be written in; a schema is milder than the
check, which also knows what belongs together.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from uderia_bench import report
from uderia_bench.documents import changes, expectation, experiment_parts
from uderia_bench.documents import corpus as corpus_models
from uderia_bench.documents import experiment as experiment_models
from uderia_bench.documents.corpus import CorpusFile
from uderia_bench.documents.experiment import Experiment
from uderia_bench.documents.yaml.checking import Written

_DIALECT = GenerateJsonSchema.schema_dialect
_WRITTEN = {"goals": "for"}  # fields whose key in a document is a keyword of Python


class _AsWritten(GenerateJsonSchema):
    """Allows the short forms: a number as text with its unit, a list as its only entry, a mapping as its one value."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Return the schema of a value that a validator brings into its long form first."""
        full = super().function_before_schema(schema)
        match full:
            case {"enum": _}:
                return full
            case {"type": "number" | "integer"}:
                return {"anyOf": [full, {"type": "string"}]}
            case {"type": "array", "items": entry}:
                return {"anyOf": [full, entry]}
            case {"type": "string"}:
                return {"anyOf": [full, {"type": ["number", "boolean"]}]}
        return {"anyOf": [full, {"type": ["string", "number", "array"]}]}


def corpus() -> dict[str, Any]:
    """Return the schema of a corpus file."""
    return _document(CorpusFile, "uderia-bench corpus")


def experiment() -> dict[str, Any]:
    """Return the schema of an experiment file: the embedded server may be tuned under ``server``, a name may be left out."""
    schema = _document(Experiment, "uderia-bench experiment")
    tuned = {"sim": schema["properties"]["sim"]}
    sim = {"type": "object", "properties": tuned, "required": ["sim"], "additionalProperties": False}
    server = schema["properties"]["server"]
    schema["properties"]["server"] = {"anyOf": [server, sim], "description": server.pop("description")}
    schema["required"] = [name for name in schema["required"] if name not in ("name", "server")]
    return schema


def report_json() -> dict[str, Any]:
    """Return the schema of ``report.json``."""
    text = resources.files(report).joinpath("report.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


ALL: Mapping[str, Callable[[], dict[str, Any]]] = {"corpus": corpus, "experiment": experiment, "report": report_json}
"""Every schema by the name it is asked for."""


def _document(model: type[Written], title: str) -> dict[str, Any]:
    schema = model.model_json_schema(schema_generator=_AsWritten, mode="validation")
    described = _descriptions()
    for name, part in {model.__name__: schema, **schema["$defs"]}.items():
        for field, description in described.get(name, {}).items():
            part["properties"][_WRITTEN.get(field, field)]["description"] = description
    return {"$schema": _DIALECT, **schema, "title": title}


def _descriptions() -> dict[str, dict[str, str]]:
    """Return the description of each field by model: the string that follows the field in the source.

    Read here and not by pydantic, which would parse the source whenever a document is loaded.
    """
    bodies = (
        (node.name, node.body)
        for module in (changes, corpus_models, expectation, experiment_models, experiment_parts)
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef)
    )
    return {name: dict(_described(body)) for name, body in bodies}


def _described(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=field)), ast.Expr(value=ast.Constant(value=str(text))):
                yield field, " ".join(text.split()).replace("``", "`")
