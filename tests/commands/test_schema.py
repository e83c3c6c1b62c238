"""The published schemas against what they describe: every document that ships, every report that is written."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from report.reports import seed_story
from ruamel.yaml import YAML

from uderia_bench.commands import schema as schemas
from uderia_bench.report.formats.as_json import as_dict

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [*((path, "corpus") for path in sorted(ROOT.glob("corpora/*.yaml"))),
           *((path, "experiment") for path in sorted(ROOT.glob("configs/*.yaml")))]  # fmt: skip


@functools.cache
def validator(kind):
    """Return a checked schema's validator."""
    schema = schemas.ALL[kind]()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.no_cover
@pytest.mark.parametrize(("path", "kind"), SHIPPED, ids=[path.name for path, _ in SHIPPED])
def test_what_ships_is_valid(path, kind):
    """Every corpus and experiment that comes with the package."""
    validator(kind).validate(YAML(typ="safe", pure=True).load(path))


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("corpus", {"version": 1, "queries": [{"id": "a", "prompt": "x", "promt": "y"}]}),
        ("corpus", {"version": 2, "queries": []}),
        ("experiment", {"version": 1, "corpus": "c.yaml", "arms": []}),
        ("experiment", {"version": 1, "corpus": "c.yaml", "arms": [{"name": "A"}]}),
        ("experiment", {"version": 1, "corpus": "c.yaml", "arms": [{"name": "A", "profile": "A"}], "repeat": 3}),
    ],
)
def test_an_editor_sees_mistakes(kind, document):
    """Unknown keys, missing ones and wrong versions."""
    with pytest.raises(ValidationError):
        validator(kind).validate(document)


@pytest.mark.parametrize(
    "more",
    [
        {"timeout": "10m", "margins": {"latency_s": "10%"}, "corpus": ["a.yaml", "b.yaml"]},
        {"timeout": 600, "margins": {"latency_s": 0.1}, "server": {"sim": {"speed": 20}}, "filter": {"tags": "metadata"}},
        {"load": {"arrivals": "poisson", "rate": "2/s", "ramp": "30s"}, "server": "sim"},
        {"load": {"sweep": [1, 2, 4]}, "server": "sim"},
        {"load": {"arrivals": "constant", "sweep": ["1/s", 2]}, "server": "sim"},
    ],
)
def test_the_short_forms_are_allowed(more):
    """What the loader takes, an editor does not underline."""
    validator("experiment").validate({"version": 1, "corpus": "c.yaml", "arms": [{"name": "A", "profile": "A"}], **more})


def test_a_report_is_as_its_schema_says():
    """Every key is described, so that a new one cannot be forgotten in the schema."""
    written = json.loads(json.dumps(as_dict(seed_story())))
    validator("report").validate(written)
    assert set(written) == set(schemas.report_json()["properties"])


def test_a_report_without_a_key_is_refused():
    """A key that is gone is a broken promise."""
    written = as_dict(seed_story())
    del written["comparisons"][0]["verdict"]
    with pytest.raises(ValidationError):
        validator("report").validate(written)
